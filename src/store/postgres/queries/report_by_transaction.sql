SELECT {report} FROM reports WHERE transaction_id = $1
