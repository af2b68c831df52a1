#!/usr/bin/env bash
# Starts, watches and ends the whole xFlow stack on this machine. ./start.sh --help says how.
#
# XFLOW_HOME (.xflow) is the folder of data, logs and pid files, XFLOW_ENV_FILE (.env) the file of addresses and
# passwords: with both set elsewhere, a second stack lives beside the first.
set -euo pipefail
# Ten Python processes that each compile the same packages would double the time to start.
unset PYTHONDONTWRITEBYTECODE

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly ROOT
readonly ALL_SERVICES="postgres tarantool s3 mlflow airflow"

say() { printf '%s\n' "$*"; }

die() {
  printf 'start.sh: %s\n' "$1" >&2
  shift
  (($# == 0)) || printf '%s\n' "$@" >&2
  exit 1
}

usage() {
  cat <<'TEXT'
Usage: ./start.sh VERB [--native]

  install [--dev]       the servers' packages and the Python environment, without starting anything
  up [--services LIST]  start the stack and wait until it is healthy; twice does no harm.
                        LIST is a comma-separated part of postgres,tarantool,s3,mlflow,airflow
  demo                  up, then both samples: upload, train, predict, and a table of the results of each
  status                what runs, and where
  logs SERVICE          the end of a server's log, and what follows
  stop                  end every server; all data stays
  reset [--yes]         stop, then delete all data (asks first)

  --native              servers from packages on this machine, even when a Docker engine answers
TEXT
}

for part in service environment install postgres tarantool s3 mlflow airflow; do
  # shellcheck disable=SC1090
  source "$ROOT/scripts/native/$part.sh"
done

choose_folders() {
  XFLOW_HOME=${XFLOW_HOME:-$ROOT/.xflow}
  mkdir -p "$XFLOW_HOME"
  XFLOW_HOME=$(cd "$XFLOW_HOME" && pwd)
  if [[ $XFLOW_HOME == "$ROOT/.xflow" ]]; then
    ENV_FILE=${XFLOW_ENV_FILE:-$ROOT/.env}
  else
    ENV_FILE=${XFLOW_ENV_FILE:-$XFLOW_HOME/.env}
  fi
  RUN_DIR=$XFLOW_HOME/run LOG_DIR=$XFLOW_HOME/logs
  # Logs and data are nobody else's to read.
  umask 077
  mkdir -p "$RUN_DIR" "$LOG_DIR"
}

# One start.sh at a time works on a stack; a second one waits.
take_lock() {
  exec 9>"$XFLOW_HOME/lock"
  if ! flock -n 9; then
    say "another start.sh is at work on $XFLOW_HOME: waiting for it"
    flock 9
  fi
}

say_engine() {
  if [[ $NATIVE == no ]] && timeout 5 docker info >/dev/null 2>&1; then
    say "A Docker engine answers, but the Compose path is not built yet: starting natively."
  fi
}

wanted() { [[ " $SERVICES " == *" $1 "* ]]; }

# What depends on nothing starts side by side; MLflow and Airflow wait for PostgreSQL alone.
start_services() {
  local jobs=() job failed=0
  if wanted tarantool; then tarantool_up & jobs+=($!); fi
  if wanted s3; then s3_up & jobs+=($!); fi
  if wanted postgres && ! postgres_up; then failed=1; fi
  if ((!failed)); then
    if wanted mlflow; then mlflow_up & jobs+=($!); fi
    if wanted airflow; then airflow_up & jobs+=($!); fi
  fi
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  return "$failed"
}

# What killed servers left behind ends before ports are looked at: it may hold theirs.
reap_orphans() {
  local service
  for service in postgres tarantool s3 mlflow $AIRFLOW_PROCESSES; do
    service_running "$service" || service_stop "$service" 0
  done
}

verb_install() {
  take_lock
  install_all
}

verb_up() {
  take_lock
  say_engine
  local began=$SECONDS
  install_all
  INSTALL_SECONDS=$((SECONDS - began))
  began=$SECONDS
  reap_orphans
  environment_settle
  # These two were told the old addresses when they started.
  if [[ $PORTS_MOVED == yes ]]; then airflow_down; mlflow_down; fi
  start_services || die "the stack is not up. ./start.sh status says what runs; ./start.sh up tries again."
  START_SECONDS=$((SECONDS - began))
  exec 9>&-
  say_places
}

say_places() {
  if wanted airflow; then say "Airflow  $AIRFLOW_URL  (user $AIRFLOW_USERNAME)"; fi
  if wanted mlflow; then say "MLflow   $MLFLOW_TRACKING_URI  (user $MLFLOW_TRACKING_USERNAME)"; fi
  say "The passwords and all addresses lie in $ENV_FILE"
}

verb_status() {
  local service pid down=0
  [[ -f $ENV_FILE ]] || die "nothing was started here yet: ./start.sh up"
  environment_load
  for service in postgres tarantool s3 mlflow $AIRFLOW_PROCESSES; do
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
  say_places
  return "$down"
}

check_of() {
  case $1 in
    airflow-*) echo "${1//-/_}_ready" ;;
    *) echo "$1_ready" ;;
  esac
}

