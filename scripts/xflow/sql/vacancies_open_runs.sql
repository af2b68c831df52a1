-- A history of an earlier version wrote the newest snapshot to every run that goes on to it; now that is left empty, so
-- that the next snapshot writes what has changed alone.
ALTER TABLE mart.${pipeline}_sighting ALTER COLUMN last_snapshot DROP NOT NULL;
ALTER TABLE mart.${pipeline}_sighting ALTER COLUMN last_seen DROP NOT NULL;
UPDATE mart.${pipeline}_sighting s
SET last_snapshot = NULL, last_seen = NULL
FROM (
    SELECT DISTINCT ON (scope) scope, snapshot_id
    FROM mart.${pipeline}_snapshot ORDER BY scope, taken_at DESC, snapshot_id DESC
) n
WHERE n.scope = s.scope AND n.snapshot_id = s.last_snapshot
