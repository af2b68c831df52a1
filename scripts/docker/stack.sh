# shellcheck shell=bash disable=SC2034  # start.sh reads INSTALL_SECONDS and START_SECONDS
# The verbs of start.sh for containers. Everything that Compose needs to know stands in docker-compose.yml and .env.

readonly START_LIMIT_SECONDS=600

compose() {
  (
    cd "$ROOT" || exit 1
    export COMPOSE_PROJECT_NAME COMPOSE_FILE COMPOSE_PROFILES XFLOW_GIT_COMMIT XFLOW_CODE_SHA256
    exec "${COMPOSE[@]}" --env-file "$ENV_FILE" "$@"
  )
}

# The code's commit, for images and the run ledger: there is no git history in a container. And its hash, so that the
# prediction service starts anew with changed code.
docker_commit() {
  XFLOW_CODE_SHA256=$(code_hash)
  XFLOW_GIT_COMMIT=$(git -C "$ROOT" describe --always --dirty --abbrev=40 '--exclude=*' 2>/dev/null || echo unknown)
}

# "service state exit-code health container" of every container of the project.
containers() {
  local ids
  ids=$(docker ps -aq --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --filter label=com.docker.compose.oneoff=False)
  [[ -n $ids ]] || return 0
  # shellcheck disable=SC2086  # ids, one word each
  docker inspect --format '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{.State.ExitCode}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.Name}}' \
    $ids 2>/dev/null | sort
}

docker_owns_port() {
  [[ -n ${COMPOSE_PROJECT_NAME:-} ]] && containers | grep -q "^$(container_of "$1") running "
}

# The containers' users read the clone's files where they are mounted.
require_readable() {
  local hidden
  hidden=$(find "$ROOT/docker" "$ROOT/dags" "$ROOT/scripts" \( -type d ! -perm -005 -o -type f ! -perm -004 \) \
    ! -path '*/__pycache__*' -print -quit)
  [[ -z $hidden ]] || die "$hidden is hidden from others, but the containers' users must read it:" \
    "  chmod -R a+rX $ROOT/docker $ROOT/dags $ROOT/scripts"
}

# What the images are made of. Code that is mounted over theirs needs no new ones.
image_parts() {
  local baked="docker dags scripts README.md"
  if [[ $COMPOSE_FILE == *compose.development.yml* ]]; then baked=docker/mlflow; fi
  # shellcheck disable=SC2086  # a list of folders
  (cd "$ROOT" && find Dockerfile.* .dockerignore pyproject.toml uv.lock $baked -type f ! -name '*.pyc' -print0 | sort -z |
    xargs -0 sha256sum && echo "${XFLOW_IMAGE:-gpu} $COMPOSE_PROJECT_NAME") | sha256sum
}

images() { printf '%s\n' "xflow/airflow:0.1.0-$1" "xflow/mlflow:0.1.0-$1"; }

docker_install() {
  local parts
  require_readable
  environment_settle
  docker_commit
  parts=$(image_parts)
  # shellcheck disable=SC2046  # two names
  if [[ -f $XFLOW_HOME/images && $(<"$XFLOW_HOME/images") == "$parts" ]] &&
    docker image inspect $(images "$COMPOSE_PROJECT_NAME") >/dev/null 2>&1; then
    return 0
  fi
  say "building the images (the first time takes some minutes)"
  compose build airflow-init mlflow >"$LOG_DIR/build.log" 2>&1 || {
    tail -n 40 "$LOG_DIR/build.log" >&2
    die "the images could not be built: see above and $LOG_DIR/build.log"
  }
  echo "$parts" >"$XFLOW_HOME/images"
}

docker_up() {
  local began=$SECONDS scale=() job
  docker_install
  INSTALL_SECONDS=$((SECONDS - began))
  began=$SECONDS
  echo "docker $COMPOSE_PROJECT_NAME" >"$XFLOW_HOME/way"
  if [[ -z $SERVICES ]]; then
    docker_passwords
    if [[ -n ${XFLOW_WORKERS:-} ]]; then scale=(--scale "worker=$XFLOW_WORKERS"); fi
  fi
  # Compose does not end a service whose profile is off.
  if [[ ,$COMPOSE_PROFILES, != *,gpu,* ]]; then
    containers | awk '$1 == "worker-gpu" {print substr($5, 2)}' | xargs -r docker rm -f >>"$LOG_DIR/up.log"
  fi
  # It waits for services by itself, and says nothing meanwhile.
  # shellcheck disable=SC2086  # a list of services
  compose up -d --no-build --remove-orphans "${scale[@]}" $SERVICES >>"$LOG_DIR/up.log" 2>&1 & job=$!
  trap 'kill "$job"; exit 130' INT TERM
  while kill -0 "$job" 2>/dev/null; do say_healthy; sleep 1; done
  trap - INT TERM
  wait "$job" || docker_failed
  await_healthy
  START_SECONDS=$((SECONDS - began))
}

# One line for each container that this start.sh sees healthy for the first time.
SEEN_HEALTHY=" "
say_healthy() {
  local service state code health name
  while read -r service state code health name; do
    if [[ $health == healthy && $SEEN_HEALTHY != *" $name "* ]]; then
      say "$service is healthy"
      SEEN_HEALTHY+="$name "
    fi
  done < <(containers)
}

