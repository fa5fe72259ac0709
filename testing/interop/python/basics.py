"""Creating, reading, changing and deleting znodes: modes, versions, errors, sizes, shapes of trees."""

import extra_ops as ops
from extra_ops import call
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.security import OPEN_ACL_UNSAFE
from support import describe, scenario, short


def create(t, zk, path, data=b"", **options):
    """Creates with the stat and prints both."""

    def show(result):
        return f"{result[0]} {t.stat(result[1])}"

    return t.attempt(
        f"create {path.removeprefix(t.root)} {options}",
        lambda: zk.create(path, data, include_data=True, **options),
        show,
    )


@scenario("create-modes")
def create_modes(t):
    zk = t.client()
    t.session(zk.client_id[0])
    create(t, zk, f"{t.root}/plain", b"p")
    create(t, zk, f"{t.root}/ephemeral", b"e", ephemeral=True)
    create(t, zk, f"{t.root}/seq-", b"s", sequence=True)
    create(t, zk, f"{t.root}/eseq-", b"es", ephemeral=True, sequence=True)

    def show(result):
        return f"{result[0]} {t.stat(result[1])}"

    t.attempt("container", lambda: call(zk, ops.CreateContainer(f"{t.root}/container", b"c", ops.CONTAINER)), show)
    t.attempt("ttl", lambda: call(zk, ops.CreateTTL(f"{t.root}/ttl", b"t", ops.TTL, 60_000)), show)
    t.attempt("ttl seq", lambda: call(zk, ops.CreateTTL(f"{t.root}/ttl-", b"t", ops.TTL_SEQUENTIAL, 60_000)), show)
    for child in sorted(zk.get_children(t.root)):
        t.say(child, t.got(zk.get(f"{t.root}/{child}")))
    t.say("root", t.stat(zk.exists(t.root)))


@scenario("sequence-numbers")
def sequence_numbers(t):
    zk = t.client()
    zk.create(f"{t.root}/p")
    base = f"{t.root}/p/a-"
    for _ in range(2):
        create(t, zk, base, sequence=True)
    zk.delete(f"{base}0000000001")
    create(t, zk, base, sequence=True)
    zk.create(f"{t.root}/p/not-sequential")
    create(t, zk, base, sequence=True)
    t.attempt("a create that fails", lambda: zk.create(f"{t.root}/p/not-sequential"))
    create(t, zk, base, sequence=True)
    t.attempt("no name", lambda: zk.create(f"{t.root}/p/", sequence=True))
    create(t, zk, f"{t.root}/p/b-", sequence=True, ephemeral=True)
    t.say("parent", t.stat(zk.exists(f"{t.root}/p")))


@scenario("create-errors")
def create_errors(t):
    zk = t.client()
    zk.create(f"{t.root}/there", b"1")
    zk.create(f"{t.root}/ephemeral", ephemeral=True)
    create(t, zk, f"{t.root}/there")
    create(t, zk, f"{t.root}/no/parent")
    create(t, zk, f"{t.root}/ephemeral/child")
    create(t, zk, f"{t.root}/ephemeral/child", ephemeral=True)
    create(t, zk, f"{t.root}/ephemeral/child", sequence=True)
    create(t, zk, "/")
    create(t, zk, "/zookeeper")
    create(t, zk, "/zookeeper/quota")
    create(t, zk, f"{t.root}/acl", acl=[])
    for label, flags, ttl in (("zero", 5, 0), ("negative", 5, -1), ("2^40", 5, 1 << 40), ("not ttl", 0, 5)):
        t.attempt(f"ttl {label}", lambda: call(zk, ops.CreateTTL(f"{t.root}/ttl", b"", flags, ttl)))
    t.attempt("flags 9", lambda: call(zk, ops.CreateContainer(f"{t.root}/x", b"", 9)))
    result = call(zk, ops.CreateTTL(f"{t.root}/ttl", b"", 5, (1 << 40) - 1))
    t.say("largest ttl", t.stat(result[1]))
    t.say(sorted(zk.get_children(t.root)))


