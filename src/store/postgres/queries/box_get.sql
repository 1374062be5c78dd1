SELECT {entry}, data FROM box WHERE hash = $1
