#!/usr/bin/env bash
# Prints, mends or cuts a transaction log, as Apache ZooKeeper's zkTxnLogToolkit.sh.

ZOOBINDIR="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=bin/zkEnv.sh
. "$ZOOBINDIR/zkEnv.sh"

exec "$ZABRA" data log "$@"
