#!/usr/bin/env python3
"""Load by kazoo, see README.md beside this file."""

import logging
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.protocol.states import KazooState

GAP_MS = 250
SESSION_TIMEOUT_S = 20.0

over = threading.Event()
printing = threading.Lock()


def say(*fields):
    with printing:
        print(*fields, flush=True)


def now_ms():
    return int(time.time() * 1000)


def ranges(numbers):
    """The numbers, which ascend, as text."""
    spans = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(f"{first}-{last}" for first, last in spans) or "-"


class Writer:
    """One client."""

    def __init__(self, hosts, root, number, rate):
        quick = {"max_tries": -1, "delay": 0.02, "backoff": 1, "max_delay": 0.1}
        self.zk = KazooClient(hosts=hosts, timeout=SESSION_TIMEOUT_S, connection_retry=quick, command_retry=None)
        self.number = number
        self.folder = f"{root}/{number}"
        self.interval = 1 / rate
        self.acknowledged = []
        self.unknown = []
        self.zk.add_listener(self.listen)
        self.zk.start(timeout=30)
        self.session = self.zk.client_id[0]
        self.zk.create(self.folder)
        self.zk.create(f"{root}/alive-{number}", ephemeral=True)

    def listen(self, state):
        if state == KazooState.LOST and not over.is_set():
            say("broken", self.number, now_ms(), "the session was lost")

    def run(self):
        last = now_ms()
        due = time.monotonic()
        sequence = 0
        while not over.is_set():
            if self.write(sequence):
                now = now_ms()
                if now - last >= GAP_MS:
                    say("gap", self.number, last, now)
                last = now
            sequence += 1
            due = max(due + self.interval, time.monotonic())
            time.sleep(max(0, due - time.monotonic()))
        at_last = self.zk.client_id[0]
        fates = ranges(self.acknowledged), ranges(self.unknown)
        say("done", self.number, f"{self.session:x}", f"{at_last:x}", *fates)

    def write(self, sequence):
        path = f"{self.folder}/{sequence:07}"
        data = str(sequence).encode()
        try:
            self.zk.create(path, data)
        except (KazooException, ConnectionError) as error:
            self.unknown.append(sequence)
            say("error", self.number, now_ms(), type(error).__name__)
            time.sleep(0.02)
            return False
        self.acknowledged.append(sequence)
        try:
            if self.zk.get(path)[0] != data:
                say("broken", self.number, now_ms(), f"{path} has other data")
        except KazooException as error:
            if type(error).__name__ == "NoNodeError":
                say("broken", self.number, now_ms(), f"{path} was acknowledged and is not there")
        return True


def main():
    logging.disable()
    hosts, root, clients, rate = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    writers = [Writer(hosts, root, number, rate) for number in range(clients)]
    say("ready")
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    for writer in writers:
        writer.zk.stop()


main()
