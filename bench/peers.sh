#!/usr/bin/env bash
# Brings the other gateways into .cache/bench at the project's top, in the versions below, as their authors ship them. What
# cannot be installed is left out, with a line that says so; a second run installs only what is missing.
#
#   .cache/bench/NAME/       one peer, whole once the file `installed` is in it, which holds its version
#   .cache/bench/NAME.log    what its installation printed
set -uo pipefail

cache=$(cd "$(dirname "$0")/.." && pwd)/.cache/bench
mkdir -p "$cache"

# peer NAME VERSION FUNCTION: calls FUNCTION with folder and version, unless that version is there.
peer() {
  local folder=$cache/$1 log=$cache/$1.log
  if [[ -f $folder/installed && $(<"$folder/installed") == "$2" ]]; then
    return
  fi
  echo "bench: installing $1 $2 into .cache/bench" >&2
  rm -rf "$folder"
  mkdir -p "$folder"
  if "$3" "$folder" "$2" >"$log" 2>&1 </dev/null; then
    echo "$2" >"$folder/installed"
  else
    echo "bench: $1 $2 cannot be installed and is left out; the end of $log:" >&2
    tail -n 3 "$log" | sed 's/^/    /' >&2
    rm -rf "$folder"
  fi
}

# Their release profiles and lock files, as whoever follows their README gets them. What was built is not kept: the two
# take more than a gigabyte.
rust_mcp_proxy() { CARGO_TARGET_DIR=$1/target cargo install --locked --root "$1" "mcp-proxy@$2" && rm -rf "$1/target"; }
rmcp_proxy() { CARGO_TARGET_DIR=$1/target cargo install --locked --root "$1" "rmcp-proxy@$2" && rm -rf "$1/target"; }

# No install scripts: none is needed.
supergateway() {
  command -v node && node --version && cd "$1" && echo '{"private":true}' >package.json &&
    npm install --ignore-scripts --no-audit --no-fund --save-exact "supergateway@$2"
}

pypi_mcp_proxy() { python3 -m venv "$1/venv" && "$1/venv/bin/pip" install "mcp-proxy==$2"; }

peer rust-mcp-proxy 0.6.0 rust_mcp_proxy
peer rmcp-proxy 0.1.3 rmcp_proxy
peer supergateway 4.0.0 supergateway
peer pypi-mcp-proxy 0.13.0 pypi_mcp_proxy
