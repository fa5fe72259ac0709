"""Operations: paths, flags, the order of checks, stats, odd arguments."""

import time

from scenario import scenario
from wire import (
    ADD_WATCH,
    ALL_CHILDREN,
    CREATE,
    CREATE2,
    CREATE_CONTAINER,
    CREATE_TTL,
    DELETE,
    EXISTS,
    GET,
    GET_ACL,
    GET_CHILDREN,
    GET_CHILDREN2,
    GET_EPHEMERALS,
    OPEN,
    RECONFIG,
    SET,
    SET_ACL,
    SYNC,
    WHO_AM_I,
    acl,
    create,
    create_ttl,
    i,
    path_version,
    path_watch,
    q,
    set_data,
    text,
    vector,
)


@scenario("fresh-tree", group="plain")
def fresh_tree(t):
    """What a new server holds. Runs first on its server."""
    conn = t.connect()
    for path in ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", ""):
        conn.call(f"get {path!r}", GET, path_watch(path), "data")
        conn.call(f"acl {path!r}", GET_ACL, text(path), "acls")
        conn.call(f"children {path!r}", GET_CHILDREN2, path_watch(path), "names-stat")
    conn.call("descendants of /", ALL_CHILDREN, text("/"), "int")
    conn.call("ephemerals", GET_EPHEMERALS, text("/"), "names")


@scenario("nulls-and-empties")
def nulls_and_empties(t):
    conn = t.connect_in_root()
    for label, data in (("null", None), ("empty", b""), ("zero byte", b"\0")):
        node = f"{t.root}/{label.replace(' ', '-')}"
        conn.call(f"create {label}", CREATE2, create(node, data), "path-stat")
        conn.call("get", GET, path_watch(node), "data")
        for other, new in (("null", None), ("empty", b""), ("data", b"x")):
            conn.call(f"set {other}", SET, set_data(node, new), "stat")
            conn.call("get", GET, path_watch(node), "data")
    for label, op, body in (
        ("get", GET, path_watch(None)),
        ("exists", EXISTS, path_watch(None)),
        ("children", GET_CHILDREN, path_watch(None)),
        ("acl", GET_ACL, text(None)),
        ("create", CREATE, create(None)),
        ("delete", DELETE, path_version(None)),
        ("set", SET, set_data(None, b"")),
        ("setACL", SET_ACL, text(None) + OPEN + i(-1)),
        ("sync", SYNC, text(None)),
        ("addWatch", ADD_WATCH, text(None) + i(0)),
        ("all children", ALL_CHILDREN, text(None)),
        ("ephemerals", GET_EPHEMERALS, text(None)),
    ):
        kind = "names" if op == GET_EPHEMERALS else "path"
        conn.call(f"null path, {label}", op, body, kind)
    conn.fate()


@scenario("empty-path")
def empty_path(t):
    """ "" is an alias of the root for reads, and bad for writes."""
    conn = t.connect()
    for label, op, body in (
        ("create", CREATE, create("")),
        ("delete", DELETE, path_version("")),
        ("set", SET, set_data("", b"")),
        ("setACL", SET_ACL, text("") + OPEN + i(-1)),
        ("container", CREATE_CONTAINER, create("", flags=4)),
        ("ttl", CREATE_TTL, create_ttl("", 100)),
    ):
        conn.call(label, op, body)
    conn.call("sync", SYNC, text(""), "path")


