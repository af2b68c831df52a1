# shellcheck shell=bash
# The MLflow server: PostgreSQL behind it, artifacts on S3 through it, sign-in on.

mlflow_database() { echo "postgresql+psycopg2://mlflow:$XFLOW_MLFLOW_DB_PASSWORD@127.0.0.1:$XFLOW_POSTGRES_PORT/$1"; }

mlflow_environment() {
  export MLFLOW_BACKEND_STORE_URI XFLOW_MLFLOW_AUTH_DATABASE_URI
  MLFLOW_BACKEND_STORE_URI=$(mlflow_database mlflow)
  XFLOW_MLFLOW_AUTH_DATABASE_URI=$(mlflow_database mlflow_auth)
  export MLFLOW_ARTIFACTS_DESTINATION=s3://$XFLOW_S3_BUCKET/mlflow MLFLOW_S3_ENDPOINT_URL=$XFLOW_S3_ENDPOINT
  export AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=$XFLOW_MLFLOW_S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$XFLOW_MLFLOW_S3_SECRET_KEY
  export MLFLOW_ADMIN_USERNAME MLFLOW_ADMIN_PASSWORD MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD
  export MLFLOW_AUTH_CONFIG_PATH=$XFLOW_HOME/mlflow/basic_auth.ini
  export MLFLOW_FLASK_SERVER_SECRET_KEY=$XFLOW_MLFLOW_SECRET_KEY
  export MLFLOW_HOST=127.0.0.1 MLFLOW_PORT=$XFLOW_MLFLOW_PORT
  # The server answers to these names only, so that a foreign page cannot reach it under a name of its own.
  export MLFLOW_SERVER_ALLOWED_HOSTS="localhost,localhost:*,127.0.0.1,127.0.0.1:*"
  set -a
  # shellcheck source=docker/mlflow/mlflow.env
  source "$ROOT/docker/mlflow/mlflow.env"
  set +a
  cd "$XFLOW_HOME/mlflow" || return 1
}

mlflow_ready() { http_ok "$XFLOW_MLFLOW_PORT" /health; }

mlflow_up() {
  if service_running mlflow && mlflow_ready; then return 0; fi
  mkdir -p "$XFLOW_HOME/mlflow" || return 1
  service_start mlflow mlflow_environment "$ROOT/.venv/bin/python" "$ROOT/docker/mlflow/serve.py"
  service_await mlflow 180 mlflow_ready || return 1
  say "mlflow is up: $MLFLOW_TRACKING_URI"
}

mlflow_down() { service_stop mlflow 20; }
