-- What others are leasing at this moment is passed over and not waited for.
WITH due AS (
  SELECT id AS due_id, due_at AS was_due FROM recipients
  WHERE {whose} AND due_at IS NOT NULL AND due_at <= $2 ORDER BY due_at LIMIT $3
  FOR UPDATE SKIP LOCKED
), taken AS (
  UPDATE recipients r SET due_at = $4, fence = fence + 1, leased_by = $5
  FROM due WHERE r.id = due_id
  RETURNING {recipient}, was_due
)
SELECT {message}, {recipient} FROM taken r JOIN messages m ON m.id = r.message_id
ORDER BY was_due
