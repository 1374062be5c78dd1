-- Gives the node $1 records that no node has, with the numbers that follow on its last one.
WITH free AS (
  SELECT id FROM charging WHERE node IS NULL ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
), counted AS (
  SELECT id, row_number() OVER (ORDER BY id) AS place FROM free
), known AS (
  INSERT INTO charging_files AS f (node, number) SELECT $1, count(*) FROM counted
  ON CONFLICT (node) DO UPDATE SET number = f.number + excluded.number
  RETURNING f.number
)
UPDATE charging c
SET node = $1, number = known.number - (SELECT count(*) FROM counted) + counted.place
FROM counted, known WHERE c.id = counted.id
