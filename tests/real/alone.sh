#!/usr/bin/env bash
# Becomes a gateway that shares nothing with any other of the same user: its state folder is its own, and new.
#
#   alone.sh SCRATCH BINARY [ARG…]
#
# SCRATCH is a folder to make that in; whoever made it removes it.
set -euo pipefail
XDG_STATE_HOME=$(mktemp -d "$1/state-XXXXXX")
export XDG_STATE_HOME
unset STATE_DIRECTORY
exec "${@:2}"
