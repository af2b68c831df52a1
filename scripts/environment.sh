# shellcheck shell=bash disable=SC2034  # the names are read by the other files
# The .env file: random passwords, free ports, and the addresses made of them, for servers on this machine and for
# containers alike. Sourced by start.sh.

# One line a port: variable, usual value, the service that listens on it.
readonly PORTS="
XFLOW_POSTGRES_PORT 15432 postgres
XFLOW_TARANTOOL_PORT 13301 tarantool
XFLOW_S3_PORT 18333 s3
XFLOW_S3_GRPC_PORT 18334 s3
XFLOW_S3_MASTER_PORT 18335 s3
XFLOW_S3_MASTER_GRPC_PORT 18336 s3
XFLOW_S3_VOLUME_PORT 18337 s3
XFLOW_S3_VOLUME_GRPC_PORT 18338 s3
XFLOW_S3_FILER_PORT 18339 s3
XFLOW_S3_FILER_GRPC_PORT 18340 s3
XFLOW_S3_ADMIN_PORT 18341 s3
XFLOW_S3_ADMIN_GRPC_PORT 18342 s3
XFLOW_MLFLOW_PORT 15000 mlflow
XFLOW_SERVING_PORT 18000 serving
XFLOW_AIRFLOW_PORT 18080 airflow-api-server"

readonly SECRETS="AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY XFLOW_MLFLOW_S3_ACCESS_KEY XFLOW_MLFLOW_S3_SECRET_KEY
MLFLOW_TRACKING_PASSWORD MLFLOW_ADMIN_PASSWORD AIRFLOW_PASSWORD XFLOW_MART_PASSWORD XFLOW_READER_PASSWORD
XFLOW_AIRFLOW_DB_PASSWORD XFLOW_MLFLOW_DB_PASSWORD XFLOW_TARANTOOL_PASSWORD XFLOW_MLFLOW_SECRET_KEY
XFLOW_AIRFLOW_JWT_SECRET XFLOW_AIRFLOW_API_SECRET XFLOW_GREENPLUM_PASSWORD XFLOW_POSTGRES_PASSWORD
XFLOW_REDIS_PASSWORD XFLOW_SERVING_KEY XFLOW_BOARD_PASSWORD XFLOW_SERVING_DB_PASSWORD"

# All that the prediction service may know of the two secrets that people sign in to it with.
readonly HASHES="XFLOW_SERVING_KEY_SHA256 XFLOW_BOARD_PASSWORD_SHA256"

# What a person may set; everything else in the file is made by start.sh. Compose reads its own three from the file.
readonly CHOICES="XFLOW_S3_BUCKET MLFLOW_TRACKING_USERNAME MLFLOW_ADMIN_USERNAME AIRFLOW_USERNAME
XFLOW_BOARD_USERNAME XFLOW_TARANTOOL_MEMORY XFLOW_WORKERS XFLOW_ALERTS
COMPOSE_PROJECT_NAME COMPOSE_FILE COMPOSE_PROFILES"

readonly ADDRESSES="XFLOW_S3_ENDPOINT XFLOW_GREENPLUM_DSN XFLOW_READER_DSN XFLOW_TARANTOOL_URI MLFLOW_TRACKING_URI
AIRFLOW_URL XFLOW_SERVING_URL XFLOW_SERVING_DSN XFLOW_EXTERNAL_STORES"

# Where the stores are: services of the stack, by their names in it, unless a person sets others. Those are used by both
# ways, and natively the stack's own server of that store does not start.
readonly STACK_ADDRESSES="XFLOW_STACK_S3_ENDPOINT XFLOW_STACK_GREENPLUM_DSN XFLOW_STACK_TARANTOOL_URI
XFLOW_STACK_SERVING_DSN XFLOW_BROKER_URL"

readonly STACK_MART=greenplum:5432/xflow

environment_names() {
  echo "$ADDRESSES $CHOICES $STACK_ADDRESSES $SECRETS $HASHES XFLOW_AIRFLOW_FERNET_KEY"
  awk 'NF {print $1}' <<<"$PORTS"
}

