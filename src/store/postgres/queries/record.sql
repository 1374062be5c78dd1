WITH exchanged AS (
  INSERT INTO charging (kind, at, message_id, originator, recipients, submitted_at, expires_at,
    deliver_at, size, class, delivery_report, read_report, sender_visible, status)
  SELECT e.kind, $3, m.id, m.sender, r.address, m.accepted_at, m.expires_at, NULL, m.size,
    m.class, m.delivery_report, m.read_report, m.sender_visible, e.status
  FROM recipients r JOIN messages m ON m.id = r.message_id, charging_state,
    unnest($6::smallint[], $7::text[], $8::boolean[], $9::boolean[])
      AS e (kind, status, abroad, unsent)
  WHERE r.id = $2 AND charging_state.keep AND e.abroad = (r.peer IS NOT NULL)
    AND (NOT e.unsent OR r.state = 'queued')
)
INSERT INTO events (message_id, recipient, at, what, detail)
SELECT $1, $2, $3, $4, $5 WHERE EXISTS (SELECT 1 FROM messages WHERE id = $1)
