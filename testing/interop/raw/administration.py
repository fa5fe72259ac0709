"""Four-letter words and the HTTP admin server."""

import json
import os
import re
import urllib.error
import urllib.request

from scenario import scenario
from wire import ADD_WATCH, CREATE, EXISTS, GET, GET_CHILDREN, create, i, path_watch, text


@scenario("words-bare")
def words_bare(t):
    """Words whose answers are fixed, byte for byte."""
    for word in (
        "ruok",
        "isro",
        "crst",
        "srst",
        "gtmk",
        "dirs",
        "wchs",
        "wchc",
        "wchp",
        "telnet close",
        "nope",
        "RUOK",
    ):
        answer = t.four_letter(word[:4])
        if word == "dirs":
            answer = re.sub(r"\d+", "<n>", answer)
        t.say(f"{word}: {answer!r}")
    t.say("stmk:", repr(t.four_letter(b"stmk" + (0x12).to_bytes(8))))
    t.say("gtmk:", repr(t.four_letter("gtmk")))
    t.say("with a newline:", repr(t.four_letter("ruok\n")))
    t.say("with more behind:", repr(t.four_letter("isro and more")))


def shape(answer, keep=()):
    """A text answer with its numbers replaced, but for the lines that begin with a word of `keep`."""

    def line(text_):
        return text_ if text_.startswith(tuple(keep)) else re.sub(r"0x[0-9a-f]+|-?\d+(\.\d+)?", "<n>", text_)

    return "\n".join(line(text_) for text_ in answer.splitlines())


@scenario("words-srvr", group="plain")
def words_srvr(t):
    """The lines of srvr and stat, in their order; versions and counters aside."""
    conn = t.connect()
    for word in ("srvr", "stat"):
        answer = re.sub(r"^(Zookeeper version: ).*", r"\1<version>", t.four_letter(word), flags=re.M)
        answer = re.sub(r"/127.0.0.1:\d+", "/<address>", answer)
        t.say(f"{word} ends {answer[-3:]!r}" if answer else f"{word}: nothing")
        t.say(shape(answer, keep=("Mode", "Node count")))
    conn.fate()


@scenario("words-conf", group="plain")
def words_conf(t):
    answer = t.four_letter("conf")
    for line in answer.splitlines():
        key, _, value = line.partition("=")
        t.say(
            key,
            "=",
            "<varies>" if key in ("dataDir", "dataLogDir", "clientPort", "dataDirSize", "dataLogSize") else value,
        )


@scenario("words-cons-dump")
def words_cons_dump(t):
    conn = t.connect_in_root()
    conn.quiet(CREATE, create(f"{t.root}/e", flags=1), "path")
    conn.quiet(CREATE, create(f"{t.root}/f", flags=1), "path")
    conn.quiet(GET, path_watch(t.root), "data")
    mine = next(line for line in t.four_letter("cons").splitlines() if f"sid=0x{conn.session:x}" in line)
    t.say("cons:", re.sub(r"(?<==)(0x[0-9a-f]+|\d+)", "<n>", re.sub(r"127.0.0.1:\d+", "<address>", mine)))
    dump = t.four_letter("dump")
    t.say(
        "dump has:",
        [
            head
            for head in (
                "SessionTracker dump:",
                "Session Sets",
                "ephemeral nodes dump:",
                "Sessions with Ephemerals",
                "Connections dump:",
                "Connections Sets",
            )
            if head in dump
        ],
    )
    block = dump[dump.index(f"0x{conn.session:x}:", dump.index("Sessions with Ephemerals")) :].splitlines()[:3]
    t.say("ephemerals:", [line.replace(f"0x{conn.session:x}", "<session>") for line in block[:1]], sorted(block[1:]))


@scenario("words-watches", group="plain")
def words_watches(t):
    """wchs, wchc and wchp count data watches only."""
    conn = t.connect()
    conn.quiet(CREATE, create(t.root), "path")
    conn.quiet(CREATE, create(f"{t.root}/a"), "path")
    conn.quiet(GET, path_watch(t.root, True), "data")
    conn.quiet(EXISTS, path_watch(f"{t.root}/a", True), "stat")
    conn.request(EXISTS, path_watch(f"{t.root}/none", True))
    conn.payload()
    conn.quiet(GET_CHILDREN, path_watch(t.root, True), "names")
    other = t.connect()
    other.quiet(GET, path_watch(t.root, True), "data")
    for word in ("wchs", "wchc", "wchp"):
        lines = t.four_letter(word).splitlines()
        t.say(
            f"{word}:",
            sorted(
                line.replace(f"0x{conn.session:x}", "<s1>").replace(f"0x{other.session:x}", "<s2>") for line in lines
            ),
        )
    conn.quiet(ADD_WATCH, text(t.root) + i(1), "int")
    conn.quiet(ADD_WATCH, text("/") + i(0), "int")
    t.say("with persistent ones:", t.four_letter("wchs").splitlines())


