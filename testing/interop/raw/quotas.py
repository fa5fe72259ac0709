"""Quotas: how usage is counted, and what enforcement refuses."""

from scenario import scenario
from wire import (
    ADD_WATCH,
    CREATE,
    DELETE,
    EXISTS,
    GET,
    GET_CHILDREN,
    MULTI,
    SET,
    create,
    i,
    multi,
    path_version,
    path_watch,
    set_data,
    text,
)


def limit(t, conn, path, limits):
    """Sets a quota as the tools do: intermediate nodes, limits, stats."""
    built = "/zookeeper/quota"
    for part in path.strip("/").split("/"):
        built += f"/{part}"
        conn.request(CREATE, create(built))
        conn.payload()
    conn.quiet(CREATE, create(f"{built}/zookeeper_limits", limits.encode()), "path")
    conn.quiet(CREATE, create(f"{built}/zookeeper_stats", b"count=0,bytes=0"), "path")
    return f"{built}/zookeeper_stats"


@scenario("usage")
def usage(t):
    """Usage follows every change below, in the stats node's data, without a Stat change or an event."""
    conn, watcher = t.connect_in_root(), t.connect()
    conn.quiet(CREATE, create(f"{t.root}/a", b"12345"), "path")
    conn.quiet(CREATE, create(f"{t.root}/a/b", b"123"), "path")
    stats = limit(t, conn, f"{t.root}/a", "count=100,bytes=1000")
    conn.call("stats", GET, path_watch(stats), "data")
    watcher.quiet(GET, path_watch(stats, True), "data")
    watcher.quiet(ADD_WATCH, text("/zookeeper/quota") + i(1), "int")
    for label, op, body, kind in (
        ("create", CREATE, create(f"{t.root}/a/c", b"1234567890"), "path"),
        ("create null", CREATE, create(f"{t.root}/a/n", None), "path"),
        ("ephemeral", CREATE, create(f"{t.root}/a/e", b"1", 1), "path"),
        ("set longer", SET, set_data(f"{t.root}/a/b", b"1234567890"), "stat"),
        ("set shorter", SET, set_data(f"{t.root}/a/b", b"1"), "stat"),
        ("set null", SET, set_data(f"{t.root}/a/b", None), "stat"),
        ("set the node itself", SET, set_data(f"{t.root}/a", b"1"), "stat"),
        ("delete", DELETE, path_version(f"{t.root}/a/c"), "hex"),
        (
            "multi",
            MULTI,
            multi(
                (CREATE, create(f"{t.root}/a/m1", b"12")),
                (CREATE, create(f"{t.root}/a/m2", b"34")),
                (DELETE, path_version(f"{t.root}/a/m1")),
            ),
            "multi",
        ),
        ("beside", CREATE, create(f"{t.root}/ab", b"1234567890"), "path"),
        ("above", SET, set_data(t.root, b"1234567890"), "stat"),
    ):
        conn.call(label, op, body, kind)
        conn.call("  stats", GET, path_watch(stats), "data")
    t.say("events of the stats node")
    watcher.events()
    nested = limit(t, conn, f"{t.root}/a/b", "count=10,bytes=10")
    conn.quiet(CREATE, create(f"{t.root}/a/b/x", b"123"), "path")
    conn.call("nested", GET, path_watch(nested), "data")
    conn.call("outer", GET, path_watch(stats), "data")
    conn.call("delete the limits", DELETE, path_version(stats.replace("_stats", "_limits")))
    conn.quiet(CREATE, create(f"{t.root}/a/y", b"123"), "path")
    conn.call("no longer counted", GET, path_watch(stats), "data")
    conn.call("not enforced here", CREATE, create(f"{t.root}/a/b/big", b"x" * 100), "path")


@scenario("usage-after-restart")
def usage_after_restart(t):
    conn = t.connect_in_root()
    conn.quiet(CREATE, create(f"{t.root}/a", b"12345"), "path")
    stats = limit(t, conn, f"{t.root}/a", "count=100,bytes=1000")
    conn.quiet(CREATE, create(f"{t.root}/a/b", b"123"), "path")
    conn.call("before", GET, path_watch(stats), "data")
    t.control("bounce")
    conn = t.connect()
    conn.call("after", GET, path_watch(stats), "data")
    conn.quiet(CREATE, create(f"{t.root}/a/c", b"1"), "path")
    conn.call("goes on", GET, path_watch(stats), "data")


@scenario("enforced-quota", group="quota")
def enforced_quota(t):
    conn = t.connect_in_root()
    for name, limits in (
        ("hard-count", "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3"),
        ("hard-bytes", "count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=-1"),
        ("soft", "count=1,bytes=1"),
        ("both", "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=2"),
        ("loose-text", "countHardLimit=2"),
    ):
        node = f"{t.root}/{name}"
        conn.quiet(CREATE, create(node, b"12345"), "path")
        stats = limit(t, conn, node, limits)
        t.say(name)
        for label, op, body, kind in (
            ("a", CREATE, create(f"{node}/a", b"1"), "path"),
            ("b", CREATE, create(f"{node}/b", b"1"), "path"),
            ("c", CREATE, create(f"{node}/c", b"1"), "path"),
            ("set 10", SET, set_data(f"{node}/a", b"x" * 10), "stat"),
            ("set 30", SET, set_data(f"{node}/a", b"x" * 30), "stat"),
            ("set 30, bad version", SET, set_data(f"{node}/a", b"x" * 30, 77), "stat"),
            ("set 0", SET, set_data(f"{node}/a", b""), "stat"),
            ("create big", CREATE, create(f"{node}/big", b"x" * 50), "path"),
            ("create in a multi", MULTI, multi((CREATE, create(f"{node}/m", b"x" * 50))), "multi"),
            ("delete", DELETE, path_version(f"{node}/b"), "hex"),
            ("create again", CREATE, create(f"{node}/b"), "path"),
            ("stats", GET, path_watch(stats), "data"),
            ("children", GET_CHILDREN, path_watch(node), "names"),
        ):
            conn.call(f"  {label}", op, body, kind)


@scenario("quota-garbage")
def quota_garbage(t):
    """Unparsable limits are only text while nothing is enforced."""
    conn = t.connect_in_root()
    conn.quiet(CREATE, create(f"{t.root}/a"), "path")
    conn.quiet(CREATE, create(f"/zookeeper/quota{t.root}"), "path")
    conn.quiet(CREATE, create(f"/zookeeper/quota{t.root}/a"), "path")
    conn.call("limits", CREATE, create(f"/zookeeper/quota{t.root}/a/zookeeper_limits", b"garbage"), "path")
    conn.call("create below", CREATE, create(f"{t.root}/a/x"), "path")
    conn.call("stats", EXISTS, path_watch(f"/zookeeper/quota{t.root}/a/zookeeper_stats"), "stat")
