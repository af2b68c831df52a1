-- Every prediction of a cohort beside what is known of its vacancy now. learned: its training read the vacancy.
WITH
training AS (
    SELECT unnest(%(names)s::text[]) AS model_name, unnest(%(versions)s::text[]) AS model_version,
           unnest(%(runs)s::text[]) AS run_key
),
made AS (
    SELECT p.run_key, p.vacancy_id, p.target, p.cohort, p.probabilities, p.model_name, p.model_version,
           to_char(date_trunc(%(unit)s, o.snapshot_at), 'YYYY-MM-DD') AS window_start, r.started_at
    FROM mart.${pipeline}_prediction p
    JOIN mart.run r ON r.run_key = p.run_key
    JOIN mart.${pipeline}_input o ON o.run_key = p.run_key AND o.row_id = p.input_row_id
    WHERE r.kind = 'predict' AND r.state = 'success'
      AND o.snapshot_at BETWEEN ${since} AND %(as_of)s::timestamp
),
-- The newest snapshot of a vacancy says what is known of it; of several runs that read it, the newest.
fact AS (
    SELECT DISTINCT ON (i.vacancy_id) $facts
    FROM mart.${pipeline}_input i
    JOIN mart.run r ON r.run_key = i.run_key
    WHERE r.kind IN ('train', 'predict') AND r.state IN ('success', 'partly') AND i.snapshot_at <= %(as_of)s::timestamp
    ORDER BY i.vacancy_id, i.snapshot_at DESC, r.started_at DESC, r.run_key DESC
),
read AS (
    SELECT DISTINCT t.model_name, t.model_version, i.vacancy_id
    FROM training t
    JOIN mart.${pipeline}_input i ON i.run_key = t.run_key
)
SELECT m.run_key, m.target, m.cohort, m.probabilities, m.model_name, m.model_version, m.window_start,
       -- A vacancy that was predicted several times in a window counts once: as the newest run saw it.
       row_number() OVER (PARTITION BY m.vacancy_id, m.target, m.window_start
                          ORDER BY m.started_at DESC, m.run_key DESC) = 1 AS newest,
       row_number() OVER (PARTITION BY m.vacancy_id, m.target, m.window_start, m.model_version
                          ORDER BY m.started_at DESC, m.run_key DESC) = 1 AS newest_of_version,
       d.vacancy_id IS NOT NULL AS learned, f.*
FROM made m
JOIN fact f ON f.vacancy_id = m.vacancy_id
LEFT JOIN read d ON d.model_name = m.model_name AND d.model_version = m.model_version AND d.vacancy_id = m.vacancy_id
