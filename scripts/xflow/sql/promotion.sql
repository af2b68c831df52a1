-- Decisions about model versions: added, never changed. Small, so it stays on heap and has a key.
CREATE TABLE mart.promotion (
    decision_id bigint NOT NULL$columns,
    PRIMARY KEY (model_name, decision_id)
) $by_model_name;
COMMENT ON TABLE mart.promotion IS 'One row a decision about a model version; policy and figures are JSON, decided_by is policy or a person.';
