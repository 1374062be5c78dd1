-- Takes a message over, unless the same submission was taken over at or after $4. Gives how many
-- submissions, messages and recipients were written.
WITH claimed AS (
  INSERT INTO submissions AS s (key, message_id, accepted_at) VALUES ($1, $2, $3)
  ON CONFLICT (key) DO UPDATE
    SET message_id = excluded.message_id, accepted_at = excluded.accepted_at
    WHERE s.accepted_at < $4
  RETURNING s.message_id
), taken AS (
  INSERT INTO messages (id, sender, transaction_id, content_hash, accepted_at, expires_at,
    delivery_report, read_report, sender_visible, class, size, subject, has_body, in_object,
    waiting, content, origin_peer, origin_id, origin_for_user, submission)
  SELECT message_id, $5, $6, $7, $3, $8, $9, $10, $11, $12, $13, $14, TRUE, $15::bytea IS NULL,
    cardinality($20::text[]), $16, $17, $18, $19, $1
  FROM claimed
  ON CONFLICT DO NOTHING
  RETURNING id
), kept AS (
  INSERT INTO octets (message_id, data) SELECT id, $15 FROM taken WHERE $15::bytea IS NOT NULL
  ON CONFLICT DO NOTHING
), named AS (
  INSERT INTO recipients (message_id, address, role, token, token_hash, transaction_id, state,
    attempts, due_at, fence, peer)
  SELECT taken.id, r.address, r.role, r.token, r.token_hash, r.transaction_id, 'queued', 0, $26, 0,
    r.peer
  FROM taken, unnest($20::text[], $21::smallint[], $22::text[], $23::bytea[], $24::text[],
    $25::text[]) WITH ORDINALITY AS r (address, role, token, token_hash, transaction_id, peer, place)
  ORDER BY r.place
  ON CONFLICT DO NOTHING
  RETURNING id
), told AS (
  INSERT INTO events (message_id, recipient, at, what, detail)
  SELECT id, NULL, $3, 'accepted', $27 FROM taken
), charged AS (
  INSERT INTO charging (kind, at, message_id, originator, recipients, submitted_at, expires_at,
    deliver_at, size, class, delivery_report, read_report, sender_visible, status)
  SELECT $28, $3, taken.id, $5, array_to_string($20::text[], chr(10)), $3, $8,
    CASE WHEN $26 > $3 THEN $26::bigint END, $13, $12, $9, $10, $11, 'accepted'
  FROM taken, charging_state WHERE charging_state.keep
)
SELECT (SELECT count(*) FROM claimed), (SELECT count(*) FROM taken), (SELECT count(*) FROM named)