BAD_PATHS = {
    "no slash": "abc",
    "double slash": "/bad//x",
    "leading double slash": "//bad",
    "trailing slash": "/bad/",
    "dot": "/bad/.",
    "dot inside": "/bad/./x",
    "dots": "/bad/..",
    "three dots": "/bad/...",
    "dot name": "/bad/.x",
    "U+0000": "/bad/\0",
    "U+0001": "/bad/\x01",
    "U+001F": "/bad/\x1f",
    "U+0020": "/bad/ ",
    "U+007E": "/bad/~",
    "U+007F": "/bad/\x7f",
    "U+009F": "/bad/\x9f",
    "U+00A0": "/bad/\u00a0",
    "U+D7FF": "/bad/\ud7ff",
    "U+E000": "/bad/\ue000",
    "U+F8FF": "/bad/\uf8ff",
    "U+F900": "/bad/\uf900",
    "U+FFEF": "/bad/\uffef",
    "U+FFF0": "/bad/\ufff0",
    "U+FFFD": "/bad/\ufffd",
    "supplementary": "/bad/\U0001f600",
    "malformed UTF-8": b"/bad/\xff\xfe",
    "overlong UTF-8": b"/bad/\xc0\xaf",
    "surrogate in UTF-8": b"/bad/\xed\xa0\x80",
    "cut UTF-8": b"/bad/\xe6\x97",
    "question mark": b"/bad/?",
    "backslash": b"/bad/\\",
}


@scenario("path-rules")
def path_rules(t):
    """Each odd path through each kind of operation."""
    conn = t.connect()
    conn.quiet(CREATE, create("/bad"), "path")
    for label, path in BAD_PATHS.items():
        conn.call(f"{label}: create", CREATE, create(path), "path")
        conn.call("  sequential", CREATE, create(path, flags=2), "path")
        conn.call("  set", SET, set_data(path, b"", 9))
        conn.call("  setACL", SET_ACL, text(path) + OPEN + i(9))
        conn.call("  delete", DELETE, path_version(path, 9))
        conn.call("  exists", EXISTS, path_watch(path), "stat")
        conn.call("  get", GET, path_watch(path), "data")
        conn.call("  children", GET_CHILDREN, path_watch(path), "names")
        conn.call("  addWatch", ADD_WATCH, text(path) + i(0), "int")
    conn.call("all", GET_CHILDREN, path_watch("/bad"), "names")


@scenario("path-echo")
def path_echo(t):
    """sync echoes any text: what becomes of characters that UTF-8 writes in another way than Java."""
    conn = t.connect()
    for label, path in BAD_PATHS.items():
        if label not in ECHOED_DIFFERENTLY:
            conn.call(label, SYNC, text(path), "hex")


ECHOED_DIFFERENTLY = ("supplementary", "surrogate in UTF-8")


@scenario("path-echo-beyond-16-bits")
def path_echo_beyond_16_bits(t):
    conn = t.connect()
    for label in ECHOED_DIFFERENTLY:
        conn.call(label, SYNC, text(BAD_PATHS[label]), "hex")


@scenario("create-order-of-checks")
def create_order_of_checks(t):
    """Several faults at once: which is reported."""
    conn = t.connect_in_root()
    bad_acl, closed = acl((31, "world", "other")), acl((1, "world", "anyone"))
    conn.quiet(CREATE, create(f"{t.root}/closed", acls=closed), "path")
    conn.quiet(CREATE, create(f"{t.root}/eph", flags=1), "path")
    conn.quiet(CREATE, create(f"{t.root}/there"), "path")
    for label, body in {
        "bad flags and bad path": create("x", flags=7),
        "bad path and bad ACL": create("x", acls=bad_acl),
        "U+0000 and bad ACL": create("/x\0", acls=bad_acl),
        "bad ACL and missing parent": create(f"{t.root}/no/x", acls=bad_acl),
        "missing parent and bad name": create(f"{t.root}/no/\x01"),
        "no right and bad name": create(f"{t.root}/closed/\x01"),
        "no right and existing": create(f"{t.root}/closed/x"),
        "bad name below ephemeral": create(f"{t.root}/eph/\x01"),
        "existing and bad ACL": create(f"{t.root}/there", acls=bad_acl),
        "root": create("/"),
        "root, bad ACL": create("/", acls=bad_acl),
        "root, ephemeral": create("/", flags=1),
        "null ACL": create(f"{t.root}/x", acls=vector(None)),
        "null ACL scheme": create(f"{t.root}/x", acls=vector([i(31) + text(None) + text("anyone")])),
        "null ACL id": create(f"{t.root}/x", acls=vector([i(31) + text("world") + text(None)])),
        "empty ACL scheme": create(f"{t.root}/x", acls=acl((31, "", ""))),
        "ephemeral below ephemeral": create(f"{t.root}/eph/x", flags=1),
        "ttl flags": create(f"{t.root}/x", flags=5),
        "ttl sequential flags": create(f"{t.root}/x", flags=6),
        "container flags": create(f"{t.root}/x4", flags=4),
    }.items():
        conn.call(label, CREATE, body, "path")
    conn.call("all", GET_CHILDREN, path_watch(t.root), "names")


