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

-- Runs that reach over this snapshot although it does not list the vacancy so: cut them in two.
CREATE TEMPORARY TABLE crossed ON COMMIT DROP AS
SELECT s.*, p.vacancy_id IS NOT NULL AS listed
FROM mart.${pipeline}_sighting s
LEFT JOIN present p ON p.vacancy_id = s.vacancy_id AND p.version = s.version
WHERE s.scope = %(scope)s
  AND (s.first_seen, s.first_snapshot) < (%(taken_at)s::timestamp, %(snapshot)s)
  AND (s.last_seen, s.last_snapshot) > (%(taken_at)s::timestamp, %(snapshot)s)
$temporary_by_vacancy;

DELETE FROM mart.${pipeline}_sighting s
USING crossed c
WHERE NOT c.listed AND c.vacancy_id = s.vacancy_id AND c.scope = s.scope AND c.first_snapshot = s.first_snapshot;

INSERT INTO mart.${pipeline}_sighting
    (vacancy_id, scope, version, first_snapshot, first_seen, last_snapshot, last_seen)
SELECT vacancy_id, scope, version, first_snapshot, first_seen, %(before)s, %(before_at)s::timestamp
FROM crossed WHERE NOT listed
UNION ALL
SELECT vacancy_id, scope, version, %(after)s, %(after_at)s::timestamp, last_snapshot, last_seen
FROM crossed WHERE NOT listed;

-- What it lists joins the runs that end just before it and those that begin just after.
CREATE TEMPORARY TABLE joined ON COMMIT DROP AS
SELECT p.vacancy_id,
       p.version,
       coalesce(b.first_snapshot, %(snapshot)s)            AS first_snapshot,
       coalesce(b.first_seen, %(taken_at)s::timestamp)     AS first_seen,
       coalesce(a.last_snapshot, %(snapshot)s)             AS last_snapshot,
       coalesce(a.last_seen, %(taken_at)s::timestamp)      AS last_seen
FROM present p
LEFT JOIN crossed c ON c.listed AND c.vacancy_id = p.vacancy_id
LEFT JOIN mart.${pipeline}_sighting b
       ON b.vacancy_id = p.vacancy_id AND b.version = p.version AND b.scope = %(scope)s AND b.last_snapshot = %(before)s
LEFT JOIN mart.${pipeline}_sighting a
       ON a.vacancy_id = p.vacancy_id AND a.version = p.version AND a.scope = %(scope)s AND a.first_snapshot = %(after)s
WHERE c.vacancy_id IS NULL
$temporary_by_vacancy;

DELETE FROM mart.${pipeline}_sighting s
USING joined j
WHERE s.vacancy_id = j.vacancy_id AND s.version = j.version AND s.scope = %(scope)s
  AND (s.last_snapshot = %(before)s OR s.first_snapshot = %(after)s);

INSERT INTO mart.${pipeline}_sighting
    (vacancy_id, scope, version, first_snapshot, first_seen, last_snapshot, last_seen)
SELECT vacancy_id, %(scope)s, version, first_snapshot, first_seen, last_snapshot, last_seen
FROM joined
