"""The client protocol by hand: encoding, one connection, and replies printed byte for byte.

Everything a reply holds is printed, so that two transcripts are equal only when the bytes are; what differs
from run to run is printed relative to the scenario: zxids as distances from the zxid it began with,
session ids as s1, s2, …, times as whether they are near now.
"""

import socket
import struct
import time

CREATE, DELETE, EXISTS, GET, SET, GET_ACL, SET_ACL, GET_CHILDREN, SYNC = 1, 2, 3, 4, 5, 6, 7, 8, 9
PING, GET_CHILDREN2, CHECK, MULTI, CREATE2, RECONFIG, CHECK_WATCHES, REMOVE_WATCHES = 11, 12, 13, 14, 15, 16, 17, 18
CREATE_CONTAINER, DELETE_CONTAINER, CREATE_TTL, MULTI_READ = 19, 20, 21, 22
AUTH, SET_WATCHES, SASL, GET_EPHEMERALS, ALL_CHILDREN, SET_WATCHES2, ADD_WATCH, WHO_AM_I = (
    100,
    101,
    102,
    103,
    104,
    105,
    106,
    107,
)
CREATE_SESSION, CLOSE_SESSION = -10, -11

LONG_TIMEOUT = 600_000


# ---- encoding


def i(value):
    return struct.pack("!i", value)


def q(value):
    return struct.pack("!q", value)


def flag(value):
    return b"\x01" if value else b"\x00"


def buf(value):
    return i(-1) if value is None else i(len(value)) + value


def text(value):
    return buf(value.encode() if isinstance(value, str) else value)


def vector(items):
    return i(-1) if items is None else i(len(items)) + b"".join(items)


def acl(*entries):
    return vector([i(perms) + text(scheme) + text(ident) for perms, scheme, ident in entries])


OPEN = acl((31, "world", "anyone"))


def create(path, data=b"", flags=0, acls=OPEN):
    return text(path) + buf(data) + acls + i(flags)


def create_ttl(path, ttl, flags=5, data=b""):
    return create(path, data, flags) + q(ttl)


def path_watch(path, watch=False):
    return text(path) + flag(watch)


def path_version(path, version=-1):
    return text(path) + i(version)


def set_data(path, data, version=-1):
    return text(path) + buf(data) + i(version)


def multi(*ops, end=True):
    body = b"".join(i(kind) + flag(False) + i(-1) + record for kind, record in ops)
    return body + (i(-1) + flag(True) + i(-1) if end else b"")


def set_watches(zxid, *lists):
    return q(zxid) + b"".join(vector([text(path) for path in paths]) if paths is not None else i(-1) for paths in lists)


def connect_request(timeout=LONG_TIMEOUT, session=0, passwd=bytes(16), last_zxid=0, read_only=False, version=0):
    """`read_only` None leaves the byte out, as clients before 3.4 did."""
    return (
        i(version)
        + q(last_zxid)
        + i(timeout)
        + q(session)
        + buf(passwd)
        + (b"" if read_only is None else flag(read_only))
    )


def frame(payload):
    return i(len(payload)) + payload


def password(session_id):
    """The password every ZooKeeper server derives from a session id (Java's Random, seeded)."""
    state = ((session_id ^ 0xB3415C00) ^ 0x5DEECE66D) & (1 << 48) - 1
    out = b""
    for _ in range(4):
        state = (state * 0x5DEECE66D + 0xB) & (1 << 48) - 1
        out += (state >> 16 & 0xFFFFFFFF).to_bytes(4, "little")
    return out


# ---- decoding


