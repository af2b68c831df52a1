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

# The folder of data and socket. When the postgres account cannot reach $XFLOW_HOME (a clone under /root, say),
# or its path is too long for a socket (107 bytes), the folder lies elsewhere and $XFLOW_HOME/postgres links to it.
postgres_folder() {
  local link=$XFLOW_HOME/postgres target elsewhere=${XDG_DATA_HOME:-$HOME/.local/share}
  if ((EUID == 0)); then elsewhere=/var/lib; fi
  if [[ ! -e $link ]]; then
    # The account must be able to pass through, not to look.
    chmod 711 "$XFLOW_HOME"
    target=$(postgres_own "$XFLOW_HOME")
    if ((${#link} > 80)) || ! as_postgres test -w "$target"; then
      rmdir "$target"
      mkdir -p "$elsewhere"
      target=$(postgres_own "$elsewhere")
      say "PostgreSQL cannot use $XFLOW_HOME (no access, or a long path): its data lies in $target" >&2
      ln -s "$target" "$link"
    else
      mv "$target" "$link"
    fi
  fi
  readlink -f "$link"
}

# A new folder below $1 that belongs to the account.
postgres_own() {
  local target
  target=$(mktemp -d "$1/xflow-postgres.XXXXXX") || return 1
  if ((EUID == 0)); then chown postgres:postgres "$target"; fi
  echo "$target"
}

# postgres_sql FOLDER DATABASE: runs its standard input as the operating system's user over the socket: the superuser
# has no password and no way in over TCP.
postgres_sql() {
  as_postgres "$(postgres_bin)/psql" -X -q -v ON_ERROR_STOP=1 -h "$1" -p "$XFLOW_POSTGRES_PORT" -d "$2" --output=/dev/null
}

postgres_ready() { "$(postgres_bin)/pg_isready" -q -h 127.0.0.1 -p "$XFLOW_POSTGRES_PORT"; }

# Passwords reach psql on its standard input: as variables, and for the mart as settings of the session. A mart outside
# the stack has accounts that are its administrator's to make.
postgres_accounts() {
  {
    printf "\\set %s '%s'\n" airflow_password "$XFLOW_AIRFLOW_DB_PASSWORD" mlflow_password "$XFLOW_MLFLOW_DB_PASSWORD"
    cat "$ROOT/docker/postgres/accounts.sql"
  } | postgres_sql "$1" postgres || return 1
  external greenplum || postgres_mart_accounts "$1" || return 1
  accounts_wanted >"$RUN_DIR/accounts"
}

postgres_mart_accounts() {
  postgres_sql "$1" postgres <<'SQL' || return 1
SELECT 'CREATE DATABASE xflow' WHERE NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = 'xflow') \gexec
SQL
  {
    echo "BEGIN; SET log_min_error_statement = panic;"
    printf "SELECT set_config('xflow.%s_password', '%s', true);\n" \
      loader "$XFLOW_MART_PASSWORD" reader "$XFLOW_READER_PASSWORD" serving "$XFLOW_SERVING_DB_PASSWORD"
    cat "$ROOT/docker/greenplum/accounts.sql"
    echo "COMMIT;"
  } | postgres_sql "$1" xflow
}

# A hash of the accounts as they should be: a server that runs gets those that it lacks after an upgrade of the clone.
accounts_wanted() {
  {
    cat "$ROOT/docker/postgres/accounts.sql" "$ROOT/docker/greenplum/accounts.sql"
    printf '%s\n' "$XFLOW_EXTERNAL_STORES" "$XFLOW_AIRFLOW_DB_PASSWORD" "$XFLOW_MLFLOW_DB_PASSWORD" "$XFLOW_MART_PASSWORD" \
      "$XFLOW_READER_PASSWORD" "$XFLOW_SERVING_DB_PASSWORD"
  } | sha256sum
}

postgres_settled() { [[ $(cat "$RUN_DIR/accounts" 2>/dev/null || true) == "$(accounts_wanted)" ]]; }

postgres_environment() { cd /; }

# A killed server that nobody has reaped, as in a container whose first process reaps none, counts as alive for
# its successor. Its lock files go once no process is left in the data folder.
postgres_forget_killed() {
  local folder=$1 data=$1/data pid _
  pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) || return 0
  if process_start_time "$pid" >/dev/null; then return 0; fi
  for _ in {1..50}; do
    if [[ -z $(find /proc/[0-9]* -maxdepth 1 -name cwd -lname "$data" 2>/dev/null) ]]; then
      rm -f "$data/postmaster.pid" "$folder"/.s.PGSQL.*.lock
      return 0
    fi
    sleep 0.1
  done
}

postgres_up() {
  local folder bin
  if service_running postgres && postgres_ready && postgres_settled; then return 0; fi
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
  service_running postgres || postgres_forget_killed "$folder"
  service_start postgres postgres_environment "${AS_POSTGRES[@]}" "$bin/postgres" -D "$folder/data" -k "$folder" \
    -p "$XFLOW_POSTGRES_PORT"
  service_await postgres 60 postgres_ready || return 1
  postgres_accounts "$folder" || { service_failed postgres "refused its accounts"; return 1; }
  say "postgres is up on port $XFLOW_POSTGRES_PORT"
}

# INT is PostgreSQL's fast shutdown: clients are dropped, a checkpoint is written.
postgres_down() { service_stop postgres 30 INT; }
