# Sourced by run.sh and conformance.sh: one gateway, started on a free port and stopped whatever happens.
# Sets gateway_pid, gateway_address and gateway_log; wants $here (this folder) and $scratch (a folder to write in).

gateway_pid=
gateway_log=

# gateway_start BINARY CONFIG NAME: starts it and waits until every server is up.
gateway_start() {
  gateway_log=$scratch/$3.log
  : >"$gateway_log"
  "$here/alone.sh" "$scratch" "$1" --port 0 -c "$2" 2>"$gateway_log" >&2 </dev/null &
  gateway_pid=$!
  gateway_address=$(python3 "$here/bed.py" listening "$gateway_log" 20) || return 1
  python3 "$here/bed.py" ready "$gateway_address" 120
}

# gateway_stop: SIGTERM; prints how long it took, fails where it took 3 s or longer.
gateway_stop() {
  local pid=$gateway_pid code=0
  gateway_pid=
  python3 "$here/bed.py" stop "$pid" 3 || { code=1; kill -KILL "$pid" 2>/dev/null || true; }
  # The shell would tell of the killed job on stderr otherwise.
  wait "$pid" 2>/dev/null || true
  return "$code"
}

# gateway_kill: for the trap, where nothing is asked any more.
gateway_kill() {
  [[ -z $gateway_pid ]] || kill -KILL "$gateway_pid" 2>/dev/null || true
}

gateway_tell_log() {
  [[ -s $gateway_log ]] || return 0
  printf '\n---- the last 200 lines of the gateway'\''s log\n'
  tail -n 200 "$gateway_log"
  printf -- '----\n'
}

# limit SECONDS COMMAND…: `timeout` where there is one (macOS has none by itself).
limit() {
  if command -v timeout >/dev/null; then timeout "$@"; else shift; "$@"; fi
}
