-- Forecasts; input_row_id is the last input row that the forecast of the series was allowed to see.
-- Distributed like the input by that row, so that the lineage joins without moving rows.
CREATE TABLE mart.${pipeline}_prediction (
    run_key       text NOT NULL,
    prediction_id text NOT NULL,
    series_id     text NOT NULL,
    "timestamp"   timestamp NOT NULL,
    step          integer NOT NULL,
    forecast      double precision NOT NULL$bounds,
    model_name    text NOT NULL,
    model_version text NOT NULL,
    input_row_id  bigint NOT NULL
) $facts_by_input_row_id;
COMMENT ON TABLE mart.${pipeline}_prediction IS 'Forecasts of every run, with their intervals.'
