SELECT message_id, recipient, at, what, detail FROM events WHERE message_id = $1 ORDER BY id