verb_logs() {
  [[ -n ${1:-} && -f $LOG_DIR/$1.log ]] ||
    die "logs of which server? There are: $(cd "$LOG_DIR" && compgen -G '*.log' | sed 's/\.log$//' | tr '\n' ' ')"
  exec tail -n 100 -F "$LOG_DIR/$1.log"
}

stop_services() {
  local job jobs=()
  airflow_down & jobs+=($!)
  mlflow_down & jobs+=($!)
  for job in "${jobs[@]}"; do wait "$job"; done
  # What they wrote to ends after them.
  tarantool_down & jobs=($!)
  s3_down & jobs+=($!)
  postgres_down & jobs+=($!)
  for job in "${jobs[@]}"; do wait "$job"; done
}

verb_stop() {
  take_lock
  stop_services
  say "stopped; the data stays in $XFLOW_HOME"
}

verb_reset() {
  local answer data
  if [[ $YES == no ]]; then
    read -r -p "Delete all data in $XFLOW_HOME: marts, features, models, predictions, run history? [y/N] " answer || true
    [[ ${answer:-} == [yY]* ]] || die "nothing was deleted"
  fi
  take_lock
  stop_services
  data=$(readlink -f "$XFLOW_HOME/postgres" || true)
  if [[ -L $XFLOW_HOME/postgres && $data == */xflow-postgres.* ]]; then rm -rf "$data"; fi
  # The lock file stays, as others may be waiting on it.
  find "$XFLOW_HOME" -mindepth 1 -maxdepth 1 ! -name lock ! -path "$ENV_FILE" ! -name tools -exec rm -rf {} +
  say "all data deleted; $ENV_FILE stays, with its passwords"
}

verb_demo() {
  SERVICES=$ALL_SERVICES
  verb_up
  # shellcheck disable=SC2046  # names, one word each
  export $(environment_names)
  exec "$ROOT/.venv/bin/python" -m xflow.demo --install-seconds "$INSTALL_SECONDS" --start-seconds "$START_SECONDS"
}

VERB=${1:-}
(($# == 0)) || shift
NATIVE=no YES=no DEV=no SERVICES=$ALL_SERVICES OPERANDS=()
# shellcheck disable=SC2034  # install.sh reads DEV
while (($#)); do
  case $1 in
    --native) NATIVE=yes ;;
    --yes) YES=yes ;;
    --dev) DEV=yes ;;
    --services)
      SERVICES=${2:-}
      SERVICES=${SERVICES//,/ }
      for part in $SERVICES; do [[ " $ALL_SERVICES " == *" $part "* ]] || die "no such service: $part"; done
      [[ -n $SERVICES ]] || die "--services needs a list, such as postgres,s3"
      shift
      ;;
    -h | --help) VERB=help ;;
    -*) die "no such option: $1. See ./start.sh --help" ;;
    *) OPERANDS+=("$1") ;;
  esac
  shift
done

case $VERB in
  install | up | demo | status | logs | stop | reset)
    choose_folders
    "verb_$VERB" "${OPERANDS[@]}"
    ;;
  -h | --help | help) usage ;;
  --native) die "a verb comes first: ./start.sh up --native" ;;
  *) usage >&2; exit 2 ;;
esac
