"""Starts, stops and kills the servers the interop suites talk to, genuine and Zabra alike.

Everything that runs a server goes through here: `run`, `genuine`, and any suite that needs servers of its
own. A server is described by a zoo.cfg (a dict of keys) and Java system properties; the same description
starts either kind. Loopback only, random ports, and no server outlives the Python process that started it.

    with harness.server("genuine", config={"extendedTypesEnabled": "true"}) as zk:
        harness.run(["./client", zk.hostport])
        zk.kill()              # SIGKILL
        zk.start()             # same data, same port; returns when it serves
"""

import atexit
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parent.parent
CACHE = HERE / ".cache"

# What every server of the suites is started with unless told otherwise. The short tick keeps session expiry
# (at least two ticks) quick.
BASE_CONFIG = {
    "tickTime": "500",
    "initLimit": "10",
    "syncLimit": "5",
    "clientPortAddress": "127.0.0.1",
    "maxClientCnxns": "0",
    "4lw.commands.whitelist": "*",
    "admin.enableServer": "false",
}

_live = set()
_live_lock = threading.Lock()


class HarnessError(Exception):
    """Something around the servers failed: not installed, did not start, did not stop."""


_claims = []


def free_port():
    """A loopback TCP port nobody listens on, which stays ours until this process ends.

    It lies below those that systems give to outgoing connections, and is given to nobody else who asks here or
    in the Rust testkit, so that it is still free when a server that was killed comes back. Who has the UDP port
    of the same number has the port."""
    for _ in range(100):
        port = random.randrange(10_000, 32_000)
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port
    raise HarnessError("no port is free")


def temp_dir(prefix="zabra-interop-"):
    """A fresh directory, removed when this process ends (kept when INTEROP_KEEP is set)."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    if not os.environ.get("INTEROP_KEEP"):
        atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def run(argv, *, cwd=None, env=None, timeout=120, stdin="", hopeless=lambda: None):
    """Runs a program to its end. Returns a CompletedProcess with text stdout and stderr; never raises on a
    non-zero exit. A program that outlives `timeout` (seconds) is killed with its children and reported with
    exit status 124; so is one for which `hopeless` returns a reason, ten seconds after it first does."""
    process = subprocess.Popen(
        [str(arg) for arg in argv],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    _remember(process)
    why = None
    deadline = time.monotonic() + timeout
    while True:
        try:
            out, err = process.communicate(stdin, timeout=min(0.5, max(0.01, deadline - time.monotonic())))
            break
        except subprocess.TimeoutExpired:
            stdin = None  # handed over already
        if time.monotonic() >= deadline:
            why = why or f"killed after {timeout} s"
            os.killpg(process.pid, signal.SIGKILL)
        elif not why and (why := hopeless()):
            deadline = min(deadline, time.monotonic() + 10)
    _forget(process)
    code = 124 if why and process.returncode == -signal.SIGKILL else process.returncode
    if code == 124:
        err += f"\n{why}\n"
    return subprocess.CompletedProcess(argv, code, out, err)


def four_letter(port, word, timeout=5.0):
    """The whole answer to a four-letter word, or None when nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as conn:
            conn.sendall(word.encode())
            chunks = []
            while chunk := conn.recv(65536):
                chunks.append(chunk)
            return b"".join(chunks).decode(errors="replace")
    except OSError:
        return None


def classpath():
    """The class path of the genuine server and of Curator."""
    jars = CACHE / "jars"
    if not any(jars.glob("zookeeper-3.*.jar")):
        raise HarnessError(f"no genuine server in {jars}: run {HERE / 'install'}")
    return str(jars / "*")


def java(main_class, *args, properties=None, heap="512m", log="WARN"):
    """The argument list that runs a class of the genuine jars."""
    defines = {"logback.configurationFile": str(HERE / "logback.xml"), "interop.log": log, **(properties or {})}
    return [
        "java",
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        *(f"-D{key}={value}" for key, value in defines.items()),
        "-cp",
        classpath(),
        main_class,
        *map(str, args),
    ]