class Reader:
    """Takes fields off a reply body; a body that is too short raises struct.error."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def int(self):
        return self._take("!i")

    def long(self):
        return self._take("!q")

    def bool(self):
        return self._take("!B")

    def buf(self):
        length = self.int()
        if length < 0:
            return None
        if self.at + length > len(self.data):
            raise struct.error(f"a buffer of {length} bytes runs over the end")
        self.at += length
        return self.data[self.at - length : self.at]

    def text(self):
        data = self.buf()
        return None if data is None else data.decode()

    def rest(self):
        return self.data[self.at :]

    def _take(self, form):
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value


class Closed(Exception):
    """The server closed the connection."""


class Silence(Exception):
    """Nothing arrived in time."""


class Connection:
    """One TCP connection. `hello` does the handshake; `call` sends a request and prints its reply."""

    def __init__(self, t):
        self.t = t
        host, port = t.hostport.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), timeout=60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.session = self.passwd = self.timeout = None
        self.next_xid = 1

    # ---- bytes

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what the server answered before it closed is still to be read

    def exactly(self, count, patience):
        self.sock.settimeout(patience)
        out = b""
        try:
            while len(out) < count:
                chunk = self.sock.recv(count - len(out))
                if not chunk:
                    if out:
                        raise Closed(f"closed within a frame, after {out.hex()}")
                    raise Closed("closed")
                out += chunk
        except TimeoutError:
            raise Silence(f"silence after {out.hex()}" if out else "silence") from None
        except (ConnectionResetError, BrokenPipeError):
            raise Closed("closed") from None
        return out

    def payload(self, patience=60.0):
        (length,) = struct.unpack("!i", self.exactly(4, patience))
        if not 0 <= length < 1 << 26:
            raise Closed(f"a frame of length {length}")
        return self.exactly(length, patience) if length else b""

    def close(self):
        self.sock.close()

    # ---- handshake

    def hello(self, **request):
        """Handshake; raises Closed when the server closes instead."""
        self.send(frame(connect_request(**request)))
        return self.welcome()

    def welcome(self):
        """Reads a ConnectResponse; returns it as printed."""
        data = self.payload()
        body = Reader(data)
        version, self.timeout, self.session, self.passwd = body.int(), body.int(), body.long(), body.buf()
        read_only = body.rest().hex() or "absent"
        if self.session == 0:
            passwd = self.passwd.hex()
        else:
            passwd = "of its id" if self.passwd == password(self.session) else f"WRONG {self.passwd.hex()}"
        return (
            f"len={len(data)} version={version} timeout={self.timeout} session={self.t.session(self.session)} "
            f"passwd[{len(self.passwd)}]={passwd} readOnly={read_only}"
        )

    # ---- requests

    def request(self, op, body=b"", xid=None):
        """Sends one request; returns its xid."""
        if xid is None:
            xid, self.next_xid = self.next_xid, self.next_xid + 1
        self.send(frame(i(xid) + i(op) + body))
        return xid

    def reply(self, kind="hex", patience=60.0):
        """The next frame, as printed; events are recognised by themselves."""
        try:
            data = self.payload(patience)
        except (Closed, Silence) as end:
            return str(end)
        try:
            return self.show(data, kind)
        except (struct.error, UnicodeDecodeError) as error:
            return f"len={len(data)} NOT A {kind}: {error}: {data.hex()}"

    def show(self, data, kind):
        body = Reader(data)
        xid, zxid, err = body.int(), body.long(), body.int()
        head = f"len={len(data)} xid={xid} zxid={self.t.zxid(zxid)} err={err}"
        if xid == -1 and len(body.rest()) >= 12:
            event = f"EVENT type={body.int()} state={body.int()} path={body.text()}"
            return f"{head} {event}" + self.left_over(body)
        if err != 0 and kind != "token":
            return head + self.left_over(body)
        return head + SHOW[kind](self.t, body) + self.left_over(body)

    @staticmethod
    def left_over(body):
        return f" +bytes={show_buffer(body.rest())}" if body.rest() else ""

    def call(self, label, op, body=b"", kind="hex", xid=None, patience=60.0):
        """Sends, reads one frame, prints. Returns what it printed."""
        self.request(op, body, xid)
        line = self.reply(kind, patience)
        self.t.say(f"{label}: {line}")
        return line

    def quiet(self, op, body=b"", kind="hex"):
        """A request whose reply only has to succeed."""
        self.request(op, body)
        line = self.reply(kind)
        if " err=0" not in line:
            self.t.broken(f"preparing, op {op} was answered {line}")
        return line

    def events(self):
        """Prints the events that are outstanding: a ping's reply marks the end."""
        self.request(PING, xid=-2)
        while True:
            line = self.reply()
            if "EVENT" not in line:
                if " xid=-2 " not in line:
                    self.t.broken(f"expected the reply of a ping, got {line}")
                return
            self.t.say(f"  {line}")

    def fate(self, label="then"):
        """Prints whether the connection still answers."""
        self.request(PING, xid=-2)
        line = self.reply()
        self.t.say(f"{label}: {'open' if ' xid=-2 ' in line else line}")

    def bye(self):
        """Closes the session, so that no expiry disturbs a later scenario."""
        try:
            self.request(CLOSE_SESSION)
            while True:
                self.payload(5.0)
        except (Closed, Silence):
            pass
        self.close()


