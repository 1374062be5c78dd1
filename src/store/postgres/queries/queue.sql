SELECT state, count(*), count(*) FILTER (WHERE due_at <= $1),
  min(due_at) FILTER (WHERE due_at <= $1)
FROM recipients WHERE due_at IS NOT NULL GROUP BY state ORDER BY state
