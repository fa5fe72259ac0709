"""ACLs, identities, refusals."""

import extra_ops as ops
from extra_ops import EventLog, call
from kazoo.exceptions import KazooException
from kazoo.security import (
    ACL,
    CREATOR_ALL_ACL,
    OPEN_ACL_UNSAFE,
    READ_ACL_UNSAFE,
    Id,
    Permissions,
    make_acl,
    make_digest_acl,
)
from support import States, describe, scenario


def show_acls(t):
    def show(result):
        acls, stat = result
        return f"{sorted((acl.perms, acl.id.scheme, acl.id.id) for acl in acls)} {t.stat(stat)}"

    return show


def try_everything(t, zk, who, path):
    """Every kind of access to a node and its children, by one client."""
    t.attempt(f"{who} exists", lambda: zk.exists(path) is not None)
    t.attempt(f"{who} get", lambda: zk.get(path)[0])
    t.attempt(f"{who} children", lambda: zk.get_children(path))
    t.attempt(f"{who} all descendants", lambda: call(zk, ops.GetAllChildrenNumber(path)))
    t.attempt(f"{who} get_acls", lambda: zk.get_acls(path), show_acls(t))
    t.attempt(f"{who} set", lambda: zk.set(path, b"same").dataLength)
    t.attempt(f"{who} create", lambda: zk.create(f"{path}/child"))
    t.attempt(f"{who} delete", lambda: zk.delete(f"{path}/child"))
    tx = zk.transaction()
    tx.check(path, 9999)
    t.attempt(f"{who} check", lambda: [describe(result) for result in tx.commit()])
    t.attempt(f"{who} set_acls", lambda: zk.set_acls(path, zk.get_acls(path)[0]).version >= 0)


@scenario("permissions")
def permissions(t):
    """One bit at a time, for a client that has no other right."""
    zk = t.client()
    bits = {"read": 1, "write": 2, "create": 4, "delete": 8, "admin": 16, "none": 0, "all": 31, "odd": 255}
    for name, perms in bits.items():
        path = f"{t.root}/{name}"
        zk.create(path, b"same", acl=[ACL(perms, Id("world", "anyone"))])
        try_everything(t, zk, name, path)


@scenario("digest")
def digest(t):
    owner = t.client(auth_data=[("digest", "owner:secret")])
    owner_again = t.client(auth_data=[("digest", "owner:secret")])
    wrong = t.client(auth_data=[("digest", "owner:wrong")])
    nobody = t.client()
    path = f"{t.root}/mine"
    t.attempt("create with auth", lambda: owner.create(path, b"same", acl=CREATOR_ALL_ACL))
    t.attempt("acl", lambda: owner.get_acls(path), show_acls(t))
    for who, zk in (("owner", owner), ("again", owner_again), ("wrong", wrong), ("nobody", nobody)):
        try_everything(t, zk, who, path)
    t.attempt("nobody may delete it, by its parent's ACL", lambda: nobody.delete(path))
    t.attempt("auth scheme without identity", lambda: nobody.create(path, acl=CREATOR_ALL_ACL))
    nobody.add_auth("digest", "owner:secret")
    t.attempt("now with identity", lambda: nobody.create(path, acl=CREATOR_ALL_ACL))
    t.attempt("by digest", lambda: owner.create(f"{t.root}/d", acl=[make_digest_acl("u", "p", read=True)]))
    t.attempt("getACL hides the hash", lambda: wrong.get_acls(f"{t.root}/d"), show_acls(t))
    u = t.client(auth_data=[("digest", "u:p"), ("digest", "v:q")])
    t.attempt("getACL with READ only", lambda: u.get_acls(f"{t.root}/d"), show_acls(t))
    t.attempt("two identities", lambda: u.create(f"{t.root}/two", acl=CREATOR_ALL_ACL))
    t.attempt("acl", lambda: u.get_acls(f"{t.root}/two"), show_acls(t))


