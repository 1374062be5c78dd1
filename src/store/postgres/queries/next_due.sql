SELECT least(
  (SELECT min(due_at) FROM recipients WHERE due_at IS NOT NULL AND {whose}),
  (SELECT min(due_at) FROM reports WHERE {whose})
)
