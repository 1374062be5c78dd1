-- $4 is 1 where the attempt shall not count.
UPDATE shares SET due_at = $3, leased_by = NULL, fence = fence + 1, attempts = attempts - $4::bigint
WHERE id = $1 AND fence = $2 AND state = 'waiting'