@scenario("ip-and-world")
def ip_and_world(t):
    zk = t.client()
    for name, who in (
        ("host", "127.0.0.1"),
        ("net", "127.0.0.0/8"),
        ("other", "10.1.2.3"),
        ("othernet", "10.0.0.0/8"),
        ("all", "0.0.0.0/0"),
        ("six", "::1"),
    ):
        path = f"{t.root}/{name}"
        t.attempt(f"create {who}", lambda: zk.create(path, b"x", acl=[make_acl("ip", who, all=True)]))
        t.attempt(f"get {who}", lambda: zk.get(path)[0])
    t.attempt("whoAmI", lambda: call(zk, ops.WhoAmI()))
    zk.add_auth("digest", "me:pw")
    t.attempt("whoAmI", lambda: call(zk, ops.WhoAmI()))


@scenario("invalid-acls")
def invalid_acls(t):
    zk = t.client(auth_data=[("digest", "a:b")])
    cases = {
        "empty": [],
        "no such scheme": [make_acl("nosuch", "x", read=True)],
        "world other": [make_acl("world", "someone", read=True)],
        "super": [make_acl("super", "x", read=True)],
        "digest no colon": [make_acl("digest", "ab", read=True)],
        "digest empty hash": [make_acl("digest", "a:", read=True)],
        "digest empty user": [make_acl("digest", ":x", read=True)],
        "digest three parts": [make_acl("digest", "a:b:c", read=True)],
        "ip garbage": [make_acl("ip", "localhost", read=True)],
        "ip /33": [make_acl("ip", "1.2.3.4/33", read=True)],
        "ip /32": [make_acl("ip", "1.2.3.4/32", read=True)],
        "ip three parts": [make_acl("ip", "1.2.3", read=True)],
        "ip6 /129": [make_acl("ip", "::1/129", read=True)],
        "ip6 /128": [make_acl("ip", "fe80::1/128", read=True)],
        "sasl": [make_acl("sasl", "x", read=True)],
        "x509": [make_acl("x509", "CN=x", read=True)],
        "twice the same": OPEN_ACL_UNSAFE + OPEN_ACL_UNSAFE,
        "read and all": READ_ACL_UNSAFE + OPEN_ACL_UNSAFE,
        "auth with an id": [make_acl("auth", "ignored", read=True)],
        "one good one bad": OPEN_ACL_UNSAFE + [make_acl("nosuch", "x", read=True)],
        "negative perms": [ACL(-1, Id("world", "anyone"))],
    }
    for number, (label, acl) in enumerate(cases.items()):
        path = f"{t.root}/n{number:02d}"
        if t.attempt(f"create, {label}", lambda: zk.create(path, acl=acl)):
            t.attempt("  as stored", lambda: zk.get_acls(path), show_acls(t))
    zk.create(f"{t.root}/set")
    for label, acl in cases.items():
        t.attempt(f"set_acls, {label}", lambda: zk.set_acls(f"{t.root}/set", acl, 99))
    t.attempt("bad ACL before missing parent", lambda: zk.create(f"{t.root}/no/parent", acl=cases["super"]))


@scenario("auth-refused")
def auth_refused(t):
    for scheme, credential in (("nosuch", "x"), ("world", "anyone"), ("auth", ""), ("sasl", "x"), ("super", "x")):
        zk = t.client()
        states = States(zk)
        t.attempt(f"auth {scheme}", lambda: zk.add_auth(scheme, credential))
        t.attempt("  then", lambda: zk.get("/"))
        t.wait("the client noticed", lambda: states.seen)
        t.say("  ", states.seen[0])
    zk = t.client()
    t.attempt("auth ip", lambda: zk.add_auth("ip", "x"))
    # kazoo itself refuses credentials without a colon for digest only; the server takes any bytes.
    t.attempt("digest empty password", lambda: zk.add_auth("digest", "a:"))
    t.attempt("digest two colons", lambda: zk.add_auth("digest", "a:b:c"))
    t.attempt("whoAmI", lambda: call(zk, ops.WhoAmI()))
    t.attempt("create", lambda: zk.create(f"{t.root}/n", acl=CREATOR_ALL_ACL))
    t.attempt("acl", lambda: zk.get_acls(f"{t.root}/n"), show_acls(t))


