#!/usr/bin/env bash
# The shell, under the name and with the options of Apache ZooKeeper's zkCli.sh.

ZOOBINDIR="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=bin/zkEnv.sh
. "$ZOOBINDIR/zkEnv.sh"

exec "$ZABRA" shell "$@"
