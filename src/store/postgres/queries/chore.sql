-- Gives a row where it is this node that does the chore now.
INSERT INTO chores AS c (name, next_at) VALUES ($1, $2::bigint + $3::bigint)
ON CONFLICT (name) DO UPDATE SET next_at = excluded.next_at WHERE c.next_at <= $2
RETURNING 1
