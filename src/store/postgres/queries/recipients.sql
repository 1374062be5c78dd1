SELECT {recipient} FROM recipients r WHERE r.message_id = $1 ORDER BY r.id
