# Shared by the scripts of this folder: messages, and a line that shows that a long step is alive.

say() { printf '» %s\n' "$*"; }

# fail WHAT HINT: says what is wrong and what to do, then ends with 3 (environment).
fail() {
  printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
  exit 3
}

# show_elapsed LABEL COMMAND…: runs the command and shows elapsed seconds; its output is shown only when it fails.
show_elapsed() {
  local label=$1 log pid started status=0
  shift
  log=$(mktemp)
  started=$SECONDS
  "$@" >"$log" 2>&1 &
  pid=$!
  trap 'kill "$pid" 2>/dev/null; rm -f "$log"' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    report_progress "$label" "$((SECONDS - started))"
    sleep 1
  done
  wait "$pid" || status=$?
  trap - INT TERM
  [ -t 1 ] && printf '\r\033[K'
  if [ "$status" -ne 0 ]; then
    tail -n 60 "$log" >&2
    rm -f "$log"
    fail "$label failed after $((SECONDS - started)) s (exit code $status)." "the last lines above name the cause"
  fi
  rm -f "$log"
  say "$label: done in $((SECONDS - started)) s"
}

# On a terminal one line counts up; in a log one line appears every 15 s.
report_progress() {
  if [ -t 1 ]; then
    printf '\r  %s … %s s' "$1" "$2"
  elif [ "$2" -gt 0 ] && [ $(($2 % 15)) -eq 0 ]; then
    printf '  %s … %s s\n' "$1" "$2"
  fi
}
