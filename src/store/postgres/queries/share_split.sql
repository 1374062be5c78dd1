-- A share that took two workers with it is split into its inputs, so that it shows which of them does
-- that. $1 is the time.
WITH broken AS (
  UPDATE shares SET state = 'split', leased_by = NULL
  WHERE state = 'waiting' AND due_at <= $1 AND attempts >= 2 AND beyond > first + 1
  RETURNING job, first, beyond
)
INSERT INTO shares (job, first, beyond, state, attempts, due_at, fence, results, failures)
SELECT job, number, number + 1, 'waiting', 0, 0, 0, 0, 0
FROM broken, generate_series(first, beyond - 1) AS number