def zabra_binary():
    """The Zabra binary under test: $ZABRA_BIN, else the release build of this checkout."""
    path = pathlib.Path(os.environ.get("ZABRA_BIN") or REPO / "target" / "release" / "zabra").resolve()
    if not path.is_file():
        raise HarnessError(f"no Zabra binary at {path}: build it (cargo build --release) or set ZABRA_BIN")
    return path


class Server:
    """One standalone server: a zoo.cfg, a data directory and a port that survive its restarts.

    `config` holds zoo.cfg keys laid over BASE_CONFIG (a None value removes a key). `properties` holds Java
    system properties without the -D. `admin=True` switches the HTTP admin server on, at `admin_port`."""

    kind = None

    def __init__(self, data_dir=None, port=None, config=None, properties=None, admin=False, log="WARN"):
        self.home = temp_dir()
        self.data_dir = pathlib.Path(data_dir) if data_dir else self.home / "data"
        self.port = port or free_port()
        self.properties = dict(properties or {})
        self.admin_port = free_port() if admin else None
        self.log = log
        self.log_path = self.home / "server.log"
        self.cfg_path = self.home / "zoo.cfg"
        self.process = None
        self.ending = False
        self.config = {**BASE_CONFIG, "dataDir": str(self.data_dir), "clientPort": str(self.port)}
        if admin:
            self.config["admin.enableServer"] = "true"
            self.config["admin.serverAddress"] = "127.0.0.1"
            self.config["admin.serverPort"] = str(self.admin_port)
        self.config.update(config or {})

    @property
    def hostport(self):
        return f"127.0.0.1:{self.port}"

    def died(self):
        """Why the server is gone although nobody ended it, or None."""
        process = self.process
        if process is None or self.ending or process.poll() is None:
            return None
        return f"the {self.kind} server ended by itself with {process.returncode}"

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def config_text(self):
        return "".join(f"{key}={value}\n" for key, value in self.config.items() if value is not None)

    def start(self, wait=True):
        """Starts the server and, unless told not to, returns once it serves."""
        if self.process:
            raise HarnessError(f"{self.kind} server on port {self.port} already runs")
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.cfg_path.write_text(self.config_text())
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(arg) for arg in self.command()],
                cwd=self.home,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _remember(self.process)
        if wait:
            self.wait_serving()
        return self

    def wait_serving(self, timeout=120.0):
        """Returns once `srvr` reports a serving server; raises HarnessError with the end of the log."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise HarnessError(f"{self.kind} server exited with {self.process.returncode}:\n{self.log_tail()}")
            answer = four_letter(self.port, "srvr", timeout=10.0)
            if answer and "Mode:" in answer:
                return
            # A server whose whitelist lacks srvr says so once it serves.
            if answer and "not in the whitelist" in answer:
                return
            time.sleep(0.02)
        raise HarnessError(f"{self.kind} server does not serve after {timeout} s:\n{self.log_tail()}")

    def stop(self, timeout=60.0):
        """Ends the server with SIGTERM and waits for it; a server that ignores it is an error."""
        if not self.process:
            return
        self.ending = True
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise HarnessError(f"{self.kind} server ignored SIGTERM for {timeout} s:\n{self.log_tail()}") from None
        self._gone()

    def kill(self):
        """kill -9, as a crash would."""
        if self.process:
            self.ending = True
            self.process.kill()
            self.process.wait()
            self._gone()

    def restart(self):
        self.stop()
        self.start()

    def detach(self):
        """Lets the server outlive this Python process."""
        _forget(self.process)

    def _gone(self):
        _forget(self.process)
        self.process = None
        self.ending = False

    def log_tail(self, lines=40):
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *exc):
        if self.process:
            self.kill()


class Genuine(Server):
    """Apache ZooKeeper, run as its zkServer.sh runs it."""

    kind = "genuine"

    def command(self):
        return java(
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            self.cfg_path,
            properties=self.properties,
            log=self.log,
        )


class Zabra(Server):
    """Zabra on the same zoo.cfg. System properties travel as an operator would pass them: in
    SERVER_JVMFLAGS, of which Zabra reads the -D parts."""

    kind = "zabra"

    def command(self):
        return [zabra_binary(), "server", self.cfg_path]

    def environment(self):
        flags = " ".join(f"-D{key}={value}" for key, value in self.properties.items())
        return {"SERVER_JVMFLAGS": flags} if flags else {}


KINDS = {"genuine": Genuine, "zabra": Zabra}


def server(kind, **description):
    """A server of the named kind, not yet started (`with` starts it)."""
    return KINDS[kind](**description)


class Proxy:
    """A TCP proxy on loopback. `cut` closes every link and refuses new ones until `heal`; `freeze` keeps the
    links and moves no more bytes until `heal`."""

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self.target = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.hostport = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.open = threading.Event()
        self.flowing = threading.Event()
        self.open.set()
        self.flowing.set()
        self.links = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        self.open.clear()
        self._drop()

    def freeze(self):
        self.flowing.clear()

    def heal(self):
        """Lets bytes and connections through again. Links frozen before are gone: their bytes are lost."""
        self._drop()
        self.flowing.set()
        self.open.set()

    def close(self):
        self.listener.close()
        self._drop()
        self.flowing.set()

    def _drop(self):
        for sock in self.links:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.links = []

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if not self.open.is_set():
                near.close()
                continue
            try:
                far = socket.create_connection(self.target)
            except OSError:
                near.close()
                continue
            self.links += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source, sink):
        try:
            while chunk := source.recv(65536):
                self.flowing.wait()
                sink.sendall(chunk)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Control:
    """Lets a client program, in whatever language, command the server it talks to.

    Listens on a loopback port (handed to programs as INTEROP_CONTROL=host:port). One command a line, one
    answer a line, `ok` or `error <why>`, sent when the command is done: `kill` (kill -9), `stop` (SIGTERM),
    `start` (returns when serving), `restart` (stop, start), `bounce` (kill, start).

    `gate` (handed on as INTEROP_GATE) is a proxy that lets nobody in unless the server serves. The genuine
    server can leave a connection that arrives while it starts without an answer until the client gives up,
    for a whole session time-out; a client that is to live through a restart goes through the gate."""

    def __init__(self, target):
        self.target = target
        self.lock = threading.Lock()
        self.gate = Proxy(target.hostport)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()
        self.gate.close()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with conn, conn.makefile("rw") as lines:
            for line in lines:
                try:
                    with self.lock:
                        self._obey(line.strip())
                    answer = "ok"
                except Exception as error:  # the program on the other side must hear of any failure
                    answer = "error " + str(error).replace("\n", " | ")
                lines.write(answer + "\n")
                lines.flush()

    def _obey(self, word):
        steps = {
            "kill": [self.target.kill],
            "stop": [self.target.stop],
            "start": [self.target.start],
            "restart": [self.target.stop, self.target.start],
            "bounce": [self.target.kill, self.target.start],
        }.get(word)
        if steps is None:
            raise HarnessError(f"unknown command '{word}'")
        self.gate.cut()
        for step in steps:
            step()
        if self.target.process:
            self.gate.heal()


def _remember(process):
    with _live_lock:
        _live.add(process)


def _forget(process):
    with _live_lock:
        _live.discard(process)


def _kill_rest():
    with _live_lock:
        rest = list(_live)
    for process in rest:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def exit_on_signals():
    """Makes SIGTERM end the process the orderly way, so that its servers end too. For main programs."""
    signal.signal(signal.SIGTERM, lambda *_: exit(143))


atexit.register(_kill_rest)
