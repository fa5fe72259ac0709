#!/usr/bin/env bash
# Compares two snapshots, as Apache ZooKeeper's zkSnapshotComparer.sh.

ZOOBINDIR="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=bin/zkEnv.sh
. "$ZOOBINDIR/zkEnv.sh"

exec "$ZABRA" data compare "$@"
