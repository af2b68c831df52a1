# shellcheck shell=bash disable=SC2034  # start.sh reads AIRFLOW_PROCESSES
# Airflow 3: api-server, scheduler with LocalExecutor, dag-processor and triggerer, metadata in PostgreSQL.

AIRFLOW_PROCESSES="airflow-api-server airflow-scheduler airflow-dag-processor airflow-triggerer"

airflow_environment() {
  local database=airflow:$XFLOW_AIRFLOW_DB_PASSWORD@127.0.0.1:$XFLOW_POSTGRES_PORT/airflow
  export AIRFLOW_HOME=$XFLOW_HOME/airflow PATH="$ROOT/.venv/bin:$PATH"
  export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=postgresql+psycopg2://$database
  export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC=postgresql+asyncpg://$database
  export AIRFLOW__CORE__FERNET_KEY=$XFLOW_AIRFLOW_FERNET_KEY
  export AIRFLOW__API__SECRET_KEY=$XFLOW_AIRFLOW_API_SECRET AIRFLOW__API_AUTH__JWT_SECRET=$XFLOW_AIRFLOW_JWT_SECRET
  export AIRFLOW__API__HOST=127.0.0.1 AIRFLOW__API__PORT=$XFLOW_AIRFLOW_PORT AIRFLOW__API__BASE_URL=$AIRFLOW_URL
  export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=$AIRFLOW_URL/execution/
  export AIRFLOW__CORE__DAGS_FOLDER=$ROOT/dags AIRFLOW__CORE__PLUGINS_FOLDER=$ROOT/docker/airflow/plugins
  export AIRFLOW__LOGGING__BASE_LOG_FOLDER=$AIRFLOW_HOME/logs
  export AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH=$AIRFLOW_HOME/bundles
  # The board inside Airflow, as a browser opens it.
  export XFLOW_SERVING_PAGE=$XFLOW_SERVING_URL
  set -a
  # shellcheck source=docker/airflow/airflow.env
  source "$ROOT/docker/airflow/airflow.env"
  set +a
  # Seconds without a sign of life after which a task is taken for lost, and tried again.
  export AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT=${XFLOW_TASK_LOST_SECONDS:-120}
  # Said to every process: what .env says later counts from the next up on, never in the middle of a run.
  export XFLOW_ENV=${XFLOW_ENV:-prod}
  cd "$AIRFLOW_HOME" || return 1
}

# The scheduler's forked tasks inherit what it has imported already.
airflow_scheduler_environment() {
  airflow_environment
  export XFLOW_PRELOAD=1
}

# The api-server reads the logs from the folder that all processes share. Airflow's own log servers, which
# would listen on every address of the machine, stay off.
airflow_start() {
  local environment=airflow_environment arguments=("${1#airflow-}")
  case $1 in
    airflow-scheduler) environment=airflow_scheduler_environment arguments+=(--skip-serve-logs) ;;
    airflow-triggerer) arguments+=(--skip-serve-logs) ;;
  esac
  service_start "$1" "$environment" "$ROOT/.venv/bin/airflow" "${arguments[@]}"
}

airflow_health() { http_get "$XFLOW_AIRFLOW_PORT" /api/v2/monitor/health; }

airflow_api_server_ready() { [[ $(airflow_health) == *'"metadatabase":{"status":"healthy"}'* ]]; }

# Healthy by a heartbeat that is newer than the process: an older one is its predecessor's.
airflow_component_ready() {
  local component=$1 started health
  started=$(date -u -d "@$(stat -c %Y "$RUN_DIR/airflow-${component//_/-}.pid")" +%Y-%m-%dT%H:%M:%S)
  health=$(airflow_health) || return 1
  [[ $health =~ \"$component\":\{\"status\":\"healthy\",\"latest_${component}_heartbeat\":\"([^\"]+) ]] || return 1
  [[ ${BASH_REMATCH[1]} > $started ]]
}

airflow_scheduler_ready() { airflow_component_ready scheduler; }
airflow_dag_processor_ready() { airflow_component_ready dag_processor; }
airflow_triggerer_ready() { airflow_component_ready triggerer; }

airflow_all_ready() {
  local process
  for process in $AIRFLOW_PROCESSES; do
    service_running "$process" && "${process//-/_}_ready" || return 1
  done
}

# Schema and administrator, once for every version of the environment and sign-in: the check alone takes seconds.
airflow_prepare() {
  local stamp=$XFLOW_HOME/airflow/prepared wanted
  wanted=$(cat "$ROOT/uv.lock" "$ROOT/docker/airflow/prepare.py" - <<<"$AIRFLOW_USERNAME $AIRFLOW_PASSWORD" | sha256sum)
  if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then return 0; fi
  (
    airflow_environment
    export AIRFLOW_USERNAME AIRFLOW_PASSWORD
    exec "$ROOT/.venv/bin/python" "$ROOT/docker/airflow/prepare.py"
  ) >>"$LOG_DIR/airflow-prepare.log" 2>&1 || {
    service_failed airflow-prepare "could not create the metadata database"
    return 1
  }
  echo "$wanted" >"$stamp"
}

# Connections and pools are set at every start, as ports may have moved.
airflow_connect() {
  (
    export AIRFLOW_URL AIRFLOW_USERNAME AIRFLOW_PASSWORD XFLOW_S3_ENDPOINT XFLOW_S3_BUCKET AWS_ACCESS_KEY_ID \
      AWS_SECRET_ACCESS_KEY XFLOW_GREENPLUM_DSN XFLOW_TARANTOOL_URI MLFLOW_TRACKING_URI MLFLOW_TRACKING_USERNAME \
      MLFLOW_TRACKING_PASSWORD XFLOW_SERVING_URL XFLOW_SERVING_KEY XFLOW_ALERTS
    exec "$ROOT/.venv/bin/python" "$ROOT/docker/airflow/connections.py"
  )
}

airflow_up() {
  local process
  if airflow_all_ready 2>/dev/null; then
    airflow_connect
    return
  fi
  mkdir -p "$XFLOW_HOME/airflow" || return 1
  airflow_prepare || return 1
  for process in $AIRFLOW_PROCESSES; do airflow_start "$process"; done
  for process in $AIRFLOW_PROCESSES; do
    service_await "$process" 300 "${process//-/_}_ready" || return 1
  done
  airflow_connect || return 1
  say "airflow is up: $AIRFLOW_URL"
}

# The api-server ends last, so that running tasks can still report to it.
airflow_down() {
  local process jobs=() job
  for process in airflow-scheduler airflow-dag-processor airflow-triggerer; do
    service_stop "$process" 20 &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job"; done
  service_stop airflow-api-server 20
}
