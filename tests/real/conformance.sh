#!/usr/bin/env bash
# Runs the official conformance suite against the project's own fixture: through bridges of 100 lines, with nothing of
# the gateway, and through the gateway in each way of the table below.
#
#   tests/real/conformance.sh BINARY FIXTURE [FILTER]
#
# FIXTURE is the stdio server that offers what the suite asks for. FILTER is a regular expression for the names of the
# rows to run, as they are printed; without it all run that are not to come. Prints the scenarios that fail or warn,
# writes .cache/real/conformance/ROW.txt (the suite's own words) and summary.txt, and "N passed, N failed" at the end.
# One check more, "fixture", is of what the suite cannot see of the fixture: eras.py.
set -euo pipefail

# What is asked for. The columns:
#   revision   whose requirements are run; 2025-11-25 has 30 scored scenarios, 2026-07-28 has 37
#   view       direct: through a bridge; server: /servers/fixture/mcp; merged: /mcp, where the server has no prefix
#   scope      of the server in the gateway's configuration
#   protocol   likewise; "-": not set
#   serves     which eras the fixture serves: both, or one alone
#   minimum    how many of the scored scenarios must pass; "?" behind it: to come, run only where FILTER names the row
#   more       how many of those must that are not scored: 3 at 2025-11-25, 13 at 2026-07-28, of them 10 on tasks
table='
2025-11-25  direct  -        -       both            30            3
2026-07-28  direct  -        -       both            37            13
2025-11-25  server  session  -       both            30            3
2025-11-25  server  shared   -       both            30            3
2025-11-25  merged  session  -       both            30            3
2025-11-25  merged  shared   -       both            30            3
2026-07-28  server  session  modern  both            37            13
2026-07-28  server  shared   auto    both            37            13
2026-07-28  merged  session  auto    both            37            13
2026-07-28  merged  shared   modern  both            37            13
2026-07-28  server  session  legacy  handshake-only  36            4
2026-07-28  server  shared   auto    handshake-only  26            4
2026-07-28  merged  session  auto    handshake-only  36            4
2025-11-25  server  session  modern  stateless-only  30            3
2025-11-25  merged  shared   modern  stateless-only  30            3
2025-11-25  server  shared   auto    both            30            3
'

