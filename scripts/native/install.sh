# shellcheck shell=bash
# What the native stack needs of the machine: Debian packages, CPython 3.12, uv, and the locked environment.

readonly APT_INSTALL="apt-get install -y --no-install-recommends"

install_debian() {
  local missing=()
  [[ -n $(postgres_bin) ]] || missing+=(postgresql)
  command -v tarantool >/dev/null || missing+=(tarantool)
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null ||
    die "These servers are missing: ${missing[*]}. Install them with your system's package manager (no apt-get here)."
  ((EUID == 0)) || die "These Debian packages are missing: ${missing[*]}. Install them first:" \
    "  sudo $APT_INSTALL ${missing[*]}"
  apt_install "${missing[@]}" && return 0
  tail -n 20 "$LOG_DIR/install.log" >&2
  die "apt-get could not install ${missing[*]}: see above and $LOG_DIR/install.log."
}

apt_install() {
  say "installing Debian packages: $* (log: $LOG_DIR/install.log)"
  export DEBIAN_FRONTEND=noninteractive
  # A fresh image has no package lists, an old one has stale ones: they are fetched when the install fails.
  $APT_INSTALL "$@" >>"$LOG_DIR/install.log" 2>&1 && return 0
  apt-get update >>"$LOG_DIR/install.log" 2>&1 && $APT_INSTALL "$@" >>"$LOG_DIR/install.log" 2>&1
}

# What only tests of the API and of the board need. Without it they are skipped, so that its absence ends nothing.
install_test_tools() {
  local missing=()
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  command -v chromium >/dev/null || missing+=(chromium fonts-dejavu-core)
  if ((${#missing[@]})); then
    if ((EUID != 0)) || ! command -v apt-get >/dev/null || ! apt_install "${missing[@]}"; then
      say "the tests of the API (newman) and of the board (a browser) are skipped without ${missing[*]}:"
      say "  sudo $APT_INSTALL ${missing[*]}"
    fi
  fi
  if command -v npm >/dev/null; then install_newman; fi
}

# newman as its lock has it, only when that changed.
install_newman() {
  local folder=$ROOT/tests/api wanted stamp
  stamp=$folder/node_modules/.xflow-synced
  wanted=$(sha256sum <"$folder/package-lock.json")
  if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then return 0; fi
  say "installing newman into $folder/node_modules"
  if npm ci --prefix "$folder" --ignore-scripts --no-progress >>"$LOG_DIR/install.log" 2>&1; then
    echo "$wanted" >"$stamp"
  else
    say "npm could not install newman (see $LOG_DIR/install.log): the tests of the API are skipped"
  fi
}

# A CPython 3.12 that runs (a shim of pyenv may be there without doing so), of the system, pyenv or uv.
find_python() {
  local python
  for python in "$(command -v python3.12 || true)" "$(command -v python3 || true)" \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12.*/bin/python3.12 \
    "${XDG_DATA_HOME:-$HOME/.local/share}"/uv/python/cpython-3.12.*/bin/python3.12 /usr/local/bin/python3.12 /opt/python*/bin/python3.12; do
    if [[ -x $python ]] && "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then
      "$python" -c 'import sys; print(sys.executable)'
      return 0
    fi
  done
  return 1
}

python_missing() {
  local command="python3 -m venv ~/.uv && ~/.uv/bin/pip install uv && ~/.uv/bin/uv python install 3.12"
  if apt-cache policy python3.12 2>/dev/null | grep -q 'Candidate: [0-9]'; then
    command="sudo apt-get install -y python3.12 python3.12-venv"
  elif command -v uv >/dev/null; then
    command="uv python install 3.12"
  elif command -v pyenv >/dev/null; then
    command="pyenv install 3.12"
  fi
  die "CPython 3.12 was not found (the forecasting library needs one below 3.13). Install it, then run this again:" \
    "  $command"
}

# uv of the machine, or one in $XFLOW_HOME/tools.
find_uv() {
  if command -v uv >/dev/null && uv --version >/dev/null 2>&1; then command -v uv; return 0; fi
  local tools=$XFLOW_HOME/tools
  if [[ ! -x $tools/bin/uv ]]; then
    say "installing uv into $tools" >&2
    "$1" -m venv "$tools" && "$tools/bin/pip" install --quiet uv >>"$LOG_DIR/install.log" 2>&1 || return 1
  fi
  echo "$tools/bin/uv"
}

# The environment of the lock, synchronised only when the lock or the project file changed. --inexact keeps what
# lies there beside it; compiled here, packages warn of their own syntax in nobody's first run. The stamp's second word says whether the development tools are in it too.
install_python() {
  local stamp=$ROOT/.venv/.xflow-synced wanted python uv groups=(--no-dev)
  wanted=$(cat "$ROOT/uv.lock" "$ROOT/pyproject.toml" | sha256sum | cut -d ' ' -f 1)
  if [[ -x $ROOT/.venv/bin/python && -f $stamp ]]; then
    case $(<"$stamp") in
      "$wanted dev") return 0 ;;
      "$wanted user") [[ $DEV == yes ]] || return 0 ;;
    esac
  fi
  python=$(find_python) || python_missing
  uv=$(find_uv "$python") || die "uv could not be installed: see $LOG_DIR/install.log. Install it: pip install uv"
  if [[ $DEV == yes ]]; then groups=(--all-groups); fi
  say "installing the locked Python environment into $ROOT/.venv"
  UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=$ROOT/.venv "$uv" sync --project "$ROOT" --python "$python" \
    --frozen --inexact --all-extras "${groups[@]}" --compile-bytecode --quiet || die "uv could not install the environment: see above."
  if [[ $DEV == yes ]]; then echo "$wanted dev"; else echo "$wanted user"; fi >"$stamp"
}

install_all() {
  install_debian
  install_python
  if [[ $DEV == yes ]]; then install_test_tools; fi
}
