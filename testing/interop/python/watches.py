"""Watches: what fires, once or for ever, in which order, and what SetWatches catches up on."""

import threading

import extra_ops as ops
from extra_ops import EventLog, call
from support import scenario

CHILDREN, DATA, ANY, PERSISTENT, RECURSIVE = 1, 2, 3, 4, 5


def nothing(event):
    """A watcher that is only there to be registered; the event log sees the frames."""


class Watched:
    """A client that watches and another that writes; prints what the first received after each step."""

    def __init__(self, t):
        self.t = t
        self.watcher, self.writer = t.clients(2)
        self.log = EventLog(self.watcher)

    def after(self, label, *actions):
        for action in actions:
            action()
        # Events precede any reply that could show their cause, so after a sync nothing is outstanding.
        self.watcher.sync("/")
        self.t.say(f"{label}:", ", ".join(self.log.take()) or "nothing")


@scenario("one-shot-watches")
def one_shot_watches(t):
    w = Watched(t)
    see, do, node = w.watcher, w.writer, f"{t.root}/n"
    t.say("exists on a missing node:", see.exists(node, watch=nothing))
    w.after("created", lambda: do.create(node, b"0"))
    w.after("changed, but the watch is spent", lambda: do.set(node, b"1"))
    see.get(node, watch=nothing)
    w.after("changed", lambda: do.set(node, b"2"))
    see.get(node, watch=nothing)
    w.after(
        "acl changed, child created", lambda: do.set_acls(node, do.get_acls(node)[0]), lambda: do.create(f"{node}/c")
    )
    w.after("child of the watched node gone", lambda: do.delete(f"{node}/c"))
    w.after("deleted", lambda: do.delete(node))
    t.attempt("get with a watch on a missing node", lambda: see.get(node, watch=nothing))
    w.after("created, no watch was set", lambda: do.create(node))
    see.get_children(node, watch=nothing)
    w.after("child created", lambda: do.create(f"{node}/c"))
    see.get_children(node, watch=nothing)
    w.after("child changed, parent changed", lambda: do.set(f"{node}/c", b"x"), lambda: do.set(node, b"x"))
    w.after("child deleted", lambda: do.delete(f"{node}/c"))
    see.get_children(node, watch=nothing)
    w.after("deleted under a child watch", lambda: do.delete(node))


@scenario("watches-together")
def watches_together(t):
    w = Watched(t)
    see, do, node = w.watcher, w.writer, f"{t.root}/n"
    do.create(node)
    see.get_children(t.root, watch=nothing)
    see.get(node, watch=nothing)
    see.exists(node, watch=nothing)
    see.get_children(node, watch=nothing)
    w.after("deleted under data, exists, child and parent watches", lambda: do.delete(node))
    w.after("created again", lambda: do.create(node))
    for _ in range(3):
        see.get(node, watch=nothing)
    w.after("set three times the same watch", lambda: do.set(node, b"1"), lambda: do.set(node, b"2"))
    see.get(node, watch=nothing)
    w.after("a write that fails", lambda: t.attempt("bad version", lambda: do.set(node, b"x", 99)))
    w.after("then one that works", lambda: do.set(node, b"3"))
    see.get_children(t.root, watch=nothing)
    see.get_children(node, watch=nothing)
    w.after(
        "a tree below",
        lambda: do.create(f"{node}/a"),
        lambda: do.create(f"{node}/a/b"),
        lambda: do.create(f"{t.root}/m"),
    )


@scenario("own-events")
def own_events(t):
    """The connection that writes gets the event before the reply to its write."""
    zk = t.client()
    order = []
    log = EventLog(zk)
    zk.create(f"{t.root}/n")
    for step in range(50):
        zk.get(f"{t.root}/n", watch=nothing)
        zk.set(f"{t.root}/n", str(step).encode())
        order.append(len(log.take()))
    t.check(order == [1] * 50, f"events after each of 50 own writes: {order}")
    zk.get_children(t.root, watch=nothing)
    zk.exists(f"{t.root}/m", watch=nothing)
    zk.create(f"{t.root}/m")
    t.say("create:", log.take())
    zk.get_children(t.root, watch=nothing)
    zk.get(f"{t.root}/m", watch=nothing)
    zk.delete(f"{t.root}/m")
    t.say("delete:", log.take())


