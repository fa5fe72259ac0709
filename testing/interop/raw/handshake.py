"""Connecting, renewing and losing sessions."""

import socket
import time

from scenario import scenario
from wire import (
    CLOSE_SESSION,
    CREATE,
    EXISTS,
    GET,
    GET_EPHEMERALS,
    PING,
    SET,
    Closed,
    Silence,
    connect_request,
    create,
    frame,
    i,
    password,
    path_watch,
    set_data,
    text,
)


def greet(t, label, payload):
    """Sends a first frame, prints the answer; returns the connection."""
    conn = t.bare()
    conn.send(frame(payload))
    try:
        t.say(f"{label}: {conn.welcome()}")
    except (Closed, Silence) as end:
        t.say(f"{label}: {end}")
    return conn


@scenario("connect-forms")
def connect_forms(t):
    """Every accepted shape of a ConnectRequest."""
    plain = connect_request(timeout=5000)
    greet(t, "with the read-only byte", plain).fate()
    greet(t, "without it", connect_request(timeout=5000, read_only=None)).fate()
    greet(t, "read-only wanted", connect_request(timeout=5000, read_only=True)).fate()
    greet(t, "read-only byte 7", plain[:-1] + b"\x07").fate()
    greet(t, "protocol version 99", connect_request(timeout=5000, version=99)).fate()
    greet(t, "protocol version -1", connect_request(timeout=5000, version=-1)).fate()
    greet(t, "null password", connect_request(timeout=5000, passwd=None)).fate()
    greet(t, "empty password", connect_request(timeout=5000, passwd=b"")).fate()
    greet(t, "short password", connect_request(timeout=5000, passwd=b"abc")).fate()
    greet(t, "long password", connect_request(timeout=5000, passwd=b"x" * 40)).fate()
    greet(t, "bytes behind it", plain + b"trailing").fate()
    greet(t, "last zxid negative", connect_request(timeout=5000, last_zxid=-5)).fate()


@scenario("connect-refused")
def connect_refused(t):
    """First frames that end the connection without a byte."""
    whole = connect_request()
    for label, payload in {
        "empty": b"",
        "one byte": b"\0",
        "cut in the zxid": whole[:10],
        "cut in the session id": whole[:20],
        "cut in the password": whole[:35],
        "password longer than the frame": whole[:24] + i(100) + b"abc",
        "password of negative length": whole[:24] + i(-2) + b"\0",
        "zxid ahead": connect_request(last_zxid=1 << 40),
        "zxid ahead, no read-only byte": connect_request(last_zxid=1 << 40, read_only=None),
    }.items():
        greet(t, label, payload)


@scenario("timeout-negotiation", group="plain")
def timeout_negotiation(t):
    """Between 2 and 20 ticks of 500 ms, whatever is asked."""
    for wanted in (-(1 << 31), -1, 0, 1, 999, 1000, 1001, 5000, 9999, 10000, 10001, (1 << 31) - 1):
        conn = t.connect(timeout=wanted)
        t.say(f"asked {wanted}: {conn.timeout}")


@scenario("session-identity")
def session_identity(t):
    """Ids count up by one from a start whose top byte is 1; passwords follow from ids."""
    t.say("vectors", password(1).hex(), password(0x0100001B2EBD0000).hex(), password(0x0100001B2EBD0008).hex())
    conns = [t.connect() for _ in range(4)]
    ids = [conn.session for conn in conns]
    t.check([later - earlier for earlier, later in zip(ids, ids[1:])] == [1, 1, 1], f"ids {ids}")
    t.check(all(ident >> 56 == 1 for ident in ids), "the top byte is not 1")
    t.check(all(conn.passwd == password(conn.session) for conn in conns), "a password does not follow from its id")
    t.say("checked", len(ids))


@scenario("renew")
def renew(t):
    first = t.connect_in_root(timeout=60_000)
    first.quiet(CREATE, create(f"{t.root}/e", flags=1), "path")
    again = t.bare()
    again.send(frame(connect_request(timeout=30_000, session=first.session, passwd=first.passwd)))
    t.say("renewed:", again.welcome())
    t.say("the older connection:", first.reply())
    again.call("its ephemeral", EXISTS, path_watch(f"{t.root}/e"), "stat")
    again.call("its ephemerals", GET_EPHEMERALS, text("/"), "names")
    again.close()
    third = t.bare()
    third.send(frame(connect_request(timeout=30_000, session=again.session, passwd=again.passwd, read_only=None)))
    t.say("renewed without the byte:", third.welcome())
    third.call("ping", PING, xid=-2)
    third.call("close", CLOSE_SESSION)
    t.say("then:", third.reply())
    late = t.bare()
    late.send(frame(connect_request(session=third.session, passwd=third.passwd)))
    t.say("renewing a closed session:", late.welcome())
    t.say("then:", late.reply())
    t.connect().call("ephemeral gone", EXISTS, path_watch(f"{t.root}/e"), "stat")


