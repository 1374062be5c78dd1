-- Gives a recipient whose fence is still $2 to the peer $3, or to us where it is null. Gives how many
-- were changed: one or none.
WITH changed AS (
  UPDATE recipients SET peer = $3, due_at = $4, fence = fence + 1, leased_by = NULL
  WHERE id = $1 AND fence = $2
  RETURNING id
), told AS (
  INSERT INTO events (message_id, recipient, at, what, detail)
  SELECT $5, $6, $4, $7, $8 FROM changed
)
SELECT count(*) FROM changed
