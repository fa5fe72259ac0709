"""Transactions: what succeeds together, what each failing op reports, what is left behind."""

from kazoo.exceptions import KazooException
from support import describe, scenario


def results(t, outcome):
    """One line for the results of a transaction."""

    def one(result):
        if isinstance(result, KazooException):
            return describe(result)
        if hasattr(result, "czxid"):
            return t.stat(result)
        return repr(result)

    return " | ".join(one(result) for result in outcome)


def commit(t, label, transaction):
    t.attempt(label, transaction.commit, lambda outcome: results(t, outcome))


@scenario("multi-success")
def multi_success(t):
    zk = t.client()
    t.session(zk.client_id[0])
    zk.create(f"{t.root}/old", b"o")
    zk.create(f"{t.root}/gone", b"g")
    tx = zk.transaction()
    tx.create(f"{t.root}/plain", b"1")
    tx.create(f"{t.root}/plain/child", b"2")
    tx.create(f"{t.root}/eph", b"3", ephemeral=True)
    tx.create(f"{t.root}/seq-", b"4", sequence=True)
    tx.create(f"{t.root}/seq-", b"5", sequence=True)
    tx.check(f"{t.root}/old", 0)
    tx.set_data(f"{t.root}/old", b"new", 0)
    tx.check(f"{t.root}/old", 1)
    tx.delete(f"{t.root}/gone", 0)
    commit(t, "commit", tx)
    for path in ("", "/plain", "/plain/child", "/eph", "/seq-0000000004", "/old"):
        t.attempt(path or "root", lambda: zk.get(t.root + path), t.got)
    t.tree(zk, t.root)


@scenario("multi-own-effects")
def multi_own_effects(t):
    zk = t.client()
    tx = zk.transaction()
    tx.create(f"{t.root}/a")
    tx.create(f"{t.root}/a/b")
    tx.set_data(f"{t.root}/a", b"x", 0)
    tx.check(f"{t.root}/a", 1)
    tx.delete(f"{t.root}/a/b", 0)
    tx.delete(f"{t.root}/a", 1)
    tx.create(f"{t.root}/a", b"again")
    commit(t, "create, use, delete, create again", tx)
    t.tree(zk, t.root)
    t.say(t.stat(zk.exists(t.root)))


FAILURES = {
    "create existing": lambda tx, root: tx.create(f"{root}/there"),
    "create without parent": lambda tx, root: tx.create(f"{root}/no/parent"),
    "create below ephemeral": lambda tx, root: tx.create(f"{root}/eph/child"),
    "delete missing": lambda tx, root: tx.delete(f"{root}/missing"),
    "delete wrong version": lambda tx, root: tx.delete(f"{root}/there", 5),
    "delete not empty": lambda tx, root: tx.delete(f"{root}/full"),
    "set missing": lambda tx, root: tx.set_data(f"{root}/missing", b"x"),
    "set wrong version": lambda tx, root: tx.set_data(f"{root}/there", b"x", 5),
    "check missing": lambda tx, root: tx.check(f"{root}/missing", 0),
    "check wrong version": lambda tx, root: tx.check(f"{root}/there", 5),
    "same create twice": lambda tx, root: (tx.create(f"{root}/twice"), tx.create(f"{root}/twice")),
    "delete then check": lambda tx, root: (tx.delete(f"{root}/there"), tx.check(f"{root}/there", 0)),
    "delete the protected": lambda tx, root: tx.delete("/zookeeper"),
}


@scenario("multi-failures")
def multi_failures(t):
    """Every way to fail, in the middle of ops that would succeed; nothing may remain."""
    zk = t.client()
    zk.create(f"{t.root}/there", b"t")
    zk.create(f"{t.root}/full/child", makepath=True)
    zk.create(f"{t.root}/eph", ephemeral=True)
    before = t.stat(zk.exists(t.root))
    for label, fail in FAILURES.items():
        tx = zk.transaction()
        tx.create(f"{t.root}/first")
        tx.create(f"{t.root}/seq-", sequence=True)
        tx.set_data(f"{t.root}/there", b"changed")
        fail(tx, t.root)
        tx.create(f"{t.root}/last")
        tx.create(f"{t.root}/there")
        commit(t, label, tx)
        t.check(t.stat(zk.exists(t.root)) == before, f"{label}: the parent changed")
        t.check(zk.get(f"{t.root}/there")[0] == b"t", f"{label}: data changed")
    t.attempt("sequence after failures", lambda: zk.create(f"{t.root}/seq-", sequence=True))
    t.tree(zk, t.root)


@scenario("multi-edges")
def multi_edges(t):
    zk = t.client()
    commit(t, "empty", zk.transaction())
    tx = zk.transaction()
    for number in range(2000):
        tx.create(f"{t.root}/n{number:04d}", b"x" * 100)
    t.attempt("2000 creates", tx.commit, lambda outcome: len(set(outcome)))
    t.say(t.stat(zk.exists(t.root)))
    t.check(zk.get(f"{t.root}/n0000")[1].czxid == zk.get(f"{t.root}/n1999")[1].czxid, "two zxids in one multi")
    tx = zk.transaction()
    tx.create(f"{t.root}/n0000/child", b"x")
    tx.check("/", 77)
    commit(t, "last fails", tx)
    tx = zk.transaction()
    tx.check("/", 77)
    tx.create(f"{t.root}/n0000/child", b"x")
    commit(t, "first fails", tx)


@scenario("multi-watches")
def multi_watches(t):
    """One-shot watches fire for every op of a multi, in op order, and not at all when it fails."""
    from extra_ops import EventLog

    zk = t.client()
    zk.create(f"{t.root}/a", b"0")
    zk.create(f"{t.root}/b", b"0")
    log = EventLog(zk)

    def watch():
        zk.get_children(t.root, watch=print_nothing)
        for name in "abc":
            zk.exists(f"{t.root}/{name}", watch=print_nothing)

    watch()
    tx = zk.transaction()
    tx.set_data(f"{t.root}/b", b"1")
    tx.create(f"{t.root}/c")
    tx.delete(f"{t.root}/a")
    tx.check(f"{t.root}/a", 0)
    commit(t, "fails", tx)
    zk.sync("/")
    t.say("after the failure:", log.take())
    tx = zk.transaction()
    tx.set_data(f"{t.root}/b", b"1")
    tx.create(f"{t.root}/c")
    tx.delete(f"{t.root}/a")
    commit(t, "succeeds", tx)
    zk.sync("/")
    t.say("after the success:")
    for event in log.take():
        t.say("  ", event)


def print_nothing(event):
    """A watcher that is only there to be registered; the event log sees the frames."""
