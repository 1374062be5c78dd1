-- The event tells whether this was done already: who lost the connection while it was committed asks
-- again.
WITH done AS (
  SELECT 1 FROM events
  WHERE message_id = $8 AND recipient IS NOT DISTINCT FROM $9 AND at = $10 AND what = $11
    AND detail = $12
), told AS (
  INSERT INTO events (message_id, recipient, at, what, detail)
  SELECT $8, $9, $10, $11, $12
  WHERE NOT EXISTS (SELECT 1 FROM done) AND EXISTS (SELECT 1 FROM messages WHERE id = $8)
)
INSERT INTO reports (message_id, address, pdu, due_at, expires_at, attempts, fence, peer,
  transaction_id)
SELECT $1, $2, $3, $4, $5, 0, 0, $6, $7 WHERE NOT EXISTS (SELECT 1 FROM done)
