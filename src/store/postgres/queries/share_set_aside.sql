UPDATE shares SET state = 'poison', leased_by = NULL
WHERE state = 'waiting' AND due_at <= $1 AND attempts >= $2 AND beyond = first + 1