@scenario("versions")
def versions(t):
    zk = t.client()
    path = f"{t.root}/n"
    zk.create(path, b"0")
    for version in (0, 0, 1, -1, 7, -2, 3):
        t.attempt(f"set version {version}", lambda: zk.set(path, b"x" * (version & 7), version), t.stat)
    t.attempt("same data again", lambda: zk.set(path, zk.get(path)[0]), t.stat)
    for version in (0, 0, -1, 5, 2):
        t.attempt(f"set_acls version {version}", lambda: zk.set_acls(path, OPEN_ACL_UNSAFE, version), t.stat)
    t.say(t.got(zk.get(path)))
    for version in (0, -2, 99):
        t.attempt(f"delete version {version}", lambda: zk.delete(path, version))
    t.attempt("delete right version", lambda: zk.delete(path, zk.exists(path).version))
    t.attempt("delete again", lambda: zk.delete(path))
    t.attempt("set gone", lambda: zk.set(path, b""))
    t.attempt("set_acls gone", lambda: zk.set_acls(path, OPEN_ACL_UNSAFE))
    t.say("root", t.stat(zk.exists(t.root)))


@scenario("missing-nodes")
def missing_nodes(t):
    zk = t.client()
    path = f"{t.root}/missing"
    t.attempt("exists", lambda: zk.exists(path))
    t.attempt("get", lambda: zk.get(path))
    t.attempt("get_children", lambda: zk.get_children(path))
    t.attempt("get_children2", lambda: zk.get_children(path, include_data=True))
    t.attempt("get_acls", lambda: zk.get_acls(path))
    t.attempt("delete", lambda: zk.delete(path))
    t.attempt("set", lambda: zk.set(path, b"x"))
    t.attempt("sync", lambda: zk.sync(path))
    t.attempt("getEphemerals", lambda: call(zk, ops.GetEphemerals(path)))
    t.attempt("getAllChildrenNumber", lambda: call(zk, ops.GetAllChildrenNumber(path)))


@scenario("delete")
def delete(t):
    zk, other = t.clients(2)
    zk.create(f"{t.root}/a/b/c", makepath=True)
    t.attempt("not empty", lambda: zk.delete(f"{t.root}/a"))
    t.attempt("leaf", lambda: zk.delete(f"{t.root}/a/b/c"))
    t.say("parent", t.stat(zk.exists(f"{t.root}/a/b")))
    zk.create(f"{t.root}/a/e", ephemeral=True)
    t.attempt("another's ephemeral", lambda: other.delete(f"{t.root}/a/e"))
    t.attempt("recursive", lambda: zk.delete(f"{t.root}/a", recursive=True))
    for path in ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"):
        t.attempt(f"delete {path}", lambda: zk.delete(path))
    t.tree(zk, t.root)


@scenario("children")
def children(t):
    zk = t.client()
    for name in ("b", "a", "ä", "日本", "with space", "c", "dots..", "..."):
        zk.create(f"{t.root}/{name}", name.encode())
    t.say(sorted(zk.get_children(t.root)))
    names, stat = zk.get_children(t.root, include_data=True)
    t.say(sorted(names), t.stat(stat))
    t.attempt("leaf", lambda: zk.get_children(f"{t.root}/a"))
    zk.create(f"{t.root}/a/x/y", makepath=True)
    t.attempt("all descendants", lambda: call(zk, ops.GetAllChildrenNumber(t.root)))
    t.attempt("system", lambda: sorted(zk.get_children("/zookeeper")))
    t.attempt("config", lambda: zk.get("/zookeeper/config"), t.got)


@scenario("values")
def values(t):
    zk = t.client()
    null, empty, small = f"{t.root}/null", f"{t.root}/empty", f"{t.root}/small"
    call(zk, ops.CreateContainer(null, None, 0))
    zk.create(empty, b"")
    zk.create(small, bytes(range(256)))
    for path in (null, empty, small):
        t.say(path, t.got(zk.get(path)))
    # kazoo's set refuses None, the protocol does not.
    zk.set(null, b"now something")
    t.say(t.got(zk.get(null)))
    zk.set(null, b"")
    t.say(t.got(zk.get(null)))


