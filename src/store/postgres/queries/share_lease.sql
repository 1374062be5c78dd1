-- Hands out one share to $3 until $2: of the job of which the fewest shares are being worked on, so
-- that a small job does not wait for a large one.
WITH open AS (
  SELECT j.id, j.submitted_at,
    (SELECT count(*) FROM shares b
     WHERE b.job = j.id AND b.state = 'waiting' AND b.due_at > $1 AND b.leased_by IS NOT NULL)
      AS busy
  FROM jobs j WHERE j.state = 'open'
), next AS (
  SELECT s.id AS next_id FROM shares s JOIN open ON open.id = s.job
  WHERE s.state = 'waiting' AND s.due_at <= $1
  ORDER BY open.busy, open.submitted_at, s.first, s.id LIMIT 1
  FOR UPDATE OF s SKIP LOCKED
)
UPDATE shares s SET due_at = $2, fence = s.fence + 1, attempts = s.attempts + 1, leased_by = $3
FROM next WHERE s.id = next_id
RETURNING s.id, s.job, s.first, s.beyond, s.attempts, s.fence
