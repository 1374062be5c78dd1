SELECT j.id, j.folder, j.arguments, j.input_count, j.submitted_at, j.state,
  coalesce(sum(s.beyond - s.first) FILTER (WHERE s.state = 'done'), 0)::bigint,
  coalesce(sum(s.beyond - s.first) FILTER (WHERE s.state = 'waiting' AND s.leased_by IS NOT NULL
    AND s.due_at > $1), 0)::bigint,
  coalesce(sum(s.results), 0)::bigint, coalesce(sum(s.failures), 0)::bigint,
  array_agg(s.first ORDER BY s.first) FILTER (WHERE s.state = 'poison')
FROM jobs j LEFT JOIN shares s ON s.job = j.id
WHERE $2::text IS NULL OR j.id = $2
GROUP BY j.id, j.folder, j.arguments, j.input_count, j.submitted_at, j.state
ORDER BY j.submitted_at, j.id
