#!/usr/bin/env bash
# Drives one MCP endpoint with the command line of the official inspector, each command as a process of its own: a
# client that connects, asks one thing and leaves, and never hears a list_changed.
#
#   inspector.sh [--era E] [--prefix P] [--label L] http|sse URL
#   inspector.sh [--era E] [--prefix P] [--label L] stdio COMMAND [ARG…]
#
# --era is how it finds the era: legacy (initialize; unless told otherwise), modern (the stateless era or nothing), or
# auto (server/discover, and initialize where that is refused). With the last two it only lists and calls tools.
# --prefix is what stands before the names of server-everything ("" or "everything__").
# The packages and Node are looked for in $REAL_TESTS_NODE and $REAL_TESTS_NODE_BIN (see setup.sh).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=$here/../../.cache/real
node_home=${REAL_TESTS_NODE:-$cache/node}
node_bin=${REAL_TESTS_NODE_BIN:-$cache/bin/node}

era=legacy prefix= label=inspector
while [[ ${1-} == --* ]]; do
  case $1 in
    --era) era=$2 ;;
    --prefix) prefix=$2 ;;
    --label) label=$2 ;;
    *) echo "inspector.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
if [[ $# -lt 2 || ! $1 =~ ^(http|sse|stdio)$ ]]; then
  echo "usage: inspector.sh [--era E] [--prefix P] [--label L] http|sse|stdio URL|COMMAND [ARG…]" >&2
  exit 2
fi
transport=$1
shift

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The inspector keeps its files in the home folder otherwise.
export MCP_STORAGE_DIR=$scratch/storage MCP_CLIENT_CONFIG_PATH=$scratch/client.json MCP_INSPECTOR_SECRET_STORE=file

# A config file and not words on the command line: a command's own options would be taken for the inspector's.
python3 - "$transport" "$@" >"$scratch/config.json" <<'PYTHON'
import json, sys
transport, where, *args = sys.argv[1:]
if transport == "stdio":
    entry = {"type": "stdio", "command": where, "args": args}
else:
    entry = {"type": "sse" if transport == "sse" else "streamable-http", "url": where}
print(json.dumps({"mcpServers": {"gateway": entry}}))
PYTHON

passed=0 failed=0
# check NAME TEXT ARGUMENT…: the inspector's answer to the arguments must hold the text and exit with 0.
check() {
  local name=$1 text=$2 output
  shift 2
  if ! output=$(timeout 90 "$node_bin" "$node_home/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js" \
      --cli --config "$scratch/config.json" --server gateway --protocol-era "$era" --connect-timeout 60000 --format json --quiet "$@" 2>"$scratch/stderr"); then
    failed=$((failed + 1))
    echo "not ok $label: $name: $(tail -c 400 "$scratch/stderr" | tr '\n' ' ')"
  elif [[ $output != *"$text"* ]]; then
    failed=$((failed + 1))
    echo "not ok $label: $name: no $text in ${output:0:400}"
  else
    passed=$((passed + 1))
    echo "ok $label: $name"
  fi
}

check "tools/list" "\"name\":\"${prefix}get-structured-content\"" --method tools/list
check "tools/call" "Echo: hello inspector" \
  --method tools/call --tool-name "${prefix}echo" --tool-arg "message=hello inspector"
if [[ $era == legacy ]]; then
  check "resources/list" "\"uri\":\"demo://resource/static/document/features.md\"" --method resources/list
  check "prompts/list" "\"name\":\"${prefix}args-prompt\"" --method prompts/list
fi
if [[ -n $prefix && $era == legacy ]]; then
  check "tools/list of all servers" "\"name\":\"time__get_current_time\"" --method tools/list
  check "tools/call on time" "Europe/Berlin" \
    --method tools/call --tool-name time__get_current_time --tool-arg timezone=Europe/Berlin
fi

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
