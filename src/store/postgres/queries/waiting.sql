SELECT {message}, {recipient}, r.due_at FROM recipients r JOIN messages m ON m.id = r.message_id
WHERE r.due_at IS NOT NULL AND ($1::text IS NULL OR r.state = $1) ORDER BY r.due_at LIMIT $2
