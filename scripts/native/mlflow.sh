# shellcheck shell=bash
# The MLflow server: PostgreSQL behind it, artifacts on S3 through it, sign-in on.

mlflow_database() { echo "postgresql://mlflow:$XFLOW_MLFLOW_DB_PASSWORD@127.0.0.1:$XFLOW_POSTGRES_PORT/$1"; }

mlflow_environment() {
  export MLFLOW_BACKEND_STORE_URI MLFLOW_ARTIFACTS_DESTINATION=s3://$XFLOW_S3_BUCKET/mlflow
  MLFLOW_BACKEND_STORE_URI=$(mlflow_database mlflow)
  export MLFLOW_S3_ENDPOINT_URL=$XFLOW_S3_ENDPOINT AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
  export MLFLOW_AUTH_CONFIG_PATH=$XFLOW_HOME/mlflow/basic_auth.ini
  export MLFLOW_AUTH_ADMIN_USERNAME=$MLFLOW_TRACKING_USERNAME MLFLOW_AUTH_ADMIN_PASSWORD=$MLFLOW_TRACKING_PASSWORD
  export MLFLOW_FLASK_SERVER_SECRET_KEY=$XFLOW_MLFLOW_SECRET_KEY
  # The server answers to these names only, so that a foreign page cannot reach it under a name of its own.
  export MLFLOW_SERVER_ALLOWED_HOSTS="localhost,localhost:*,127.0.0.1,127.0.0.1:*"
  # Its background jobs serve LLM evaluation, which nothing here uses.
  export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true
  cd "$XFLOW_HOME/mlflow" || return 1
}

mlflow_ready() { http_ok "$XFLOW_MLFLOW_PORT" /health; }

mlflow_up() {
  if service_running mlflow && mlflow_ready; then return 0; fi
  mkdir -p "$XFLOW_HOME/mlflow" || return 1
  (
    umask 077
    cat "$ROOT/docker/mlflow/basic_auth.ini" >"$XFLOW_HOME/mlflow/basic_auth.ini"
    echo "database_uri = $(mlflow_database mlflow_auth)" >>"$XFLOW_HOME/mlflow/basic_auth.ini"
  )
  service_start mlflow mlflow_environment "$ROOT/.venv/bin/mlflow" server --app-name basic-auth \
    --host 127.0.0.1 --port "$XFLOW_MLFLOW_PORT" --workers 2 --serve-artifacts
  service_await mlflow 180 mlflow_ready || return 1
  say "mlflow is up: $MLFLOW_TRACKING_URI"
}

mlflow_down() { service_stop mlflow 20; }
