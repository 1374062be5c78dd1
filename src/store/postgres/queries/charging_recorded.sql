WITH gone AS (
  DELETE FROM charging WHERE node = $1 AND number <= $2
)
INSERT INTO charging_files AS f (node, number, file, length) VALUES ($1, $2, $3, $4)
ON CONFLICT (node) DO UPDATE SET file = excluded.file, length = excluded.length
