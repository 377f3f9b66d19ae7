#!/usr/bin/env bash
# Drives a gateway with real servers behind it and real clients before it.
#
#   tests/real/run.sh BINARY
#
# Prints a line for each check, the gateway's log where one failed, and "N passed, N failed" at the end.
set -euo pipefail

if [[ $# -ne 1 || ! -x $1 ]]; then
  echo "usage: tests/real/run.sh BINARY" >&2
  exit 2
fi
binary=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/real
"$here/setup.sh"
export REAL_TESTS_NODE=$cache/node REAL_TESTS_NODE_BIN=$cache/bin/node

scratch=$(mktemp -d)
# shellcheck source=tests/real/gateway.sh
source "$here/gateway.sh"
mark=MCPROXY_REAL_TESTS=$$-$RANDOM

clean_up() {
  gateway_kill
  # Whatever a failed test left behind is known by the mark in its environment.
  python3 "$here/bed.py" marked "$mark" | while read -r pid _; do kill -KILL "$pid" 2>/dev/null || true; done
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# What the servers work on. The paths are real ones: server-filesystem compares them so.
scratch=$(cd "$scratch" && pwd -P)
mkdir "$scratch/files" "$scratch/repo"
printf 'hello from a file' >"$scratch/files/hello.txt"
git -C "$scratch/repo" init -q
git -C "$scratch/repo" -c user.name=test -c user.email=test@example.org \
  commit -q --allow-empty -m "the first commit of the test"

# write_config FILE MARK STUBBORN [NAME]: all servers of the handshake era, or only the one of that NAME. The ways of
# starting differ on purpose: plain, by npx, by a shell. With STUBBORN that shell stays when its stdin ends and when it
# is told to go, as some real ones do.
write_config() {
  python3 - "$@" "$cache" "$scratch" <<'PYTHON'
import json, sys
path, mark, stubborn, *only, cache, scratch = sys.argv[1:]
shell = "node_modules/.bin/mcp-server-memory; exit 0"
if stubborn == "stubborn":
    shell = "trap '' TERM INT HUP; node_modules/.bin/mcp-server-memory; sleep 600"
name, value = mark.split("=")
packages, scripts = f"{cache}/node", f"{cache}/venv/bin"
servers = [
    {"name": "everything", "command": "node",
     "args": [f"{packages}/node_modules/@modelcontextprotocol/server-everything/dist/index.js"],
     # It ignores cancellation, and does not answer a cancelled call: until this is over, that call counts
     # as one whose client it may mean when it asks.
     "timeout": 8},
    {"name": "filesystem", "command": "npx", "args": ["--no-install", "mcp-server-filesystem", f"{scratch}/files"],
     "cwd": packages},
    {"name": "memory", "command": "sh", "args": ["-c", shell], "cwd": packages,
     "env": {"MEMORY_FILE_PATH": f"{scratch}/memory.jsonl"}},
    {"name": "time", "command": f"{scripts}/mcp-server-time", "args": ["--local-timezone", "Etc/UTC"]},
    {"name": "git", "command": f"{scripts}/mcp-server-git", "args": ["--repository", f"{scratch}/repo"]},
    {"name": "demo", "command": "${MCPROXY}", "args": ["demo-server"]},
]
for server in servers:
    server.setdefault("env", {})[name] = value
with open(path, "w", encoding="utf-8") as file:
    json.dump({"servers": [server for server in servers if not only or server["name"] in only]}, file, indent=2)
PYTHON
}

passed=0 failed=0

# check NAME COMMAND…: one check of this script's own; what the command prints is the reason of its failing.
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    passed=$((passed + 1))
    echo "ok $name${output:+ ($output)}"
  else
    failed=$((failed + 1))
    echo "not ok $name: ${output//$'\n'/ }"
  fi
}

# drive COMMAND…: a driver with checks of its own. One that ends without counting has failed once more.
drive() {
  local output=$scratch/driver.out code=0
  limit 600 "$@" 2>"$scratch/driver.err" | tee "$output" | grep -Ev '^[0-9]+ passed, [0-9]+ failed$' || true
  code=${PIPESTATUS[0]}
  local said
  said=$(tail -n 1 "$output")
  if [[ $said =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
    [[ ${BASH_REMATCH[2]} -eq 0 ]] || tail -n 30 "$scratch/driver.err"
  else
    failed=$((failed + 1))
    echo "not ok $2: ended with $code before it had counted"
    tail -n 30 "$scratch/driver.err"
  fi
}

# A gateway that a client starts.
alone=("$here/alone.sh" "$scratch" "$binary")
mcp=("$cache/venv/bin/python" "$here/client_mcp.py" --strict)
sdk=(node "$here/client_sdk.mjs" --strict)
inspector=("$here/inspector.sh")
python_eras=("$cache/venv-eras/bin/python" "$here/client_eras.py" --prefix everything__)
client_eras=(node "$here/client_eras.mjs")
# How a client of both eras finds one, and the era that it must find.
ways=("legacy handshake" "auto stateless" "2026-07-28 stateless")
merged=(--prefix everything__ --files "$scratch/files" --repo "$scratch/repo")

# eras PLACE TRANSPORT URL|COMMAND…: the clients of both eras, in every way that they have.
eras() {
  local place=$1 way mode era
  shift
  for way in "${ways[@]}"; do
    read -r mode era <<<"$way"
    drive "${client_eras[@]}" --prefix everything__ --label "client $mode $place" --mode "$mode" --era "$era" "$@"
    drive "${python_eras[@]}" --client mcp --label "mcp 2 $mode $place" --mode "$mode" --era "$era" "$@"
    # fastmcp takes HTTP+SSE for a transport of the handshake era only, unless it is told otherwise.
    [[ "$mode $1" != "auto sse" ]] || era=handshake
    drive "${python_eras[@]}" --client fastmcp --label "fastmcp $mode $place" --mode "$mode" --era "$era" "$@"
    case $mode in
      legacy) ;; # has run already, with more checks
      auto) drive "${inspector[@]}" --label "inspector auto $place" --era auto --prefix everything__ "$@" ;;
      *) drive "${inspector[@]}" --label "inspector modern $place" --era modern --prefix everything__ "$@" ;;
    esac
  done
}

# dual_tests: a real server of both eras behind the gateway, which speaks the stateless one to it.
dual_tests() {
  local protocol way mode era
  for protocol in modern auto; do
    python3 -c 'import json, sys; program, script, protocol, mark = sys.argv[1:]; print(json.dumps({"servers": [
      {"name": "dual", "command": program, "args": [script, "stdio"], "protocol": protocol,
       "env": dict([mark.split("=")])}]}))' \
      "$cache/venv-eras/bin/python" "$here/dual_server.py" "$protocol" "$mark-stdio" >"$scratch/dual.json"
    for way in "${ways[@]}"; do
      read -r mode era <<<"$way"
      [[ $mode != auto ]] || continue
      drive "${client_eras[@]}" --prefix dual__ --label "client $mode stdio, server of both eras as $protocol" \
        --mode "$mode" --era "$era" stdio "${alone[@]}" stdio -c "$scratch/dual.json"
    done
  done
}

