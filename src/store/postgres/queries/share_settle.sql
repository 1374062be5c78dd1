UPDATE shares SET state = 'done', leased_by = NULL, fence = fence + 1, results = $3, failures = $4,
  lines = $5
WHERE id = $1 AND fence = $2 AND state = 'waiting'
