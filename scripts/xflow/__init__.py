"""xFlow turns parquet on S3 into audited predictions."""
