"""multi and multiRead at the byte level."""

from scenario import scenario
from wire import (
    CHECK,
    CREATE,
    CREATE2,
    CREATE_CONTAINER,
    CREATE_TTL,
    DELETE,
    DELETE_CONTAINER,
    EXISTS,
    GET,
    GET_CHILDREN,
    GET_CHILDREN2,
    MULTI,
    MULTI_READ,
    OPEN,
    PING,
    SET,
    SET_ACL,
    SYNC,
    acl,
    create,
    create_ttl,
    flag,
    i,
    multi,
    path_version,
    path_watch,
    set_data,
    text,
    vector,
)


@scenario("multi-results")
def multi_results(t):
    """One of each kind of op."""
    conn = t.connect_in_root()
    r = t.root
    ops = [
        (CREATE, create(f"{r}/a", b"1")),
        (CREATE2, create(f"{r}/b", b"2")),
        (CREATE_CONTAINER, create(f"{r}/c", b"3", 4)),
        (CREATE_TTL, create_ttl(f"{r}/t", 10_000_000)),
        (CREATE_TTL, create_ttl(f"{r}/ts-", 10_000_000, 6)),
        (CREATE, create(f"{r}/s-", flags=2)),
        (CREATE2, create(f"{r}/es-", flags=3)),
        (SET, set_data(f"{r}/a", b"11", 0)),
        (CHECK, path_version(f"{r}/a", 1)),
        (DELETE, path_version(f"{r}/b", 0)),
    ]
    conn.call("succeeds", MULTI, multi(*ops), "multi")
    conn.call("children", GET_CHILDREN2, path_watch(r), "names-stat")
    for at in (0, 4, 9):
        failing = ops[:at] + [(CHECK, path_version(r, 7))] + ops[at:]
        failing = [(kind, body.replace(b"/multi-results/", b"/multi-results/x")) for kind, body in failing]
        conn.call(f"op {at} fails", MULTI, multi(*failing), "multi")
    conn.call("children", GET_CHILDREN2, path_watch(r), "names-stat")
    conn.call("empty", MULTI, multi(), "multi")
    conn.call("sequence after the failures", CREATE, create(f"{r}/s-", flags=2), "path")


@scenario("multi-rederived-types")
def multi_rederived_types(t):
    """In a multi the kind of a create follows its flags."""
    conn = t.connect_in_root()
    for op in (CREATE, CREATE2, CREATE_CONTAINER):
        for flags in range(5):
            path = f"{t.root}/{op}-{flags}-"
            conn.call(f"type {op} flags {flags}", MULTI, multi((op, create(path, flags=flags))), "multi")
    for flags in range(7):
        conn.call(
            f"type 21 flags {flags}",
            MULTI,
            multi((CREATE_TTL, create_ttl(f"{t.root}/21-{flags}-", 10_000_000, flags))),
            "multi",
        )
    conn.call("type 21 flags 0 ttl -1", MULTI, multi((CREATE_TTL, create_ttl(f"{t.root}/neg", -1, 0))), "multi")
    conn.call("type 21 flags 5 ttl 0", MULTI, multi((CREATE_TTL, create_ttl(f"{t.root}/zero", 0, 5))), "multi")
    conn.call("all", GET_CHILDREN2, path_watch(t.root), "names-stat")


@scenario("multi-malformed")
def multi_malformed(t):
    """What is refused as a whole."""
    conn = t.connect_in_root()
    r = t.root
    good = (CREATE, create(f"{r}/good"))
    header = i(CREATE) + flag(False) + i(-1)
    for label, body in {
        "unknown type": multi(good, (99, b"")),
        "type exists": multi(good, (EXISTS, path_watch(r))),
        "type setACL": multi(good, (SET_ACL, text(r) + OPEN + i(-1))),
        "type deleteContainer": multi(good, (DELETE_CONTAINER, text(r))),
        "type ping": multi(good, (PING, b"")),
        "type sync": multi(good, (SYNC, text(r))),
        "a read among writes": multi(good, (GET, path_watch(r))),
        "reads only": multi((GET, path_watch(r))),
        "no end": multi(good, end=False),
        "nothing at all": b"",
        "half a header": b"\0\0",
        "half an op": header + create(f"{r}/x")[:10],
        "flags 7": multi((CREATE, create(f"{r}/x", flags=7))),
        "flags -1": multi((CREATE, create(f"{r}/x", flags=-1))),
        "flags 5 in type 1": multi((CREATE, create(f"{r}/x", flags=5))),
        "flags 6 in type 19": multi((CREATE_CONTAINER, create(f"{r}/x", flags=6))),
        "flags 7 in type 21": multi((CREATE_TTL, create_ttl(f"{r}/x", 100, 7))),
        "null ACL": multi((CREATE, create(f"{r}/x", acls=vector(None)))),
        "null path": multi((DELETE, path_version(None))),
        "null path in check": multi((CHECK, path_version(None))),
        "end marker with type 1": i(1) + flag(True) + i(-1),
        "end marker with err 0": i(-1) + flag(True) + i(0),
        "ops after the end": multi(good) + multi((DELETE, path_version(f"{r}/none"))),
        "header err 5": i(CHECK) + flag(False) + i(5) + path_version(r) + i(-1) + flag(True) + i(-1),
    }.items():
        conn.call(label, MULTI, body, "multi")
        if label == "ops after the end":
            conn.quiet(DELETE, path_version(f"{r}/good"))
    conn.call("children", GET_CHILDREN, path_watch(r), "names")
    conn.fate()


