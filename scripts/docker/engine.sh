# shellcheck shell=bash disable=SC2034  # stack.sh runs COMPOSE
# The Docker engine, its client, and Compose: the plugin (v2) or docker-compose (1.29).

COMPOSE=()

engine_answers() {
  timeout 10 docker info >/dev/null 2>&1 || return 1
  if docker compose version >/dev/null 2>&1; then
    COMPOSE=(docker compose)
  elif command -v docker-compose >/dev/null; then
    COMPOSE=(docker-compose)
    engine_builder || return 1
  else
    return 1
  fi
}

# docker-compose 1.29 builds through the docker client. A client since version 23 has BuildKit in its buildx plugin
# alone, an older one has it inside.
engine_builder() {
  local client major
  export DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1
  docker buildx version >/dev/null 2>&1 && return 0
  while read -r client; do
    major=$("$client" version --format '{{.Client.Version}}' 2>/dev/null </dev/null) || continue
    if ((${major%%.*} < 23)); then
      PATH=$(dirname "$client"):$PATH
      return 0
    fi
  done < <(hash -r; type -aP docker)
  return 1
}

engine_require() {
  engine_answers && return 0
  command -v docker >/dev/null || die "there is no docker command here. Install Docker, or add --native."
  timeout 10 docker info >/dev/null 2>&1 || die "the Docker engine does not answer: $(docker info 2>&1 | tail -n 1)" \
    "Start it (systemctl start docker), or add --native."
  die "Docker answers, but Compose or BuildKit is missing. Install docker-compose-plugin and docker-buildx-plugin," \
    "or docker-compose 1.29, or add --native."
}