@scenario("large-values")
def large_values(t):
    zk = t.client()
    path = f"{t.root}/n"
    zk.create(path)
    # A setData frame is 8 header + 4 + path + 4 + data + 4 version bytes; the limit is 1048575.
    fits = 1_048_575 - 20 - len(path)
    for size in (100_000, 1_000_000, fits):
        value = bytes([size % 251]) * size
        t.attempt(f"set {size}", lambda: zk.set(path, value), t.stat)
        t.check(zk.get(path)[0] == value, "read back something else")
    for label, size in (("one byte more", fits + 1), ("1 MiB", 1 << 20)):
        t.attempt(f"set {label}", lambda: zk.set(path, b"x" * size))
        t.wait("reconnected", lambda: zk.connected and answers(zk))
        t.say("still", t.got(zk.get(path)))


def answers(zk):
    try:
        zk.exists("/")
        return True
    except KazooException:
        return False


@scenario("deep-tree")
def deep_tree(t):
    zk = t.client()
    path = t.root
    for level in range(500):
        path += f"/{level}"
        zk.create(path, str(level).encode())
    t.say("deepest", len(path), t.got(zk.get(path)))
    t.attempt("all descendants", lambda: call(zk, ops.GetAllChildrenNumber(t.root)))
    t.attempt("one level too far", lambda: zk.create(f"{path}/missing/x"))
    for level in range(499, 249, -1):
        zk.delete(path)
        path = path.rsplit("/", 1)[0]
    t.say("now deepest", t.got(zk.get(path)))
    t.attempt("all descendants", lambda: call(zk, ops.GetAllChildrenNumber(t.root)))


@scenario("pipelined")
def pipelined(t):
    zk = t.client()
    count = 3000
    created = [zk.create_async(f"{t.root}/n-", b"", sequence=True) for _ in range(count)]
    paths = [result.get(timeout=60) for result in created]
    want = [f"{t.root}/n-{number:010d}" for number in range(count)]
    t.check(paths == want, "pipelined sequential creates are not numbered in the order sent")
    reads = [zk.get_async(path) for path in paths]
    sets = [zk.set_async(path, b"1", version=0) for path in paths]
    stale = [zk.set_async(path, b"2", version=0) for path in paths[:100]]
    after = [zk.get_async(path) for path in paths]
    t.check(all(result.get(timeout=60)[1].version == 0 for result in reads), "a read saw a later write")
    t.check(all(result.get(timeout=60).version == 1 for result in sets), "a conditional set went wrong")
    t.check(all(result.get(timeout=60)[1].version == 1 for result in after), "a read missed an earlier write")
    outcomes = set()
    for result in stale:
        try:
            outcomes.add(result.get(timeout=60).version)
        except KazooException as error:
            outcomes.add(describe(error))
    t.say("stale sets:", sorted(outcomes))
    t.say(t.stat(zk.exists(t.root)))


@scenario("sync")
def sync(t):
    one, other = t.clients(2)
    path = f"{t.root}/n"
    one.create(path, b"0")
    for round_ in range(200):
        value = str(round_).encode()
        one.set(path, value)
        other.sync(path)
        t.check(other.get(path)[0] == value, f"round {round_}: a read after sync missed a finished write")
    t.attempt("sync", lambda: one.sync(path))
    t.attempt("sync of a missing node", lambda: one.sync("/no/such"))


@scenario("chroot")
def chroot(t):
    zk = t.client()
    zk.create(f"{t.root}/inner")
    inner = t.client(f"{t.hostport}{t.root}/inner")
    t.attempt("create", lambda: inner.create("/a", b"1"))
    t.attempt("sequential", lambda: inner.create("/s-", sequence=True))
    t.attempt("children", lambda: sorted(inner.get_children("/")))
    with inner.transaction() as multi:
        multi.create("/m")
    seen = []
    inner.get("/a", watch=lambda event: seen.append((event.type, event.path)))
    zk.set(f"{t.root}/inner/a", b"2")
    t.wait("the event", lambda: seen)
    t.say(seen)
    t.tree(zk, t.root)
    lost = t.client(f"{t.hostport}/no/such/chroot")
    t.attempt("missing chroot", lambda: lost.create("/a"))


