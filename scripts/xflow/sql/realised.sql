-- Realised figures, of all pipelines: one figure of one part of the predictions, as a run of the monitor found it.
CREATE TABLE mart.realised (
    run_key text NOT NULL$columns
) $storage;
COMMENT ON TABLE mart.realised IS 'What predictions were worth once the actual values had arrived. One row a figure, by the run of the monitor (run_key).';
COMMENT ON COLUMN mart.realised.target IS 'salary or demand; empty where a pipeline has one target alone.';
COMMENT ON COLUMN mart.realised.model_version IS 'Version that predicted; empty: the newest prediction of each origin counts, whichever version made it.';
COMMENT ON COLUMN mart.realised.slice IS 'all, window (of time), step (of the horizon), run (key of the predict run), series (the worst), role, area or cohort.';
COMMENT ON COLUMN mart.realised.item IS 'Which one of the slice; empty for all.';
COMMENT ON COLUMN mart.realised.window_start IS 'First moment of a window, UTC without a zone.';
COMMENT ON COLUMN mart.realised.metric IS 'mase, smape, mae, rmse, log_loss, accuracy, or coverage_80 for an interval of 80 percent.';
COMMENT ON COLUMN mart.realised.value IS 'The realised figure; mae and rmse in units of the values, coverage and accuracy from 0 to 1.';
COMMENT ON COLUMN mart.realised.n IS 'Predictions whose outcome is known.';
COMMENT ON COLUMN mart.realised.holdout IS 'The same figure of the version (of the champion, where there is none) on its holdout.';
COMMENT ON COLUMN mart.realised.floor IS 'The figure of the floor on that holdout.';
COMMENT ON COLUMN mart.realised.bad IS 'Of windows and the pipeline''s metric: worse than the policy allows; empty: too few outcomes to tell.'