http_tests() {
  local address=$gateway_address
  drive "${sdk[@]}" --label "sdk /mcp" "${merged[@]}" http "$address/mcp"
  drive "${mcp[@]}" --label "mcp /mcp" "${merged[@]}" http "$address/mcp"
  drive "${inspector[@]}" --label "inspector /mcp" --prefix everything__ http "$address/mcp"
  drive "${sdk[@]}" --label "sdk /sse" "${merged[@]}" sse "$address/sse"
  drive "${mcp[@]}" --label "mcp /sse" "${merged[@]}" sse "$address/sse"
  drive "${inspector[@]}" --label "inspector /sse" --prefix everything__ sse "$address/sse"
  drive "${sdk[@]}" --label "sdk /servers/everything/mcp" http "$address/servers/everything/mcp"
  drive "${mcp[@]}" --label "mcp /servers/everything/mcp" http "$address/servers/everything/mcp"
  drive "${inspector[@]}" --label "inspector /servers/everything/mcp" http "$address/servers/everything/mcp"
  drive "${sdk[@]}" --label "sdk /servers/everything/sse" sse "$address/servers/everything/sse"
  drive "${mcp[@]}" --label "mcp /servers/everything/sse" sse "$address/servers/everything/sse"
  eras /mcp http "$address/mcp"
  eras /sse sse "$address/sse"
  drive node "$here/crash.mjs" http "$address/mcp" "$mark"
  drive node "$here/crash.mjs" sse "$address/sse" "$mark"
}

# The Python clients kill the gateway at times, when a late message of a server meets them closing: its servers then end
# by themselves, which takes as long as it takes.
stdio_tests() {
  write_config "$scratch/stdio.json" "$mark-stdio" plain
  local command=("${alone[@]}" stdio -c "$scratch/stdio.json")
  drive "${sdk[@]}" --label "sdk stdio" "${merged[@]}" stdio "${command[@]}"
  check "sdk stdio: nothing is left behind" python3 "$here/bed.py" gone "$mark-stdio" 15
  drive "${mcp[@]}" --label "mcp stdio" "${merged[@]}" stdio "${command[@]}"
  check "mcp stdio: nothing is left behind" python3 "$here/bed.py" gone "$mark-stdio" 15
  drive "${inspector[@]}" --label "inspector stdio" --prefix everything__ stdio "${command[@]}"
  check "inspector stdio: nothing is left behind" python3 "$here/bed.py" gone "$mark-stdio" 15
  # Every one of these commands starts a gateway: one server is enough for them.
  write_config "$scratch/one.json" "$mark-stdio" plain everything
  eras stdio stdio "${alone[@]}" stdio -c "$scratch/one.json"
  dual_tests
  check "the clients of both eras, stdio: nothing is left behind" python3 "$here/bed.py" gone "$mark-stdio" 15
}

write_config "$scratch/servers.json" "$mark" stubborn
if gateway_start "$binary" "$scratch/servers.json" gateway; then
  passed=$((passed + 1))
  echo "ok the gateway listens on $gateway_address and is ready"
  http_tests
  check "SIGTERM ends the gateway in less than 3 s" gateway_stop
  gateway_pid=
  check "SIGTERM leaves no process behind" python3 "$here/bed.py" gone "$mark" 0
else
  failed=$((failed + 1))
  echo "not ok the gateway is ready within 120 s"
fi
[[ $failed -eq 0 ]] || gateway_tell_log
stdio_tests
drive "$cache/venv/bin/python" "$here/restart.py" "$binary"
drive python3 "$here/launchers.py" "$binary" "$cache"

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
