WITH old AS (
  SELECT id, submission FROM messages WHERE closed_at < $1 AND NOT has_body
  LIMIT $2 FOR UPDATE SKIP LOCKED
), past AS (
  DELETE FROM events WHERE message_id IN (SELECT id FROM old)
), named AS (
  DELETE FROM recipients WHERE message_id IN (SELECT id FROM old)
), known AS (
  DELETE FROM submissions s USING old WHERE s.key = old.submission AND s.message_id = old.id
), forgotten AS (
  DELETE FROM messages WHERE id IN (SELECT id FROM old)
  RETURNING id
)
SELECT count(*) FROM forgotten
