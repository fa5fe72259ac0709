#!/usr/bin/env bash
# Prints what a snapshot holds, as Apache ZooKeeper's zkSnapShotToolkit.sh.

ZOOBINDIR="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=bin/zkEnv.sh
. "$ZOOBINDIR/zkEnv.sh"

arguments=()
for argument in "$@"; do
  # A long option with one dash.
  [[ $argument == -json ]] && argument=--json
  arguments+=("$argument")
done
exec "$ZABRA" data snapshot "${arguments[@]}"
