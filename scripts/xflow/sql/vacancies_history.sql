-- One row a vacancy, from snapshots up to as_of alone. changed: its content differs from what it was at since.
WITH snapshot AS (
    SELECT * FROM mart.${pipeline}_snapshot WHERE taken_at <= $as_of
),
newest AS (
    SELECT scope, max(taken_at) AS taken_at, max(CASE WHEN taken_at <= $since THEN taken_at END) AS earlier
    FROM snapshot GROUP BY scope
),
rates AS (
    SELECT DISTINCT ON (scope, taken_at) scope, taken_at, rates::json AS rates
    FROM snapshot ORDER BY scope, taken_at, snapshot_id DESC
),
-- Of a run that goes on to the newest snapshot of its scope last_seen is empty, which least() leaves out.
run AS (
    SELECT s.vacancy_id, s.scope, s.version, s.first_seen, least(s.last_seen, n.taken_at) AS last_seen, n.earlier
    FROM mart.${pipeline}_sighting s
    JOIN newest n ON n.scope = s.scope
    WHERE s.first_seen <= $as_of
),
latest AS (
    SELECT DISTINCT ON (vacancy_id) vacancy_id, scope, version, last_seen
    FROM run ORDER BY vacancy_id, last_seen DESC, scope, version
),
earlier AS (
    SELECT DISTINCT ON (vacancy_id) vacancy_id, version
    FROM run WHERE first_seen <= $since ORDER BY vacancy_id, least(last_seen, earlier) DESC, scope, version
),
life AS (
    SELECT r.vacancy_id,
           min(r.first_seen)              AS first_seen,
           min(v.published_at)            AS published_first,
           max(v.published_at)            AS published_last,
           count(DISTINCT v.published_at) AS publications
    FROM run r
    JOIN mart.${pipeline}_version v ON v.vacancy_id = r.vacancy_id AND v.version = r.version
    GROUP BY r.vacancy_id
),
detail AS (
    SELECT * FROM mart.${pipeline}_detail WHERE seen_at <= $as_of
),
checked AS (
    SELECT vacancy_id,
           max(seen_at)                              AS checked_at,
           max(CASE WHEN NOT gone THEN seen_at END)  AS open_at,
           min(initial_created_at)                   AS initial_created_at
    FROM detail GROUP BY vacancy_id
),
body AS (
    SELECT DISTINCT ON (vacancy_id) vacancy_id, description, key_skills, detail_etag, detail_published_at,
           detail_experience_id, detail_employment_id, detail_schedule_id
    FROM detail WHERE description IS NOT NULL ORDER BY vacancy_id, seen_at DESC, snapshot_id DESC
),
earlier_body AS (
    SELECT DISTINCT ON (vacancy_id) vacancy_id, description, key_skills
    FROM detail WHERE description IS NOT NULL AND seen_at <= $since ORDER BY vacancy_id, seen_at DESC, snapshot_id DESC
),
open AS (
    SELECT l.vacancy_id, l.scope, l.version, l.last_seen, greatest(l.last_seen, c.open_at) AS open_at,
           c.open_at AS detail_open_at, c.checked_at, c.initial_created_at
    FROM latest l
    LEFT JOIN checked c ON c.vacancy_id = l.vacancy_id
),
-- Details are fetched after the searches of their snapshot: gone at the time of the last sighting is gone.
archived AS (
    SELECT o.vacancy_id, min(d.seen_at) AS archived_at
    FROM open o
    JOIN detail d ON d.vacancy_id = o.vacancy_id
    WHERE d.gone AND d.seen_at >= o.last_seen AND (o.detail_open_at IS NULL OR d.seen_at > o.detail_open_at)
    GROUP BY o.vacancy_id
),
complete AS (
    SELECT scope, taken_at, row_number() OVER (PARTITION BY scope ORDER BY taken_at, snapshot_id) AS number
    FROM snapshot WHERE complete
),
moment AS (
    SELECT scope, moment, max(passed) AS passed
    FROM (
        SELECT scope, moment, sum(one) OVER (PARTITION BY scope ORDER BY moment) AS passed
        FROM (
            SELECT DISTINCT scope, open_at AS moment, 0 AS one FROM open
            UNION ALL
            SELECT scope, taken_at, 1 FROM complete
        ) both_kinds
    ) counted
    GROUP BY scope, moment
),
-- The complete snapshots after each moment: the first, and the one that settles an absence.
subsequent AS (
    SELECT m.scope, m.moment, f.taken_at AS first_after, n.taken_at AS settling
    FROM moment m
    JOIN complete f ON f.scope = m.scope AND f.number = m.passed + 1
    LEFT JOIN complete n ON n.scope = m.scope AND n.number = m.passed + $gone_after
),
-- Those that should list a vacancy, by its publication, and do not.
absent AS (
    SELECT o.vacancy_id,
           f.first_after AS first_absent,
           CASE WHEN f.settling <= coalesce(l.published_last, o.last_seen) + $window THEN f.settling END AS settled_at
    FROM open o
    JOIN life l ON l.vacancy_id = o.vacancy_id
    JOIN subsequent f ON f.scope = o.scope AND f.moment = o.open_at
    WHERE f.first_after <= coalesce(l.published_last, o.last_seen) + $window
),
history AS (
    SELECT o.*, l.first_seen, l.published_first, l.published_last, l.publications, a.archived_at,
           CASE WHEN a.archived_at IS NOT NULL OR b.settled_at IS NOT NULL
                THEN least(a.archived_at, b.first_absent) END AS closed_at,
           greatest(o.open_at, a.archived_at, b.settled_at) AS known_at
    FROM open o
    JOIN life l ON l.vacancy_id = o.vacancy_id
    LEFT JOIN archived a ON a.vacancy_id = o.vacancy_id
    LEFT JOIN absent b ON b.vacancy_id = o.vacancy_id
)
SELECT h.vacancy_id,
       h.known_at AS snapshot_at,
       v.responsibility, v.name, v.requirement, b.description, b.key_skills,
       v.employer_id, v.employer_name, v.area_id, v.area_name, v.professional_role_id, v.professional_role,
       coalesce(v.experience_id, b.detail_experience_id) AS experience_id,
       coalesce(v.employment_id, b.detail_employment_id) AS employment_id,
       coalesce(v.schedule_id, b.detail_schedule_id) AS schedule_id,
       v.salary_from, v.salary_to, v.salary_currency, v.salary_gross,
       (r.rates ->> v.salary_currency)::double precision AS salary_rate,
       v.salary_mode, v.salary_frequency, v.published_at,
       -- A vacancy is at least as old as its first publication that was seen; its detail may know of earlier ones.
       least(h.initial_created_at, h.published_first) AS initial_created_at,
       h.first_seen, h.last_seen, h.closed_at, h.publications,
       h.scope, h.published_first, h.published_last, h.archived_at, h.checked_at, b.detail_etag, b.detail_published_at,
       h.closed_at IS NULL AND (
           e.version IS NULL OR e.version <> h.version
           OR d.description IS DISTINCT FROM b.description OR d.key_skills IS DISTINCT FROM b.key_skills
       ) AS changed
FROM history h
JOIN mart.${pipeline}_version v ON v.vacancy_id = h.vacancy_id AND v.version = h.version
LEFT JOIN rates r ON r.scope = h.scope AND r.taken_at = h.last_seen
LEFT JOIN body b ON b.vacancy_id = h.vacancy_id
LEFT JOIN earlier e ON e.vacancy_id = h.vacancy_id
LEFT JOIN earlier_body d ON d.vacancy_id = h.vacancy_id
