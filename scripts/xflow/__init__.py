"""xFlow turns parquet on S3 into audited predictions."""

import os

# OpenMP reads this once, when XGBoost loads it. By default its threads spin while they wait for one another; on cores
# that others use as well, a fit of many short steps then takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