def show_stat(t, body):
    czxid, mzxid, ctime, mtime = (body.long() for _ in range(4))
    version, cversion, aversion = (body.int() for _ in range(3))
    owner = body.long()
    length, children = body.int(), body.int()
    pzxid = body.long()
    now = time.time() * 1000
    times = ",".join(
        "0" if value == 0 else "now" if abs(now - value) < 300_000 else str(value) for value in (ctime, mtime)
    )
    return (
        f" stat[c={t.zxid(czxid)} m={t.zxid(mzxid)} p={t.zxid(pzxid)} times={times} v={version} cv={cversion} "
        f"av={aversion} owner={t.session(owner)} len={length} kids={children}]"
    )


def show_buffer(data):
    if data is None:
        return "null"
    if len(data) > 64:
        return f"<{len(data)} bytes, sum {sum(data)}>"
    return repr(data.decode()) if data and all(0x20 <= byte < 0x7F for byte in data) else data.hex() or "empty"


def show_names(t, body):
    count = body.int()
    if count < 0:
        return f" names=null({count})"
    return f" names={sorted(body.text() or 'null' for _ in range(count))}"


def show_acls(t, body):
    count = body.int()
    return f" acls={sorted((body.int(), body.text(), body.text()) for _ in range(count))}"


def show_clients(t, body):
    count = body.int()
    return f" clients={sorted((body.text(), body.text()) for _ in range(count))}"


def show_multi(t, body):
    out = ""
    while True:
        kind, done, err = body.int(), body.bool(), body.int()
        out += f"\n    {kind} {done} {err}"
        if done:
            return out
        if kind == -1:
            out += f" error={body.int()}"
        elif kind in (CREATE, CREATE2):
            out += f" path={body.text()}" + (show_stat(t, body) if kind == CREATE2 else "")
        elif kind == SET:
            out += show_stat(t, body)
        elif kind == GET:
            out += f" data={show_buffer(body.buf())}" + show_stat(t, body)
        elif kind == GET_CHILDREN:
            out += show_names(t, body)


# How the body of each kind of reply is printed.
SHOW = {
    "hex": lambda t, body: "",
    "none": lambda t, body: "",
    "path": lambda t, body: f" path={body.text()}",
    "stat": show_stat,
    "path-stat": lambda t, body: f" path={body.text()}" + show_stat(t, body),
    "data": lambda t, body: f" data={show_buffer(body.buf())}" + show_stat(t, body),
    "names": show_names,
    "names-stat": lambda t, body: show_names(t, body) + show_stat(t, body),
    "acls": lambda t, body: show_acls(t, body) + show_stat(t, body),
    "int": lambda t, body: f" int={body.int()}",
    "token": lambda t, body: f" token={show_buffer(body.buf())}" if body.rest() else "",
    "clients": show_clients,
    "multi": show_multi,
}
