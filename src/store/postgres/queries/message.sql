SELECT {message} FROM messages m WHERE m.id = $1
