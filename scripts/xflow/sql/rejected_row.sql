-- Input rows that broke the contract, of all pipelines.
CREATE TABLE mart.rejected_row (
    run_key     text NOT NULL,
    row_id      bigint NOT NULL,
    entity_id   text,
    rule        text NOT NULL,
    column_name text,
    bad_value   text,
    source_uri  text NOT NULL
) $facts_by_row_id;
COMMENT ON TABLE mart.rejected_row IS 'Input rows that broke the contract: the rule, the column, the value and the object they came from.'
