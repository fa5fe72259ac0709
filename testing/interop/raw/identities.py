"""Authentication, ACLs and refusals at the byte level."""

from scenario import scenario
from wire import (
    ADD_WATCH,
    AUTH,
    CLOSE_SESSION,
    CREATE,
    DELETE,
    EXISTS,
    GET,
    GET_ACL,
    GET_CHILDREN,
    OPEN,
    PING,
    SASL,
    SET,
    SET_ACL,
    SYNC,
    WHO_AM_I,
    Closed,
    Silence,
    acl,
    buf,
    connect_request,
    create,
    frame,
    i,
    path_version,
    path_watch,
    set_data,
    text,
)


@scenario("auth-replies")
def auth_replies(t):
    """Accepted: a bare header with zxid 0. Refused: -115, then the connection closes."""
    for scheme, data in (
        ("digest", b"u:p"),
        ("digest", b"no colon"),
        ("digest", b""),
        ("digest", b":"),
        ("digest", b"u:"),
        ("digest", b":p"),
        ("digest", b"\xff\xfe:\0"),
        ("digest", None),
        ("ip", b""),
        ("ip", b"10.0.0.1"),
        ("ip", None),
        ("world", b"anyone"),
        ("auth", b""),
        ("super", b""),
        ("sasl", b""),
        ("x509", b""),
        ("nosuch", b""),
        ("", b""),
        (None, b""),
        ("DIGEST", b"u:p"),
    ):
        conn = t.connect()
        conn.call(f"{scheme} {data}", AUTH, i(0) + text(scheme) + buf(data), xid=-4)
        conn.fate()
    conn = t.connect()
    conn.call("type 77", AUTH, i(77) + text("digest") + buf(b"a:b"), xid=-4)
    conn.call("who", WHO_AM_I, b"", "clients")
    conn.call("cut short", AUTH, i(0) + text("digest"), xid=-4)
    conn.fate()


@scenario("who-am-i")
def who_am_i(t):
    conn = t.connect()
    conn.call("at first", WHO_AM_I, b"", "clients")
    for credentials in (b"u:p", b"u:p", b"u:other", b"no colon", b":p"):
        t.login(conn, credentials)
        conn.call(f"after {credentials}", WHO_AM_I, b"", "clients")
    again = t.connect(session=conn.session, passwd=conn.passwd)
    again.call("renewed", WHO_AM_I, b"", "clients")


@scenario("digest-ids")
def digest_ids(t):
    """What identity the server makes of credentials, seen through `auth` expansion."""
    for number, credentials in enumerate((b"u:p", b"u:", b":p", b"no colon", b"u:p:q", b"\xc3\xa4:\xc3\xb6", b"")):
        conn = t.connect_in_root() if number == 0 else t.connect()
        t.login(conn, credentials)
        node = f"{t.root}/n{number}"
        conn.call(f"create as {credentials}", CREATE, create(node, acls=acl((31, "auth", "ignored"))), "path")
        conn.call("acl", GET_ACL, text(node), "acls")


@scenario("get-acl-redaction")
def get_acl_redaction(t):
    owner, reader = t.connect_in_root(), t.connect()
    t.login(owner, b"owner:pw")
    cases = {
        "read": acl((1, "world", "anyone"), (31, "auth", "")),
        "admin": acl((16, "world", "anyone"), (31, "auth", "")),
        "write": acl((2, "world", "anyone"), (31, "auth", "")),
        "schemes": acl(
            (1, "world", "anyone"),
            (31, "digest", "a:b"),
            (31, "digest", ":x"),
            (31, "ip", "127.0.0.2"),
            (31, "auth", ""),
        ),
    }
    for name, acls in cases.items():
        node = f"{t.root}/{name}"
        owner.call(f"create {name}", CREATE, create(node, acls=acls), "path")
        owner.call("owner", GET_ACL, text(node), "acls")
        reader.call("another", GET_ACL, text(node), "acls")


@scenario("set-acl")
def set_acl(t):
    conn = t.connect_in_root()
    conn.call(
        "duplicates", SET_ACL, text(t.root) + acl((31, "world", "anyone"), (31, "world", "anyone")) + i(-1), "stat"
    )
    conn.call("as stored", GET_ACL, text(t.root), "acls")
    conn.call("two perms", SET_ACL, text(t.root) + acl((1, "world", "anyone"), (30, "world", "anyone")) + i(1), "stat")
    conn.call("as stored", GET_ACL, text(t.root), "acls")
    conn.call(
        "odd perms",
        SET_ACL,
        text(t.root) + acl((-1, "world", "anyone"), (1 << 20, "world", "anyone"), (0, "ip", "1.2.3.4")) + i(2),
        "stat",
    )
    conn.call("as stored", GET_ACL, text(t.root), "acls")
    conn.call("auth without identity", SET_ACL, text(t.root) + acl((31, "auth", "")) + i(-1), "stat")
    t.login(conn, b"u:p")
    t.login(conn, b"v:q")
    conn.call("auth with two", SET_ACL, text(t.root) + acl((31, "auth", ""), (1, "world", "anyone")) + i(-1), "stat")
    conn.call("as stored", GET_ACL, text(t.root), "acls")


@scenario("sasl-unconfigured")
def sasl_unconfigured(t):
    conn = t.connect()
    for label, token in (("empty", b""), ("some", b"token"), ("long", b"x" * 5000)):
        conn.call(f"{label} token", SASL, buf(token), "token")
    conn.call("who", WHO_AM_I, b"", "clients")
    conn.fate()


