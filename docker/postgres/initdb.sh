#!/usr/bin/env bash
# Accounts and databases of the metadata server's container. The image runs it at the first start; run it again to
# set the passwords of the container's environment anew:
#   docker-compose exec -T postgres bash /docker-entrypoint-initdb.d/initdb.sh
set -euo pipefail
: "${POSTGRES_PASSWORD:?is not set}" "${XFLOW_AIRFLOW_DB_PASSWORD:?is not set}" "${XFLOW_MLFLOW_DB_PASSWORD:?is not set}"

# psql asks the shell for the passwords, so that they are no arguments.
{
  cat <<'SQL'
\set postgres_password `printenv POSTGRES_PASSWORD`
\set airflow_password `printenv XFLOW_AIRFLOW_DB_PASSWORD`
\set mlflow_password `printenv XFLOW_MLFLOW_DB_PASSWORD`
SET log_min_error_statement = panic;
ALTER ROLE postgres PASSWORD :'postgres_password';
SQL
  cat /etc/xflow/accounts.sql
} | psql -X -q -v ON_ERROR_STOP=1 -U postgres -d postgres
