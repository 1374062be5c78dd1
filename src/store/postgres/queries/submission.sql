SELECT message_id FROM submissions WHERE key = $1
