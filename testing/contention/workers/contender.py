#!/usr/bin/env python3
"""kazoo's recipes in contention, see README.md in the folder above: contender.py NAME WITNESS."""

import logging
import random
import socket
import struct
import sys
import threading
import time
import traceback

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, KazooException, NodeExistsError
from kazoo.protocol.states import KazooState
from kazoo.recipe.barrier import Barrier, DoubleBarrier
from kazoo.recipe.election import Election
from kazoo.recipe.lock import Lock
from kazoo.recipe.queue import Queue
from kazoo.retry import KazooRetry

PATIENCE_S = 60


class CuratorLock(Lock):
    """kazoo's lock among Curator's: it names its nodes as Curator does, and sees Curator's."""

    _NODE_NAME = "-lock-"
    _EXCLUDE_NAMES = ["-lock-"]


class CuratorLatch(Lock):
    """kazoo's lock as a contender of Curator's LeaderLatch."""

    _NODE_NAME = "-latch-"
    _EXCLUDE_NAMES = ["-latch-"]


class CuratorWriteLock(Lock):
    """kazoo's write lock among Curator's."""

    _NODE_NAME = "__WRIT__"
    _EXCLUDE_NAMES = ["__WRIT__", "__READ__"]


class CuratorReadLock(Lock):
    """kazoo's read lock among Curator's."""

    _NODE_NAME = "__READ__"
    _EXCLUDE_NAMES = ["__WRIT__"]


class CuratorQueue(Queue):
    """kazoo's queue with Curator's names."""

    def put(self, value, priority=100):
        self._check_put_arguments(value, priority)
        self._ensure_paths()
        self.client.create(f"{self.path}/qn-", value, sequence=True)


class Witness:
    """Who sees everything."""

    def __init__(self, address, who):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rw", encoding="utf-8", newline="\n")
        self.tell("hello", who)

    def tell(self, *words):
        print(*words, file=self.file, flush=True)
        answer = self.file.readline()
        if not answer:
            raise EOFError("the witness is gone")
        return answer.rstrip("\n")


