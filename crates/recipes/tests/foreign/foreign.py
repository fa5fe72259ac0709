"""Does with kazoo what it is told, one line of words separated by tabs after another, and answers each in one line that begins
with "= ". What it hears meanwhile and afterwards it tells in lines that begin with "> "."""

import sys
import threading

from kazoo.client import KazooClient
from kazoo.recipe.barrier import DoubleBarrier
from kazoo.recipe.counter import Counter
from kazoo.recipe.queue import LockingQueue, Queue

client = KazooClient(hosts=sys.argv[1], timeout=10)
client.start()
party = None


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def tell(line):
    say("> " + line)


def in_background(work, *args):
    def work_and_tell():
        try:
            work(*args)
        except Exception as error:
            tell(f"failed: {error!r}")

    threading.Thread(target=work_and_tell, daemon=True).start()


def take(queue):
    while True:
        item = queue.get()
        if item is not None:
            tell(item.decode())


def take_and_consume(queue):
    while True:
        item = queue.get()
        if not queue.consume():
            raise RuntimeError("lost what it had in hand")
        tell(item.decode())


def count(path, number):
    for kind, options in (("text", {}), ("fraction", {"default": 0.0}), ("curator", {"support_curator": True})):
        counter = Counter(client, f"{path}/{kind}", **options)
        for _ in range(number):
            counter += type(counter.default)(1)


def meet(path, number):
    for round_ in range(number):
        group = DoubleBarrier(client, f"{path}/{round_}", 3)
        group.enter()
        if not group.participating:
            raise RuntimeError("not entered")
        tell(f"in {round_}")
        group.leave()
        tell(f"out {round_}")


def answer(command, *words):
    global party
    if command == "party":
        party = client.Party(*words)
    elif command == "shallow":
        party = client.ShallowParty(*words)
    elif command == "join":
        party.join()
    elif command == "leave":
        party.leave()
    elif command == "members":
        return ",".join(sorted(party))
    elif command == "queue":
        queue = Queue(client, words[0])
        for i in range(int(words[1])):
            queue.put(b"python %d" % i, priority=i % 3)
        in_background(take, queue)
    elif command == "locking-queue":
        queue = LockingQueue(client, words[0])
        queue.put_all([b"python %d" % i for i in range(int(words[1]))])
        in_background(take_and_consume, queue)
    elif command == "count":
        count(words[0], int(words[1]))
    elif command == "meet":
        meet(words[0], int(words[1]))
    else:
        return "unknown: " + command
    return "ok"


for line in sys.stdin:
    try:
        say("= " + answer(*line.rstrip("\n").split("\t")))
    except Exception as error:
        say(f"= failed: {error!r}")
