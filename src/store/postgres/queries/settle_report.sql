-- Changes a report whose fence is still $2, or takes it away where $4 is null. Gives how many were
-- changed: one or none. X-Mms-Message-Type is the second octet of a PDU: 0x88 is M-Read-Orig.ind.
WITH was AS (
  SELECT id, message_id, address, pdu, peer, attempts FROM reports WHERE id = $1 AND fence = $2 FOR UPDATE
), charged AS (
  INSERT INTO charging (kind, at, message_id, originator, recipients, submitted_at, expires_at,
    deliver_at, size, class, delivery_report, read_report, sender_visible, status)
  SELECT CASE WHEN substring(was.pdu FROM 2 FOR 1) = '\x88'::bytea THEN $5::smallint ELSE $6::smallint END,
    $7, m.id, m.sender, was.address, m.accepted_at, m.expires_at, NULL, m.size, m.class,
    m.delivery_report, m.read_report, m.sender_visible, 'sent'
  FROM was JOIN messages m ON m.id = was.message_id, charging_state
  WHERE charging_state.keep AND was.peer IS NULL AND $4::bigint IS NULL AND $10 = 'report-sent'
), exchanged AS (
  INSERT INTO charging (kind, at, message_id, originator, recipients, submitted_at, expires_at,
    deliver_at, size, class, delivery_report, read_report, sender_visible, status)
  SELECT e.kind, $7, m.id, m.sender,
    coalesce(convert_from(was.pdu, 'UTF8')::jsonb -> e.note ->> 'from', ''),
    m.accepted_at, m.expires_at, NULL, m.size, m.class, m.delivery_report, m.read_report,
    m.sender_visible, e.status
  FROM was JOIN messages m ON m.id = was.message_id, charging_state,
    unnest($12::smallint[], $13::text[], $14::text[], $15::boolean[])
      AS e (kind, note, status, untried)
  WHERE charging_state.keep AND was.peer IS NOT NULL AND (NOT e.untried OR was.attempts = 0)
    AND substring(was.pdu FROM 1 FOR octet_length(e.note) + 3)
      = convert_to(chr(123) || '"' || e.note || '"', 'UTF8')
), changed AS (
  UPDATE reports p SET attempts = $3, due_at = $4, fence = p.fence + 1, leased_by = NULL
  FROM was WHERE p.id = was.id AND $4::bigint IS NOT NULL
  RETURNING p.id
), deleted AS (
  DELETE FROM reports p USING was WHERE p.id = was.id AND $4::bigint IS NULL
  RETURNING p.id
), told AS (
  INSERT INTO events (message_id, recipient, at, what, detail)
  SELECT $8, $9, $7, $10, $11 FROM was WHERE EXISTS (SELECT 1 FROM messages WHERE id = $8)
)
SELECT (SELECT count(*) FROM changed) + (SELECT count(*) FROM deleted)
