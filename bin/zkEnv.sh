# Where things are, for the scripts beside this one. Sourced by them, and by whoever sources the one of Apache
# ZooKeeper for ZOOCFGDIR, ZOOCFG and ZOO_LOG_DIR.
#
# In:  ZABRA (the program), ZOOBINDIR, ZOOCFGDIR, ZOOCFG, ZOO_LOG_DIR; zookeeper-env.sh and java.env in ZOOCFGDIR
# Out: ZABRA, ZOOKEEPER_PREFIX, ZOOCFGDIR, ZOOCFG (with its directory), ZOO_LOG_DIR

ZOOBINDIR="${ZOOBINDIR:-/usr/bin}"
ZOOKEEPER_PREFIX="$ZOOBINDIR/.."

# Only in front of everything else. The arguments are those of the script that sources this: it sees what is left.
if [[ $# -gt 1 && $1 == --config ]]; then
  ZOOCFGDIR=$2
  shift 2
fi

if [[ -z ${ZOOCFGDIR:-} ]]; then
  ZOOCFGDIR="$ZOOKEEPER_PREFIX/conf"
  [[ -e $ZOOCFGDIR ]] || ZOOCFGDIR="$ZOOKEEPER_PREFIX/etc/zookeeper"
fi

# shellcheck source=/dev/null
[[ -f $ZOOCFGDIR/zookeeper-env.sh ]] && . "$ZOOCFGDIR/zookeeper-env.sh"

ZOOCFG="${ZOOCFG:-zoo.cfg}"
[[ $ZOOCFG == /* ]] || ZOOCFG="$ZOOCFGDIR/$ZOOCFG"

# shellcheck source=/dev/null
[[ -f $ZOOCFGDIR/java.env ]] && . "$ZOOCFGDIR/java.env"

ZOO_LOG_DIR="${ZOO_LOG_DIR:-$ZOOKEEPER_PREFIX/logs}"

# What the server and the shell read from the environment; `-D` flags carry configuration.
export SERVER_JVMFLAGS CLIENT_JVMFLAGS JVMFLAGS ZOO_DATADIR_AUTOCREATE_DISABLE ZABRA_LOG

# The program: as told, beside the scripts, in the PATH, or as built in a checkout.
if [[ -z ${ZABRA:-} ]]; then
  if [[ -x $ZOOBINDIR/zabra ]]; then
    ZABRA="$ZOOBINDIR/zabra"
  elif ! ZABRA="$(type -P zabra)"; then
    ZABRA="$ZOOKEEPER_PREFIX/target/release/zabra"
  fi
fi
if [[ ! -x $ZABRA ]]; then
  echo "Error: zabra is neither in ZABRA, nor beside the scripts, nor in the PATH." >&2
  exit 1
fi

# The value of a key in a properties file; the last one counts. `#` comments are no keys.
# usage: property FILE KEY
property() {
  [[ -f $1 ]] || return 0
  sed -n "s/^[[:space:]]*${2//./\\.}[[:space:]]*[=:][[:space:]]*//p" "$1" | sed -e 's/[[:space:]]*$//' -e '$!d'
}
