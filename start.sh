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

say() { printf '%s\n' "$*"; }

die() {
  printf 'start.sh: %s\n' "$1" >&2
  shift
  (($# == 0)) || printf '%s\n' "$@" >&2
  exit 1
}

usage() {
  cat <<'TEXT'
Usage: ./start.sh VERB [--docker | --native]

  env                   write .env, with passwords, and start nothing
  install [--dev]       the servers' packages and the Python environment, or the images; starts nothing
  up [--services LIST]  start the stack and wait until it is healthy; twice does no harm.
                        LIST is a comma-separated part of it, as postgres,s3
  demo                  up, then both samples: upload, train, predict, and a table of the results of each
  status                what runs, and where
  logs SERVICE          the end of a server's log, and what follows
  xflow ARGUMENTS       the command line with the stack's addresses: ./start.sh xflow doctor
  rotate                new passwords for everything; restarts the stack
  stop                  end every server; all data stays
  reset [--yes]         stop, then delete all data (asks first)

  --docker              in containers; the default where a Docker engine answers
  --native              servers from packages on this machine
A stack stays what it was started as until it is reset.
TEXT
}

for part in environment native/service native/install native/postgres native/tarantool native/s3 native/mlflow \
  native/serving native/airflow native/stack docker/engine docker/stack; do
  # shellcheck disable=SC1090
  source "$ROOT/scripts/$part.sh"
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
  ENV_FILE=$(realpath -m "$ENV_FILE")
  RUN_DIR=$XFLOW_HOME/run LOG_DIR=$XFLOW_HOME/logs
  # Logs and data are nobody else's to read.
  umask 077
  mkdir -p "$RUN_DIR" "$LOG_DIR" "$(dirname "$ENV_FILE")"
}

# One start.sh at a time works on a stack; a second one waits.
take_lock() {
  exec 9>"$XFLOW_HOME/lock"
  if ! flock -n 9; then
    say "another start.sh is at work on $XFLOW_HOME: waiting for it"
    flock 9
  fi
}

# docker or native: what the stack was started as, else what was asked for, else what the machine has.
choose_way() {
  local before=""
  if [[ $VERB == install && $DEV == yes ]]; then WAY=native; return; fi
  if [[ -f $XFLOW_HOME/way ]]; then
    before=$(cut -d ' ' -f 1 "$XFLOW_HOME/way")
  elif [[ -e $XFLOW_HOME/postgres ]]; then
    before=native
  fi
  if [[ -n $before && -n $WAY && $before != "$WAY" ]]; then
    die "this stack was started with --$before, and its data lies there." \
      "Go on with --$before, or delete it first: ./start.sh reset --$before"
  fi
  WAY=${before:-$WAY}
  if [[ -z $WAY ]]; then
    WAY=native
    if engine_answers; then WAY=docker; fi
  fi
  if [[ $WAY == docker ]]; then engine_require; fi
}

# A hash of the code and the pipelines' files, which the prediction service reads once, when it starts.
code_hash() {
  (cd "$ROOT" && find scripts/xflow dags/pipelines uv.lock -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum) |
    sha256sum | cut -d ' ' -f 1
}

# A port that our own server holds stays.
owns_port() { "${WAY}_owns_port" "$1"; }

verb_env() {
  take_lock
  environment_settle
  say "The passwords and all addresses lie in $ENV_FILE"
}

verb_install() {
  take_lock
  "${WAY}_install"
}

# S3 (SeaweedFS) refuses every write before the disk is full, with an error that does not say why.
say_disk() {
  local place=$XFLOW_HOME size free
  if [[ $WAY == docker ]]; then place=$(timeout 10 docker info --format '{{.DockerRootDir}}' 2>/dev/null) || return 0; fi
  # An engine of another machine has a folder that is not here.
  read -r size free < <(df --output=size,avail -BM "$place" 2>/dev/null | tail -n 1 | tr -d M) || return 0
  if ((free < 5 * 1024 || free * 50 < size)); then
    say "the disk of $place is nearly full: $((free / 1024)) of $((size / 1024)) GiB are free. xflow doctor says more."
  fi
}

verb_up() {
  take_lock
  say_disk
  "${WAY}_up"
  exec 9>&-
  say_places
}

# Is a service part of what this command is about?
wanted() { [[ -z $SERVICES || " $SERVICES " == *" $1 "* ]]; }

say_places() {
  if external s3; then say "S3         outside the stack: $XFLOW_S3_ENDPOINT"; fi
  if external greenplum; then say "Greenplum  outside the stack: $(place_of "$XFLOW_GREENPLUM_DSN")"; fi
  if external tarantool; then say "Tarantool  outside the stack: $(place_of "$XFLOW_TARANTOOL_URI")"; fi
  if wanted airflow; then say "Airflow  $AIRFLOW_URL  (user $AIRFLOW_USERNAME)"; fi
  if wanted mlflow; then say "MLflow   $MLFLOW_TRACKING_URI/#/models?workflowType=machine_learning  (user $MLFLOW_ADMIN_USERNAME)"; fi
  if wanted serving; then say "Board    $XFLOW_SERVING_URL  (user $XFLOW_BOARD_USERNAME)"; fi
  say "The passwords and all addresses lie in $ENV_FILE"
}

need_environment() {
  environment_required
  [[ -f $ENV_FILE ]] || die "nothing was started here yet: ./start.sh up"
  environment_load
}

verb_status() {
  local down=0
  need_environment
  "${WAY}_status" || down=1
  say_places
  return "$down"
}

verb_logs() {
  need_environment
  "${WAY}_logs" "$@"
}

verb_xflow() {
  need_environment
  "${WAY}_run" xflow "$@"
}

verb_rotate() {
  need_environment
  take_lock
  say "new passwords: the stack restarts, and what runs in it ends or is tried again"
  # Servers of this machine read their passwords when they start; an interrupted rotate must find none that runs.
  if [[ $WAY == native ]]; then native_stop; fi
  environment_rotate
  "${WAY}_up"
  exec 9>&-
  say "every password in $ENV_FILE is new, and the stack runs with them"
}

verb_stop() {
  take_lock
  environment_required
  environment_load
  "${WAY}_stop"
  say "stopped; the data stays in $("${WAY}_data")"
}

verb_reset() {
  local answer
  environment_load
  if [[ $YES == no ]]; then
    read -r -p "Delete all data in $("${WAY}_data"): marts, features, models, predictions, run history? [y/N] " answer || true
    [[ ${answer:-} == [yY]* ]] || die "nothing was deleted"
  fi
  take_lock
  "${WAY}_delete"
  rm -f "$XFLOW_HOME/way"
  say "all data deleted; $ENV_FILE stays, with its passwords"
}

verb_demo() {
  SERVICES=""
  verb_up
  "${WAY}_run" python -m xflow.demo --install-seconds "$INSTALL_SECONDS" --start-seconds "$START_SECONDS"
  say_places
}

VERB=${1:-}
(($# == 0)) || shift
WAY="" YES=no DEV=no SERVICES="" OPERANDS=()
# shellcheck disable=SC2034  # install.sh reads DEV, the stacks read SERVICES
while (($#)); do
  case $1 in
    --native) WAY=native ;;
    --docker) WAY=docker ;;
    --yes) YES=yes ;;
    --dev) DEV=yes ;;
    --services)
      SERVICES=${2:-}
      SERVICES=${SERVICES//,/ }
      [[ -n $SERVICES ]] || die "--services needs a list, such as postgres,s3"
      shift
      ;;
    -h | --help) if [[ $VERB == xflow ]]; then OPERANDS+=("$1"); else VERB=help; fi ;;
    -*) if [[ $VERB == xflow ]]; then OPERANDS+=("$1"); else die "no such option: $1. See ./start.sh --help"; fi ;;
    *) OPERANDS+=("$1") ;;
  esac
  shift
done

case $VERB in
  env | install | up | demo | status | logs | xflow | rotate | stop | reset)
    choose_folders
    choose_way
    "verb_$VERB" "${OPERANDS[@]}"
    ;;
  -h | --help | help) usage ;;
  --native | --docker) die "a verb comes first: ./start.sh up $VERB" ;;
  "") usage >&2; exit 2 ;;
  *) die "no such verb: $VERB. See ./start.sh --help" ;;
esac
