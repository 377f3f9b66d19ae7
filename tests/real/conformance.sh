#!/usr/bin/env bash
# Runs the official conformance suite against /servers/fixture/mcp of a gateway, once with the fixture shared by all
# sessions and once with a fixture for each session.
#
#   tests/real/conformance.sh BINARY FIXTURE [MINIMUM_SHARED [MINIMUM_SESSION]]
#
# FIXTURE is the stdio server that offers what the suite asks for. The minima say how many of the scored scenarios must
# pass (25 unless told); a scope with fewer is a failed check. Prints the scenarios that fail, writes
# .cache/real/conformance/SCOPE.txt (the suite's own words) and summary.txt, and "N passed, N failed" at the end.
set -euo pipefail

if [[ $# -lt 2 || $# -gt 4 || ! -x $1 || ! -x $2 ]]; then
  echo "usage: tests/real/conformance.sh BINARY FIXTURE [MINIMUM_SHARED [MINIMUM_SESSION]]" >&2
  exit 2
fi
revision=2025-11-25
binary=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
fixture=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
minimum_shared=${3:-25} minimum_session=${4:-${3:-25}}
here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/real
"$here/setup.sh"

scratch=$(mktemp -d)
# shellcheck source=tests/real/gateway.sh
source "$here/gateway.sh"
trap 'gateway_kill; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
results=$cache/conformance
rm -rf "$results"
mkdir -p "$results"

passed=0 failed=0
tell() { echo "$*" | tee -a "$results/summary.txt"; }

# judge SCOPE MINIMUM: reads what the suite printed, prints the failing scenarios with their reasons, and
# as its last line how many of the scored scenarios passed.
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
for name in sorted(name for name, good in outcome.items() if not good):
    reasons = []
    for path in glob.glob(f"{folder}/server-{name}-20*/checks.json"):
        with open(path, encoding="utf-8") as file:
            reasons += [str(c.get("errorMessage") or c["id"]) for c in json.load(file) if c["status"] == "FAILURE"]
    print(f"  {'unscored, ' if name in unscored else ''}failing: {name}: {'; '.join(reasons)[:300]}")
scored = [good for name, good in outcome.items() if name not in unscored]
print(f"{sum(scored)} of {len(scored)}")
PYTHON
}

# scope NAME MINIMUM
scope() {
  local config=$scratch/$1.json
  python3 -c 'import json, sys; print(json.dumps({"servers": [
    {"name": "fixture", "command": sys.argv[1], "scope": sys.argv[2]}]}))' "$fixture" "$1" >"$config"
  if ! gateway_start "$binary" "$config" "$1"; then
    failed=$((failed + 1))
    tell "not ok conformance, scope $1: the gateway does not become ready"
    gateway_tell_log
    gateway_kill
    return
  fi
  # The suite's exit code tells of every scenario, also of those that are not scored; the judge decides.
  limit 600 "$cache/bin/node" "$cache/node/node_modules/@modelcontextprotocol/conformance/dist/index.js" server \
    --url "$gateway_address/servers/fixture/mcp" --requirements "$revision" -o "$results/$1" \
    >"$results/$1.txt" 2>&1 </dev/null || true
  gateway_stop >/dev/null || tell "conformance, scope $1: the gateway did not stop within 3 s of SIGTERM"
  local verdict count
  verdict=$(judge "$1")
  count=$(tail -n 1 <<<"$verdict")
  sed '$d' <<<"$verdict" | tee -a "$results/summary.txt"
  if [[ ${count%% *} -ge $2 ]]; then
    passed=$((passed + 1))
    tell "ok conformance $revision, scope $1: $count scored scenarios pass (at least $2 are asked for)"
  else
    failed=$((failed + 1))
    tell "not ok conformance $revision, scope $1: $count scored scenarios pass (at least $2 are asked for)"
    [[ ${count##* } -gt 0 ]] || tail -n 20 "$results/$1.txt"
    gateway_tell_log
  fi
}

scope shared "$minimum_shared"
scope session "$minimum_session"
tell "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