@scenario("words-mntr", group="plain")
def words_mntr(t):
    """The keys of mntr. Values only where they are certain."""
    conn = t.connect()
    certain = {"zk_server_state", "zk_ephemerals_count", "zk_num_alive_connections"}
    lines = [line.split("\t") for line in t.four_letter("mntr").splitlines()]
    t.check(all(len(line) == 2 for line in lines), "a line of mntr is not key, tab, value")
    values = dict(line for line in lines if len(line) == 2)
    for key in sorted(certain):
        t.say(key, values.get(key))
    for key in GAUGES:
        t.say(key, "there" if key in values else "MISSING")
    conn.fate()


# What dashboards and alerts read; the whole list has hundreds of keys, many only there once used.
GAUGES = """zk_version zk_avg_latency zk_max_latency zk_min_latency zk_packets_received zk_packets_sent
zk_num_alive_connections zk_outstanding_requests zk_server_state zk_znode_count zk_watch_count zk_ephemerals_count
zk_approximate_data_size zk_open_file_descriptor_count zk_max_file_descriptor_count zk_global_sessions
zk_local_sessions zk_uptime zk_connection_drop_probability zk_last_client_response_size zk_max_client_response_size
zk_min_client_response_size zk_auth_failed_count zk_stale_sessions_expired zk_connection_request_count
zk_connection_revalidate_count zk_avg_fsynctime zk_cnt_fsynctime zk_max_fsynctime zk_sum_fsynctime
zk_avg_snapshottime zk_request_commit_queued zk_response_packet_cache_hits zk_proposal_count zk_p99_readlatency
zk_p999_updatelatency zk_cnt_readlatency zk_sessionless_connections_expired zk_bytes_received_count
zk_digest_mismatches_count zk_diff_count zk_snap_count zk_commit_count zk_dead_watchers_queued
zk_unrecoverable_error_count zk_outstanding_changes_queued""".split()


@scenario("words-refused", group="listed")
def words_refused(t):
    """4lw.commands.whitelist=srvr, ruok (as an operator may write it): the rest is refused in words."""
    for word in ("srvr", "ruok", "stat", "mntr", "conf", "isro", "wchc", "nope"):
        answer = t.four_letter(word)
        t.say(f"{word}:", repr(answer) if "not in" in answer or word == "ruok" else f"{len(answer.splitlines())} lines")


@scenario("words-default", group="limits")
def words_default(t):
    """Without a whitelist only srvr answers."""
    for word in ("srvr", "ruok", "stat", "isro"):
        answer = t.four_letter(word)
        t.say(f"{word}:", repr(answer) if "not in" in answer else f"{len(answer.splitlines())} lines")


# ---- HTTP


