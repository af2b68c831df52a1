-- Merge one staged snapshot. Before and after are its neighbours among the ingested snapshots of its scope, by time.
INSERT INTO mart.${pipeline}_version (vacancy_id, version$listed_names)
SELECT DISTINCT ON (t.vacancy_id, t.version) t.vacancy_id, t.version$staged_listed
FROM staged t
LEFT JOIN mart.${pipeline}_version v ON v.vacancy_id = t.vacancy_id AND v.version = t.version
WHERE t.version IS NOT NULL AND v.version IS NULL;

INSERT INTO mart.${pipeline}_detail (vacancy_id, snapshot_id, seen_at$detail_names)
SELECT DISTINCT ON (t.vacancy_id) t.vacancy_id, t.snapshot_id, %(taken_at)s::timestamp$staged_detail
FROM staged t
WHERE t.gone IS NOT NULL
ORDER BY t.vacancy_id, t.gone DESC, t.description, t.detail_etag;

-- A vacancy may be in several pages: of its contents the newest counts.
CREATE TEMPORARY TABLE present ON COMMIT DROP AS
SELECT DISTINCT ON (vacancy_id) vacancy_id, version
FROM staged
WHERE version IS NOT NULL
ORDER BY vacancy_id, published_at DESC NULLS LAST, version
$temporary_by_vacancy;

-- Runs that reach over this snapshot; one without an end reaches to the newest of its scope.
CREATE TEMPORARY TABLE crossed ON COMMIT DROP AS
SELECT s.*, p.vacancy_id IS NOT NULL AS listed
FROM mart.${pipeline}_sighting s
LEFT JOIN present p ON p.vacancy_id = s.vacancy_id AND p.version = s.version
WHERE s.scope = %(scope)s
  AND (s.first_seen, s.first_snapshot) < (%(taken_at)s::timestamp, %(snapshot)s)
  AND (s.last_snapshot IS NULL OR (s.last_seen, s.last_snapshot) > (%(taken_at)s::timestamp, %(snapshot)s))
$temporary_by_vacancy;

-- Those that it does not list so are cut in two, or end before it where it is the newest. Nothing else of them is
-- written: a vacancy that every snapshot lists keeps the row that it has.
DELETE FROM mart.${pipeline}_sighting s
USING crossed c
WHERE NOT c.listed AND c.vacancy_id = s.vacancy_id AND c.scope = s.scope AND c.first_snapshot = s.first_snapshot;

INSERT INTO mart.${pipeline}_sighting
    (vacancy_id, scope, version, first_snapshot, first_seen, last_snapshot, last_seen)
SELECT vacancy_id, scope, version, first_snapshot, first_seen, %(before)s, %(before_at)s::timestamp
FROM crossed WHERE NOT listed
UNION ALL
SELECT vacancy_id, scope, version, %(after)s, %(after_at)s::timestamp, last_snapshot, last_seen
FROM crossed WHERE NOT listed AND %(after)s::text IS NOT NULL;

-- What it lists joins the runs that end just before it and those that begin just after. No snapshot has an empty name:
-- to compare with NULL would leave nothing but a loop to join by.
CREATE TEMPORARY TABLE joined ON COMMIT DROP AS
SELECT p.vacancy_id,
       p.version,
       coalesce(b.first_snapshot, %(snapshot)s)            AS first_snapshot,
       coalesce(b.first_seen, %(taken_at)s::timestamp)     AS first_seen,
       CASE WHEN a.vacancy_id IS NOT NULL THEN a.last_snapshot
            WHEN %(after)s::text IS NOT NULL THEN %(snapshot)s::text END           AS last_snapshot,
       CASE WHEN a.vacancy_id IS NOT NULL THEN a.last_seen
            WHEN %(after)s::text IS NOT NULL THEN %(taken_at)s::timestamp END      AS last_seen,
       CASE WHEN b.vacancy_id IS NOT NULL THEN 1 ELSE 0 END
           + CASE WHEN a.vacancy_id IS NOT NULL THEN 1 ELSE 0 END                  AS replaced
FROM present p
LEFT JOIN crossed c ON c.listed AND c.vacancy_id = p.vacancy_id
LEFT JOIN mart.${pipeline}_sighting b
       ON b.vacancy_id = p.vacancy_id AND b.version = p.version AND b.scope = %(scope)s
      AND b.last_snapshot = coalesce(%(before)s, '')
LEFT JOIN mart.${pipeline}_sighting a
       ON a.vacancy_id = p.vacancy_id AND a.version = p.version AND a.scope = %(scope)s
      AND a.first_snapshot = coalesce(%(after)s, '')
WHERE c.vacancy_id IS NULL
$temporary_by_vacancy;

DELETE FROM mart.${pipeline}_sighting s
USING joined j
WHERE j.replaced > 0 AND s.vacancy_id = j.vacancy_id AND s.version = j.version AND s.scope = %(scope)s
  AND (s.last_snapshot = %(before)s OR s.first_snapshot = %(after)s);

INSERT INTO mart.${pipeline}_sighting
    (vacancy_id, scope, version, first_snapshot, first_seen, last_snapshot, last_seen)
SELECT vacancy_id, %(scope)s, version, first_snapshot, first_seen, last_snapshot, last_seen
FROM joined;

SELECT (SELECT count(*) FROM crossed WHERE NOT listed) + (SELECT coalesce(sum(replaced), 0) FROM joined) AS deleted
