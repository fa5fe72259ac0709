"""Recipes whose point is exclusion or exactly-once: locks, semaphores, queues, counters; eight contenders each."""

import random
import threading
import time

from kazoo.exceptions import KazooException, LockTimeout
from support import scenario

CONTENDERS = 8


class Inside:
    """Counts who is inside a critical section and remembers the most there ever were."""

    def __init__(self):
        self.guard = threading.Lock()
        self.now = self.most = self.entries = 0

    def __enter__(self):
        with self.guard:
            self.now += 1
            self.entries += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *exc):
        with self.guard:
            self.now -= 1


@scenario("lock")
def lock(t):
    """A counter kept by read-then-write under the lock must count every round of everybody."""
    clients = t.clients(CONTENDERS)
    rounds = 12
    clients[0].create(f"{t.root}/counter", b"0")
    inside = Inside()

    def contend(zk):
        for _ in range(rounds):
            with zk.Lock(f"{t.root}/lock", "x"):
                with inside:
                    value = int(zk.get(f"{t.root}/counter")[0])
                    zk.set(f"{t.root}/counter", str(value + 1).encode())

    t.in_threads([lambda zk=zk: contend(zk) for zk in clients])
    t.say("inside at most", inside.most, "rounds", inside.entries)
    t.say("counter", clients[0].get(f"{t.root}/counter")[0], "left", clients[0].get_children(f"{t.root}/lock"))


@scenario("lock-order")
def lock_order(t):
    """Waiters get the lock in the order in which they queued."""
    holder, *waiters = t.clients(CONTENDERS)
    path = f"{t.root}/lock"
    first = holder.Lock(path, "holder")
    first.acquire()
    got = []

    def wait(zk, name):
        with zk.Lock(path, name):
            got.append(name)

    threads = []
    for number, zk in enumerate(waiters):
        thread = threading.Thread(target=wait, args=(zk, f"w{number}"), daemon=True)
        thread.start()
        threads.append(thread)
        t.wait("queued", lambda: len(holder.get_children(path)) == number + 2)
    t.say("contenders", first.contenders())
    first.release()
    for thread in threads:
        thread.join(20)
    t.say("order", got)


@scenario("lock-variants")
def lock_variants(t):
    one, two = t.clients(2)
    path = f"{t.root}/lock"
    first, second = one.Lock(path, "one"), two.Lock(path, "two")
    t.say("acquire", first.acquire(), "without blocking", second.acquire(blocking=False))
    try:
        second.acquire(timeout=0.2)
        t.broken("two holders")
    except LockTimeout:
        t.say("timed out")
    t.say("contenders after the time-out", first.contenders())
    one.stop()
    t.say("after the holder's session closed", second.acquire(timeout=60))
    second.release()
    t.say("left", two.get_children(path))


@scenario("lock-holder-dies")
def lock_holder_dies(t):
    """The lock passes on when its holder falls silent and its session expires, not before."""
    proxy = t.proxy()
    silent = t.client(proxy.hostport, timeout=1.0)
    heir = t.client()
    path = f"{t.root}/lock"
    silent.Lock(path, "silent").acquire()
    proxy.freeze()
    frozen = time.monotonic()
    t.say("acquired", heir.Lock(path, "heir").acquire(timeout=60))
    waited = time.monotonic() - frozen
    t.check(0.2 < waited < 2.5, f"passed on after {waited:.2f} s of a 1 s session")
    proxy.heal()