# Wait for the named services, or for all. One that has been unhealthy for a minute will not become healthy by waiting.
await_healthy() {
  local deadline=$((SECONDS + START_LIMIT_SECONDS)) ailing=0 service state code health name waiting sick
  while :; do
    waiting=() sick=()
    while read -r service state code health name; do
      if (($#)) && [[ " $* " != *" $service "* ]]; then continue; fi
      case $state:$code:$health in
        exited:0:* | running:*:healthy) ;;
        exited:* | dead:*) docker_failed "$service" ;;
        *:unhealthy) sick+=("$service") waiting+=("$service") ;;
        *) waiting+=("$service") ;;
      esac
    done < <(containers)
    say_healthy
    ((${#waiting[@]})) || return 0
    ((ailing = ${#sick[@]} ? ailing + 1 : 0)) || true
    if ((ailing > 60)); then docker_failed "${sick[@]}"; fi
    if ((SECONDS > deadline)); then docker_failed "${waiting[@]}"; fi
    sleep 1
  done
}

docker_failed() {
  local service
  if (($# == 0)); then
    tail -n 20 "$LOG_DIR/up.log" >&2
    if tail -n 20 "$LOG_DIR/up.log" | grep -q 'could not select device driver'; then
      die "the Docker engine has no NVIDIA container toolkit. Install it (nvidia-ctk runtime configure --runtime=docker)," \
        "or take gpu out of COMPOSE_PROFILES in $ENV_FILE."
    fi
    # What another one waits for in vain is what failed.
    mapfile -t services < <(containers | awk '($2 == "exited" && $3 != 0) || $4 == "unhealthy" {print $1}' | sort -u)
    set -- "${services[@]}"
  fi
  for service in "$@"; do
    printf 'start.sh: %s is not healthy. The end of its log:\n' "$service" >&2
    compose logs --no-color --tail 30 "$service" 2>&1 | sed 's/^/    /' >&2
  done
  die "the stack is not up. ./start.sh status says what runs; ./start.sh up tries again."
}

docker_status() {
  local service state code health name down=0
  [[ -n $(containers) ]] || die "nothing runs: ./start.sh up"
  while read -r service state code health name; do
    case $state:$code:$health in
      exited:0:*) printf '%-22s done      %s\n' "$service" "${name#/}" ;;
      running:*:healthy) printf '%-22s healthy   %s\n' "$service" "${name#/}" ;;
      running:*) printf '%-22s %-9s %s   ./start.sh logs %s\n' "$service" "$health" "${name#/}" "$service"; down=1 ;;
      *) printf '%-22s %-9s %s   ./start.sh logs %s\n' "$service" "$state" "${name#/}" "$service"; down=1 ;;
    esac
  done < <(containers)
  return "$down"
}

docker_logs() {
  local color=()
  containers | grep -q "^${1:-no-name} " ||
    die "logs of which service? There are: $(containers | awk '{print $1}' | sort -u | tr '\n' ' ')"
  [[ -t 1 ]] || color=(--no-color)
  compose logs "${color[@]}" --tail 100 --follow "$1"
}

docker_stop() {
  compose down --remove-orphans >>"$LOG_DIR/up.log" 2>&1 || {
    tail -n 20 "$LOG_DIR/up.log" >&2
    die "the stack was not stopped: see above."
  }
}

# As .env has it; where that is gone, as the stack was started.
docker_project() {
  if [[ -n ${COMPOSE_PROJECT_NAME:-} ]]; then
    echo "$COMPOSE_PROJECT_NAME"
  elif [[ -f $XFLOW_HOME/way ]]; then
    cut -d ' ' -f 2 "$XFLOW_HOME/way"
  fi
}

docker_data() { echo "the Docker volumes of $(docker_project)"; }

# By their labels: also when .env, which Compose needs, is gone.
docker_delete() {
  local project filter kind
  project=$(docker_project)
  [[ -n $project ]] || return 0
  filter=label=com.docker.compose.project=$project
  docker ps -aq --filter "$filter" | xargs -r docker rm -f >/dev/null
  for kind in network volume; do
    docker "$kind" ls -q --filter "$filter" | xargs -r docker "$kind" rm >/dev/null
  done
  # Their layers stay with the engine, for the next build.
  images "$project" | xargs docker image rm >/dev/null 2>&1 || true
  rm -f "$XFLOW_HOME/images"
}

# With the old passwords known to nobody, the superusers set the new ones over the servers' own sockets.
docker_passwords() {
  compose up -d --no-build postgres greenplum >>"$LOG_DIR/up.log" 2>&1 || docker_failed
  await_healthy postgres greenplum
  compose exec -T postgres bash /docker-entrypoint-initdb.d/initdb.sh >>"$LOG_DIR/up.log" 2>&1 || docker_failed postgres
  compose exec -T --user gpadmin greenplum bash /etc/xflow/superuser.sh >>"$LOG_DIR/up.log" 2>&1 || docker_failed greenplum
}

# Run a command where the tasks run. Tasks themselves have no business with Airflow's administrator, nor with the
# key of the prediction service but through their connection.
docker_run() {
  local terminal=(-i) worker
  worker=$(containers | awk '$1 == "worker" && $2 == "running" {print substr($5, 2); exit}')
  [[ -n $worker ]] || die "no worker runs: ./start.sh up"
  if [[ -t 0 && -t 1 ]]; then terminal=(-it); fi
  AIRFLOW_USERNAME=$AIRFLOW_USERNAME AIRFLOW_PASSWORD=$AIRFLOW_PASSWORD XFLOW_SERVING_KEY=$XFLOW_SERVING_KEY \
    docker exec "${terminal[@]}" -e AIRFLOW_USERNAME -e AIRFLOW_PASSWORD -e XFLOW_SERVING_KEY "$worker" "$@" || {
    local status=$?
    ((status != 137)) || say "$worker was stopped, and what ran in it with it. The same --run-id goes on." >&2
    return "$status"
  }
}
