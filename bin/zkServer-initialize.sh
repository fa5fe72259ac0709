#!/usr/bin/env bash
# Prepares the directories of a new server, as Apache ZooKeeper's zkServer-initialize.sh: makes `version-2` in them,
# writes `myid`, and gives the permission to begin with an empty database (the file `initialize`).

ZOOBINDIR="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=bin/zkEnv.sh
. "$ZOOBINDIR/zkEnv.sh"

usage() {
  cat <<END
usage: $0 <parameters>
  Optional parameters:
     -h                                                    Display this message
     --help                                                Display this message
     --configfile=$(printf '%-40s' "$ZOOCFG") ZooKeeper config file
     --myid=#                                              Set the myid to be used, if any (1-255)
     --force                                               Force creation of the data/txnlog dirs
END
  exit 1
}

fail() {
  echo "$1"
  exit 1
}

id=
force=false
while [[ $# -gt 0 ]]; do
  case $1 in
    --configfile=?*) ZOOCFG="${1#*=}" ;;
    --myid=?*) id="${1#*=}" ;;
    --configfile | --myid)
      [[ $# -gt 1 ]] || usage
      if [[ $1 == --myid ]]; then id=$2; else ZOOCFG=$2; fi
      shift
      ;;
    --force) force=true ;;
    -h | --help) usage ;;
    *)
      echo "Unknown option: $1"
      usage
      ;;
  esac
  shift
done

[[ -e $ZOOCFG ]] || fail "Unable to find config file at $ZOOCFG"
data_dir="$(property "$ZOOCFG" dataDir)"
log_dir="$(property "$ZOOCFG" dataLogDir)"
[[ -n $data_dir ]] || fail "Unable to determine dataDir from $ZOOCFG"

if $force; then
  echo "Force enabled, data/txnlog directories will be re-initialized"
else
  hint="(or use --force to force re-initialization)"
  [[ ! -d $data_dir/version-2 ]] || fail "ZooKeeper data directory already exists at $data_dir $hint"
  [[ -z $log_dir || ! -d $log_dir/version-2 ]] ||
    fail "ZooKeeper txnlog directory already exists at $log_dir $hint"
fi

# Only what is the server's own; the directories themselves keep their owner and permissions.
for dir in "$data_dir" ${log_dir:+"$log_dir"}; do
  rm -rf "$dir/myid" "$dir/version-2"
  mkdir -p "$dir/version-2"
done

if [[ -n $id ]]; then
  echo "Using myid of $id"
  echo "$id" >"$data_dir/myid"
else
  echo "No myid provided, be sure to specify it in $data_dir/myid if using non-standalone"
fi
touch "$data_dir/initialize"
