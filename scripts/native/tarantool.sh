# shellcheck shell=bash
# Tarantool: the feature store.

tarantool_environment() {
  export XFLOW_TARANTOOL_LISTEN=127.0.0.1:$XFLOW_TARANTOOL_PORT XFLOW_TARANTOOL_DATA=$XFLOW_HOME/tarantool
  export XFLOW_TARANTOOL_PASSWORD XFLOW_TARANTOOL_MEMORY
}

# It listens last, when accounts and spaces stand: its greeting is its health.
tarantool_ready() {
  local greeting
  { read -t 5 -r greeting <&3; } 3<>"/dev/tcp/127.0.0.1/$XFLOW_TARANTOOL_PORT" || return 1
  [[ $greeting == Tarantool* ]]
}

tarantool_up() {
  if service_running tarantool && tarantool_ready; then return 0; fi
  mkdir -p "$XFLOW_HOME/tarantool" || return 1
  service_start tarantool tarantool_environment tarantool "$ROOT/docker/tarantool/init.lua"
  service_await tarantool 120 tarantool_ready || return 1
  say "tarantool is up on port $XFLOW_TARANTOOL_PORT"
}

tarantool_down() { service_stop tarantool 30; }
