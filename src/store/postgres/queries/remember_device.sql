INSERT INTO devices (subscriber, description, seen_at) VALUES ($1, $2, $3)
ON CONFLICT (subscriber) DO UPDATE
SET description = excluded.description, seen_at = excluded.seen_at
