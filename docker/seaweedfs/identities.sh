#!/bin/sh
# Prints who may do what on S3. xflow's key may use the bucket and make no other; MLflow's may use what lies below
# mlflow/ in it. Nobody is an administrator, and nobody may come without a key.
set -eu

for name in XFLOW_S3_BUCKET AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY XFLOW_MLFLOW_S3_ACCESS_KEY \
  XFLOW_MLFLOW_S3_SECRET_KEY; do
  value=$(printenv "$name") || { echo "$name is not set: run ./start.sh env" >&2; exit 1; }
  case $value in
    '' | *[!A-Za-z0-9/+=._-]*) echo "$name may have letters, digits and / + = . _ - only" >&2; exit 1 ;;
  esac
done

actions() { printf '"Read:%s", "Write:%s", "List:%s", "Tagging:%s"' "$1" "$1" "$1" "$1"; }

cat <<JSON
{"identities": [
  {"name": "xflow", "actions": [$(actions "$XFLOW_S3_BUCKET")],
   "credentials": [{"accessKey": "$AWS_ACCESS_KEY_ID", "secretKey": "$AWS_SECRET_ACCESS_KEY"}]},
  {"name": "mlflow", "actions": [$(actions "$XFLOW_S3_BUCKET/mlflow/*")],
   "credentials": [{"accessKey": "$XFLOW_MLFLOW_S3_ACCESS_KEY", "secretKey": "$XFLOW_MLFLOW_S3_SECRET_KEY"}]}
]}
JSON