# An address without its scheme and its credentials.
place_of() {
  local rest=${1#*//}
  printf %s "${rest##*@}"
}

# Is a store, as s3, one that a person set, outside the stack?
external() {
  case $1 in
    s3) [[ $(place_of "${XFLOW_STACK_S3_ENDPOINT:-//s3:8333}") != s3:8333 ]] ;;
    greenplum) [[ $(place_of "${XFLOW_STACK_GREENPLUM_DSN:-//$STACK_MART}") != "$STACK_MART" ]] ;;
    tarantool) [[ $(place_of "${XFLOW_STACK_TARANTOOL_URI:-//tarantool:3301}") != tarantool:3301 ]] ;;
    *) return 1 ;;
  esac
}

# Keys of S3 are its owner's where it lies outside the stack: they are what they are, and stay.
given_key() { [[ $1 =~ ^(AWS|XFLOW_MLFLOW_S3)_ ]] && external s3; }

# Read KEY=VALUE lines without running them. What the caller's shell had exported under our names is dropped
# first: it may belong to another stack. Our names are not exported: a server sees the secrets it needs, no
# others. A person's own lines are, for every server.
environment_load() {
  local names name key value line
  names=$(environment_names)
  for name in $names; do unset "$name"; done
  EXTRA_LINES=()
  [[ -f $ENV_FILE ]] || return 0
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line%$'\r'}
    [[ $line == *=* && $line != \#* ]] || continue
    key=${line%%=*} value=${line#*=}
    key=${key#export }
    [[ $key =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || die "$ENV_FILE: not a variable name: '$key'"
    if [[ $value == \"*\" || $value == \'*\' ]]; then value=${value:1:-1}; fi
    if grep -qw -- "$key" <<<"$names"; then
      printf -v "$key" %s "$value"
    else
      export "$key=$value"
      EXTRA_LINES+=("$line")
    fi
  done <"$ENV_FILE"
}

random_text() { head -c 64 /dev/urandom | base64 -w 0 | tr -d '/+=' | head -c 32; }

# Any local address counts, and IPv6 too: a listener on 0.0.0.0 takes the loopback port as well.
port_taken() {
  local hex
  printf -v hex ':%04X' "$1"
  awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port {found = 1} END {exit !found}' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# Ports from 20000 up to the range that the kernel hands to outgoing connections.
port_free() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    if ! port_taken "$port" && [[ " $CHOSEN_PORTS " != *" $port "* ]]; then echo "$port"; return; fi
  done
}

# The name by which a person knows what listens on a port.
container_of() {
  case $WAY:$1 in
    docker:postgres) echo greenplum ;;
    docker:airflow-*) echo "${1#airflow-}" ;;
    *) echo "$1" ;;
  esac
}

# A port stays while our own server holds it or nobody does; otherwise another one is taken, and said.
# Only the clone's own stack starts from the usual ports: throw-away stacks must not race for them.
ports_settle() {
  local name usual service port moved said=""
  CHOSEN_PORTS="" PORTS_MOVED=no
  while read -r name usual service; do
    [[ -n $name ]] || continue
    port=${!name:-}
    if [[ -z $port ]]; then
      port=$usual
      if [[ $XFLOW_HOME != "$ROOT/.xflow" ]]; then port=$(port_free); fi
    fi
    if ! owns_port "$service" && { port_taken "$port" || [[ " $CHOSEN_PORTS " == *" $port "* ]]; }; then
      moved=$(port_free)
      # One line a server: the other ports of s3 matter to nobody.
      if [[ $said != *" $service "* ]]; then say "port $port of $(container_of "$service") is taken: moved to $moved"; fi
      said+=" $service "
      PORTS_MOVED=yes
      port=$moved
    fi
    CHOSEN_PORTS+=" $port"
    printf -v "$name" %s "$port"
  done <<<"$PORTS"
}

# The folder's name would do, but two clones may have one name, and Compose would give both the same volumes.
project_name() { printf 'xflow-%s' "$(head -c 64 /dev/urandom | base64 -w 0 | tr -dc 'a-z0-9' | head -c 6)"; }

environment_fill() {
  local name
  : "${XFLOW_S3_BUCKET:=xflow}" "${MLFLOW_TRACKING_USERNAME:=xflow}" "${MLFLOW_ADMIN_USERNAME:=admin}"
  : "${AIRFLOW_USERNAME:=admin}" "${XFLOW_BOARD_USERNAME:=admin}"
  : "${XFLOW_WORKERS:=1}" "${XFLOW_ALERTS:=}" "${COMPOSE_PROFILES:=}"
  : "${COMPOSE_PROJECT_NAME:=$(project_name)}" "${COMPOSE_FILE:=docker-compose.yml:docker/compose.development.yml}"
  : "${XFLOW_TARANTOOL_MEMORY:=$((2 * 1024 ** 3))}"
  : "${XFLOW_AIRFLOW_FERNET_KEY:=$(head -c 32 /dev/urandom | base64 -w 0 | tr '+/' '-_')}"
  for name in $SECRETS; do
    if [[ -z ${!name:-} ]]; then printf -v "$name" %s "$(random_text)"; fi
  done
  MLFLOW_TRACKING_URI=http://127.0.0.1:$XFLOW_MLFLOW_PORT
  AIRFLOW_URL=http://127.0.0.1:$XFLOW_AIRFLOW_PORT
  XFLOW_SERVING_URL=http://127.0.0.1:$XFLOW_SERVING_PORT
  XFLOW_SERVING_KEY_SHA256=$(sha256_of "$XFLOW_SERVING_KEY")
  XFLOW_BOARD_PASSWORD_SHA256=$(sha256_of "$XFLOW_BOARD_PASSWORD")
  stack_address XFLOW_BROKER_URL "redis://:$XFLOW_REDIS_PASSWORD@redis:6379/0"
  environment_stores
}

# The addresses of the stores as containers know them, and as this machine does. Those outside the stack have one.
environment_stores() {
  local mart=127.0.0.1:$XFLOW_POSTGRES_PORT/xflow inside=$STACK_MART store
  local service=postgresql://xflow_serving:$XFLOW_SERVING_DB_PASSWORD@ before
  before=$(place_of "${XFLOW_GREENPLUM_DSN:-}")
  stack_address XFLOW_STACK_S3_ENDPOINT http://s3:8333
  stack_address XFLOW_STACK_GREENPLUM_DSN "postgresql://xflow:$XFLOW_MART_PASSWORD@$STACK_MART"
  stack_address XFLOW_STACK_TARANTOOL_URI "tarantool://xflow:$XFLOW_TARANTOOL_PASSWORD@tarantool:3301"
  XFLOW_S3_ENDPOINT=http://127.0.0.1:$XFLOW_S3_PORT
  XFLOW_GREENPLUM_DSN=postgresql://xflow:$XFLOW_MART_PASSWORD@$mart
  XFLOW_TARANTOOL_URI=tarantool://xflow:$XFLOW_TARANTOOL_PASSWORD@127.0.0.1:$XFLOW_TARANTOOL_PORT
  if external s3; then XFLOW_S3_ENDPOINT=$XFLOW_STACK_S3_ENDPOINT; fi
  if external tarantool; then XFLOW_TARANTOOL_URI=$XFLOW_STACK_TARANTOOL_URI; fi
  if external greenplum; then
    XFLOW_GREENPLUM_DSN=$XFLOW_STACK_GREENPLUM_DSN
    # Its administrator makes the other two accounts with the passwords of .env.
    mart=$(place_of "$XFLOW_STACK_GREENPLUM_DSN") inside=$mart
  fi
  XFLOW_READER_DSN=postgresql://xflow_reader:$XFLOW_READER_PASSWORD@$mart
  # What was made here follows the mart; what a person wrote stays.
  if [[ ${XFLOW_STACK_SERVING_DSN:-$service$before} == "$service$before" ||
    $(place_of "$XFLOW_STACK_SERVING_DSN") == "$STACK_MART" ]]; then
    XFLOW_STACK_SERVING_DSN=$service$inside
  fi
  XFLOW_SERVING_DSN=$service$mart
  if external greenplum; then XFLOW_SERVING_DSN=$XFLOW_STACK_SERVING_DSN; fi
  XFLOW_EXTERNAL_STORES=""
  for store in s3 greenplum tarantool; do
    if external "$store"; then XFLOW_EXTERNAL_STORES+=${XFLOW_EXTERNAL_STORES:+,}$store; fi
  done
}

sha256_of() { printf %s "$1" | sha256sum | cut -d ' ' -f 1; }

# The stack's own address follows its password; an address elsewhere is a person's, and stays.
stack_address() {
  if [[ -z ${!1:-} || $(place_of "${!1}") == "$(place_of "$2")" ]]; then printf -v "$1" %s "$2"; fi
}

# Passwords stand in addresses and in configuration files as they are, and a guessable one is none.
environment_check() {
  local name
  : "${XFLOW_EXTERNAL_STORES:=}"
  environment_check_stores
  for name in $SECRETS; do
    if given_key "$name"; then continue; fi
    [[ -z ${!name:-} || ${!name} =~ ^[A-Za-z0-9_-]{16,}$ ]] ||
      die "$ENV_FILE: $name must be 16 or more letters, digits, _ or -. Remove the line, and ./start.sh makes one."
  done
  for name in XFLOW_WORKERS $(awk 'NF {print $1}' <<<"$PORTS"); do
    [[ -z ${!name:-} || ${!name} =~ ^[0-9]{1,5}$ && ${!name} -le 65535 ]] ||
      die "$ENV_FILE: $name is no number that can be: '${!name}'. Correct the line, or remove it."
  done
}

# An address that cannot be used is refused before a server starts with it, and one that would be overwritten, too.
environment_check_stores() {
  local name form kind store
  while read -r name form kind; do
    [[ -z ${!name:-} || ${!name} =~ $form ]] ||
      die "$ENV_FILE: $name must look like $kind. Correct the line, or remove it."
  done <<'FORMS'
XFLOW_STACK_S3_ENDPOINT ^https?://[^/@]+/?$ https://host:port
XFLOW_STACK_GREENPLUM_DSN ^postgres(ql)?://[^/@]+@[^/@]+/.+$ postgresql://user:password@host:port/database
XFLOW_STACK_SERVING_DSN ^postgres(ql)?://[^/@]+@[^/@]+/.+$ postgresql://user:password@host:port/database
XFLOW_STACK_TARANTOOL_URI ^tarantool://[^/@]+@[^/@]+:[0-9]+$ tarantool://user:password@host:port
FORMS
  while read -r store name; do
    form=XFLOW_STACK_${name#XFLOW_}
    [[ $(place_of "${!name:-//127.0.0.1}") =~ ^127\.0\.0\.1 || ,$XFLOW_EXTERNAL_STORES, == *,$store,* ]] ||
      die "$ENV_FILE: $name is an address outside the stack, and start.sh would overwrite it." \
        "Write it as $form, which both ways use, or remove the line to use the stack's own store."
  done <<<"s3 XFLOW_S3_ENDPOINT
greenplum XFLOW_GREENPLUM_DSN
tarantool XFLOW_TARANTOOL_URI"
}

# New passwords. The key of Airflow's stored secrets stays, as they could not be read with another one; so do those of
# stores outside the stack, which would not hear of it.
environment_rotate() {
  local name
  for name in $SECRETS; do
    if given_key "$name"; then continue; fi
    if external greenplum && [[ $name =~ ^XFLOW_(MART|READER|SERVING_DB)_PASSWORD$ ]]; then continue; fi
    printf -v "$name" %s "$(random_text)"
  done
  environment_fill
  environment_write
}

environment_write() {
  local name text
  text="# Written by ./start.sh. Change what stands before the passwords but for the addresses of 127.0.0.1, or add lines
# of your own; start.sh keeps those, keeps the passwords, and rewrites ports and addresses when a port is taken by
# someone else. What you change takes effect after ./start.sh stop and up."
  for name in $(environment_names); do text+=$'\n'"$name=${!name}"; done
  if ((${#EXTRA_LINES[@]})); then text+=$'\n'"$(printf '%s\n' "${EXTRA_LINES[@]}")"; fi
  if [[ -f $ENV_FILE && $(<"$ENV_FILE") == "$text" ]]; then chmod 600 "$ENV_FILE"; return 0; fi
  (umask 077 && printf '%s\n' "$text" >"$ENV_FILE.new")
  mv "$ENV_FILE.new" "$ENV_FILE"
}

# The passwords live in the servers' data too, so a lost .env cannot simply be made anew.
environment_required() {
  [[ ! -f $ENV_FILE && (-e $XFLOW_HOME/postgres || -e $XFLOW_HOME/way) ]] || return 0
  die "$ENV_FILE is gone, and it holds the passwords of the stack's data." \
    "Put it back, or drop the data: ./start.sh reset"
}

environment_settle() {
  environment_load
  environment_required
  environment_check
  ports_settle
  environment_fill
  environment_write
}
