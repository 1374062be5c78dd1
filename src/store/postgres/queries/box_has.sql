SELECT 1 FROM box WHERE hash = $1 AND owner = $2