@scenario("multi-single-failures")
def multi_single_failures(t):
    """Every failing op alone."""
    conn = t.connect_in_root()
    r = t.root
    conn.quiet(CREATE, create(f"{r}/there"), "path")
    conn.quiet(CREATE, create(f"{r}/there/child"), "path")
    conn.quiet(CREATE, create(f"{r}/eph", flags=1), "path")
    conn.quiet(CREATE, create(f"{r}/closed", acls=acl((1, "world", "anyone"))), "path")
    conn.quiet(CREATE, create(f"{r}/blind", acls=acl((2, "world", "anyone"))), "path")
    for label, op, body in (
        ("create existing", CREATE, create(f"{r}/there")),
        ("create, no parent", CREATE, create(f"{r}/no/x")),
        ("create, bad path", CREATE, create(f"{r}/\x01")),
        ("create, no slash", CREATE, create("x")),
        ("create, bad ACL", CREATE, create(f"{r}/x", acls=acl((31, "world", "other")))),
        ("create, empty ACL", CREATE, create(f"{r}/x", acls=acl())),
        ("create, no right", CREATE, create(f"{r}/closed/x")),
        ("create below ephemeral", CREATE, create(f"{r}/eph/x")),
        ("delete missing", DELETE, path_version(f"{r}/none")),
        ("delete wrong version", DELETE, path_version(f"{r}/there", 7)),
        ("delete with children", DELETE, path_version(f"{r}/there")),
        ("delete root", DELETE, path_version("/")),
        ("delete config", DELETE, path_version("/zookeeper/config")),
        ("set missing", SET, set_data(f"{r}/none", b"")),
        ("set wrong version", SET, set_data(f"{r}/there", b"", 7)),
        ("set, no right", SET, set_data(f"{r}/closed", b"")),
        ("set, bad path", SET, set_data("x", b"")),
        ("check missing", CHECK, path_version(f"{r}/none")),
        ("check any version", CHECK, path_version(f"{r}/there", -1)),
        ("check wrong version", CHECK, path_version(f"{r}/there", 7)),
        ("check, no right", CHECK, path_version(f"{r}/blind")),
        ("check, bad path", CHECK, path_version("x")),
    ):
        conn.call(label, MULTI, multi((op, body)), "multi")


@scenario("multi-read")
def multi_read(t):
    conn = t.connect_in_root()
    r = t.root
    conn.quiet(CREATE, create(f"{r}/a", b"1"), "path")
    conn.quiet(CREATE, create(f"{r}/a/b", None), "path")
    conn.quiet(CREATE, create(f"{r}/closed", acls=acl((2, "world", "anyone"))), "path")
    conn.call(
        "reads",
        MULTI_READ,
        multi(
            (GET, path_watch(f"{r}/a")),
            (GET_CHILDREN, path_watch(r)),
            (GET, path_watch(f"{r}/none")),
            (GET, path_watch(f"{r}/a/b")),
            (GET, path_watch(f"{r}/closed")),
            (GET_CHILDREN, path_watch(f"{r}/closed")),
            (GET_CHILDREN, path_watch(f"{r}/a/b")),
            (GET, path_watch("x")),
            (GET, path_watch("")),
        ),
        "multi",
    )
    conn.call(
        "with watches",
        MULTI_READ,
        multi((GET, path_watch(f"{r}/a", True)), (GET_CHILDREN, path_watch(f"{r}/a", True))),
        "multi",
    )
    conn.call("set no watch", SET, set_data(f"{r}/a", b"2"), "stat")
    conn.call("empty", MULTI_READ, multi(), "multi")
    for label, body in {
        "exists": multi((EXISTS, path_watch(r))),
        "getChildren2": multi((GET_CHILDREN2, path_watch(r))),
        "a write": multi((SET, set_data(r, b""))),
        "a write among reads": multi((GET, path_watch(r)), (SET, set_data(r, b""))),
        "no end": multi((GET, path_watch(r)), end=False),
        "null path": multi((GET, path_watch(None))),
    }.items():
        conn.call(label, MULTI_READ, body, "multi")
    conn.fate()


@scenario("multi-one-zxid")
def multi_one_zxid(t):
    conn = t.connect_in_root()
    r = t.root
    conn.call(
        "multi",
        MULTI,
        multi(
            (CREATE2, create(f"{r}/a")),
            (CREATE2, create(f"{r}/a/b")),
            (SET, set_data(f"{r}/a", b"x")),
            (CREATE2, create(f"{r}/c")),
            (DELETE, path_version(f"{r}/c")),
            (CREATE2, create(f"{r}/c")),
        ),
        "multi",
    )
    for path in (r, f"{r}/a", f"{r}/a/b", f"{r}/c"):
        conn.call(path, EXISTS, path_watch(path), "stat")