@scenario("other-orders-of-checks")
def other_orders_of_checks(t):
    conn = t.connect_in_root()
    closed, bad_acl = acl((1, "world", "anyone")), acl((31, "world", "other"))
    conn.quiet(CREATE, create(f"{t.root}/closed"), "path")
    conn.quiet(CREATE, create(f"{t.root}/closed/child"), "path")
    conn.quiet(SET_ACL, text(f"{t.root}/closed") + closed + i(-1), "stat")
    conn.quiet(CREATE, create(f"{t.root}/full"), "path")
    conn.quiet(CREATE, create(f"{t.root}/full/x"), "path")
    for label, op, body in (
        ("delete: no parent", DELETE, path_version(f"{t.root}/no/x", 5)),
        ("delete: no right and missing", DELETE, path_version(f"{t.root}/closed/none", 5)),
        ("delete: no right and wrong version", DELETE, path_version(f"{t.root}/closed/child", 5)),
        ("delete: wrong version and children", DELETE, path_version(f"{t.root}/full", 5)),
        ("delete: children", DELETE, path_version(f"{t.root}/full", -1)),
        ("delete: protected", DELETE, path_version("/zookeeper/config", 9)),
        ("delete: root", DELETE, path_version("/", 9)),
        ("set: no right and wrong version", SET, set_data(f"{t.root}/closed", b"", 5)),
        ("set: missing and wrong version", SET, set_data(f"{t.root}/none", b"", 5)),
        ("setACL: bad path and bad ACL", SET_ACL, text("x") + bad_acl + i(5)),
        ("setACL: bad ACL and missing", SET_ACL, text(f"{t.root}/none") + bad_acl + i(5)),
        ("setACL: missing and wrong version", SET_ACL, text(f"{t.root}/none") + OPEN + i(5)),
        ("setACL: no right and wrong version", SET_ACL, text(f"{t.root}/closed") + OPEN + i(5)),
        ("setACL: no right and bad ACL", SET_ACL, text(f"{t.root}/closed") + bad_acl + i(5)),
        ("get: no right", GET, path_watch(f"{t.root}/closed/none")),
        ("reconfig", RECONFIG, text(None) + text("2") + text(None) + q(-1)),
        ("reconfig, all null", RECONFIG, text(None) + text(None) + text(None) + q(-1)),
    ):
        conn.call(label, op, body)


@scenario("create-flags")
def create_flags(t):
    """Every opcode of the create family with every flag."""
    conn = t.connect_in_root()
    for op, name in ((CREATE, "create"), (CREATE2, "create2"), (CREATE_CONTAINER, "container")):
        for flags in (*range(-1, 9), 1 << 30):
            kind = "path" if op == CREATE else "path-stat"
            conn.call(f"{name} flags {flags}", op, create(f"{t.root}/{name}{flags}-", b"x", flags), kind)
    for flags in (*range(-1, 9), 1 << 30):
        for ttl in (0, 100_000_000, 1 << 40):
            conn.call(
                f"ttl flags {flags} ttl {ttl}",
                CREATE_TTL,
                create_ttl(f"{t.root}/t{flags}-{ttl}-", ttl, flags),
                "path-stat",
            )
    for ttl in (-1, -(1 << 63), 1 << 62):
        conn.call(f"ttl flags 5 ttl {ttl}", CREATE_TTL, create_ttl(f"{t.root}/tt", ttl), "path-stat")
    conn.call("all", GET_CHILDREN2, path_watch(t.root), "names-stat")


