-- What others are leasing at this moment is passed over and not waited for.
WITH due AS (
  SELECT id AS due_id, due_at AS was_due FROM reports
  WHERE {whose} AND due_at <= $2 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
), taken AS (
  UPDATE reports SET due_at = $4, fence = fence + 1, leased_by = $5
  FROM due WHERE id = due_id
  RETURNING {report}, was_due
)
SELECT {report} FROM taken ORDER BY was_due
