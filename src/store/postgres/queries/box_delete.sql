WITH gone AS (
  DELETE FROM box WHERE owner = $1 AND hash = $2 RETURNING owner, size
), less AS (
  UPDATE box_totals t SET messages = t.messages - 1, octets = t.octets - gone.size
  FROM gone WHERE t.owner = gone.owner
)
SELECT count(*) FROM gone
