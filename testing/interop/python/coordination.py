"""Recipes whose point is agreement: elections, barriers, parties, watchers, caches, partitions."""

import threading
import time

from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.recipe.watchers import PatientChildrenWatch
from support import scenario

CONTENDERS = 8


@scenario("election")
def election(t):
    """Everybody leads once, one at a time."""
    clients = t.clients(CONTENDERS)
    leading, led, most = [], [], [0]

    def lead(name):
        leading.append(name)
        most[0] = max(most[0], len(leading))
        time.sleep(0.005)
        led.append(name)
        leading.remove(name)

    t.in_threads(
        [lambda n=n: clients[n].Election(f"{t.root}/e", f"c{n}").run(lead, f"c{n}") for n in range(CONTENDERS)]
    )
    t.say("led", sorted(led), "at most", most[0], "at once")


@scenario("election-leader-lost")
def election_leader_lost(t):
    proxy = t.proxy()
    doomed = t.client(proxy.hostport, timeout=3.0)
    heir = t.client()
    order, leading, release = [], threading.Event(), threading.Event()

    def first():
        order.append("first")
        leading.set()
        release.wait(60)

    threading.Thread(target=lambda: doomed.Election(f"{t.root}/e", "first").run(first), daemon=True).start()
    t.wait("the first leads", leading.is_set)
    proxy.freeze()
    t.in_threads([lambda: heir.Election(f"{t.root}/e", "heir").run(order.append, "heir")])
    t.say(order)
    proxy.heal()
    release.set()


@scenario("barrier")
def barrier(t):
    clients = t.clients(CONTENDERS)
    clients[0].Barrier(f"{t.root}/b").create()
    through = []

    def wait(zk):
        through.append(zk.Barrier(f"{t.root}/b").wait(timeout=60))

    threads = [threading.Thread(target=wait, args=(zk,), daemon=True) for zk in clients[1:]]
    for thread in threads:
        thread.start()
    t.say("times out while it stands:", clients[0].Barrier(f"{t.root}/b").wait(timeout=0.2))
    t.check(not through, "went through a standing barrier")
    t.say("removed", clients[0].Barrier(f"{t.root}/b").remove(), "again", clients[0].Barrier(f"{t.root}/b").remove())
    for thread in threads:
        thread.join(20)
    t.say("through", through)


@scenario("double-barrier")
def double_barrier(t):
    clients = t.clients(CONTENDERS)
    entering, entered, leaving, left = [], [], [], []
    # Nobody may leave before all are in; kazoo's recipe leaves that to its users.
    all_in = threading.Barrier(CONTENDERS)

    def take_part(number, zk):
        barrier = zk.DoubleBarrier(f"{t.root}/b", CONTENDERS, f"c{number}")
        entering.append(number)
        barrier.enter()
        t.check(len(entering) == CONTENDERS, "entered before all had come")
        entered.append(number)
        all_in.wait(60)
        leaving.append(number)
        barrier.leave()
        t.check(len(leaving) == CONTENDERS, "left before all wanted to")
        left.append(number)

    t.in_threads([lambda pair=pair: take_part(*pair) for pair in enumerate(clients)])
    t.say("entered", sorted(entered), "left", sorted(left), "nodes left", clients[0].get_children(f"{t.root}/b"))


@scenario("party")
def party(t):
    clients = t.clients(CONTENDERS)
    members = [zk.Party(f"{t.root}/p", f"c{number}") for number, zk in enumerate(clients)]
    for member in members:
        member.join()
    t.say(sorted(members[0]), len(members[0]))
    members[1].leave()
    clients[2].stop()
    t.say(sorted(members[0]), len(members[0]))
    shallow = [zk.ShallowParty(f"{t.root}/s", f"c{number}") for number, zk in enumerate(clients[3:])]
    for member in shallow:
        member.join()
    t.say(sorted(shallow[0]), len(shallow[0]))


@scenario("data-watch")
def data_watch(t):
    """A DataWatch follows a node through creation, changes, deletion and a killed server; the end is what counts."""
    zk, writer = t.clients(2, hostport=t.gate, timeout=30.0)
    seen = []

    @zk.DataWatch(f"{t.root}/n")
    def follow(data, stat):
        seen.append(data)

    def settled(value):
        return t.wait(f"the watch shows {value}", lambda: seen and seen[-1] == value)

    settled(None)
    for value in (b"1", b"2", b"3"):
        (writer.set if writer.exists(f"{t.root}/n") else writer.create)(f"{t.root}/n", value)
        settled(value)
    t.say(seen)
    t.control("bounce")
    t.wait("back", lambda: zk.connected and writer.connected)
    writer.retry(writer.set, f"{t.root}/n", b"4")
    settled(b"4")
    t.control("kill")
    t.control("start")
    t.wait("back", lambda: zk.connected and writer.connected)
    writer.retry(writer.delete, f"{t.root}/n")
    settled(None)
    t.say("last", seen[-1])


