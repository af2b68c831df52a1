#!/usr/bin/env bash
# The one shot before Airflow's services start; running it again changes nothing.
set -euo pipefail
# In another Greenplum than the stack's own the roles are its administrator's to make, with accounts.sql.
if [[ $XFLOW_GREENPLUM_DSN == *@greenplum:5432/* ]]; then
  python /opt/xflow/docker/greenplum/accounts.py
fi
python -m xflow.prepare
unset XFLOW_GREENPLUM_ADMIN_DSN XFLOW_READER_PASSWORD
exec python /opt/xflow/docker/airflow/prepare.py --connections
