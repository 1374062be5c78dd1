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
), exchanged AS (
  INSERT INTO charging (kind, at, message_id, originator, recipients, submitted_at, expires_at,
    deliver_at, size, class, delivery_report, read_report, sender_visible, status)
  SELECT e.kind, $10, m.id, m.sender, r.address, m.accepted_at, m.expires_at, NULL, m.size,
    m.class, m.delivery_report, m.read_report, m.sender_visible, e.status
  FROM recipients r JOIN messages m ON m.id = r.message_id, charging_state,
    unnest($13::smallint[], $14::text[], $15::boolean[], $16::boolean[])
      AS e (kind, status, abroad, unsent)
  WHERE r.id = $9 AND charging_state.keep AND e.abroad = (r.peer IS NOT NULL)
    AND (NOT e.unsent OR r.state = 'queued')
    AND NOT EXISTS (SELECT 1 FROM done)
)
INSERT INTO reports (message_id, address, pdu, due_at, expires_at, attempts, fence, peer,
  transaction_id)
SELECT $1, $2, $3, $4, $5, 0, 0, $6, $7 WHERE NOT EXISTS (SELECT 1 FROM done)
