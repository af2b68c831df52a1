-- Accepted input rows; row_id is the position of the row in the run's input.
CREATE TABLE mart.${pipeline}_input (
    run_key     text NOT NULL,
    row_id      bigint NOT NULL,
    series_id   text NOT NULL,
    "timestamp" timestamp NOT NULL,
    value       double precision$exogenous
) $facts_by_row_id;
COMMENT ON TABLE mart.${pipeline}_input IS 'Accepted input rows of every run.'