@scenario("sasl-null-token")
def sasl_null_token(t):
    conn = t.connect()
    conn.call("null token", SASL, buf(None), "token")
    conn.fate()


@scenario("enforced-auth", group="enforced")
def enforced_auth(t):
    """Only connect, auth and SASL before an identity; anything else is refused and closes."""
    t.base = 0
    for label, op, body in (
        ("exists", EXISTS, path_watch("/")),
        ("create", CREATE, create("/x")),
        ("ping", PING, b""),
        ("close", CLOSE_SESSION, b""),
        ("sync", SYNC, text("/")),
        ("who", WHO_AM_I, b""),
        ("unknown", 99, b""),
    ):
        conn = t.connect()
        conn.call(label, op, body)
        t.say("then:", conn.reply())
    conn = t.connect()
    conn.call("ip is not enough", AUTH, i(0) + text("ip") + buf(b""), xid=-4)
    conn.call("exists", EXISTS, path_watch("/none"))
    conn = t.connect()
    conn.call("sasl", SASL, buf(b""), "token")
    conn.call("digest", AUTH, i(0) + text("digest") + buf(b"u:p"), xid=-4)
    t.base = None
    t.base = t.last_zxid(conn)
    conn.call("exists", EXISTS, path_watch("/none"))
    conn.call("create", CREATE, create(t.root), "path")


@scenario("super-user", group="super")
def super_user(t):
    """superDigest: super:D/InIHSb7yEEbrWz8b9l71RjZJU= (password test)."""
    conn, root = t.connect_in_root(), t.connect()
    t.login(conn, b"owner:pw")
    conn.quiet(CREATE, create(f"{t.root}/n", acls=acl((31, "auth", ""))), "path")
    root.call("before", GET, path_watch(f"{t.root}/n"), "data")
    t.login(root, b"super:wrong")
    root.call("wrong password", GET, path_watch(f"{t.root}/n"), "data")
    t.login(root, b"super:test")
    root.call("who", WHO_AM_I, b"", "clients")
    root.call("get", GET, path_watch(f"{t.root}/n"), "data")
    root.call("acl", GET_ACL, text(f"{t.root}/n"), "acls")
    root.call("create", CREATE, create(f"{t.root}/n/x", acls=acl((31, "auth", ""))), "path")
    root.call("its acl", GET_ACL, text(f"{t.root}/n/x"), "acls")
    root.call("set config", SET, set_data("/zookeeper/config", b"x"), "stat")
    root.call("setACL config", SET_ACL, text("/zookeeper/config") + OPEN + i(-1), "stat")
    root.call("acl of config", GET_ACL, text("/zookeeper/config"), "acls")
    root.call("delete config", DELETE, path_version("/zookeeper/config"))
    root.quiet(GET, path_watch(f"{t.root}/n", True), "data")
    conn.quiet(SET, set_data(f"{t.root}/n", b"1"), "stat")
    root.events()


@scenario("skip-acl", group="skipacl")
def skip_acl(t):
    """No ACL is checked; lists are still validated; events pass."""
    owner, conn = t.connect_in_root(), t.connect()
    t.login(owner, b"owner:pw")
    node = f"{t.root}/n"
    owner.quiet(CREATE, create(node, acls=acl((31, "auth", ""))), "path")
    conn.call("get", GET, path_watch(node, True), "data")
    conn.call("set", SET, set_data(f"{t.root}", b""), "stat")
    conn.call("create", CREATE, create(f"{node}/x"), "path")
    conn.call("bad ACL", CREATE, create(f"{node}/y", acls=acl((31, "world", "other"))), "path")
    conn.call("acl", GET_ACL, text(node), "acls")
    conn.call("setACL", SET_ACL, text(node) + acl((0, "world", "anyone")) + i(-1), "stat")
    owner.quiet(SET, set_data(node, b"1"), "stat")
    conn.events()
    conn.call("config", SET, set_data("/zookeeper/config", b"x"), "stat")
    conn.call("children", GET_CHILDREN, path_watch(node), "names")
    conn.call("delete", DELETE, path_version(f"{node}/x"))


@scenario("connection-limit", group="limits")
def connection_limit(t):
    """maxClientCnxns=3 per address; the fourth is closed at once, a freed place can be taken."""
    held = [t.connect() for _ in range(3)]
    t.say("the fourth:", welcome_or_not(t))
    for other in held:
        other.fate("still")
    held[0].bye()
    # The server may need a moment to see that the place is free.
    for _ in range(50):
        line = welcome_or_not(t)
        if line != "closed":
            break
    t.say("in the freed place:", line)


def welcome_or_not(t):
    """What a new connection is told; a reset, which may strike at any step of it, is "closed" too."""
    try:
        conn = t.bare()
        conn.send(frame(connect_request()))
        return conn.welcome()
    except (Closed, Silence) as end:
        return str(end)
    except ConnectionError:
        return "closed"


@scenario("small-frames", group="limits")
def small_frames(t):
    """jute.maxbuffer=4096: frames up to it, strings up to twice it."""
    conn = t.connect_in_root()
    room = 4096 - 8 - len(set_data(t.root, b""))
    conn.call("4096", SET, set_data(t.root, b"x" * room), "stat")
    conn.call("read back", GET, path_watch(t.root), "data")
    conn.call("addWatch", ADD_WATCH, text(t.root) + i(0), "int")
    conn.send(i(4097))
    t.say("4097:", conn.reply())
