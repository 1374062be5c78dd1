-- Makes due what this node had leased when it ended. Gives how much it was.
WITH named AS (
  UPDATE recipients SET due_at = 0, fence = fence + 1, leased_by = NULL
  WHERE leased_by = $1 AND due_at IS NOT NULL RETURNING id
), reported AS (
  UPDATE reports SET due_at = 0, fence = fence + 1, leased_by = NULL
  WHERE leased_by = $1 RETURNING id
)
SELECT (SELECT count(*) FROM named) + (SELECT count(*) FROM reported)
