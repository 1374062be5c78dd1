WITH gone AS (
  SELECT id FROM messages WHERE closed_at < $1 AND has_body LIMIT $2 FOR UPDATE SKIP LOCKED
), marked AS (
  UPDATE messages m SET has_body = FALSE FROM gone WHERE m.id = gone.id
  RETURNING m.id, m.in_object
), deleted AS (
  DELETE FROM octets WHERE message_id IN (SELECT id FROM marked)
), named AS (
  INSERT INTO doomed (name) SELECT id FROM marked WHERE in_object ON CONFLICT DO NOTHING
)
SELECT count(*) FROM marked
