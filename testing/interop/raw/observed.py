"""What operators see after the same work: every four-letter word, every admin command, every metric, by value.

The scenarios of this group have a server each time the suite runs, and begin by resetting its statistics. Times are
replaced; counts are not.
"""

import json
import os
import pathlib
import re
import sys
import urllib.error
import urllib.request

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))

import harness
from administration import fetch
from scenario import scenario
from wire import (
    CREATE,
    DELETE,
    EXISTS,
    GET,
    GET_CHILDREN,
    GET_CHILDREN2,
    MULTI,
    SET,
    Connection,
    create,
    multi,
    path_version,
    path_watch,
    set_data,
)

SOMEBODY = {"Authorization": "digest somebody:secret"}

# Figures that depend on time, on the machine or on how the work was cut into batches.
VAGUE = re.compile(
    r"(_|^)(uptime|version|open_file_descriptor_count|max_file_descriptor_count|\w*latency|\w*time|\w*time_ms|\w*_loaded"
    r"|fsync\w*|sync_processor\w*|prep_processor\w*|connection_token_deficit|response_packet_cache_\w+"
    r"|response_packet_get_children_cache_\w+|outstanding_changes_\w+|connection_drop_count)$"
)
# Counted by Zabra also where the genuine server does so in an ensemble only.
DIFFERENT = {"commit_count"}


def work(t):
    """The same requests every time; the connection stays open."""
    t.four_letter("srst")
    t.four_letter("crst")
    conn = t.connect()
    conn.quiet(CREATE, create(t.root, b"data"), "path")
    conn.quiet(CREATE, create(f"{t.root}/child"), "path")
    conn.quiet(CREATE, create(f"{t.root}/ephemeral", b"e", flags=1), "path")
    conn.quiet(GET, path_watch(t.root, True), "data")
    conn.quiet(GET_CHILDREN, path_watch(t.root, True), "names")
    conn.quiet(GET_CHILDREN2, path_watch(t.root), "hex")
    conn.quiet(EXISTS, path_watch(f"{t.root}/child", True), "stat")
    conn.request(EXISTS, path_watch(f"{t.root}/none", True))
    conn.payload()
    conn.request(DELETE, path_version(f"{t.root}/none"))
    conn.payload()
    conn.request(SET, set_data(f"{t.root}/child", b"new data"))
    conn.payload()
    conn.payload()
    conn.request(MULTI, multi((CREATE, create(f"{t.root}/multi", b"m")), (DELETE, path_version(f"{t.root}/child"))))
    conn.payload()
    conn.payload()
    return conn


def steady(t, conn, answer):
    """A text answer without what varies."""
    answer = re.sub(r"127\.0\.0\.1:\d+", "<address>", answer)
    answer = answer.replace(f"0x{conn.session:x}", "<session>").replace(str(conn.session), "<session>")
    answer = re.sub(r"(?<=Zookeeper version: ).*", "<version>", answer)
    answer = re.sub(r"(?<=Latency min/avg/max: ).*", "<latencies>", answer)
    # What expires at the same time stands together, and its place stays for a while after the last of it has moved on:
    # whether one request comes before a tick and the next after it is up to chance.
    answer = re.sub(r"^ *0 expire at .*\n", "", answer, flags=re.M)
    answer = re.sub(r'^ *"\d+" : \[ \],\n', "", answer, flags=re.M)
    answer = re.sub(r',\n *"\d+" : \[ \]$', "", answer, flags=re.M)
    answer = re.sub(r"(?<=Sets )\(\d+\)", "(<n>)", answer)
    answer = re.sub(r"(?<=expire at ).*", "<date>:", answer)
    answer = re.sub(r"\b(est|lresp|llat|minlat|avglat|maxlat)=\d+", r"\1=<n>", answer)
    return re.sub(r"(_size: |Size=|Port=)\d+", r"\1<n>", answer)


@scenario("seen-words", group="observed")
def seen_words(t):
    conn = work(t)
    data_dir = os.environ["INTEROP_DATA"]
    for word in ("srvr", "stat", "cons", "wchs", "wchc", "wchp", "dump", "dirs", "conf", "hash", "isro"):
        answer = steady(t, conn, t.four_letter(word)).replace(data_dir, "<data>")
        t.say(f"{word}: {answer!r}" if word in ("hash", "isro") else f"{word}, ends {answer[-2:]!r}")
        lines = answer.splitlines()
        for line in sorted(lines) if word in ("cons", "wchc", "wchp", "stat") else lines:
            t.say("   ", line or "(empty)")


@scenario("seen-mntr", group="observed")
def seen_mntr(t):
    work(t)
    shown = dict(line.split("\t") for line in t.four_letter("mntr").splitlines())
    for key, value in sorted(shown.items()):
        name = key.removeprefix("zk_")
        if "_per_namespace" in name and t.root[1:] not in name:
            continue
        vague = VAGUE.search(name) or name in DIFFERENT
        t.say(name, "<n>" if vague else value)