@scenario("renew-refused")
def renew_refused(t):
    conn = t.connect()
    for label, session, passwd in (
        ("unknown id, its password", conn.session + 500, password(conn.session + 500)),
        ("id 1", 1, password(1)),
        ("negative id", -5, password(-5 & (1 << 64) - 1)),
        ("unknown id, no password", conn.session + 500, bytes(16)),
    ):
        for read_only in (False, None):
            other = t.bare()
            other.send(frame(connect_request(session=session, passwd=passwd, read_only=read_only)))
            t.say(f"{label}, read-only byte {read_only}:", other.welcome())
            t.say("then:", other.reply())
    conn.fate("the bystander")


@scenario("renew-wrong-password")
def renew_wrong_password(t):
    """Whether knowing an id is enough to cut its owner off."""
    owner = t.connect()
    for label, passwd in (
        ("wrong", b"x" * 16),
        ("zero", bytes(16)),
        ("null", None),
        ("short", owner.passwd[:15]),
        ("long", owner.passwd + b"\0"),
    ):
        thief = t.bare()
        thief.send(frame(connect_request(session=owner.session, passwd=passwd)))
        t.say(f"{label}:", thief.welcome())
        t.say("then:", thief.reply())
        owner.fate("the owner's connection")
        owner = t.connect()


@scenario("pipelined-behind-connect")
def pipelined_behind_connect(t):
    """Requests sent with the ConnectRequest, in one segment, are answered after its response."""
    t.connect()
    conn = t.bare()
    conn.send(
        frame(connect_request())
        + frame(i(1) + i(CREATE) + create(t.root, b"x"))
        + frame(i(2) + i(SET) + set_data(t.root, b"y"))
        + frame(i(3) + i(GET) + path_watch(t.root))
        + frame(i(-2) + i(PING))
        + frame(i(4) + i(CLOSE_SESSION))
    )
    t.say("connect:", conn.welcome())
    for label, kind in (
        ("create", "path"),
        ("set", "stat"),
        ("get", "data"),
        ("ping", "hex"),
        ("close", "hex"),
        ("end", "hex"),
    ):
        t.say(f"{label}:", conn.reply(kind))


@scenario("byte-by-byte")
def byte_by_byte(t):
    """A client that sends one byte per segment."""
    t.connect()
    conn = t.bare()
    for payload in (connect_request(), i(1) + i(CREATE) + create(t.root, b"x"), i(2) + i(GET) + path_watch(t.root)):
        for byte in frame(payload):
            conn.send(bytes([byte]))
            time.sleep(0.0005)
    t.say("connect:", conn.welcome())
    t.say("create:", conn.reply("path"))
    t.say("get:", conn.reply("data"))


@scenario("half-closed")
def half_closed(t):
    """A client that ends its side right behind its requests."""
    t.connect()
    conn = t.bare()
    conn.send(frame(connect_request()))
    t.say("connect:", conn.welcome())
    conn.sock.shutdown(socket.SHUT_WR)
    t.say("then:", conn.reply())


@scenario("expiry", group="plain")
def expiry(t):
    """A session dies between its time-out and one tick more after its last request; its connection just closes."""
    watcher = t.connect(timeout=10_000)
    silent = t.connect(timeout=1000)
    began = time.monotonic()
    silent.quiet(CREATE, create(t.root, flags=1), "path")
    watcher.quiet(EXISTS, path_watch(t.root, True), "stat")
    t.say("event:", watcher.reply())
    lived = time.monotonic() - began
    # A busy machine takes its time with the event.
    t.check(1.0 <= lived <= 6, f"expired after {lived:.2f} s of a 1 s time-out and a 0.5 s tick")
    t.say("the silent connection:", silent.reply())
    again = t.bare()
    again.send(frame(connect_request(session=silent.session, passwd=silent.passwd)))
    t.say("renewing:", again.welcome())
    t.say("then:", again.reply())


@scenario("kept-alive", group="plain")
def kept_alive(t):
    """Pings, and any other request, keep a session."""
    by_ping, by_read = t.connect(timeout=3000), t.connect(timeout=3000)
    for _ in range(10):
        time.sleep(0.4)
        by_ping.request(PING, xid=-2)
        by_ping.payload()
        by_read.quiet(EXISTS, path_watch("/"), "stat")
    by_ping.fate("after 4 s of pings")
    by_read.fate("after 4 s of reads")


@scenario("renew-after-kill")
def renew_after_kill(t):
    """A crashed server knows its sessions again; the same zxid is not ahead of it."""
    conn = t.connect_in_root(timeout=60_000)
    conn.quiet(CREATE, create(f"{t.root}/e", flags=1), "path")
    zxid = t.last_zxid(conn)
    t.control("bounce")
    again = t.bare()
    again.send(frame(connect_request(timeout=60_000, session=conn.session, passwd=conn.passwd, last_zxid=zxid)))
    t.say("renewed:", again.welcome())
    again.call("ephemeral", EXISTS, path_watch(f"{t.root}/e"), "stat")
    ahead = t.bare()
    ahead.send(frame(connect_request(last_zxid=zxid + 1000)))
    t.say("zxid ahead:", ahead.reply())
    again.bye()