@scenario("ttl-disabled", group="plain")
def ttl_disabled(t):
    """Without extended types: not supported, and the connection stays."""
    conn = t.connect_in_root()
    for flags in (5, 6):
        conn.call(f"createTTL flags {flags}", CREATE_TTL, create_ttl(f"{t.root}/t", 1000, flags), "path-stat")
        conn.call(f"create flags {flags}", CREATE, create(f"{t.root}/t", flags=flags), "path")
        conn.call(f"container flags {flags}", CREATE_CONTAINER, create(f"{t.root}/t", flags=flags), "path")
    conn.call("createTTL flags 0", CREATE_TTL, create_ttl(f"{t.root}/t", 1000, 0), "path-stat")
    conn.call("container", CREATE_CONTAINER, create(f"{t.root}/c", flags=4), "path-stat")
    conn.fate()


@scenario("stats")
def stats(t):
    """Which operation moves which field, of the node and of its parent."""
    conn = t.connect_in_root()
    node = f"{t.root}/p"
    conn.quiet(CREATE, create(node), "path")

    def look():
        conn.call("  node", EXISTS, path_watch(node), "stat")
        conn.call("  parent", EXISTS, path_watch(t.root), "stat")

    for label, op, body, kind in (
        ("set", SET, set_data(node, b"12345"), "stat"),
        ("set the same", SET, set_data(node, b"12345"), "stat"),
        ("setACL", SET_ACL, text(node) + OPEN + i(-1), "stat"),
        ("child", CREATE, create(f"{node}/a"), "path"),
        ("ephemeral child", CREATE, create(f"{node}/e", flags=1), "path"),
        ("set child", SET, set_data(f"{node}/a", b"1"), "stat"),
        ("setACL of child", SET_ACL, text(f"{node}/a") + OPEN + i(-1), "stat"),
        ("grandchild", CREATE, create(f"{node}/a/b"), "path"),
        ("failed create", CREATE, create(f"{node}/a"), "path"),
        ("failed delete", DELETE, path_version(f"{node}/a"), "hex"),
        ("delete grandchild", DELETE, path_version(f"{node}/a/b"), "hex"),
        ("delete child", DELETE, path_version(f"{node}/a"), "hex"),
        ("delete ephemeral", DELETE, path_version(f"{node}/e"), "hex"),
        ("sync", SYNC, text(node), "path"),
    ):
        conn.call(label, op, body, kind)
        look()
    other = t.connect()
    other.quiet(CREATE, create(f"{node}/x", flags=1), "path")
    other.quiet(CREATE, create(f"{node}/y", flags=1), "path")
    other.bye()
    t.say("after another session closed, with two ephemerals here")
    look()


@scenario("sequence-wraps")
def sequence_wraps(t):
    """The suffix counts creations; ten digits; every create counts."""
    conn = t.connect_in_root()
    conn.call("first", CREATE, create(f"{t.root}/a-", flags=2), "path")
    conn.call("second", CREATE2, create(f"{t.root}/a-", flags=2), "path-stat")
    conn.call("delete", DELETE, path_version(f"{t.root}/a-0000000000"))
    conn.call("third", CREATE, create(f"{t.root}/a-", flags=2), "path")
    conn.call("fails", CREATE, create(f"{t.root}/a-0000000002"))
    conn.call("bad name", CREATE, create(f"{t.root}/\x01", flags=2))
    conn.call("fourth", CREATE, create(f"{t.root}/", flags=2), "path")
    conn.call("container", CREATE_CONTAINER, create(f"{t.root}/c-", flags=2), "path-stat")
    conn.call("plain name with digits", CREATE, create(f"{t.root}/a-0000000006"), "path")
    conn.call("sixth is taken by now, so", CREATE, create(f"{t.root}/a-", flags=2), "path")
    conn.call("would collide", CREATE, create(f"{t.root}/a-0000000007"), "path")
    conn.call("collides", CREATE, create(f"{t.root}/a-", flags=2), "path")


