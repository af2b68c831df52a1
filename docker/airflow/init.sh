#!/usr/bin/env bash
# The one shot before Airflow's services start; running it again changes nothing.
set -euo pipefail
here=/opt/xflow/docker/airflow
# In another Greenplum than the stack's own the roles are its administrator's to make, with accounts.sql.
if [[ $XFLOW_GREENPLUM_DSN == *@greenplum:5432/* ]]; then
  python /opt/xflow/docker/greenplum/accounts.py
fi
python -m xflow.prepare
if ! python "$here/prepared.py" check; then
  python "$here/prepare.py" --connections
  python "$here/prepared.py" mark
fi
