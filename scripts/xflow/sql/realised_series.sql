-- Every forecast beside the actual value, and the errors of each. Only what the model had not learned is judged.
CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
WITH
learned AS (
    SELECT unnest(%(versions)s::text[]) AS model_version, unnest(%(until)s::timestamp[]) AS until
),
-- The newest run that states a value wins: late values fill in, corrected ones replace.
stated AS (
    SELECT DISTINCT ON (i.series_id, i."timestamp") i.series_id, i."timestamp", i.value
    FROM mart.${pipeline}_input i
    JOIN mart.run r ON r.run_key = i.run_key
    WHERE r.kind IN ('train', 'predict') AND r.state IN ('success', 'partly') AND i.value IS NOT NULL
      AND i."timestamp" BETWEEN ${since} AND %(as_of)s::timestamp
    ORDER BY i.series_id, i."timestamp", r.started_at DESC, r.run_key DESC
),
met AS (
    SELECT p.run_key, r.started_at, p.series_id, p."timestamp", p.step, p.model_version, p.input_row_id,
           a.value, p.forecast, abs(a.value - p.forecast) AS absolute$bounds
    FROM mart.${pipeline}_prediction p
    JOIN mart.run r ON r.run_key = p.run_key
    JOIN stated a ON a.series_id = p.series_id AND a."timestamp" = p."timestamp"
    LEFT JOIN learned l ON l.model_version = p.model_version
    WHERE r.kind = 'predict' AND r.state = 'success' AND (l.until IS NULL OR p."timestamp" > l.until)
      AND p.forecast IS NOT NULL
),
origin AS (
    SELECT m.run_key, m.series_id, i."timestamp"
    FROM (SELECT DISTINCT run_key, series_id, input_row_id FROM met) m
    JOIN mart.${pipeline}_input i ON i.run_key = m.run_key AND i.row_id = m.input_row_id
),
-- The scale of MASE, from what each run knew of a series: its mean change over a season.
scale AS (
    SELECT run_key, series_id, avg(change) AS scale
    FROM (
        SELECT i.run_key, i.series_id,
               abs(i.value - lag(i.value, %(seasonality)s)
                   OVER (PARTITION BY i.run_key, i.series_id ORDER BY i."timestamp")) AS change
        FROM mart.${pipeline}_input i
        JOIN origin o ON o.run_key = i.run_key AND o.series_id = i.series_id
        WHERE i."timestamp" <= o."timestamp" AND i.value IS NOT NULL
    ) history
    GROUP BY run_key, series_id
)
SELECT m.run_key, m.series_id, m.model_version, m.step,
       to_char(date_trunc(%(unit)s, m."timestamp"), 'YYYY-MM-DD') AS window_start,
       m.absolute,
       CASE WHEN s.scale > 0 THEN m.absolute / s.scale END AS scaled,
       CASE WHEN abs(m.value) + abs(m.forecast) > 0
            THEN 200 * m.absolute / (abs(m.value) + abs(m.forecast)) ELSE 0 END AS relative$inside,
       -- A run that was repeated for an origin counts once: the newest.
       row_number() OVER (PARTITION BY m.series_id, m."timestamp", m.step
                          ORDER BY m.started_at DESC, m.run_key DESC) = 1 AS newest,
       row_number() OVER (PARTITION BY m.series_id, m."timestamp", m.step, m.model_version
                          ORDER BY m.started_at DESC, m.run_key DESC) = 1 AS newest_of_version
FROM met m
LEFT JOIN scale s ON s.run_key = m.run_key AND s.series_id = m.series_id
$by_series
