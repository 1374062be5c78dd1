SELECT (SELECT count(*) FROM messages),
  (SELECT count(*) FROM recipients WHERE due_at IS NOT NULL AND peer IS NULL)
  + (SELECT count(*) FROM recipients WHERE due_at IS NOT NULL AND peer IS NOT NULL),
  (SELECT count(*) FROM reports)
