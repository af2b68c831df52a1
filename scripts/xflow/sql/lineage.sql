-- Every prediction beside the input row it stands on and the facts of its run.
-- Columns of later versions come last: views of your own may stand on this one, and only then it can be replaced.
CREATE OR REPLACE VIEW mart.${pipeline}_lineage AS
SELECT p.run_key$prediction_names$input_names,
       r.run_id,
       r.state       AS run_state,
       r.as_of,
       r.input_uri,
       r.input_objects,
       r.feature_set,
       r.output_uri,
       r.git_commit,
       r.started_at$added_names
FROM mart.${pipeline}_prediction p
JOIN mart.run r ON r.run_key = p.run_key
LEFT JOIN mart.${pipeline}_input i ON i.run_key = p.run_key AND i.row_id = p.input_row_id;
COMMENT ON VIEW mart.${pipeline}_lineage IS 'Predictions joined to their input row and their run.'
