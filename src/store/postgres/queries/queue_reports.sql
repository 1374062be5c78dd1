SELECT NULL::text, count(*), count(*) FILTER (WHERE due_at <= $1),
  min(due_at) FILTER (WHERE due_at <= $1)
FROM reports
