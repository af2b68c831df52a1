-- The run ledger: one row a run. Small, so it stays on heap and has a key.
CREATE TABLE mart.run (
    run_key       text PRIMARY KEY,
    pipeline      text NOT NULL,
    kind          text NOT NULL,
    run_id        text NOT NULL,
    state         text NOT NULL,
    as_of         text,
    input_uri     text,
    input_objects text,
    rows_in       bigint,
    rows_accepted bigint,
    rows_rejected bigint,
    rows_out      bigint,
    feature_set   text,
    reused_from   text,
    model_name    text,
    model_version text,
    output_uri    text,
    drift         text,
    metrics       text,
    git_commit    text,
    bundle        text,
    message       text,
    started_at    timestamp NOT NULL,
    updated_at    timestamp NOT NULL
) $by_run_key;
COMMENT ON TABLE mart.run IS 'One row a run: its state, input, figures and model. input_objects and metrics are JSON, bundle is the DAG bundle, reused_from the run whose features or scores this one took over, drift is ok, warn or stop.'
