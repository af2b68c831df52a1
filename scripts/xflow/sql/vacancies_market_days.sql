-- What the last complete snapshot of every whole day lists, for the days that the market does not have from it yet.
WITH day AS (
    SELECT DISTINCT ON (date_trunc('day', taken_at))
           date_trunc('day', taken_at) AS day, snapshot_id, taken_at, rates::json AS rates
    FROM mart.${pipeline}_snapshot
    WHERE scope = %(scope)s AND complete AND taken_at < date_trunc('day', %(as_of)s::timestamp)
    ORDER BY date_trunc('day', taken_at), taken_at DESC, snapshot_id DESC
)
SELECT d.day, d.snapshot_id, coalesce(v.professional_role_id, '') AS professional_role_id,
       coalesce(v.area_id, '') AS area_id, v.salary_from, v.salary_to, v.salary_gross,
       (d.rates ->> v.salary_currency)::double precision AS salary_rate, v.salary_mode
FROM day d
LEFT JOIN (SELECT DISTINCT day, snapshot_id FROM mart.${pipeline}_market WHERE scope = %(scope)s) m
       ON m.day = d.day AND m.snapshot_id = d.snapshot_id
JOIN mart.${pipeline}_sighting s
  ON s.scope = %(scope)s
 AND (s.first_seen, s.first_snapshot) <= (d.taken_at, d.snapshot_id)
 AND (s.last_snapshot IS NULL OR (s.last_seen, s.last_snapshot) >= (d.taken_at, d.snapshot_id))
JOIN mart.${pipeline}_version v ON v.vacancy_id = s.vacancy_id AND v.version = s.version
WHERE m.day IS NULL
ORDER BY d.day
