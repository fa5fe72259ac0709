"""The registry of raw scenarios and what one of them has at hand."""

import os
import socket
import sys
import time
import traceback

from wire import AUTH, CREATE, PING, Connection, Reader, buf, create, i, text

GROUPS = {}


def scenario(name, group="wire"):
    """Registers `f(t)` under this name, in a group: each group has a server of its own configuration."""

    def register(function):
        scenarios = GROUPS.setdefault(group, {})
        if name in scenarios:
            raise ValueError(f"two scenarios named {name}")
        scenarios[name] = function
        return function

    return register


def run(group, hostport, chosen):
    scenarios = GROUPS[group]
    for name in chosen or scenarios:
        if name not in scenarios:
            print(f"no scenario {name}; there are: {', '.join(scenarios)}", file=sys.stderr)
            return 2
        print(f"== {name}", flush=True)
        began = time.monotonic()
        test = Test(name, hostport)
        try:
            scenarios[name](test)
        except Exception as error:
            test.broken(f"{type(error).__name__}: {error}")
            traceback.print_exc()
        finally:
            test.end()
        print(f"# {time.monotonic() - began:.2f} s", flush=True)
    return 0


class Test:
    """One scenario: connections, names for what varies, and printing."""

    def __init__(self, name, hostport):
        self.root = "/" + name
        self.hostport = hostport
        self.base = None
        self.sessions = {}
        self.connections = []

    def connect(self, **request):
        """A connection with a session, ready for requests."""
        conn = Connection(self)
        self.connections.append(conn)
        conn.hello(**request)
        if self.base is None:
            self.base = self.last_zxid(conn)
        return conn

    def bare(self):
        """A TCP connection without a handshake."""
        conn = Connection(self)
        self.connections.append(conn)
        return conn

    def connect_in_root(self, **request):
        """A connection, with /<scenario name> created."""
        conn = self.connect(**request)
        conn.quiet(CREATE, create(self.root), "path")
        return conn

    def last_zxid(self, conn):
        """The zxid of the next reply. A ping is enough, except where pings are refused."""
        conn.request(PING, xid=-2)
        body = Reader(conn.payload())
        body.int()
        return body.long()

    def login(self, conn, credentials, scheme="digest", label=None):
        """Authenticates; prints the reply when labelled."""
        conn.request(AUTH, i(0) + text(scheme) + buf(credentials), xid=-4)
        line = conn.reply()
        if label:
            self.say(f"{label}: {line}")
        elif " err=0" not in line:
            self.broken(f"auth was answered {line}")

    def four_letter(self, word, wait_for_close=True):
        """Sends four bytes on a connection of their own; returns all that comes back."""
        host, port = self.hostport.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as sock:
            sock.sendall(word if isinstance(word, bytes) else word.encode())
            out = b""
            try:
                while chunk := sock.recv(65536):
                    out += chunk
            except (ConnectionResetError, BrokenPipeError):
                pass
            return out.decode(errors="replace")

    # ---- printing

    def say(self, *words):
        print(*words, flush=True)

    def broken(self, why):
        self.say("!!", str(why).replace("\n", " | "))

    def check(self, holds, why):
        if not holds:
            self.broken(why)

    def session(self, identifier):
        if identifier == 0:
            return "0"
        return self.sessions.setdefault(identifier, f"s{len(self.sessions) + 1}")

    def zxid(self, zxid):
        """0 and -1 as they are, others as the distance from the zxid the scenario began with."""
        if zxid in (0, -1) or self.base is None:
            return str(zxid)
        return f"{zxid - self.base:+d}"

    def control(self, *words):
        host, port = os.environ["INTEROP_CONTROL"].rsplit(":", 1)
        with socket.create_connection((host, int(port))) as conn, conn.makefile("rw") as lines:
            for word in words:
                lines.write(word + "\n")
                lines.flush()
                answer = lines.readline().strip()
                if answer != "ok":
                    raise RuntimeError(f"control {word}: {answer}")

    def end(self):
        for conn in self.connections:
            try:
                conn.bye()
            except OSError:
                pass