if [[ $# -lt 2 || $# -gt 3 || ! -x $1 || ! -x $2 ]]; then
  echo "usage: tests/real/conformance.sh BINARY FIXTURE [FILTER]" >&2
  exit 2
fi
binary=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
fixture=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
filter=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
fixtures=$(cd "$here/../fixtures" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/real
"$here/setup.sh"

scratch=$(mktemp -d)
bridge_pid=
# shellcheck source=tests/real/gateway.sh
source "$here/gateway.sh"
trap 'gateway_kill; bridge_stop; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
results=$cache/conformance
rm -rf "$results"
mkdir -p "$results"

passed=0 failed=0
tell() { echo "$*" | tee -a "$results/summary.txt"; }

# judge ROW: reads what the suite printed, prints the scenarios that fail or warn with their reasons, and as its last line
# how many of the scored scenarios passed, and how many of the others.
judge() {
  python3 - "$results/$1.txt" "$results/$1" <<'PYTHON'
import glob, json, re, sys
printed, folder = sys.argv[1:]
with open(printed, encoding="utf-8") as file:
    text = file.read()
summary, _, rest = text.partition("=== SUMMARY ===")[2].partition("Not scored")
outcome = {name: mark == "✓" for mark, name in re.findall(r"^([✓✗]) ([\w.-]+):", summary, re.MULTILINE)}
# The suite lists only those unscored scenarios that were run; each line names why.
unscored = set(re.findall(r"^\s+[✓✗] ([\w.-]+) \(", rest, re.MULTILINE))
for name, good in sorted(outcome.items()):
    checks = []
    for path in glob.glob(f"{folder}/server-{name}-20*/checks.json"):
        with open(path, encoding="utf-8") as file:
            checks += json.load(file)
    reasons = [str(c.get("errorMessage") or c["id"]) for c in checks if c["status"] == ("WARNING" if good else "FAILURE")]
    if reasons or not good:
        kind = ("unscored, " if name in unscored else "") + ("warning" if good else "failing")
        print(f"  {kind}: {name}: {'; '.join(reasons)[:300]}")
scored = [good for name, good in outcome.items() if name not in unscored]
more = [good for name, good in outcome.items() if name in unscored]
print(f"{sum(scored)} of {len(scored)}, {sum(more)} of {len(more)}")
PYTHON
}

# gateway_serve ROW VIEW SCOPE PROTOCOL [FLAG]: starts a gateway with the fixture behind it and sets url.
gateway_serve() {
  local config=$scratch/$1.json
  python3 -c '
import json, sys
fixture, view, scope, protocol, *flags = sys.argv[1:]
server = {"name": "fixture", "command": fixture, "scope": scope}
server |= {"args": flags} if flags else {}
server |= {"prefix": ""} if view == "merged" else {}
server |= {"protocol": protocol} if protocol != "-" else {}
print(json.dumps({"servers": [server]}))' "$fixture" "${@:2}" >"$config"
  gateway_start "$binary" "$config" "$1" || return 1
  url=$gateway_address/servers/fixture/mcp
  [[ $2 == server ]] || url=$gateway_address/mcp
}

# bridge_serve REVISION [FLAG]: starts the bridge of the revision's era with the fixture behind it and sets url.
bridge_serve() {
  local script=$fixtures/bridge.py try
  [[ $1 == 2025-11-25 ]] || script=$fixtures/bridge_stateless.py
  # The log that is shown where a run fails is this one's now.
  gateway_log=$scratch/bridge-$1.log
  python3 "$script" 0 "$fixture" "${@:2}" 2>"$gateway_log" >&2 </dev/null &
  bridge_pid=$!
  for ((try = 0; try < 200; try++)); do
    url=$(sed -n 's/^bridge: listening on //p' "$gateway_log")
    [[ -z $url ]] || return 0
    sleep 0.05
  done
  return 1
}

bridge_stop() {
  [[ -n $bridge_pid ]] || return 0
  kill "$bridge_pid" 2>/dev/null || true
  wait "$bridge_pid" 2>/dev/null || true
  bridge_pid=
}

# serve and stop: the same for bridge and gateway, whichever the row asks for.
serve() { # ROW REVISION VIEW SCOPE PROTOCOL [FLAG]
  if [[ $3 == direct ]]; then bridge_serve "$2" "${@:6}"; else gateway_serve "$1" "${@:3}"; fi
}
stop() {
  bridge_stop
  [[ -z $gateway_pid ]] || gateway_stop >/dev/null || tell "conformance: the gateway did not stop within 3 s of SIGTERM"
}

# miss NAME SENTENCE
miss() {
  failed=$((failed + 1))
  tell "not ok conformance $1: $2"
  gateway_tell_log
}

# run NAME REVISION VIEW SCOPE PROTOCOL SERVES MINIMUM MORE
run() {
  local name=$1 revision=$2 minimum=$7 more=$8 row flags=() url= verdict count others sentence
  row=$(tr -cs 'a-zA-Z0-9\n-' - <<<"$name")
  [[ $6 == both ]] || flags=("--$6")
  if ! serve "$row" "${@:2:4}" ${flags[@]+"${flags[@]}"}; then
    miss "$name" "nothing answers"
    gateway_kill
    bridge_stop
    return
  fi
  # The suite's exit code tells of every scenario, also of those that are not scored; the judge decides.
  limit 600 "$cache/bin/node" "$cache/node/node_modules/@modelcontextprotocol/conformance/dist/index.js" server \
    --url "$url" --requirements "$revision" -o "$results/$row" >"$results/$row.txt" 2>&1 </dev/null || true
  stop
  verdict=$(judge "$row")
  count=$(tail -n 1 <<<"$verdict")
  others=${count#*, } count=${count%,*}
  sed '$d' <<<"$verdict" | tee -a "$results/summary.txt"
  sentence="$count scored scenarios pass (at least $minimum are asked for), $others that are not scored ($more)"
  if [[ ${count##* } -gt 0 && ${count%% *} -ge $minimum && ${others%% *} -ge $more ]]; then
    passed=$((passed + 1))
    tell "ok conformance $name: $sentence"
  else
    [[ ${count##* } -gt 0 ]] || tail -n 20 "$results/$row.txt"
    miss "$name" "$sentence"
  fi
}

if [[ -z $filter || fixture =~ $filter ]]; then
  if verdict=$(python3 "$here/eras.py" "$fixture" 2>&1); then
    passed=$((passed + 1))
    tell "ok conformance fixture: both eras on one pipe, and each alone"
  else
    failed=$((failed + 1))
    tell "$verdict"
    tell "not ok conformance fixture: both eras on one pipe, and each alone"
  fi
fi
while read -r revision view scope protocol serves minimum more; do
  [[ -n $revision ]] || continue
  name="$revision, $view"
  [[ $scope == - ]] || name+=", scope $scope"
  [[ $protocol == - ]] || name+=", protocol $protocol"
  [[ $serves == both ]] || name+=", $serves"
  if [[ -n $filter && $name =~ $filter || -z $filter && $minimum != *\? ]]; then
    run "$name" "$revision" "$view" "$scope" "$protocol" "$serves" "${minimum%\?}" "$more"
  fi
done <<<"$table"
if [[ $((passed + failed)) -eq 0 ]]; then
  echo "tests/real/conformance.sh: no row is called \"$filter\"" >&2
  exit 2
fi
tell "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
