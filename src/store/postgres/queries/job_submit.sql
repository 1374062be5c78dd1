-- Writes a job with its shares of $7 inputs each.
WITH job AS (
  INSERT INTO jobs (id, arguments, folder, inputs, input_count, submitted_at, state)
  VALUES ($1, $2, $3, $4, $5, $6, 'open')
  ON CONFLICT DO NOTHING
  RETURNING id
)
INSERT INTO shares (job, first, beyond, state, attempts, due_at, fence, results, failures)
SELECT id, first, least(first + $7::bigint, $5::bigint), 'waiting', 0, 0, 0, 0, 0
FROM job, generate_series(0::bigint, $5::bigint - 1, $7::bigint) AS first
