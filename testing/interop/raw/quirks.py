"""What the genuine server does and ours must not: each with a server of its own, which it may not survive.

The expected answers of both sides stand in differences.md."""

import time

from scenario import scenario
from wire import (
    CREATE,
    CREATE_SESSION,
    CREATE_TTL,
    DELETE_CONTAINER,
    EXISTS,
    GET_CHILDREN,
    SET,
    create,
    create_ttl,
    i,
    path_watch,
    set_data,
    text,
)


@scenario("client-delete-container")
def client_delete_container(t):
    """Opcode 20 is the server's own."""
    conn = t.connect_in_root()
    conn.quiet(CREATE, create(f"{t.root}/plain"), "path")
    conn.call("deleteContainer of a plain node", DELETE_CONTAINER, text(f"{t.root}/plain"))
    conn.fate()
    t.connect().call("left", GET_CHILDREN, path_watch(t.root), "names")


@scenario("client-create-session")
def client_create_session(t):
    """Opcode -10 is the server's own."""
    conn = t.connect_in_root()
    conn.request(CREATE_SESSION, i(10_000))
    line = conn.reply()
    t.say("answered with a ConnectResponse" if line.startswith("len=37") else line)
    conn.fate()


def survives(t):
    """Whether the server still lets clients in and answers them, once a dying one has had time to die."""
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        try:
            t.bare().close()
        except OSError:
            t.say("a new client: refused")
            return
        time.sleep(0.05)
    conn = t.connect()
    conn.call("a new client", EXISTS, path_watch("/none"))
    conn.call("writes", CREATE, create("/after"), "path")


@scenario("ttl-create-negative", group="killer1")
def ttl_create_negative(t):
    conn = t.connect_in_root()
    conn.call("createTTL, plain flags, ttl -1", CREATE_TTL, create_ttl(f"{t.root}/x", -1, 0), "path-stat", patience=2.0)
    survives(t)


@scenario("quota-on-root", group="killer2")
def quota_on_root(t):
    conn = t.connect_in_root()
    conn.call("limits", CREATE, create("/zookeeper/quota/zookeeper_limits", b"count=5,bytes=5"), "path", patience=2.0)
    survives(t)


@scenario("quota-stats-garbage", group="killer3")
def quota_stats_garbage(t):
    conn = t.connect_in_root()
    conn.quiet(CREATE, create(f"{t.root}/a"), "path")
    base = f"/zookeeper/quota{t.root}"
    for path in (base, f"{base}/a"):
        conn.quiet(CREATE, create(path), "path")
    conn.quiet(CREATE, create(f"{base}/a/zookeeper_limits", b"count=5,bytes=5"), "path")
    conn.quiet(CREATE, create(f"{base}/a/zookeeper_stats", b""), "path")
    conn.call("garbage", SET, set_data(f"{base}/a/zookeeper_stats", b"garbage"), "stat", patience=2.0)
    conn.call("create below", CREATE, create(f"{t.root}/a/x"), "path", patience=2.0)
    survives(t)