def fetch(t, path, method="GET", headers=None):
    """Status, content type and body of an admin request."""
    request = urllib.request.Request(
        f"http://{os.environ['INTEROP_ADMIN']}{path}", method=method, headers=headers or {}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def fields(t, command):
    """Prints the status and the field names of a command's JSON, in their order."""
    status, headers, body = fetch(t, f"/commands/{command}")
    try:
        value = json.loads(body)
    except ValueError:
        t.say(f"{command}: {status} {headers.get('Content-Type')} not JSON: {body[:80]!r}")
        return {}
    names = sorted(value)
    if value.get("command") in ("environment", "system_properties"):
        # These two list the Java machine; only what is not Java's is compared.
        names = [
            name
            for name in names
            if name in ("command", "error", "zookeeper.version", "os.name", "os.arch", "os.version", "user.name")
        ]
    t.say(f"{command}: {status} {headers.get('Content-Type')} {names} error={value.get('error')}")
    return value


@scenario("admin-commands", group="admin")
def admin_commands(t):
    conn = t.connect()
    for command in (
        "configuration",
        "conf",
        "config",
        "connections",
        "cons",
        "connection_stat_reset",
        "crst",
        "dirs",
        "dump",
        "environment",
        "env",
        "get_trace_mask",
        "gtmk",
        "hash",
        "initial_configuration",
        "icfg",
        "is_read_only",
        "isro",
        "last_snapshot",
        "lsnp",
        "leader",
        "lead",
        "observers",
        "obsr",
        "ruok",
        "server_stats",
        "srvr",
        "set_trace_mask?traceMask=1",
        "stats",
        "stat",
        "stat_reset",
        "srst",
        "system_properties",
        "sysp",
        "voting_view",
        "watch_summary",
        "wchs",
        "watches",
        "wchc",
        "watches_by_path",
        "wchp",
        "zabstate",
        "nosuch",
        "RUOK",
        "",
    ):
        fields(t, command)
    conn.fate()


@scenario("admin-values", group="admin")
def admin_values(t):
    conn = t.connect()
    conn.quiet(CREATE, create(t.root), "path")
    conn.quiet(GET, path_watch(t.root, True), "data")
    for command in (
        "ruok",
        "is_read_only",
        "leader",
        "voting_view",
        "watch_summary",
        "zabstate",
        "nosuch",
        "get_trace_mask",
    ):
        t.say(command, json.dumps(json.loads(fetch(t, f"/commands/{command}")[2]), sort_keys=True))
    stats = json.loads(fetch(t, "/commands/srvr")[2])
    t.say("srvr", sorted(stats["server_stats"]), stats["read_only"], stats["server_stats"]["server_state"])
    sessions = json.loads(fetch(t, "/commands/watches")[2])["session_id_to_watched_paths"]
    t.say("watches", sessions.get(str(conn.session)))
    connections = json.loads(fetch(t, "/commands/connections")[2])["connections"]
    t.say("connections", len(connections), sorted(connections[0]))
    conf = json.loads(fetch(t, "/commands/configuration")[2])
    t.say(
        "configuration",
        {key: value for key, value in conf.items() if key not in ("client_port", "data_dir", "data_log_dir")},
    )
    monitor = json.loads(fetch(t, "/commands/monitor")[2])
    t.say(
        "monitor",
        [
            key
            for key in ("znode_count", "watch_count", "server_state", "num_alive_connections", "uptime", "version")
            if key in monitor
        ],
    )


@scenario("admin-http", group="admin")
def admin_http(t):
    """Paths, methods, refusals."""
    t.connect()
    for method, path in (
        ("GET", "/commands"),
        ("GET", "/commands/"),
        ("GET", "/"),
        ("GET", "/nosuch"),
        ("POST", "/commands/ruok"),
        ("PUT", "/commands/ruok"),
        ("HEAD", "/commands/ruok"),
        ("TRACE", "/commands/ruok"),
        ("DELETE", "/commands/ruok"),
        ("GET", "/commands/ruok/more"),
        ("GET", "/commands/ruok?x=y"),
        ("GET", "/commands/set_trace_mask"),
        ("GET", "/commands/set_trace_mask?traceMask=abc"),
    ):
        status, headers, body = fetch(t, path, method)
        is_json = "json" in (headers.get("Content-Type") or "")
        t.say(f"{method} {path}: {status}", json.dumps(json.loads(body), sort_keys=True) if is_json and body else "")
    links = fetch(t, "/commands")[2].decode()
    t.say("links", sorted(re.findall(r'href="([^"]+)"', links)))


@scenario("admin-protected", group="admin")
def admin_protected(t):
    """snapshot and restore want credentials; snapshot gives the bytes of a snapshot."""
    t.connect()
    for label, path, method, headers in (
        ("snapshot without", "/commands/snapshot", "GET", {}),
        ("snapshot, garbage", "/commands/snapshot", "GET", {"Authorization": "garbage"}),
        ("snapshot, unknown scheme", "/commands/snapshot", "GET", {"Authorization": "nosuch x:y"}),
        ("restore without", "/commands/restore", "POST", {}),
        ("restore by GET", "/commands/restore", "GET", {}),
    ):
        status, answer_headers, body = fetch(t, path, method, headers)
        t.say(f"{label}: {status}", body.decode(errors="replace").strip())
    status, headers, body = fetch(t, "/commands/snapshot?streaming=true", headers={"Authorization": "digest u:p"})
    has_zxid = bool(re.fullmatch("0x[0-9a-f]+", headers.get("last_zxid") or ""))
    t.say(f"snapshot: {status} {headers.get('Content-Type')} magic {body[:4]!r} last_zxid {has_zxid}")
    t.say("size matches", headers.get("snapshot_size") == str(len(body)))
