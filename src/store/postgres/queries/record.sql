INSERT INTO events (message_id, recipient, at, what, detail)
SELECT $1, $2, $3, $4, $5 WHERE EXISTS (SELECT 1 FROM messages WHERE id = $1)
