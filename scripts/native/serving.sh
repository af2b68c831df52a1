# shellcheck shell=bash
# The prediction service and the board. It starts with no model, and while MLflow, the mart or Tarantool are down.

# Of the keys and passwords that people use it is told only the hashes, and it reads no .env, which has them.
serving_environment() {
  export XFLOW_SERVING_HOST=127.0.0.1 XFLOW_SERVING_PORT XFLOW_SERVING_HOME=$XFLOW_HOME/serving XFLOW_SERVING_DSN
  export XFLOW_SERVING_KEY_SHA256 XFLOW_BOARD_USERNAME XFLOW_BOARD_PASSWORD_SHA256
  export XFLOW_TARANTOOL_URI MLFLOW_TRACKING_URI MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD
  export AIRFLOW_PAGE=$AIRFLOW_URL MLFLOW_PAGE=$MLFLOW_TRACKING_URI
  export XFLOW_ENV=${XFLOW_ENV:-prod} XFLOW_ENV_FILE=/dev/null
  # Requests share the cores; a request's own loops do not.
  export OMP_NUM_THREADS=1
  cd "$XFLOW_SERVING_HOME" || return 1
}

# What a running service would not notice: lines of .env, and the code.
serving_inputs() { printf '%s %s\n' "$(sha256sum <"$ENV_FILE")" "$(code_hash)"; }

serving_ready() { http_ok "$XFLOW_SERVING_PORT" /health/live; }

serving_up() {
  local inputs
  inputs=$(serving_inputs)
  if service_running serving && serving_ready; then
    if [[ $(cat "$RUN_DIR/serving-inputs" 2>/dev/null || true) == "$inputs" ]]; then return 0; fi
    say "the code, or lines of $ENV_FILE, changed: the prediction service restarts"
    serving_down
  fi
  mkdir -p "$XFLOW_HOME/serving" || return 1
  service_start serving serving_environment "$ROOT/.venv/bin/python" -m xflow.serving
  service_await serving 120 serving_ready || return 1
  printf '%s\n' "$inputs" >"$RUN_DIR/serving-inputs"
  say "serving is up: $XFLOW_SERVING_URL"
}

# Time for requests under way, and to write the log of predictions to the mart.
serving_down() { service_stop serving 45; }