class Client:
    """One client: a session and a thread."""

    def __init__(self, worker, number, order):
        self.worker = worker
        self.order = order
        self.number = number
        self.who = f"{worker.name}/{number}"
        self.root = order["root"]
        quick = {"max_tries": -1, "delay": 0.02, "backoff": 1, "max_delay": 0.1}
        self.zk = KazooClient(
            hosts=order["hosts"],
            timeout=int(order["session"]) / 1000,
            connection_retry=quick,
            command_retry=KazooRetry(**quick),
        )
        self.zk.add_listener(self.listen)
        self.zk.start(timeout=PATIENCE_S)
        self.witness = Witness(worker.witness, self.who)
        self.witness.tell("await", "all", "start", 0)
        self.deadline = time.monotonic() + int(order["millis"]) / 1000
        self.random = random.Random(self.who)

    def listen(self, state):
        if state == KazooState.SUSPENDED:
            self.worker.suspensions += 1

    def close(self):
        self.zk.stop()
        self.zk.close()

    def goes_on(self):
        return time.monotonic() < self.deadline

    def stay(self):
        most = max(1, int(self.order.get("stay", 0)))
        time.sleep(self.random.uniform(most / 2, most) / 1000)

    def turns(self, turn):
        """Takes turns until the time is up. What fails because of a fault is tried again."""
        while self.goes_on():
            try:
                turn()
            except KazooException:
                self.worker.errors += 1
                time.sleep(0.05)

    def fence(self, lock):
        """The fencing token of who holds this lock; none when the node is gone."""
        node = lock.node
        stat = node and self.zk.retry(self.zk.exists, f"{lock.path}/{node}")
        return stat and stat.czxid

    def visit(self, mode, fence):
        """Is inside for a while, and writes under the token."""
        if self.witness.tell("enter", self.root, mode, fence) != "ok":
            return
        self.stay()
        if mode == "x":
            self.witness.tell("write", self.root, fence)
        self.witness.tell("leave", self.root)

    def exclusive(self, lock):
        if self.sabotages("lock"):
            # Goes in without the lock, and shows no token.
            self.visit("x", "-")
            return
        with lock:
            fence = self.fence(lock)
            if fence is not None:
                self.visit("x", fence - 100_000 if self.sabotages("fence") else fence)

    def sabotages(self, what):
        """Whether to do wrong now, as a rehearsal asks for."""
        return self.order.get("sabotage") == what and self.random.random() < 0.2

    def lock(self):
        lock = CuratorLock(self.zk, self.root, self.who, extra_lock_patterns=["-lock-"])
        if self.order.get("sabotage") == "herd":
            self.watch_everybody()
        self.turns(lambda: self.exclusive(lock))

    def watch_everybody(self, _event=None):
        """What a lock must not do."""
        if self.goes_on():
            self.zk.get_children_async(self.root, watch=self.watch_everybody)

    def latch(self):
        lock = CuratorLatch(self.zk, self.root, self.who)
        self.turns(lambda: self.exclusive(lock))

    def election(self):
        election = Election(self.zk, self.root, self.who)
        election.lock = CuratorLock(self.zk, self.root, self.who)

        def lead():
            self.visit("x", self.fence(election.lock) or "-")

        self.turns(lambda: election.run(lead))

    def rwlock(self):
        def turn():
            writes = self.random.randrange(3) == 0
            kind = CuratorWriteLock if writes else CuratorReadLock
            if self.sabotages("rwlock"):
                self.visit("x" if writes else "s", "-")
                return
            with kind(self.zk, self.root, self.who):
                self.visit("x" if writes else "s", "-")

        self.turns(turn)

    def queue(self):
        queue = CuratorQueue(self.zk, self.root)
        made = 0

        def put():
            nonlocal made
            made += 1
            item = f"kazoo:{self.who}-{made}"
            sure = "maybe"
            try:
                queue.put(item.encode())
                sure = "sure"
            finally:
                self.witness.tell("put", self.root, item, sure)

        def take():
            item = queue.get()
            if item is not None:
                if self.sabotages("queue-lose"):
                    return True
                if self.sabotages("queue-double"):
                    self.witness.tell("take", self.root, item.decode())
                self.witness.tell("take", self.root, item.decode())
            return item is not None

        self.turns(lambda: put() if self.random.random() < 0.5 else take() or time.sleep(0.02))
        empty = 0
        while empty < 3:
            try:
                empty = 0 if take() else empty + 1
            except KazooException:
                self.worker.errors += 1
            time.sleep(0.2 if empty else 0)

    def counter(self):
        """kazoo has no counter of Curator's form: its client does compare and set on the eight bytes."""
        try:
            self.zk.retry(self.zk.create, self.root, struct.pack(">q", 0), makepath=True)
        except NodeExistsError:
            pass

        def turn():
            data, stat = self.zk.get(self.root)
            value = struct.unpack(">q", data)[0] + 1 if data else 1
            try:
                # Without retry: whoever tries again may count twice.
                version = -1 if self.sabotages("counter") else stat.version
                self.zk.set(self.root, struct.pack(">q", value), version)
            except BadVersionError:
                return
            except KazooException:
                self.witness.tell("add", self.root, "maybe")
                raise
            self.witness.tell("add", self.root, value)

        self.turns(turn)

    def barrier(self):
        rounds = int(self.order["rounds"])
        if self.order.get("sets") == "1" and self.number == 0:
            self.set_barriers(rounds)
            return
        for round_ in range(rounds):
            self.witness.tell("await", self.root, "closed", round_)
            barrier = Barrier(self.zk, f"{self.root}/{round_}")
            while not self.sabotages("barrier"):
                try:
                    # Who learned of the barrier past the servers must see what its server may not know yet.
                    self.zk.sync(self.root)
                    if barrier.wait(1):
                        break
                except KazooException:
                    self.worker.errors += 1
            self.witness.tell("passed", self.root, round_)

    def set_barriers(self, rounds):
        """Closes and opens the barriers that all the others wait at."""
        for round_ in range(rounds):
            barrier = Barrier(self.zk, f"{self.root}/{round_}")
            barrier.create()
            self.witness.tell("close", self.root, round_)
            time.sleep(0.15)
            self.witness.tell("opening", self.root, round_)
            barrier.remove()
            self.witness.tell("gone", self.root, round_, self.order["members"])

    def double_barrier(self):
        members = self.order["members"]
        for round_ in range(int(self.order["rounds"])):
            barrier = DoubleBarrier(self.zk, f"{self.root}/{round_}", int(members), self.who)
            self.witness.tell("come", self.root, f"in-{round_}")
            barrier.enter()
            self.witness.tell("all", self.root, f"in-{round_}", members)
            self.stay()
            self.witness.tell("come", self.root, f"out-{round_}")
            barrier.leave()
            self.witness.tell("all", self.root, f"out-{round_}", members)


class Worker:
    """This process."""

    def __init__(self, name, witness):
        self.name = name
        self.witness = witness
        self.suspensions = self.errors = 0

    def run(self, scenario, order):
        self.suspensions = self.errors = 0
        failures = []

        def one(number):
            try:
                client = Client(self, number, dict(order))
                try:
                    getattr(client, scenario.replace("-", "_"))()
                finally:
                    client.close()
            except BaseException as failure:
                traceback.print_exc()
                failures.append(f"{type(failure).__name__} {failure}".replace("\n", " "))

        threads = [threading.Thread(target=one, args=(number,)) for number in range(int(order["clients"]))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            return f"failed {failures[0]}"
        return f"done suspensions={self.suspensions} errors={self.errors}"


def main():
    logging.disable(logging.CRITICAL)
    worker = Worker(*sys.argv[1:3])
    print("ready", flush=True)
    for line in sys.stdin:
        scenario, *words = line.split()
        print(worker.run(scenario, dict(word.split("=", 1) for word in words)), flush=True)


main()
