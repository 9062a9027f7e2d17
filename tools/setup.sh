#!/usr/bin/env bash
# Makes .venv and installs the dependencies that pyproject.toml names. QuickFIX has no wheel: it is compiled here.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/common.sh

find_python() {
  local name
  for name in python3.11 python3.12 python3.13 python3 python; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      command -v "$name"
      return
    fi
  done
  fail "Python 3.11 or newer is needed and was not found." "Debian 12: apt install python3 python3-venv python3-dev"
}

make_venv() {
  local python log
  python=$(find_python)
  log=$(mktemp)
  say "Python: $("$python" --version) → .venv"
  if "$python" -m venv .venv >"$log" 2>&1; then
    rm -f "$log"
    return
  fi
  rm -rf .venv
  if command -v virtualenv >/dev/null && virtualenv -q -p "$python" .venv; then
    rm -f "$log"
    return
  fi
  cat "$log" >&2
  rm -f "$log"
  fail "The virtual environment could not be made." "Debian 12: apt install python3-venv"
}

# Prints the names under [project] dependencies and the dev extra, one for each line.
requirements() {
  .venv/bin/python - <<'PY'
import pathlib
import tomllib

project = tomllib.loads(pathlib.Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
print("\n".join(project["dependencies"] + project["optional-dependencies"]["dev"]))
PY
}

check_compiler() {
  command -v c++ >/dev/null || command -v g++ >/dev/null ||
    fail "A C++ compiler is needed to build QuickFIX." "Debian 12: apt install g++"
  local header
  header=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["include"] + "/Python.h")')
  [ -e "$header" ] || fail "Python.h is missing: QuickFIX cannot be built." "Debian 12: apt install python3-dev"
}

install_quickfix() {
  local requirement=$1
  if .venv/bin/python -m pip show -q quickfix >/dev/null 2>&1; then
    return
  fi
  check_compiler
  say "QuickFIX is built from source, once. On two cores this takes 2 to 4 minutes; pip keeps the result."
  # -O1 -g0 halves the build; the time of an order is not spent in QuickFIX's optimised loops.
  CXXFLAGS="-O1 -g0 ${CXXFLAGS:-}" show_elapsed "building QuickFIX" \
    .venv/bin/python -m pip install -q --disable-pip-version-check "$requirement"
}

main() {
  [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1 || make_venv
  local wanted quickfix
  wanted=$(requirements)
  quickfix=$(grep '^quickfix==' <<<"$wanted")
  install_quickfix "$quickfix"
  # shellcheck disable=SC2086 # one word for each requirement
  show_elapsed "installing Python packages" \
    .venv/bin/python -m pip install -q --disable-pip-version-check $wanted
  touch .venv/.deps
}

main
