UPDATE box SET state = $3, flags = $4 WHERE owner = $1 AND token = $2
