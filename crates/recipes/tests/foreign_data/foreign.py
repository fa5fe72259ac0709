"""kazoo's side: what to do, hosts, path, number; tells what it sees line by line."""

import sys

from kazoo.client import KazooClient
from kazoo.recipe.barrier import DoubleBarrier
from kazoo.recipe.counter import Counter
from kazoo.recipe.queue import LockingQueue, Queue


def tell(line):
    print(f"> {line}", flush=True)


def main(what, hosts, path, number):
    number = int(number)
    client = KazooClient(hosts)
    client.start()
    if what == "queue":
        queue = Queue(client, path)
        for i in range(number):
            queue.put(b"python %d" % i, priority=i % 3)
        while True:
            item = queue.get()
            if item is not None:
                tell(item.decode())
    elif what == "locking":
        queue = LockingQueue(client, path)
        queue.put_all([b"python %d" % i for i in range(number)])
        while True:
            item = queue.get()
            if not queue.consume():
                raise RuntimeError("lost what it had in hand")
            tell(item.decode())
    elif what == "count":
        for kind, options in (("text", {}), ("fraction", {"default": 0.0}), ("curator", {"support_curator": True})):
            counter = Counter(client, f"{path}/{kind}", **options)
            for _ in range(number):
                counter += type(counter.default)(1)
        tell("done")
    elif what == "meet":
        for round_ in range(number):
            group = DoubleBarrier(client, f"{path}/{round_}", 3)
            group.enter()
            if not group.participating:
                raise RuntimeError("not entered")
            tell(f"in {round_}")
            group.leave()
            tell(f"out {round_}")
    else:
        raise ValueError(what)


main(*sys.argv[1:])
