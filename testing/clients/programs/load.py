#!/usr/bin/env python3
"""A load by kazoo, see README.md in the folder above."""

import json
import logging
import os
import sys
import threading
import time

from kazoo.client import KazooClient

NODES = 1000
DATA = b"x" * 100

phase = 0


def rss():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


class Session:
    """Keeps so many requests in flight. The next leaves in the callback of the last."""

    def __init__(self, zk, sets, at):
        self.zk = zk
        self.sets = sets
        self.at = at
        self.latencies = []

    def send(self):
        self.at += 1
        path = f"/clients/{self.at % NODES}"
        sent = time.perf_counter()
        result = self.zk.set_async(path, DATA) if self.sets else self.zk.get_async(path)
        result.rawlink(lambda answer: self.done(answer, sent))

    def done(self, answer, sent):
        answer.get()
        if phase == 1:
            self.latencies.append(time.perf_counter() - sent)
        if phase < 2:
            self.send()

    def run_alone(self):
        """With one request at a time people wait for the answer."""
        while phase < 2:
            self.at += 1
            path = f"/clients/{self.at % NODES}"
            sent = time.perf_counter()
            if self.sets:
                self.zk.set(path, DATA)
            else:
                self.zk.get(path)
            if phase == 1:
                self.latencies.append(time.perf_counter() - sent)


def main():
    global phase
    logging.disable(logging.CRITICAL)
    hosts, op = sys.argv[1:3]
    sessions, depth, warm_up, measured = (int(word) for word in sys.argv[3:7])
    clients = []
    rss_one = 0
    for number in range(sessions):
        zk = KazooClient(hosts=hosts, timeout=30)
        zk.start(timeout=30)
        clients.append(zk)
        rss_one = rss_one or rss()
    running = [Session(zk, op == "set", number) for number, zk in enumerate(clients)]
    if op != "idle":
        for session in running:
            if depth == 1:
                threading.Thread(target=session.run_alone, daemon=True).start()
            else:
                for _ in range(depth):
                    session.send()
        time.sleep(warm_up / 1000)
    cpu, began = time.process_time(), time.perf_counter()
    phase = 1
    time.sleep(measured / 1000)
    phase = 2
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    latencies = sorted(latency for session in running for latency in session.latencies)

    def percentile(share):
        return latencies[int((len(latencies) - 1) * share)] * 1e6 if latencies else 0

    figures = {"ops": len(latencies), "seconds": seconds, "cpu": cpu, "p50": percentile(0.5), "p99": percentile(0.99)}
    print(json.dumps({**figures, "rss_one": rss_one, "rss_all": rss()}), flush=True)
    # The threads of the clients need not be waited for.
    os._exit(0)


main()
