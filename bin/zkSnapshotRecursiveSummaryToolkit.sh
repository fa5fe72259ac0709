#!/usr/bin/env bash
# Counts what is below the nodes of a snapshot, as Apache ZooKeeper's script of this name.

ZOOBINDIR="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=bin/zkEnv.sh
. "$ZOOBINDIR/zkEnv.sh"

exec "$ZABRA" data summary "$@"
