"""What the kazoo scenarios share: the registry, normalised printing, the control port, a proxy to cut."""

import os
import pathlib
import socket
import sys
import threading
import time
import traceback

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, ZookeeperError
from kazoo.handlers.threading import KazooTimeoutError

from harness import Proxy

SCENARIOS = {}


def scenario(name):
    """Registers a function `f(t: Scenario)` under this name."""

    def register(function):
        if name in SCENARIOS:
            raise ValueError(f"two scenarios named {name}")
        SCENARIOS[name] = function
        return function

    return register


def run_scenarios(hostport, chosen):
    """Runs the chosen scenarios (all when none is named), each below /<name>. Returns an exit status."""
    for name in chosen or SCENARIOS:
        if name not in SCENARIOS:
            print(f"no scenario {name}; there are: {', '.join(SCENARIOS)}", file=sys.stderr)
            return 2
        print(f"== {name}", flush=True)
        began = time.monotonic()
        test = Scenario(name, hostport)
        try:
            SCENARIOS[name](test)
        except Exception as error:  # one broken scenario must not hide the others
            test.broken(f"{type(error).__name__}: {error}")
            traceback.print_exc()
        finally:
            test.close()
        print(f"# {time.monotonic() - began:.2f} s", flush=True)
    return 0


class Scenario:
    """One running scenario: its root path, its clients, and what it prints."""

    def __init__(self, name, hostport):
        self.name = name
        self.root = "/" + name
        self.hostport = hostport
        self.gate = os.environ.get("INTEROP_GATE")
        self._closing = []
        self._sessions = {}
        self._zxids = {}
        self._print_lock = threading.Lock()

    # ---- clients

    def client(self, hostport=None, start=True, **options):
        """A kazoo client with its own session; closed with the scenario. `t.root` exists afterwards. Clients
        that are to live through a restart of the server come through `hostport=t.gate`."""
        # Servers come back within a second here; kazoo's own back-off would wait much longer.
        quick = {"max_tries": -1, "delay": 0.05, "backoff": 1, "max_delay": 0.2}
        zk = KazooClient(hosts=hostport or self.hostport, connection_retry=quick, **{"timeout": 8.0, **options})
        self._closing.append(lambda: (zk.stop(), zk.close()))
        if start:
            zk.start(timeout=60)
            if "/" not in (hostport or ""):
                zk.ensure_path(self.root)
        return zk

    def clients(self, count, **options):
        return [self.client(**options) for _ in range(count)]

    def proxy(self):
        """A proxy in front of the server whose link can be cut or frozen."""
        proxy = Proxy(self.hostport)
        self._closing.append(proxy.close)
        return proxy

    def close(self):
        for step in reversed(self._closing):
            try:
                step()
            except Exception as error:
                print(f"# closing: {error}", file=sys.stderr)

    # ---- printing

    def say(self, *words):
        with self._print_lock:
            print(*words, flush=True)

    def broken(self, why):
        """An invariant does not hold."""
        self.say("!!", str(why).replace("\n", " | "))

    def check(self, holds, why):
        if not holds:
            self.broken(why)

    def attempt(self, label, function, show=repr):
        """Prints what a call returned, or the name of its error. Returns the result, or None."""
        try:
            result = function()
        except (KazooException, KazooTimeoutError) as error:
            self.say(f"{label}: {describe(error)}")
            return None
        self.say(f"{label}: {show(result)}")
        return result

    def session(self, session_id):
        """s1, s2, … in order of appearance; 0 stays 0."""
        if not session_id:
            return "0"
        return self._sessions.setdefault(session_id & 0xFFFFFFFFFFFFFFFF, f"s{len(self._sessions) + 1}")

    def zxid(self, zxid):
        """z1, z2, … in order of appearance, so that equal zxids show as equal; 0 stays 0."""
        if not zxid:
            return "0"
        return self._zxids.setdefault(zxid, f"z{len(self._zxids) + 1}")

    def stat(self, stat):
        if stat is None:
            return "none"
        now = time.time() * 1000
        for field in ("ctime", "mtime"):
            value = getattr(stat, field)
            # The built-in nodes carry the time 0.
            self.check(value == 0 or abs(now - value) < 300_000, f"{field} is not a time near now")
        self.check(stat.mtime >= stat.ctime - 1000, "mtime before ctime")
        if stat.mzxid == stat.czxid:
            self.check(stat.mtime == stat.ctime, "never changed, yet mtime differs from ctime")
        self.check(stat.mzxid >= stat.czxid and stat.pzxid >= stat.czxid, "mzxid or pzxid before czxid")
        return (
            f"v={stat.version} cv={stat.cversion} av={stat.aversion} owner={self.session(stat.ephemeralOwner)} "
            f"len={stat.dataLength} kids={stat.numChildren} "
            f"c={self.zxid(stat.czxid)} m={self.zxid(stat.mzxid)} p={self.zxid(stat.pzxid)}"
        )

    def got(self, pair):
        """The result of a get."""
        data, stat = pair
        return f"{short(data)} {self.stat(stat)}"

    def tree(self, zk, path):
        """Prints the tree below a path: one line a node, sorted."""
        data, stat = zk.get(path)
        self.say(f"  {path} {short(data)} v={stat.version} cv={stat.cversion} kids={stat.numChildren}")
        for child in sorted(zk.get_children(path)):
            self.tree(zk, f"{path}/{child}")

    # ---- the server

    def control(self, *words):
        """Commands the server through the control port: kill, stop, start, restart, bounce."""
        host, port = os.environ["INTEROP_CONTROL"].rsplit(":", 1)
        with socket.create_connection((host, int(port))) as conn, conn.makefile("rw") as lines:
            for word in words:
                lines.write(word + "\n")
                lines.flush()
                answer = lines.readline().strip()
                if answer != "ok":
                    raise RuntimeError(f"control {word}: {answer}")

    def wait(self, what, condition, timeout=60.0):
        """Waits for a condition; broken when it never holds. Returns whether it held."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.005)
        self.broken(f"still waiting after {timeout} s: {what}")
        return False

    def in_threads(self, functions, timeout=120.0):
        """Runs functions in threads of their own and waits for all; an exception breaks the scenario."""

        def guarded(function):
            try:
                function()
            except Exception as error:
                self.broken(f"{type(error).__name__}: {error}")
                traceback.print_exc()

        threads = [threading.Thread(target=guarded, args=(function,), daemon=True) for function in functions]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.check(not any(thread.is_alive() for thread in threads), f"threads still run after {timeout} s")


def describe(error):
    """The error as the server named it: its class and code."""
    code = getattr(error, "code", None)
    return (
        type(error).__name__
        if code is None or not isinstance(error, ZookeeperError)
        else f"{type(error).__name__}({code})"
    )


def short(data):
    """Bytes for a transcript: whole when short, else length and a checksum."""
    if data is None or len(data) <= 60:
        return repr(data)
    return f"<{len(data)} bytes, sum {sum(data)}>"


class States:
    """Records the connection states a client goes through."""

    def __init__(self, zk):
        self.seen = []
        zk.add_listener(self.listen)

    def listen(self, state):
        self.seen.append(str(state))

    def __str__(self):
        return " ".join(self.seen)
