SELECT {message}, {recipient} FROM recipients r JOIN messages m ON m.id = r.message_id
WHERE r.transaction_id = $1