@scenario("seen-admin", group="observed")
def seen_admin(t):
    """The bodies as they are, blanks included."""
    conn = work(t)
    commands = "configuration connections dirs dump get_trace_mask hash is_read_only last_snapshot leader observers ruok"
    commands += " server_stats stats voting_view watch_summary watches watches_by_path zabstate connection_stat_reset"
    for command in (commands + " observer_connection_stat_reset stat_reset").split():
        status, headers, body = fetch(t, f"/commands/{command}")
        answer = steady(t, conn, body.decode()).replace(os.environ["INTEROP_DATA"], "<data>")
        answer = re.sub(r'"(version|zxid)" : ".*?"', r'"\1" : "<varies>"', answer)
        vague = r'"(\w*latency|uptime|\w*dir_?size|timestamp|client_port|established|last_response_time|\d+)" : '
        answer = re.sub(vague + r"[-\d.]+", r'"\1" : <n>', answer)
        answer = re.sub(r'"\d+" : \[', '"<time>" : [', answer)
        t.say(f"{command}: {status} {headers.get('Content-Type')}")
        if command.startswith(("watches", "stats", "server_stats")):
            # In no order, neither the paths in brackets nor the lines.
            answer = re.sub(r"\[ (.*) \]", lambda match: str(sorted(match[1].split(", "))), answer)
            answer = "\n".join(sorted(line.rstrip(",") for line in answer.splitlines()))
        t.say(answer)
    monitor = json.loads(fetch(t, "/commands/monitor")[2])
    words = {line.split("\t")[0].removeprefix("zk_") for line in t.four_letter("mntr").splitlines()}
    t.say("monitor has all of mntr:", sorted(words - set(monitor)), "and more:", sorted(set(monitor) - words))
    settings = json.loads(fetch(t, "/commands/initial_configuration")[2])["initial_configuration"]
    keys = sorted(line.split("=")[0] for line in settings.splitlines())
    t.say("initial_configuration has the keys", keys)


@scenario("seen-protected", group="observed")
def seen_protected(t):
    """What snapshot and restore answer."""
    t.connect()
    for label, path, method, body in (
        ("snapshot", "/commands/snapshot?streaming=false", "GET", None),
        ("again at once", "/commands/snap", "GET", None),
        ("restore of garbage", "/commands/restore", "POST", b"garbage"),
        ("again at once", "/commands/rest", "POST", b"garbage"),
    ):
        status, headers, answer = ask(path, method, body)
        known = [name for name in ("last_zxid", "snapshot_size") if headers.get(name)]
        t.say(f"{label}: {status} {headers.get('Content-Type')} {known} {sorted(json.loads(answer))}")


def ask(path, method, body, admin=None):
    """An admin request of somebody, whatever the answer."""
    admin = admin or os.environ["INTEROP_ADMIN"]
    request = urllib.request.Request(f"http://{admin}{path}", method=method, data=body, headers=SOMEBODY)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def populate(conn, root):
    conn.quiet(CREATE, create(root, b"root"), "path")
    for n in range(50):
        conn.quiet(CREATE, create(f"{root}/{n:02}", b"x" * n), "path")
    conn.quiet(CREATE, create(f"{root}/ephemeral", b"e", flags=1), "path")


def contents(t, root):
    """What a client finds below a node, children in their order."""
    conn = Connection(t)
    conn.hello()
    t.base = None
    conn.request(GET_CHILDREN, path_watch(root))
    names = sorted(re.findall(rb"[a-z]+|\d\d", conn.payload()[20:]))
    t.say("children:", len(names), names[:2], names[-2:])
    for name in ("00", "07", "ephemeral"):
        conn.request(GET, path_watch(f"{root}/{name}"))
        # Header apart, and the times in the Stat.
        data = conn.payload()[12:]
        t.say(f"{name}:", data[:8].hex(), len(data))
    conn.quiet(CREATE, create(f"{root}/after"), "path")
    conn.close()


@scenario("snapshots-exchanged", group="exchanged")
def snapshots_exchanged(t):
    """A snapshot streamed by either server is restored by the other."""
    with harness.server("genuine", admin=True) as genuine:
        admin = f"127.0.0.1:{genuine.admin_port}"
        own, t.hostport = t.hostport, genuine.hostport
        populate(t.connect(), "/theirs")
        theirs = ask("/commands/snapshot", "GET", None, admin)[2]

        t.hostport = own
        t.base = None
        populate(t.connect(), "/ours")
        # The snapshots of this server have a limit of their own.
        status, _, ours = ask("/commands/snapshot", "GET", None)
        t.say("ours:", status, ours[:4])

        status, _, answer = ask("/commands/restore", "POST", ours, admin)
        t.say("ours restored by the genuine server:", status, sorted(json.loads(answer)))
        t.hostport = genuine.hostport
        contents(t, "/ours")

        t.hostport = own
        status, _, answer = ask("/commands/restore", "POST", theirs)
        t.say("theirs restored by this server:", status, sorted(json.loads(answer)))
        contents(t, "/theirs")
        # What was there before may be known to the connections; nobody waits for them.
        t.connections.clear()


@scenario("seen-prometheus", group="observed")
def seen_prometheus(t):
    """The names, kinds and labels of the Prometheus port, Java's apart."""
    port = harness.free_port()
    provider = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"
    config = {
        "metricsProvider.className": provider,
        "metricsProvider.httpHost": "127.0.0.1",
        "metricsProvider.httpPort": str(port),
    }
    with harness.server(os.environ["INTEROP_KIND"], config=config) as server:
        t.hostport = server.hostport
        t.base = None
        work(t)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            t.say(answer.status, answer.headers.get("Content-Type"))
            page = answer.read().decode()
        t.connections.clear()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.M))
    samples = {re.sub(r",(?=})", "", sample) for sample in re.findall(r"^([^#\s].*) \S+$", page, re.M)}
    # Zabra has more: its own, counters with _total as well, and a quantile that later versions have.
    more = r"^(zabra_|jvm_)|quantile=\"0.95\""
    plain = {name for name, kind in kinds.items() if kind == "counter"}
    twins = {f"{name}_total" for name in plain}
    for name, kind in sorted(kinds.items()):
        if not re.search(more, name) and name not in twins:
            t.say(kind, name)
    for sample in sorted(samples):
        if not re.search(more, sample) and sample.split("{")[0] not in twins:
            t.say(sample)