@scenario("children-watch")
def children_watch(t):
    zk, writer = t.clients(2, hostport=t.gate, timeout=30.0)
    seen = []

    @zk.ChildrenWatch(t.root)
    def follow(children):
        seen.append(sorted(children))

    for number in range(3):
        writer.create(f"{t.root}/n{number}")
        t.wait("seen", lambda: seen[-1] == [f"n{n}" for n in range(number + 1)])
    t.control("bounce")
    t.wait("back", lambda: zk.connected and writer.connected)
    writer.retry(writer.delete, f"{t.root}/n0")
    t.wait("seen", lambda: seen[-1] == ["n1", "n2"])
    t.say("last", seen[-1])
    patient = PatientChildrenWatch(writer, t.root, time_boundary=0.3).start()
    children, _ = patient.get(timeout=60)
    t.say("patient", sorted(children))


@scenario("tree-cache")
def tree_cache(t):
    """Eight caches and one writer; in the end every cache is the tree."""
    writer, *readers = t.clients(CONTENDERS + 1, hostport=t.gate, timeout=30.0)
    writer.create(f"{t.root}/tree")
    caches, ready = [], []
    for zk in readers:
        cache = TreeCache(zk, f"{t.root}/tree")
        started = threading.Event()
        cache.listen(
            lambda event, started=started: started.set() if event.event_type == TreeEvent.INITIALIZED else None
        )
        cache.start()
        caches.append(cache)
        ready.append(started)
    t.wait("all initialised", lambda: all(started.is_set() for started in ready))

    def build(generation):
        for branch in range(5):
            writer.retry(writer.ensure_path, f"{t.root}/tree/b{branch}")
            for leaf in range(5):
                path = f"{t.root}/tree/b{branch}/l{leaf}"
                if writer.retry(writer.exists, path):
                    writer.retry(writer.set, path, f"{generation}".encode())
                else:
                    writer.retry(writer.create, path, f"{generation}".encode())
        writer.retry(writer.delete, f"{t.root}/tree/b{generation}", recursive=True)

    def agree():
        def tree(path, get, children):
            names = children(path)
            return (get(path), {name: tree(f"{path}/{name}", get, children) for name in sorted(names or [])})

        want = tree(f"{t.root}/tree", lambda path: writer.get(path)[0], writer.get_children)
        return all(
            want == tree(f"{t.root}/tree", lambda path: cached(cache, path), cache.get_children) for cache in caches
        )

    def cached(cache, path):
        node = cache.get_data(path)
        return node.data if node else None

    build(0)
    t.wait("caches agree", agree)
    t.control("bounce")
    t.wait("back", lambda: all(zk.connected for zk in (writer, *readers)))
    build(1)
    t.wait("caches agree after a kill", agree)
    t.tree(writer, f"{t.root}/tree")
    for cache in caches:
        cache.close()


@scenario("set-partitioner")
def set_partitioner(t):
    """Members share out a set: all of it, nothing twice; and again when one leaves."""
    clients = t.clients(4)
    items = tuple(range(20))
    parts = [
        zk.SetPartitioner(f"{t.root}/p", items, identifier=f"m{n}", time_boundary=0.3) for n, zk in enumerate(clients)
    ]

    def settle(members):
        def one(part):
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                if part.release:
                    part.release_set()
                elif part.acquired and len(set().union(*[set(p) for p in members if p.acquired])) == len(items):
                    if all(p.acquired for p in members):
                        return
                elif part.failed:
                    raise RuntimeError("partitioner failed")
                part.wait_for_acquire(0.05) if part.allocating else time.sleep(0.01)

        t.in_threads([lambda part=part: one(part) for part in members])
        owned = [list(part) for part in members]
        t.say("shares", sorted(len(own) for own in owned), "covered", sorted(sum(owned, [])) == list(items))

    settle(parts)
    parts[3].finish()
    t.wait("the others noticed", lambda: all(part.release or part.allocating for part in parts[:3]))
    settle(parts[:3])
    for part in parts[:3]:
        part.finish()
