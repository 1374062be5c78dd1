SELECT number, kind, at, message_id, originator, recipients, submitted_at, expires_at, deliver_at,
  size, class, delivery_report, read_report, sender_visible, status
FROM charging WHERE node = $1 ORDER BY number LIMIT $2
