# shellcheck shell=bash
# Starting, watching and ending one detached server. Sourced by start.sh.
#
# A server leads a session of its own. Its record, $RUN_DIR/<name>.pid, holds "pid start-time boot-id":
# with the start time and the boot id a pid that the kernel gave to somebody else is never taken for ours.

readonly LOG_LIMIT_BYTES=$((10 * 1024 * 1024))

boot_id() { cat /proc/sys/kernel/random/boot_id; }

# Start time of a process in clock ticks since boot: field 22 of /proc/PID/stat, counted after the
# command name, which may itself hold blanks and brackets.
process_start_time() {
  local stat fields
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -ra fields <<<"${stat##*) }"
  [[ ${fields[0]} != Z ]] || return 1
  echo "${fields[19]}"
}

service_pid() {
  local pid started boot
  [[ -r $RUN_DIR/$1.pid ]] || return 1
  read -r pid started boot <"$RUN_DIR/$1.pid" || return 1
  [[ $boot == "$(boot_id)" && $started == "$(process_start_time "$pid")" ]] || return 1
  echo "$pid"
}

service_running() { service_pid "$1" >/dev/null; }

# Processes of the service's session, "pid start-time" a line: also those that outlive a killed leader.
service_members() {
  local leader started boot now
  [[ -r $RUN_DIR/$1.pid ]] || return 0
  read -r leader started boot <"$RUN_DIR/$1.pid" || return 0
  [[ $boot == "$(boot_id)" ]] || return 0
  # A living process with the leader's number and another start time means that the number was reused.
  if now=$(process_start_time "$leader") && [[ $now != "$started" ]]; then return 0; fi
  # Some end while they are being read.
  { cat /proc/[0-9]*/stat 2>/dev/null || true; } |
    awk -v session="$leader" '{pid = $1; sub(/^.*\) /, "")} $4 == session {print pid, $20}'
}

signal_members() {
  local signal=$1 pid started
  while read -r pid started; do
    [[ -n $started && $started == "$(process_start_time "$pid")" ]] || continue
    kill "-$signal" "$pid" 2>/dev/null || true
  done
}

# service_stop NAME SECONDS [SIGNAL]: ask the leader to end, and kill what is left of its session after SECONDS.
service_stop() {
  local name=$1 seconds=$2 signal=${3:-TERM} members pid deadline
  members=$(service_members "$name")
  if pid=$(service_pid "$name"); then
    kill "-$signal" "$pid" 2>/dev/null || true
    deadline=$((SECONDS + seconds))
    while service_running "$name" && ((SECONDS < deadline)); do sleep 0.1; done
    service_running "$name" && say "$name did not end within $seconds s: killed"
  fi
  signal_members KILL <<<"$members"$'\n'"$(service_members "$name")"
  rm -f "$RUN_DIR/$name.pid"
}

rotate_log() {
  local log=$1 number
  [[ -f $log && $(stat -c %s "$log") -gt $LOG_LIMIT_BYTES ]] || return 0
  for number in 2 1; do
    if [[ -f $log.$number ]]; then mv "$log.$number" "$log.$((number + 1))"; fi
  done
  mv "$log" "$log.1"
}

# service_start NAME ENVIRONMENT COMMAND...: ENVIRONMENT is a function that exports what only this server may
# see, so that no secret is ever an argument. What a killed leader left behind is ended first. The lock's descriptor is closed: it must not outlive start.sh.
service_start() {
  local name=$1 environment=$2 log=$LOG_DIR/$1.log pid
  shift 2
  if service_running "$name"; then return 0; fi
  service_stop "$name" 0
  rotate_log "$log"
  printf -- '--- %s starts %s\n' "$(date -Is)" "$name" >>"$log"
  (
    "$environment"
    exec 9>&-
    exec setsid "$@"
  ) </dev/null >>"$log" 2>&1 &
  pid=$!
  echo "$pid $(process_start_time "$pid" || echo 0) $(boot_id)" >"$RUN_DIR/$name.pid"
}

# service_await NAME SECONDS CHECK...: wait until CHECK succeeds; a server that dies or stalls shows its log.
service_await() {
  local name=$1 seconds=$2 deadline
  deadline=$((SECONDS + seconds))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! service_running "$name"; then service_failed "$name" "ended while it started"; return 1; fi
    if ((SECONDS >= deadline)); then service_failed "$name" "is not healthy after $seconds s"; return 1; fi
    sleep 0.2
  done
}

service_failed() {
  {
    echo "start.sh: $1 $2. The end of $LOG_DIR/$1.log:"
    tac "$LOG_DIR/$1.log" | awk '{print} /^--- .* starts / || NR == 30 {exit}' | tac | sed 's/^/    /'
  } >&2
}

# The whole answer to a GET on loopback, with nothing but bash: a fresh machine may have no curl.
http_get() {
  local port=$1 path=$2
  {
    printf 'GET %s HTTP/1.0\r\nHost: localhost:%s\r\n\r\n' "$path" "$port" >&3
    timeout 10 cat <&3
  } 3<>"/dev/tcp/127.0.0.1/$port"
}

http_ok() {
  local answer
  answer=$(http_get "$@") && [[ ${answer%%$'\r'*} == *" 200 "* ]]
}
