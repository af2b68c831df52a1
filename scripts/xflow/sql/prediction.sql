-- Predictions; input_row_id is the input row that a prediction stands on.
-- Distributed like the input by that row, so that the lineage joins without moving rows.
CREATE TABLE mart.${pipeline}_prediction (
    run_key text NOT NULL$prediction_columns
) $facts_by_input_row_id;
COMMENT ON TABLE mart.${pipeline}_prediction IS 'Predictions of every run, each with the input row it stands on.'