@scenario("persistent-watches")
def persistent_watches(t):
    w = Watched(t)
    see, do, node = w.watcher, w.writer, f"{t.root}/n"
    t.attempt("on a missing node", lambda: call(see, ops.AddWatch(node, 0)))
    w.after("created", lambda: do.create(node))
    w.after("changed twice", lambda: do.set(node, b"1"), lambda: do.set(node, b"2"))
    w.after("child created", lambda: do.create(f"{node}/c"))
    w.after("child changed", lambda: do.set(f"{node}/c", b"1"))
    w.after("grandchild created", lambda: do.create(f"{node}/c/d"))
    w.after("grandchild and child deleted", lambda: do.delete(f"{node}/c/d"), lambda: do.delete(f"{node}/c"))
    w.after("deleted, created", lambda: do.delete(node), lambda: do.create(node))
    see.get(node, watch=nothing)
    w.after("with a one-shot as well", lambda: do.set(node, b"1"), lambda: do.set(node, b"2"))
    t.attempt("check persistent", lambda: call(see, ops.CheckWatches(node, PERSISTENT)))
    t.attempt("check recursive", lambda: call(see, ops.CheckWatches(node, RECURSIVE)))
    t.attempt("remove", lambda: call(see, ops.RemoveWatches(node, PERSISTENT)))
    w.after("removed", lambda: do.set(node, b"3"))
    t.attempt("remove again", lambda: call(see, ops.RemoveWatches(node, PERSISTENT)))
    t.attempt("mode 2", lambda: call(see, ops.AddWatch(node, 2)))
    t.attempt("mode -1", lambda: call(see, ops.AddWatch(node, -1)))


@scenario("recursive-watches")
def recursive_watches(t):
    w = Watched(t)
    see, do, node = w.watcher, w.writer, f"{t.root}/n"
    do.create(node)
    t.attempt("recursive", lambda: call(see, ops.AddWatch(node, 1)))
    w.after(
        "below", lambda: do.create(f"{node}/a"), lambda: do.create(f"{node}/a/b"), lambda: do.set(f"{node}/a/b", b"1")
    )
    w.after("beside", lambda: do.create(f"{t.root}/nn"), lambda: do.set(t.root, b"1"))
    w.after("itself", lambda: do.set(node, b"1"))
    call(see, ops.AddWatch(t.root, 1))
    w.after("two recursive watches, one frame", lambda: do.set(f"{node}/a", b"1"))
    call(see, ops.AddWatch(f"{node}/a", 0))
    w.after("and a persistent one", lambda: do.set(f"{node}/a", b"2"), lambda: do.create(f"{node}/a/c"))
    see.get_children(f"{node}/a", watch=nothing)
    see.get(f"{node}/a", watch=nothing)
    w.after(
        "and one-shots, node and subtree deleted",
        *[lambda name=name: do.delete(f"{node}/a{name}") for name in ("/b", "/c", "")],
    )
    t.attempt("remove the wrong kind", lambda: call(see, ops.RemoveWatches(node, PERSISTENT)))
    t.attempt("remove recursive", lambda: call(see, ops.RemoveWatches(node, RECURSIVE)))
    w.after("the outer one is left", lambda: do.set(node, b"2"))
    t.attempt("remove any", lambda: call(see, ops.RemoveWatches(t.root, ANY)))
    w.after("none is left", lambda: do.set(node, b"3"))
    call(see, ops.AddWatch("/", 1))
    w.after("on the root", lambda: do.create(f"{t.root}/deep/er", makepath=True))


@scenario("removing-watches")
def removing_watches(t):
    w = Watched(t)
    see, do, node = w.watcher, w.writer, f"{t.root}/n"
    do.create(node)
    names = {
        "children": CHILDREN,
        "data": DATA,
        "any": ANY,
        "persistent": PERSISTENT,
        "recursive": RECURSIVE,
        "six": 6,
        "zero": 0,
    }
    for name, kind in names.items():
        t.attempt(f"check {name}, none set", lambda: call(see, ops.CheckWatches(node, kind)))
    see.get(node, watch=nothing)
    see.get_children(node, watch=nothing)
    for name, kind in names.items():
        t.attempt(f"check {name}, one-shots set", lambda: call(see, ops.CheckWatches(node, kind)))
    t.attempt("remove data", lambda: call(see, ops.RemoveWatches(node, DATA)))
    w.after("data removed", lambda: do.set(node, b"1"))
    w.after("child watch is still there", lambda: do.create(f"{node}/c"))
    see.get(node, watch=nothing)
    see.get_children(node, watch=nothing)
    call(see, ops.AddWatch(node, 0))
    t.attempt("remove any", lambda: call(see, ops.RemoveWatches(node, ANY)))
    w.after("all removed", lambda: do.set(node, b"2"), lambda: do.delete(f"{node}/c"))
    see.exists(f"{t.root}/none", watch=nothing)
    t.attempt("remove an exists watch of a missing node", lambda: call(see, ops.RemoveWatches(f"{t.root}/none", DATA)))
    t.attempt(
        "another connection's watch",
        lambda: (see.get(node, watch=nothing) and None, call(do, ops.RemoveWatches(node, DATA))),
    )


