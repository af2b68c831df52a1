# shellcheck shell=bash
# PostgreSQL 15: the mart (it stands for Greenplum on one machine) and the metadata of Airflow and MLflow.

postgres_bin() { compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1; }

# PostgreSQL refuses to run as root. It gets a clean environment, as it needs no secret of ours.
AS_POSTGRES=(env -i "PATH=$PATH" LANG=C.UTF-8)
if ((EUID == 0)); then
  AS_POSTGRES=(setpriv --reuid=postgres --regid=postgres --init-groups --inh-caps=-all "${AS_POSTGRES[@]}")
fi

# In a folder that the account can stand in.
as_postgres() { (cd / && "${AS_POSTGRES[@]}" "$@"); }

# The folder of data, socket and configuration. When the postgres account cannot reach $XFLOW_HOME (a clone
# under /root, say), or its path is too long for a socket (107 bytes), the folder lies in /var/lib or /tmp
# and $XFLOW_HOME/postgres is a link to it.
postgres_folder() {
  local link=$XFLOW_HOME/postgres target
  if [[ ! -e $link ]]; then
    target=$(mktemp -d "$XFLOW_HOME/postgres.XXXXXX")
    chmod 711 "$XFLOW_HOME"
    ((EUID != 0)) || chown postgres:postgres "$target"
    if ((${#link} > 80)) || ! as_postgres test -w "$target"; then
      rmdir "$target"
      target=$(mktemp -d "$( ((EUID == 0)) && echo /var/lib || echo /tmp)/xflow-postgres.XXXXXX")
      ((EUID != 0)) || chown postgres:postgres "$target"
      say "PostgreSQL cannot use $XFLOW_HOME (no access, or a long path): its data lies in $target"
      ln -s "$target" "$link"
    else
      mv "$target" "$link"
    fi
  fi
  readlink -f "$link"
}

# As the operating system's user over the socket: the superuser has no password and no way in over TCP.
postgres_sql() {
  local folder=$1
  shift
  as_postgres "$(postgres_bin)/psql" -X -q -v ON_ERROR_STOP=1 -h "$folder" -p "$XFLOW_POSTGRES_PORT" -d postgres "$@"
}

postgres_ready() { "$(postgres_bin)/pg_isready" -q -h 127.0.0.1 -p "$XFLOW_POSTGRES_PORT"; }

# Passwords reach psql as variables set on its standard input.
postgres_accounts() {
  {
    printf "\\set %s '%s'\n" mart_password "$XFLOW_MART_PASSWORD" \
      airflow_password "$XFLOW_AIRFLOW_DB_PASSWORD" mlflow_password "$XFLOW_MLFLOW_DB_PASSWORD"
    cat "$ROOT/docker/postgres/accounts.sql"
  } | postgres_sql "$1"
}

postgres_environment() { cd /; }

postgres_up() {
  local folder bin
  if service_running postgres && postgres_ready; then return 0; fi
  bin=$(postgres_bin)
  folder=$(postgres_folder) || return 1
  if [[ ! -f $folder/data/PG_VERSION ]]; then
    # A start that was killed between initdb and its end leaves a folder that initdb refuses.
    rm -rf "$folder/data"
    as_postgres "$bin/initdb" -D "$folder/data" --encoding=UTF8 --locale=C.UTF-8 --no-sync \
      --auth-local=peer --auth-host=scram-sha-256 >>"$LOG_DIR/postgres.log" 2>&1 ||
      { service_failed postgres "could not create its data folder"; return 1; }
    sync -f "$folder/data"
  fi
  as_postgres tee "$folder/data/postgresql.conf" <"$ROOT/docker/postgres/postgresql.conf" >/dev/null
  service_start postgres postgres_environment "${AS_POSTGRES[@]}" "$bin/postgres" -D "$folder/data" -k "$folder" \
    -p "$XFLOW_POSTGRES_PORT"
  service_await postgres 60 postgres_ready || return 1
  postgres_accounts "$folder" || { service_failed postgres "refused its accounts"; return 1; }
  say "postgres is up on port $XFLOW_POSTGRES_PORT"
}

# INT is PostgreSQL's fast shutdown: clients are dropped, a checkpoint is written.
postgres_down() { service_stop postgres 30 INT; }