@scenario("versions-exact")
def versions_exact(t):
    conn = t.connect_in_root()
    node = f"{t.root}/n"
    conn.quiet(CREATE, create(node), "path")
    for version in (-2, -(1 << 31), 1, 0, 0, 1, (1 << 31) - 1, -1):
        conn.call(f"set {version}", SET, set_data(node, b"x", version), "stat")
        conn.call(f"setACL {version}", SET_ACL, text(node) + OPEN + i(version), "stat")
    for version in (-2, 0, (1 << 31) - 1, 3):
        conn.call(f"delete {version}", DELETE, path_version(node, version))


@scenario("ephemerals-listed")
def ephemerals_listed(t):
    conn, other = t.connect_in_root(), t.connect()
    for name in ("a", "ab", "b"):
        conn.quiet(CREATE, create(f"{t.root}/{name}", flags=1), "path")
    conn.quiet(CREATE, create(f"{t.root}/plain"), "path")
    other.quiet(CREATE, create(f"{t.root}/theirs", flags=1), "path")
    for prefix in (None, "", " ", "/", t.root, f"{t.root}/a", f"{t.root}/ab", "/none", "ephemerals", f"{t.root}/"):
        conn.call(f"prefix {prefix!r}", GET_EPHEMERALS, text(prefix), "names")
    other.call("theirs", GET_EPHEMERALS, text("/"), "names")
    conn.call("who", WHO_AM_I, b"", "clients")


@scenario("containers-reaped")
def containers_reaped(t):
    """Containers go when they have had children, TTL nodes when they are stale; the sweep runs every 200 ms here."""
    conn = t.connect_in_root()
    conn.quiet(CREATE_CONTAINER, create(f"{t.root}/used", flags=4), "path-stat")
    conn.quiet(CREATE_CONTAINER, create(f"{t.root}/unused", flags=4), "path-stat")
    conn.quiet(CREATE, create(f"{t.root}/used/c"), "path")
    conn.quiet(CREATE_TTL, create_ttl(f"{t.root}/ttl", 100), "path-stat")
    conn.quiet(CREATE_TTL, create_ttl(f"{t.root}/kept", 100), "path-stat")
    conn.quiet(CREATE, create(f"{t.root}/kept/c"), "path")
    conn.quiet(DELETE, path_version(f"{t.root}/used/c"))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        conn.request(GET_CHILDREN, path_watch(t.root))
        line = conn.reply("names")
        names = line[line.index("names=") :]
        if names == "names=['kept', 'unused']":
            break
        time.sleep(0.05)
    t.say("left:", names)
    # The parent shows every deletion as any other.
    conn.call("parent", EXISTS, path_watch(t.root), "stat", xid=9999)


@scenario("deep-paths")
def deep_paths(t):
    conn = t.connect_in_root()
    long_name = "x" * 200_000
    conn.call("a name of 200,000 bytes", CREATE, create(f"{t.root}/{long_name}"), "hex")
    conn.call("exists", EXISTS, path_watch(f"{t.root}/{long_name}"), "stat")
    conn.call("delete", DELETE, path_version(f"{t.root}/{long_name}"))
    path = t.root
    for level in range(1000):
        path += "/d"
        conn.quiet(CREATE, create(path), "path")
    conn.call("1000 levels", EXISTS, path_watch(path), "stat")
    conn.call("counted", ALL_CHILDREN, text(t.root), "int")