@scenario("containers-and-ttl")
def containers_and_ttl(t):
    zk = t.client()
    used, unused = f"{t.root}/used", f"{t.root}/unused"
    call(zk, ops.CreateContainer(used, b"", ops.CONTAINER))
    call(zk, ops.CreateContainer(unused, b"", ops.CONTAINER))
    zk.create(f"{used}/child")
    deleted = []
    zk.exists(used, watch=lambda event: deleted.append(event.type))
    call(zk, ops.CreateTTL(f"{t.root}/ttl-short", b"", ops.TTL, 300))
    call(zk, ops.CreateTTL(f"{t.root}/ttl-parent", b"", ops.TTL, 300))
    zk.create(f"{t.root}/ttl-parent/child")
    call(zk, ops.CreateTTL(f"{t.root}/ttl-long", b"", ops.TTL, 600_000))
    t.wait("the TTL node is gone", lambda: not zk.exists(f"{t.root}/ttl-short"))
    t.say("kept:", sorted(zk.get_children(t.root)))
    zk.delete(f"{used}/child")
    t.wait("the container is gone", lambda: not zk.exists(used))
    t.wait("its watch fired", lambda: deleted)
    zk.delete(f"{t.root}/ttl-parent/child")
    t.wait("the TTL parent is gone", lambda: not zk.exists(f"{t.root}/ttl-parent"))
    t.say("events:", deleted, "kept:", sorted(zk.get_children(t.root)))


@scenario("after-restart")
def after_restart(t):
    """Everything a clean and an unclean restart must keep, field by field."""
    zk = t.client(t.gate, timeout=30.0)
    t.session(zk.client_id[0])
    zk.create(f"{t.root}/data", b"v0")
    zk.set(f"{t.root}/data", b"v1")
    zk.create(f"{t.root}/ephemeral", ephemeral=True)
    for _ in range(3):
        zk.create(f"{t.root}/seq/n-", sequence=True, makepath=True)
    zk.delete(f"{t.root}/seq/n-0000000001")
    call(zk, ops.CreateContainer(f"{t.root}/container", b"", ops.CONTAINER))
    call(zk, ops.CreateTTL(f"{t.root}/ttl", b"", ops.TTL, 900_000))
    call(zk, ops.CreateContainer(f"{t.root}/null", None, 0))

    def picture():
        for path in ("", "/data", "/ephemeral", "/seq", "/seq/n-0000000002", "/container", "/ttl", "/null"):
            t.attempt(path or "root", lambda: zk.get(t.root + path), t.got)

    picture()
    for how in ("restart", "bounce"):
        t.control(how)
        t.wait("the client is back", lambda: zk.connected and answers(zk))
        t.say(f"after {how}")
        picture()
        t.attempt("next sequence", lambda: zk.create(f"{t.root}/seq/n-", sequence=True))
    try:
        zk.get(f"{t.root}/seq/n-0000000001")
        t.broken("a deleted node came back")
    except NoNodeError:
        pass


@scenario("wide-tree-listing")
def wide_tree_listing(t):
    zk = t.client()
    count = 10_000
    results = [zk.create_async(f"{t.root}/child-{number:05d}", b"") for number in range(count)]
    for result in results:
        result.get(timeout=60)
    names, stat = zk.get_children(t.root, include_data=True)
    t.check(sorted(names) == [f"child-{number:05d}" for number in range(count)], "the listing is not what was created")
    t.say(len(names), short(",".join(sorted(names)).encode()), t.stat(stat))
    t.attempt("all descendants", lambda: call(zk, ops.GetAllChildrenNumber(t.root)))