@scenario("set-watches")
def set_watches(t):
    """What a client that was away learns: exactly the changes after its zxid."""
    w = Watched(t)
    see, do = w.watcher, w.writer
    for name in ("same", "changed", "gone", "recreated", "child-new", "child-gone", "only-data"):
        do.create(f"{t.root}/{name}", b"0")
    do.create(f"{t.root}/child-gone/c")
    then = do.set(f"{t.root}/only-data", b"00").mzxid
    do.set(f"{t.root}/changed", b"1")
    do.delete(f"{t.root}/gone")
    do.delete(f"{t.root}/recreated")
    do.create(f"{t.root}/recreated")
    do.create(f"{t.root}/child-new/c")
    do.delete(f"{t.root}/child-gone/c")
    do.create(f"{t.root}/appeared")
    every = ["same", "changed", "gone", "recreated", "child-new", "child-gone", "only-data", "appeared", "never"]
    paths = [f"{t.root}/{name}" for name in every]

    def events(label, zxid, **lists):
        request = ops.SetWatches(zxid, lists.get("data", []), lists.get("exist", []), lists.get("child", []))
        t.attempt(label, lambda: call(see, request))
        for event in w.log.take():
            t.say("  ", event)

    events("data", then, data=paths)
    events(
        "data again, from now", do.set(f"{t.root}/only-data", b"x").mzxid, data=[p for p in paths if p.endswith("same")]
    )
    events("exist", then, exist=paths)
    events("child", then, child=paths)
    events("all three on one node", then, data=[paths[1]], exist=[paths[8]], child=[paths[4]])
    w.after(
        "those registered fire",
        *[lambda name=name: do.set(f"{t.root}/{name}", b"2") for name in ("same", "changed", "only-data")],
        lambda: do.create(f"{t.root}/never"),
        lambda: do.create(f"{t.root}/same/c"),
    )


@scenario("ephemeral-events")
def ephemeral_events(t):
    w = Watched(t)
    owner = t.client()
    for name in ("a", "b"):
        owner.create(f"{t.root}/{name}", ephemeral=True)
        w.watcher.exists(f"{t.root}/{name}", watch=nothing)
    call(w.watcher, ops.AddWatch(t.root, 0))
    owner.stop()
    w.watcher.sync("/")
    t.say("after its close:", sorted(w.log.take()))
    t.say("left:", w.watcher.get_children(t.root))


@scenario("every-watcher-told")
def every_watcher_told(t):
    """Eight clients, five hundred nodes each, one event each: none lost, none doubled."""
    writer, *watchers = t.clients(9)
    count = 500
    paths = [f"{t.root}/n{number:03d}" for number in range(count)]
    for result in [writer.create_async(path, b"") for path in paths]:
        result.get(timeout=30)
    logs = [EventLog(zk) for zk in watchers]
    for zk in watchers:
        for result in [zk.get_async(path, watch=nothing) for path in paths]:
            result.get(timeout=30)
    for result in [writer.set_async(path, b"1") for path in paths]:
        result.get(timeout=30)
    for zk, log in zip(watchers, logs):
        zk.sync("/")
        seen = log.take()
        t.check(
            seen == [f"changed {path} state=3" for path in paths],
            f"one watcher saw {len(seen)} events, or in another order",
        )
    t.say("done")


@scenario("data-before-event")
def data_before_event(t):
    """Whoever reads after an event sees at least the change the event told of."""
    writer, watcher = t.clients(2)
    path = f"{t.root}/n"
    writer.create(path, b"0")
    done = threading.Event()
    seen = []

    def on_change(event):
        value = int(watcher.get(path, watch=on_change)[0])
        seen.append(value)
        if value == 300:
            done.set()

    watcher.get(path, watch=on_change)
    for value in range(1, 301):
        writer.set(path, str(value).encode())
    t.check(done.wait(60), "the last change was never announced")
    t.check(seen == sorted(seen), "values went back")
    t.check(all(later > earlier for earlier, later in zip(seen, seen[1:])), "an event without a change")
    t.say("last", seen[-1])
