SELECT m.has_body, m.in_object, o.data
FROM messages m LEFT JOIN octets o ON o.message_id = m.id
WHERE m.id = $1
