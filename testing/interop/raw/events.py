"""Watches at the byte level: frames, their zxids, their order."""

from scenario import scenario
from wire import (
    ADD_WATCH,
    CHECK_WATCHES,
    CREATE,
    DELETE,
    EXISTS,
    GET,
    GET_CHILDREN,
    GET_CHILDREN2,
    MULTI,
    OPEN,
    PING,
    REMOVE_WATCHES,
    SET,
    SET_ACL,
    SET_WATCHES,
    SET_WATCHES2,
    acl,
    create,
    i,
    multi,
    path_version,
    path_watch,
    set_data,
    set_watches,
    text,
)


@scenario("own-events-first")
def own_events_first(t):
    """On the causing connection the event comes before the reply; both carry the transaction's zxid."""
    conn = t.connect_in_root()
    node = f"{t.root}/n"
    conn.call("exists", EXISTS, path_watch(node, True))
    conn.call("children", GET_CHILDREN, path_watch(t.root, True), "names")
    conn.request(CREATE, create(node))
    for _ in range(3):
        t.say("create:", conn.reply("path"))
    conn.call("get", GET, path_watch(node, True), "data")
    conn.request(SET, set_data(node, b"1"))
    for _ in range(2):
        t.say("set:", conn.reply("stat"))
    conn.call("get", GET, path_watch(node, True), "data")
    conn.call("children of it", GET_CHILDREN2, path_watch(node, True), "names-stat")
    conn.call("children", GET_CHILDREN, path_watch(t.root, True), "names")
    conn.request(DELETE, path_version(node))
    for _ in range(3):
        t.say("delete:", conn.reply())
    conn.fate()


@scenario("others-events")
def others_events(t):
    watcher, writer = t.connect_in_root(), t.connect()
    node = f"{t.root}/n"
    watcher.quiet(ADD_WATCH, text(t.root) + i(0), "int")
    watcher.quiet(ADD_WATCH, text(t.root) + i(1), "int")
    writer.quiet(CREATE, create(node), "path")
    t.say("created")
    watcher.events()
    watcher.quiet(GET, path_watch(node, True), "data")
    watcher.quiet(ADD_WATCH, text(node) + i(0), "int")
    writer.quiet(SET, set_data(node, b"1"), "stat")
    t.say("changed, under four kinds of watch")
    watcher.events()
    watcher.quiet(GET_CHILDREN, path_watch(node, True), "names")
    writer.quiet(
        MULTI,
        multi((CREATE, create(f"{node}/c")), (SET, set_data(node, b"2")), (DELETE, path_version(f"{node}/c"))),
        "multi",
    )
    t.say("a multi")
    watcher.events()
    watcher.quiet(GET, path_watch(node, True), "data")
    watcher.quiet(GET_CHILDREN, path_watch(node, True), "names")
    writer.quiet(DELETE, path_version(node))
    t.say("deleted")
    watcher.events()
    writer.quiet(SET_ACL, text(t.root) + OPEN + i(-1), "stat")
    t.say("setACL")
    watcher.events()
    watcher.call("remove any", REMOVE_WATCHES, text(t.root) + i(3))
    writer.quiet(CREATE, create(node), "path")
    t.say("after removing them on the parent")
    watcher.events()


@scenario("child-watch-consumed")
def child_watch_consumed(t):
    """NodeDeleted is told once, and the node's child watch is spent with it."""
    watcher, writer = t.connect_in_root(), t.connect()
    node = f"{t.root}/n"
    writer.quiet(CREATE, create(node), "path")
    watcher.quiet(EXISTS, path_watch(node, True), "stat")
    watcher.quiet(GET_CHILDREN, path_watch(node, True), "names")
    writer.quiet(DELETE, path_version(node))
    watcher.events()
    writer.quiet(CREATE, create(node), "path")
    writer.quiet(CREATE, create(f"{node}/c"), "path")
    t.say("created again, with a child")
    watcher.events()
    watcher.call("check children", CHECK_WATCHES, text(node) + i(1))


