-- Holds a share for longer, unless somebody else has it or its job was cancelled.
UPDATE shares s SET due_at = $3 FROM jobs j
WHERE s.id = $1 AND s.fence = $2 AND s.state = 'waiting' AND j.id = s.job AND j.state = 'open'
