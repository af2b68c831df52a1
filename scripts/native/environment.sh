# shellcheck shell=bash disable=SC2034  # the names are read by the other files
# The .env file: random passwords, free ports, and the addresses made of them. Sourced by start.sh.

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
XFLOW_AIRFLOW_PORT 18080 airflow-api-server"

readonly SECRETS="AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY MLFLOW_TRACKING_PASSWORD AIRFLOW_PASSWORD
XFLOW_MART_PASSWORD XFLOW_AIRFLOW_DB_PASSWORD XFLOW_MLFLOW_DB_PASSWORD XFLOW_TARANTOOL_PASSWORD
XFLOW_MLFLOW_SECRET_KEY XFLOW_AIRFLOW_JWT_SECRET XFLOW_AIRFLOW_API_SECRET"

# What a person may set; everything else in the file is made by start.sh.
readonly CHOICES="XFLOW_S3_BUCKET MLFLOW_TRACKING_USERNAME AIRFLOW_USERNAME XFLOW_TARANTOOL_MEMORY"

readonly ADDRESSES="XFLOW_S3_ENDPOINT XFLOW_GREENPLUM_DSN XFLOW_TARANTOOL_URI MLFLOW_TRACKING_URI AIRFLOW_URL"

environment_names() {
  echo "$ADDRESSES $CHOICES $SECRETS XFLOW_AIRFLOW_FERNET_KEY"
  awk 'NF {print $1}' <<<"$PORTS"
}

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
    if ! service_running "$service" && { port_taken "$port" || [[ " $CHOSEN_PORTS " == *" $port "* ]]; }; then
      moved=$(port_free)
      # One line a server: the other ports of s3 matter to nobody.
      if [[ $said != *" $service "* ]]; then say "port $port of $service is taken: moved to $moved"; fi
      said+=" $service "
      PORTS_MOVED=yes
      port=$moved
    fi
    CHOSEN_PORTS+=" $port"
    printf -v "$name" %s "$port"
  done <<<"$PORTS"
}

environment_fill() {
  local name
  : "${XFLOW_S3_BUCKET:=xflow}" "${MLFLOW_TRACKING_USERNAME:=xflow}" "${AIRFLOW_USERNAME:=admin}"
  : "${XFLOW_TARANTOOL_MEMORY:=$((2 * 1024 ** 3))}"
  : "${XFLOW_AIRFLOW_FERNET_KEY:=$(head -c 32 /dev/urandom | base64 -w 0 | tr '+/' '-_')}"
  for name in $SECRETS; do
    if [[ -z ${!name:-} ]]; then printf -v "$name" %s "$(random_text)"; fi
  done
  XFLOW_S3_ENDPOINT=http://127.0.0.1:$XFLOW_S3_PORT
  XFLOW_GREENPLUM_DSN=postgresql://xflow:$XFLOW_MART_PASSWORD@127.0.0.1:$XFLOW_POSTGRES_PORT/xflow
  XFLOW_TARANTOOL_URI=tarantool://xflow:$XFLOW_TARANTOOL_PASSWORD@127.0.0.1:$XFLOW_TARANTOOL_PORT
  MLFLOW_TRACKING_URI=http://127.0.0.1:$XFLOW_MLFLOW_PORT
  AIRFLOW_URL=http://127.0.0.1:$XFLOW_AIRFLOW_PORT
}

environment_write() {
  local name text
  text="# Written by ./start.sh. Set ${CHOICES// /, }, or add lines of your own; start.sh
# keeps those, keeps the passwords, and rewrites ports and addresses when a port is taken by someone else.
# What you change takes effect after ./start.sh stop and up."
  for name in $(environment_names); do text+=$'\n'"$name=${!name}"; done
  if ((${#EXTRA_LINES[@]})); then text+=$'\n'"$(printf '%s\n' "${EXTRA_LINES[@]}")"; fi
  if [[ -f $ENV_FILE && $(<"$ENV_FILE") == "$text" ]]; then chmod 600 "$ENV_FILE"; return 0; fi
  (umask 077 && printf '%s\n' "$text" >"$ENV_FILE.new")
  mv "$ENV_FILE.new" "$ENV_FILE"
}

# The passwords live in the servers' data too, so a lost .env cannot simply be made anew.
environment_settle() {
  environment_load
  if [[ ! -f $ENV_FILE && -e $XFLOW_HOME/postgres ]]; then
    die "$ENV_FILE is gone, and it holds the passwords of the data in $XFLOW_HOME." \
      "Put it back, or drop the data: ./start.sh reset"
  fi
  ports_settle
  environment_fill
  environment_write
}