@scenario("multi-permissions")
def multi_permissions(t):
    owner = t.client(auth_data=[("digest", "owner:secret")])
    nobody = t.client()
    owner.create(f"{t.root}/closed", b"c", acl=CREATOR_ALL_ACL)
    owner.create(f"{t.root}/closed/child", b"c")
    for label, add in {
        "create": lambda tx: tx.create(f"{t.root}/closed/new"),
        "delete": lambda tx: tx.delete(f"{t.root}/closed/child"),
        "set": lambda tx: tx.set_data(f"{t.root}/closed", b"x"),
        "check": lambda tx: tx.check(f"{t.root}/closed", 0),
    }.items():
        for who, zk in (("nobody", nobody), ("owner", owner)):
            tx = zk.transaction()
            tx.create(f"{t.root}/side-effect-{label}-{who}")
            add(tx)
            t.attempt(
                f"{label} by {who}",
                tx.commit,
                lambda outcome: [describe(r) if isinstance(r, KazooException) else type(r).__name__ for r in outcome],
            )
    t.tree(owner, t.root)


@scenario("watch-permissions")
def watch_permissions(t):
    """Events are withheld from a connection that may not read what changed; the watch is spent all the same."""
    owner = t.client(auth_data=[("digest", "owner:secret")])
    nobody = t.client()
    log = EventLog(nobody)

    def nothing(event):
        pass

    owner.create(f"{t.root}/n", b"0")
    owner.create(f"{t.root}/p")
    nobody.get(f"{t.root}/n", watch=nothing)
    nobody.exists(f"{t.root}/new", watch=nothing)
    nobody.get_children(f"{t.root}/p", watch=nothing)
    nobody.get_children(t.root, watch=nothing)
    owner.set_acls(f"{t.root}/n", CREATOR_ALL_ACL)
    owner.set_acls(f"{t.root}/p", CREATOR_ALL_ACL)
    owner.set(f"{t.root}/n", b"1")
    owner.create(f"{t.root}/new", acl=CREATOR_ALL_ACL)
    owner.create(f"{t.root}/p/child")
    nobody.sync("/")
    t.say("withheld from it:", log.take())
    owner.set_acls(f"{t.root}/n", OPEN_ACL_UNSAFE)
    owner.set(f"{t.root}/n", b"2")
    nobody.sync("/")
    t.say("spent:", log.take())
    t.attempt("a refused read sets no watch", lambda: nobody.get(f"{t.root}/p", watch=nothing))
    owner.set(f"{t.root}/p", b"x")
    owner.set_acls(f"{t.root}/p", OPEN_ACL_UNSAFE)
    owner.set(f"{t.root}/p", b"y")
    nobody.sync("/")
    t.say("none:", log.take())


@scenario("built-in-acls")
def built_in_acls(t):
    zk = t.client()
    for path in ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"):
        t.attempt(
            f"acl {path}",
            lambda: zk.get_acls(path)[0],
            lambda acls: sorted((acl.perms, acl.id.scheme, acl.id.id) for acl in acls),
        )
    t.attempt("write config", lambda: zk.set("/zookeeper/config", b"x"))
    t.attempt("acl of config", lambda: zk.set_acls("/zookeeper/config", OPEN_ACL_UNSAFE))
    t.attempt("below config", lambda: zk.create("/zookeeper/config/x"))
    t.attempt("reconfig", lambda: zk.reconfig(joining=None, leaving="1", new_members=None))
    t.check(Permissions.ALL == 31, "kazoo counts permissions differently")