@scenario("synthesised-events")
def synthesised_events(t):
    """SetWatches: events with zxid -1 before the reply; strictly later than the given zxid."""
    conn = t.connect_in_root()
    r = t.root
    for name in "abcd":
        conn.quiet(CREATE, create(f"{r}/{name}"), "path")
    conn.quiet(SET, set_data(f"{r}/a", b"1"), "stat")
    exact = t.last_zxid(conn)
    conn.quiet(CREATE, create(f"{r}/b/child"), "path")
    conn.quiet(DELETE, path_version(f"{r}/c"))
    later = t.last_zxid(conn)

    def send(label, op, body, xid=None):
        conn.request(op, body, xid)
        line = ""
        t.say(label)
        while not line or "EVENT" in line:
            line = conn.reply()
            t.say(f"  {line}")

    every = [f"{r}/{name}" for name in ("a", "b", "c", "d", "none")]
    send("data, zxid before the change", SET_WATCHES, set_watches(exact - 1, [f"{r}/a"], [], []))
    send("data, zxid of the change", SET_WATCHES, set_watches(exact, [f"{r}/a"], [], []))
    send("child, zxid before", SET_WATCHES, set_watches(later - 2, [], [], [f"{r}/b"]))
    send("child, zxid of it", SET_WATCHES, set_watches(later - 1, [], [], [f"{r}/b"]))
    send("every list", SET_WATCHES, set_watches(0, every, every, every), xid=-8)
    send("every list, zxid ahead", SET_WATCHES, set_watches(1 << 50, every, every, every), xid=-8)
    send("persistent lists get no catching up", SET_WATCHES2, set_watches(0, [], [], [], every, every))
    send("null lists", SET_WATCHES, set_watches(0, None, None, None))
    send("null persistent lists", SET_WATCHES2, set_watches(0, [], [], [], None, None))
    send("setWatches2 with the body of setWatches", SET_WATCHES2, set_watches(0, [], [], []))
    other = t.connect()
    for path in (f"{r}/a", f"{r}/d"):
        other.quiet(SET, set_data(path, b"x"), "stat")
    other.quiet(CREATE, create(f"{r}/none"), "path")
    other.quiet(CREATE, create(f"{r}/a/x"), "path")
    t.say("what was registered")
    conn.events()


@scenario("synthesised-past-acl")
def synthesised_past_acl(t):
    """Ordinary events are withheld without READ; those of SetWatches are not."""
    watcher, writer = t.connect_in_root(), t.connect()
    t.login(writer, b"owner:pw")
    node = f"{t.root}/n"
    writer.quiet(CREATE, create(node), "path")
    watcher.quiet(GET, path_watch(node, True), "data")
    mine = acl((31, "auth", ""))
    writer.quiet(SET_ACL, text(node) + mine + i(-1), "stat")
    writer.quiet(SET, set_data(node, b"1"), "stat")
    t.say("withheld")
    watcher.events()
    watcher.request(SET_WATCHES, set_watches(0, [node], [f"{t.root}/none"], [node]), -8)
    for _ in range(3):
        line = watcher.reply()
        t.say(line)
        if "EVENT" not in line:
            break


@scenario("watch-then-close")
def watch_then_close(t):
    """Watches live on the connection: a renewed session has none."""
    conn, writer = t.connect_in_root(), t.connect()
    node = f"{t.root}/n"
    writer.quiet(CREATE, create(node), "path")
    conn.quiet(GET, path_watch(node, True), "data")
    conn.quiet(ADD_WATCH, text(node) + i(0), "int")
    conn.close()
    again = t.connect(session=conn.session, passwd=conn.passwd)
    t.check(again.session == conn.session, "another session")
    writer.quiet(SET, set_data(node, b"1"), "stat")
    again.events()
    again.call("check", CHECK_WATCHES, text(node) + i(3))


@scenario("watch-on-odd-paths")
def watch_on_odd_paths(t):
    conn, writer = t.connect_in_root(), t.connect()
    for path in ("/no/such/node", "no-slash", f"{t.root}/", f"{t.root}//x", "//"):
        conn.call(f"addWatch {path.removeprefix(t.root)}", ADD_WATCH, text(path) + i(1), "int")
        conn.call("exists", EXISTS, path_watch(path, True), "stat")
    conn.call("root", ADD_WATCH, text("/") + i(1), "int")
    writer.quiet(CREATE, create(f"{t.root}/x"), "path")
    conn.events()


@scenario("event-order-many")
def event_order_many(t):
    """Pipelined writes of one connection reach a recursive watcher in order, zxid by zxid."""
    watcher, writer = t.connect_in_root(), t.connect()
    watcher.quiet(ADD_WATCH, text(t.root) + i(1), "int")
    count = 1000
    for number in range(count):
        writer.request(CREATE, create(f"{t.root}/n{number:04d}"))
    for _ in range(count):
        writer.payload()
    watcher.request(PING, xid=-2)
    seen = []
    while (line := watcher.reply()).find("EVENT") >= 0:
        seen.append(line)
    zxids = [int(line.split("zxid=")[1].split()[0]) for line in seen]
    t.check(
        [line.rsplit("/", 1)[1] for line in seen] == [f"n{number:04d}" for number in range(count)],
        "paths out of order or missing",
    )
    t.check(
        [later - earlier for earlier, later in zip(zxids, zxids[1:])] == [1] * (count - 1), "zxids are not consecutive"
    )
    t.say(len(seen), "events")
