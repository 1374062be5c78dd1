-- Changes a recipient whose fence is still $2, with all that follows from it. Gives how many were
-- changed: one or none.
WITH was AS (
  SELECT id, message_id, state, address, peer FROM recipients WHERE id = $1 AND fence = $2 FOR UPDATE
), changed AS (
  UPDATE recipients r
  SET state = $3, attempts = $4, due_at = $5, fence = r.fence + 1, leased_by = NULL
  FROM was WHERE r.id = was.id
  RETURNING r.id
), concluded AS (
  SELECT message_id, address, peer FROM was WHERE $6 AND NOT (state = ANY ($7::text[]))
), closed AS (
  UPDATE messages m
  SET waiting = m.waiting - 1,
    closed_at = CASE WHEN m.waiting = 1 THEN $8::bigint ELSE m.closed_at END
  FROM concluded WHERE m.id = concluded.message_id
), told AS (
  INSERT INTO events (message_id, recipient, at, what, detail)
  SELECT $9, $10, $8, $11, $12 FROM was
), reported AS (
  INSERT INTO reports (message_id, address, pdu, due_at, expires_at, attempts, fence, peer,
    transaction_id)
  SELECT p.message_id, p.address, p.pdu, p.due_at, p.expires_at, 0, 0, p.peer, p.transaction_id
  FROM was, unnest($13::text[], $14::text[], $15::bytea[], $16::bigint[], $17::bigint[],
    $18::text[], $19::text[])
    AS p (message_id, address, pdu, due_at, expires_at, peer, transaction_id)
), charged AS (
  INSERT INTO charging (kind, at, message_id, originator, recipients, submitted_at, expires_at,
    deliver_at, size, class, delivery_report, read_report, sender_visible, status)
  SELECT CASE WHEN concluded.peer IS NULL THEN $20::smallint ELSE $21::smallint END, $8, m.id, m.sender, concluded.address, m.accepted_at, m.expires_at, NULL, m.size,
    m.class, m.delivery_report, m.read_report, m.sender_visible, $3
  FROM concluded JOIN messages m ON m.id = concluded.message_id, charging_state
  WHERE charging_state.keep
    AND CASE WHEN concluded.peer IS NULL THEN $20::smallint ELSE $21::smallint END IS NOT NULL
), exchanged AS (
  INSERT INTO charging (kind, at, message_id, originator, recipients, submitted_at, expires_at,
    deliver_at, size, class, delivery_report, read_report, sender_visible, status)
  SELECT e.kind, $8, m.id, m.sender, was.address, m.accepted_at, m.expires_at, NULL, m.size,
    m.class, m.delivery_report, m.read_report, m.sender_visible, e.status
  FROM was JOIN messages m ON m.id = was.message_id, charging_state,
    unnest($22::smallint[], $23::text[], $24::boolean[], $25::boolean[])
      AS e (kind, status, abroad, unsent)
  WHERE charging_state.keep AND e.abroad = (was.peer IS NOT NULL)
    AND (NOT e.unsent OR was.state = 'queued')
)
SELECT count(*) FROM changed
