-- The version of each model that serves in an environment, and the run that trained it.
WITH champion AS (
    SELECT DISTINCT ON (model_name) pipeline, model_name, target, champion_after AS version, action, reason, decided_by,
           decided_at
    FROM mart.promotion
    WHERE environment = %(environment)s AND outcome = 'promoted'
    ORDER BY model_name, decided_at DESC, decision_id DESC
),
-- A version was judged first by the training that made it.
judged AS (
    SELECT DISTINCT ON (p.model_name, p.version) p.model_name, p.version, p.run_key, p.metric, p.challenger_score
    FROM mart.promotion p
    JOIN champion c ON c.model_name = p.model_name AND c.version = p.version
    WHERE p.action = 'judge'
    ORDER BY p.model_name, p.version, p.decision_id
)
SELECT c.*, j.metric AS judged_metric, j.challenger_score, r.started_at AS trained_at, r.as_of, r.metrics,
       r.model_name AS trained_names, r.model_version AS trained_versions
FROM champion c
LEFT JOIN judged j ON j.model_name = c.model_name
LEFT JOIN mart.run r ON r.run_key = j.run_key AND r.kind = 'train'
ORDER BY c.model_name
