#!/usr/bin/env bash
# Starts, stops and asks a server: the commands, messages, files and exit codes of Apache ZooKeeper's zkServer.sh.

ZOOBINDIR="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=bin/zkEnv.sh
. "$ZOOBINDIR/zkEnv.sh"

command=$1
config=$2

usage() {
  echo "Usage: $0 [--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd}" >&2
}

# Lines on standard error that other people's scripts look for.
if [[ ${JMXDISABLE:-false} == false ]]; then
  # There is nothing to switch on; who waits for the line shall not wait for ever.
  echo "ZooKeeper JMX enabled by default" >&2
else
  echo "JMX disabled by user request" >&2
fi

# A second word is a file of the configuration directory, or a path.
if [[ -n $config ]]; then
  if [[ $config == */* ]]; then
    ZOOCFG=$config
  else
    ZOOCFG="$ZOOCFGDIR/$config"
  fi
fi
echo "Using config: $ZOOCFG" >&2

data_dir="$(property "$ZOOCFG" dataDir)"
log_dir="$(property "$ZOOCFG" dataLogDir)"

if [[ -n ${ZOO_DATADIR_AUTOCREATE_DISABLE:-} ]]; then
  if [[ ! -d $data_dir/version-2 ]]; then
    echo "ZooKeeper data directory is missing at $data_dir fix the path or run initialize"
    exit 1
  fi
  if [[ -n $log_dir && ! -d $log_dir/version-2 ]]; then
    echo "ZooKeeper txnlog directory is missing at $log_dir fix the path or run initialize"
    exit 1
  fi
  # The server reads the switch itself.
fi

# Empty if nothing tells where it is.
pid_file="${ZOOPIDFILE:-${data_dir:+$data_dir/zookeeper_server.pid}}"
server=("$ZABRA" server "$ZOOCFG")
out="$ZOO_LOG_DIR/zookeeper-${USER:-}-server-${HOSTNAME:-}.out"

need_pid_file() {
  if [[ -z $pid_file ]]; then
    echo "Unable to determine dataDir from $ZOOCFG"
    exit 1
  fi
}

# The directories that the pid and the output go to.
prepare() {
  need_pid_file
  mkdir -p "$(dirname "$pid_file")" "$ZOO_LOG_DIR"
}

start() {
  echo -n "Starting zookeeper ... "
  prepare
  local pid
  if [[ -f $pid_file ]] && pid="$(cat "$pid_file")" && kill -0 "$pid" 2>/dev/null; then
    echo "already running as process $pid."
    exit 1
  fi
  nohup "${server[@]}" >"$out" 2>&1 </dev/null &
  pid=$!
  if ! echo -n "$pid" >"$pid_file"; then
    echo "FAILED TO WRITE PID"
    exit 1
  fi
  # A server that cannot run says so within this time.
  sleep 1
  if kill -0 "$pid" 2>/dev/null; then
    echo "STARTED"
  else
    echo "FAILED TO START"
    # Whoever started it would have to look for this.
    tail -n 5 "$out" >&2
    exit 1
  fi
}

stop() {
  echo -n "Stopping zookeeper ... "
  need_pid_file
  if [[ ! -f $pid_file ]]; then
    echo "no zookeeper to stop (could not find file $pid_file)"
    return
  fi
  local pid tries
  pid="$(cat "$pid_file")"
  kill "$pid"
  rm "$pid_file"
  # A tenth of a second each; who starts it again needs its ports.
  for ((tries = 0; tries < 100; tries++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "STOPPED"
}

# Splits "port", "host:port" or "[address]:port" into client_address and client_port.
take_client() {
  case $1 in
    \[*\]:*)
      client_address="${1%]:*}]"
      client_port="${1##*:}"
      ;;
    *:*)
      client_address="${1%:*}"
      client_port="${1##*:}"
      ;;
    *) client_port=$1 ;;
  esac
}

# Where the configuration says that clients are served: the client port, else what stands behind the semicolon of this
# server's line, else the port with TLS.
find_client_port() {
  client_address="$(property "$ZOOCFG" clientPortAddress)"
  client_address="${client_address:-localhost}"
  client_port="$(property "$ZOOCFG" clientPort)"
  is_tls=false
  if [[ ! $client_port =~ ^[0-9]+$ ]]; then
    client_port=
    local id entry
    id="$(cat "$data_dir/myid" 2>/dev/null)"
    if [[ ! $id =~ ^[0-9]+$ ]]; then
      echo "myid could not be determined, will not able to locate clientPort in the server configs."
    else
      entry="$(property "$ZOOCFG" "server.$id")"
      if [[ $entry != *\;* ]]; then
        echo "Client port not found in static config file. Looking in dynamic config file."
        entry="$(property "$(property "$ZOOCFG" dynamicConfigFile)" "server.$id")"
      fi
      if [[ $entry == *\;* ]]; then
        take_client "${entry##*;}"
      else
        echo "Client port not found in the server configs"
      fi
    fi
  fi
  if [[ -z $client_port ]]; then
    echo "Client port not found. Looking for secureClientPort in the static config."
    client_port="$(property "$ZOOCFG" secureClientPort)"
    if [[ -z $client_port ]]; then
      echo "Unable to find either secure or unsecure client port in any configs. Terminating."
      exit 1
    fi
    is_tls=true
    client_address="$(property "$ZOOCFG" secureClientPortAddress)"
    client_address="${client_address:-localhost}"
  fi
  echo "Client port found: $client_port. Client address: $client_address. Client SSL: $is_tls."
}

status() {
  find_client_port
  local address=$client_address mode
  # An address of IPv6 needs brackets in front of a port.
  [[ $address == *:* && $address != \[* ]] && address="[$address]"
  mode="$("$ZABRA" ask --server "$address:$client_port" srvr 2>/dev/null | grep '^Mode: ')"
  if [[ -z $mode ]]; then
    echo "Error contacting service. It is probably not running."
    exit 1
  fi
  echo "$mode"
}

case $command in
  start) start ;;
  start-foreground)
    prepare
    if [[ -n ${ZOO_NOEXEC:-} ]]; then
      "${server[@]}"
    else
      exec "${server[@]}"
    fi
    ;;
  print-cmd)
    # What carries configuration besides the file is part of the command.
    for name in ZOO_DATADIR_AUTOCREATE_DISABLE SERVER_JVMFLAGS JVMFLAGS; do
      [[ -n ${!name:-} ]] && printf '%s=%q ' "$name" "${!name}"
    done
    printf '%q ' "${server[@]}"
    printf '> "%s" 2>&1 < /dev/null\n' "$out"
    ;;
  print-classpath) echo "CLASSPATH=${CLASSPATH:-}" ;;
  stop) stop ;;
  restart)
    stop
    start
    ;;
  status) status ;;
  version) "$ZABRA" version ;;
  *) usage ;;
esac
