-- Accepted input rows; row_id is the position of the row in the run's input.
CREATE TABLE mart.${pipeline}_input (
    run_key text NOT NULL$input_columns
) $facts_by_row_id;
COMMENT ON TABLE mart.${pipeline}_input IS 'Accepted input rows of every run.'