@scenario("lock-through-restarts")
def lock_through_restarts(t):
    """Mutual exclusion and progress while the server is killed under the contenders."""
    clients = t.clients(CONTENDERS, hostport=t.gate, timeout=30.0)
    clients[0].create(f"{t.root}/log")
    inside = Inside()
    stop = threading.Event()
    rounds = [0] * CONTENDERS

    def contend(number, zk):
        lock = zk.Lock(f"{t.root}/lock", f"c{number}")
        while not stop.is_set():
            try:
                if not lock.acquire(timeout=20):
                    continue
            except (KazooException, LockTimeout):
                continue
            with inside:
                time.sleep(0.001)
            rounds[number] += 1
            while True:
                try:
                    lock.release()
                    break
                except KazooException:
                    time.sleep(0.01)

    threads = [threading.Thread(target=contend, args=pair, daemon=True) for pair in enumerate(clients)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        before = sum(rounds)
        t.wait("progress before a kill", lambda: sum(rounds) >= before + 20)
        t.control("bounce")
    before = sum(rounds)
    t.wait("progress after the last kill", lambda: sum(rounds) >= before + 20)
    stop.set()
    for thread in threads:
        thread.join(30)
    t.check(not any(thread.is_alive() for thread in threads), "a contender hangs")
    t.say("inside at most", inside.most)


@scenario("read-write-lock")
def read_write_lock(t):
    clients = t.clients(CONTENDERS)
    path = f"{t.root}/lock"
    readers, writers = Inside(), Inside()
    mixed = []

    def contend(number, zk):
        for _ in range(8):
            if number % 4 == 0:
                with zk.WriteLock(path, "w"), writers:
                    if readers.now:
                        mixed.append("a reader beside a writer")
                    time.sleep(0.001)
            else:
                with zk.ReadLock(path, "r"), readers:
                    if writers.now:
                        mixed.append("a writer beside a reader")
                    time.sleep(0.001)

    t.in_threads([lambda pair=pair: contend(*pair) for pair in enumerate(clients)])
    t.check(not mixed, mixed[:1])
    t.say("writers at most", writers.most, "write rounds", writers.entries, "read rounds", readers.entries)
    t.check(writers.most == 1, "two writers")


@scenario("semaphore")
def semaphore(t):
    clients = t.clients(CONTENDERS)
    inside = Inside()

    def contend(zk):
        for _ in range(6):
            with zk.Semaphore(f"{t.root}/sem", "x", max_leases=3), inside:
                time.sleep(0.02)

    t.in_threads([lambda zk=zk: contend(zk) for zk in clients])
    t.check(1 < inside.most <= 3, f"{inside.most} holders of three leases")
    t.say("rounds", inside.entries, "holders left", clients[0].Semaphore(f"{t.root}/sem", max_leases=3).lease_holders())


@scenario("counter")
def counter(t):
    clients = t.clients(CONTENDERS)
    rounds = 15

    def contend(zk):
        counter = zk.Counter(f"{t.root}/counter")
        for _ in range(rounds):
            # kazoo retries a lost race; each addition must count once.
            counter += 2
            counter -= 1

    t.in_threads([lambda zk=zk: contend(zk) for zk in clients])
    t.say("value", clients[0].Counter(f"{t.root}/counter").value)
    t.say("version", clients[0].get(f"{t.root}/counter")[1].version)


@scenario("queue")
def queue(t):
    """Four producers, four consumers: every item exactly once."""
    clients = t.clients(CONTENDERS)
    each = 60
    total = 4 * each
    taken, guard = [], threading.Lock()

    def produce(number, zk):
        queue = zk.Queue(f"{t.root}/q")
        for item in range(each):
            queue.put(f"{number}-{item:03d}".encode())

    def consume(zk):
        queue = zk.Queue(f"{t.root}/q")
        while True:
            with guard:
                if len(taken) >= total:
                    return
            item = queue.get()
            if item is not None:
                with guard:
                    taken.append(item)

    work = [lambda n=n: produce(n, clients[n]) for n in range(4)] + [
        lambda n=n: consume(clients[n]) for n in range(4, 8)
    ]
    t.in_threads(work)
    t.say("taken", len(taken), "distinct", len(set(taken)), "left", len(clients[0].Queue(f"{t.root}/q")))


@scenario("queue-priorities")
def queue_priorities(t):
    zk = t.client()
    queue = zk.Queue(f"{t.root}/q")
    for priority, value in ((100, b"c"), (5, b"a"), (100, b"d"), (50, b"b"), (999, b"e")):
        queue.put(value, priority=priority)
    t.say([queue.get() for _ in range(6)])


@scenario("locking-queue")
def locking_queue(t):
    clients = t.clients(CONTENDERS)
    total = 160
    items = [f"{number:04d}".encode() for number in range(total)]
    clients[0].LockingQueue(f"{t.root}/q").put_all(items)
    taken, guard = [], threading.Lock()
    dice = random.Random(7)

    def consume(zk):
        queue = zk.LockingQueue(f"{t.root}/q")
        while True:
            item = queue.get(timeout=0.5)
            if item is None:
                with guard:
                    if len(taken) >= total:
                        return
                continue
            with guard:
                put_back = dice.random() < 0.2
            if put_back:
                queue.release()
            elif queue.consume():
                with guard:
                    taken.append(item)

    t.in_threads([lambda zk=zk: consume(zk) for zk in clients])
    t.say(
        "taken",
        len(taken),
        "distinct",
        len(set(taken)),
        "left",
        clients[0].get_children(f"{t.root}/q/entries"),
        clients[0].get_children(f"{t.root}/q/taken"),
    )


@scenario("lease")
def lease(t):
    import datetime

    one, two = t.clients(2)
    minute = datetime.timedelta(seconds=60)
    t.say("first", bool(one.NonBlockingLease(f"{t.root}/lease", minute, identifier="one")))
    t.say("second", bool(two.NonBlockingLease(f"{t.root}/lease", minute, identifier="two")))
    t.say("first renews", bool(one.NonBlockingLease(f"{t.root}/lease", minute, identifier="one")))
    t.say(
        "two of three",
        [
            bool(zk.MultiNonBlockingLease(2, f"{t.root}/leases", minute, identifier=name))
            for zk, name in ((one, "a"), (two, "b"), (two, "c"))
        ],
    )
