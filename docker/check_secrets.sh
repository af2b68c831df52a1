#!/bin/sh
# Every variable of this container that the stack signs in with: 16 or more letters, digits, _ or -, no two alike,
# and none that is written down in some README. ./start.sh env makes them.
set -eu
names='AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY XFLOW_MLFLOW_S3_ACCESS_KEY XFLOW_MLFLOW_S3_SECRET_KEY
MLFLOW_TRACKING_PASSWORD MLFLOW_ADMIN_PASSWORD AIRFLOW_PASSWORD XFLOW_MART_PASSWORD XFLOW_READER_PASSWORD
XFLOW_GREENPLUM_PASSWORD XFLOW_POSTGRES_PASSWORD XFLOW_AIRFLOW_DB_PASSWORD XFLOW_MLFLOW_DB_PASSWORD
XFLOW_REDIS_PASSWORD XFLOW_TARANTOOL_PASSWORD XFLOW_MLFLOW_SECRET_KEY XFLOW_AIRFLOW_JWT_SECRET
XFLOW_AIRFLOW_API_SECRET XFLOW_SERVING_KEY XFLOW_BOARD_PASSWORD XFLOW_SERVING_DB_PASSWORD'
case ,${XFLOW_EXTERNAL_STORES:-}, in
  # The keys of S3 are its owner's.
  *,s3,*) names=${names#*XFLOW_MLFLOW_S3_SECRET_KEY} ;;
esac
bad='' seen=' '
for name in $names; do
  value=$(printenv "$name" || true)
  case $value in
    '' | *[!A-Za-z0-9_-]*) bad="$bad $name" ;;
    *[Pp]assword* | *[Cc]hange*[Mm]e* | *[Ee]xample* | *[Ss]ecret* | *123456*) bad="$bad $name" ;;
    *) if [ "${#value}" -lt 16 ]; then bad="$bad $name"; fi ;;
  esac
  case $seen in *" $value "*) bad="$bad $name" ;; esac
  seen="$seen$value "
done
if [ -n "$bad" ]; then
  echo "refused: empty, short, used twice or an example:$bad" >&2
  echo "Remove these lines from .env; ./start.sh env makes new ones." >&2
  exit 1
fi
