#!/usr/bin/env bash
# Gives Greenplum's superuser the password in GREENPLUM_PASSWORD, which the image reads at its first start alone:
#   docker-compose exec -T --user gpadmin greenplum bash /etc/xflow/superuser.sh
set -euo pipefail
: "${GREENPLUM_PASSWORD:?is not set}"

home=/usr/local/greenplum-db
if [[ -f $home/greenplum_path.sh ]]; then
  # It reads variables that are not set.
  set +u
  # shellcheck disable=SC1091
  source "$home/greenplum_path.sh"
  set -u
fi
export PGOPTIONS="-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic"
# psql asks the shell for the password, so that it is no argument.
"$home/bin/psql" -X -q -v ON_ERROR_STOP=1 -U "${GREENPLUM_USER:-gpadmin}" -d postgres <<'SQL'
\set password `printenv GREENPLUM_PASSWORD`
ALTER ROLE :"USER" PASSWORD :'password';
SQL
