SELECT {entry} FROM box WHERE owner = $1 ORDER BY stored_at DESC, id DESC
