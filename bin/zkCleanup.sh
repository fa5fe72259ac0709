#!/usr/bin/env bash
# Removes snapshots and transaction logs that are no longer needed, as Apache ZooKeeper's zkCleanup.sh: the directories
# are those of the configuration, -n says how many snapshots to keep.

ZOOBINDIR="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=bin/zkEnv.sh
. "$ZOOBINDIR/zkEnv.sh"

data_dir="$(property "$ZOOCFG" dataDir)"
log_dir="$(property "$ZOOCFG" dataLogDir)"

# Directories on the command line take the place of the configured ones.
directories=()
if [[ $1 == -* || -z $1 ]]; then
  [[ -n $log_dir ]] && directories+=("$log_dir")
  [[ -n $data_dir ]] && directories+=("$data_dir")
fi
exec "$ZABRA" data purge "${directories[@]}" "$@"
