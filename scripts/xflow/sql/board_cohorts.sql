-- The newest prediction of every vacancy by one version a target, added up by role, area and cohort; of very many
-- vacancies every so many-th row alone, which is a fair sample as rows come in no order of what they hold.
WITH newest AS (
    SELECT DISTINCT ON (p.vacancy_id, p.target) p.target, p.cohort, p.probabilities,
           coalesce(i.professional_role_id, '') AS role, coalesce(i.area_id, '') AS area
    FROM mart.${pipeline}_prediction p
    JOIN mart.run r ON r.run_key = p.run_key
    JOIN mart.${pipeline}_input i ON i.run_key = p.run_key AND i.row_id = p.input_row_id
    WHERE p.run_key = ANY(%(runs)s) AND i.run_key = ANY(%(runs)s) AND (p.target, p.model_version) IN %(versions)s
      AND mod(p.input_row_id, %(every)s) = 0
    ORDER BY p.vacancy_id, p.target, r.as_of COLLATE "C" DESC NULLS LAST, r.started_at DESC, p.run_key DESC
)
SELECT n.target, n.role, n.area, e.key AS cohort, sum(e.value::double precision) AS expected,
       sum(CASE WHEN e.key = n.cohort THEN 1 ELSE 0 END)::bigint AS likeliest
FROM newest n, json_each_text(n.probabilities::json) e
GROUP BY 1, 2, 3, 4
