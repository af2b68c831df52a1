"""xFlow turns parquet on S3 into audited predictions."""

import os
import warnings

# OpenMP reads this once, when XGBoost loads it. By default its threads spin while they wait for one another; on cores
# that others use as well, a fit of many short steps then takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# ETNA says this on import for every extra that is not installed; xFlow uses none of them.
warnings.filterwarnings("ignore", message=r".* is not available, to install it, run `pip install etna\[")
