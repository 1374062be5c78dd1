-- Gives how many totals and how many entries were written: none of either where the box is full.
WITH fits AS (
  INSERT INTO box_totals AS t (owner, messages, octets)
  SELECT $1, 1, $8::bigint WHERE 1 <= $10::bigint AND $8::bigint <= $11::bigint
  ON CONFLICT (owner) DO UPDATE SET messages = t.messages + 1, octets = t.octets + $8
    WHERE t.messages + 1 <= $10 AND t.octets + $8 <= $11::bigint
  RETURNING t.owner
), put AS (
  INSERT INTO box (owner, token, hash, message_id, state, flags, stored_at, size, data)
  SELECT owner, $2, $3, $4, $5, $6, $7, $8, $9 FROM fits
  ON CONFLICT DO NOTHING
  RETURNING id
)
SELECT (SELECT count(*) FROM fits), (SELECT count(*) FROM put)
