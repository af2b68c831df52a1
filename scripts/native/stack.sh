# shellcheck shell=bash disable=SC2034  # start.sh reads INSTALL_SECONDS and START_SECONDS
# The verbs of start.sh for servers from packages on this machine.

readonly NATIVE_SERVICES="postgres tarantool s3 mlflow serving airflow"

native_owns_port() { service_running "$1"; }

# What depends on nothing starts side by side; the others wait for PostgreSQL alone.
start_services() {
  local jobs=() job failed=0
  if wanted tarantool && ! external tarantool; then tarantool_up & jobs+=($!); fi
  if wanted s3 && ! external s3; then s3_up & jobs+=($!); fi
  if wanted postgres && ! postgres_up; then failed=1; fi
  if ((!failed)); then
    if wanted mlflow; then mlflow_up & jobs+=($!); fi
    if wanted serving; then serving_up & jobs+=($!); fi
    if wanted airflow; then airflow_up & jobs+=($!); fi
  fi
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  return "$failed"
}

# What killed servers left behind ends before ports are looked at: it may hold theirs.
reap_orphans() {
  local service
  for service in postgres tarantool s3 mlflow serving $AIRFLOW_PROCESSES; do
    service_running "$service" || service_stop "$service" 0
  done
}

native_install() { install_all; }

# A person's own lines of .env, as XFLOW_ENV, and the stores outside the stack reach a process when it starts. Kept as
# a hash: they may be secrets.
own_lines() {
  {
    printf '%s\n' "${EXTRA_LINES[@]}"
    if external s3; then printf '%s\n' "$XFLOW_S3_ENDPOINT" "$XFLOW_MLFLOW_S3_ACCESS_KEY" "$XFLOW_MLFLOW_S3_SECRET_KEY"; fi
  } | sha256sum
}

own_lines_changed() { [[ $(cat "$RUN_DIR/own-lines" 2>/dev/null || true) != "$(own_lines)" ]]; }

native_up() {
  local began=$SECONDS service
  for service in $SERVICES; do
    [[ " $NATIVE_SERVICES " == *" $service "* ]] || die "no such service: $service. There are: $NATIVE_SERVICES"
  done
  install_all
  INSTALL_SECONDS=$((SECONDS - began))
  began=$SECONDS
  reap_orphans
  environment_settle
  echo native >"$XFLOW_HOME/way"
  # These two were told the old addresses when they started.
  if [[ $PORTS_MOVED == yes ]]; then
    airflow_down
    mlflow_down
  elif wanted airflow && service_running airflow-scheduler && own_lines_changed; then
    say "lines of $ENV_FILE changed: Airflow and MLflow restart"
    airflow_down
    mlflow_down
  fi
  if wanted airflow; then own_lines >"$RUN_DIR/own-lines"; fi
  # From the time before the store was another one.
  if external tarantool; then tarantool_down; fi
  if external s3; then s3_down; fi
  start_services || die "the stack is not up. ./start.sh status says what runs; ./start.sh up tries again."
  START_SECONDS=$((SECONDS - began))
}

native_status() {
  local service pid down=0
  for service in postgres tarantool s3 mlflow serving $AIRFLOW_PROCESSES; do
    if external "$service"; then continue; fi
    if ! pid=$(service_pid "$service"); then
      printf '%-22s stopped\n' "$service"
      down=1
    elif "$(check_of "$service")" >/dev/null 2>&1; then
      printf '%-22s healthy   pid %s\n' "$service" "$pid"
    else
      printf '%-22s unhealthy pid %s   ./start.sh logs %s\n' "$service" "$pid" "$service"
      down=1
    fi
  done
  return "$down"
}

check_of() {
  case $1 in
    airflow-*) echo "${1//-/_}_ready" ;;
    *) echo "$1_ready" ;;
  esac
}

native_logs() {
  [[ -n ${1:-} && -f $LOG_DIR/$1.log ]] ||
    die "logs of which server? There are: $(cd "$LOG_DIR" && compgen -G '*.log' | sed 's/\.log$//' | tr '\n' ' ')"
  exec tail -n 100 -F "$LOG_DIR/$1.log"
}

native_stop() {
  local job jobs=()
  airflow_down & jobs+=($!)
  mlflow_down & jobs+=($!)
  serving_down & jobs+=($!)
  for job in "${jobs[@]}"; do wait "$job"; done
  # What they wrote to ends after them.
  tarantool_down & jobs=($!)
  s3_down & jobs+=($!)
  postgres_down & jobs+=($!)
  for job in "${jobs[@]}"; do wait "$job"; done
}

native_data() { echo "$XFLOW_HOME"; }

native_delete() {
  local data
  native_stop
  data=$(readlink -f "$XFLOW_HOME/postgres" || true)
  if [[ -L $XFLOW_HOME/postgres && $data == */xflow-postgres.* ]]; then rm -rf "$data"; fi
  # The lock file stays, as others may be waiting on it.
  find "$XFLOW_HOME" -mindepth 1 -maxdepth 1 ! -name lock ! -path "$ENV_FILE" ! -name tools -exec rm -rf {} +
}

# Run a command of the environment with the stack's addresses and passwords.
native_run() {
  (
    # shellcheck disable=SC2046  # names, one word each
    export $(environment_names)
    PATH=$ROOT/.venv/bin:$PATH exec "$@"
  )
}
