-- Predictions that the service answered with. It adds a few rows every second, which suits the heap.
CREATE TABLE mart.served_prediction (
    batch_id text NOT NULL$columns
) $storage;
COMMENT ON TABLE mart.served_prediction IS 'One row a prediction that the service answered with: a vacancy and target, or a series. input and output are JSON.';
COMMENT ON COLUMN mart.served_prediction.batch_id IS 'The rows that the service wrote in one go; none is written twice.';
