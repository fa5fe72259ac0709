"""Frames and headers: lengths, xids, zxids, order, what follows the last field."""

import re
import threading

from scenario import scenario
from wire import (
    ADD_WATCH,
    ALL_CHILDREN,
    AUTH,
    CHECK,
    CHECK_WATCHES,
    CLOSE_SESSION,
    CREATE,
    CREATE2,
    CREATE_CONTAINER,
    CREATE_TTL,
    DELETE,
    EXISTS,
    GET,
    GET_ACL,
    GET_CHILDREN,
    GET_CHILDREN2,
    GET_EPHEMERALS,
    MULTI,
    MULTI_READ,
    OPEN,
    PING,
    RECONFIG,
    REMOVE_WATCHES,
    SASL,
    SET,
    SET_ACL,
    SET_WATCHES,
    SET_WATCHES2,
    SYNC,
    WHO_AM_I,
    buf,
    connect_request,
    create,
    create_ttl,
    frame,
    i,
    multi,
    path_version,
    path_watch,
    q,
    set_data,
    set_watches,
    text,
)

MAX_FRAME = 1_048_575


@scenario("byte-examples")
def byte_examples(t):
    """The exchanges of the protocol's reference, as raw hex both ways; only zxid, id and password are replaced."""
    conn = t.bare()

    conn.send(
        bytes.fromhex(
            "0000002D 00000000 0000000000000000 00001770 0000000000000000 00000010 00000000000000000000000000000000 00"
        )
    )
    answer = conn.payload()
    conn.session = int.from_bytes(answer[8:16])
    t.say("connect:", answer[:8].hex(" ", -4), "<id>", answer[16:20].hex(), "<password>", answer[36:].hex())

    def reply(label, request):
        conn.send(bytes.fromhex(request))
        data = conn.payload()
        zxid = data[4:12].hex() if data[4:12] in (bytes(8), b"\xff" * 8) else "<zxid>"
        t.say(f"{label}: {data[:4].hex()} {zxid} {data[12:16].hex()} {data[16:].hex(' ', -4)}")

    reply("exists, missing", "00000010 00000001 00000003 00000003 2F6E6F 00")
    reply("ping", "00000008 FFFFFFFE 0000000B")
    reply("auth", "0000001D FFFFFFFC 00000064 00000000 00000006 646967657374 00000003 753A70")
    conn.send(frame(i(2) + i(EXISTS) + path_watch("/byte", True)))
    conn.payload()
    conn.send(frame(i(3) + i(CREATE) + create("/byte")))
    event, _ = conn.payload(), conn.payload()
    t.say("event:", event[:4].hex(), "<zxid>", event[12:16].hex(), event[16:].hex(" ", -4))
    failing = multi((CREATE, create("/byte/1")), (SET, set_data("/byte", b"", 9)), (DELETE, path_version("/byte")))
    reply("failed multi", frame(i(3) + i(MULTI) + failing).hex())
    reply("the ACL of config", frame(i(4) + i(GET_ACL) + text("/zookeeper/config")).hex())


@scenario("xids")
def xids(t):
    conn = t.connect_in_root()
    for xid in (1, 0, -1, -2, -3, -4, -7, -8, -55, (1 << 31) - 1, -(1 << 31)):
        conn.call(f"exists with xid {xid}", EXISTS, path_watch("/none"), xid=xid)
    for xid in (-2, 5, 0, -1):
        conn.call(f"ping with xid {xid}", PING, xid=xid)
    conn.call("ping with a body", PING, b"body", xid=-2)
    for xid in (-8, 7, 0):
        conn.call(f"setWatches with xid {xid}", SET_WATCHES, set_watches(0, [], [], []), xid=xid)
    for xid in (-4, 9):
        conn.call(f"auth with xid {xid}", AUTH, i(0) + text("digest") + buf(b"a:b"), xid=xid)
    conn.call("sasl", SASL, buf(b""), "token", xid=10)
    conn.call("going back", EXISTS, path_watch("/none"), xid=3)


@scenario("reply-zxids")
def reply_zxids(t):
    """Reads and pings tell the last zxid; writes, also failed ones, take the next; auth and SASL say 0."""
    conn = t.connect_in_root()
    node = f"{t.root}/n"
    conn.call("read", EXISTS, path_watch(t.root), "stat")
    conn.call("failed read", GET, path_watch(node))
    conn.call("create", CREATE, create(node), "path")
    conn.call("create again", CREATE, create(node))
    conn.call("set", SET, set_data(node, b"1"), "stat")
    conn.call("set, bad version", SET, set_data(node, b"1", 9))
    conn.call("delete, not there", DELETE, path_version(f"{t.root}/none"))
    conn.call("failed multi", MULTI, multi((CHECK, path_version("/", 9))), "multi")
    conn.call("empty multi", MULTI, multi(), "multi")
    conn.call("multi", MULTI, multi((CHECK, path_version(node, 1)), (SET, set_data(node, b"2"))), "multi")
    conn.call("sync", SYNC, text(node), "path")
    conn.call("auth", AUTH, i(0) + text("digest") + buf(b"a:b"), xid=-4)
    conn.call("sasl without configuration", SASL, buf(b"x"), "token")
    conn.call("ping", PING, xid=-2)


@scenario("undecodable-write-zxids")
def undecodable_write_zxids(t):
    """Whether a write whose body does not decode takes a zxid."""
    conn = t.connect_in_root()
    conn.call("before", PING, xid=-2)
    conn.call("create cut short", CREATE, create(f"{t.root}/n")[:-2])
    conn.call("after", PING, xid=-2)
    conn.call("multi cut short", MULTI, multi((DELETE, path_version(f"{t.root}/n")), end=False))
    conn.call("after", PING, xid=-2)


@scenario("order")
def order(t):
    """Replies keep the order of requests, pings among them."""
    conn = t.connect_in_root()
    sent = []
    data = b""
    for number in range(400):
        kind = number % 5
        if kind == 0:
            request, xid = i(CREATE) + create(f"{t.root}/n{number:03d}"), number + 100
        elif kind == 1:
            request, xid = i(PING), -2
        elif kind == 2:
            request, xid = i(EXISTS) + path_watch(f"{t.root}/n{number - 2:03d}"), number + 100
        elif kind == 3:
            request, xid = i(SYNC) + text("/"), number + 100
        else:
            request, xid = i(SET_WATCHES) + set_watches(0, [], [], []), -8
        sent.append(xid)
        data += frame(i(xid) + request)
    conn.send(data)
    replies = [conn.reply() for _ in sent]
    got = [int(re.search(r"xid=(-?\d+)", line)[1]) for line in replies]
    t.check(got == sent, f"replies out of order: {[pair for pair in zip(got, sent) if pair[0] != pair[1]][:3]}")
    t.check(all(" err=0" in line for line in replies), "a read missed an earlier write of its connection")
    zxids = [int(re.search(r"zxid=([-+]?\d+)", line)[1]) for line in replies]
    t.check(zxids == sorted(zxids), "zxids go back")
    t.say(len(got))


@scenario("frame-lengths")
def frame_lengths(t):
    conn = t.connect_in_root()
    node = f"{t.root}/n"
    conn.quiet(CREATE, create(node), "path")
    room = MAX_FRAME - 8 - len(set_data(node, b""))
    for size in (room - 1, room):
        conn.call(f"frame of {MAX_FRAME - room + size}", SET, set_data(node, b"x" * size), "stat")
    conn.call("read back", GET, path_watch(node), "data")
    conn.send(i(MAX_FRAME + 1))
    t.say("length 1048576:", conn.reply())
    for label, raw in {
        "length 0": i(0),
        "length -1": i(-1),
        "length -2^31": i(-(1 << 31)),
        "length 2^31-1": i((1 << 31) - 1),
        "header of 4 bytes": frame(i(1)),
        "header of 7 bytes": frame(i(1) + b"\0\0\0"),
    }.items():
        conn = t.connect()
        conn.send(raw)
        t.say(f"{label}:", conn.reply())
    for label, raw in {
        "length -1": i(-1),
        "length 1048576": i(MAX_FRAME + 1),
        "an unknown word": b"blah",
        "a word in capitals": b"RUOK",
    }.items():
        conn = t.bare()
        conn.send(raw)
        t.say(f"first, {label}:", conn.reply())
    conn = t.connect()
    conn.send(b"ruok" + b"x" * 16)
    t.say("a word after the handshake:", conn.reply())
    conn = t.bare()
    conn.send(frame(connect_request() + b"x" * (MAX_FRAME - 45)))
    t.say("largest connect:", conn.welcome())


@scenario("string-lengths")
def string_lengths(t):
    """Lengths inside a body: negative ones, ones beyond the frame, beyond every limit."""
    conn = t.connect_in_root()
    for length in (-2, -(1 << 31), 5, 1000, 2_097_150, 2_097_151, (1 << 31) - 1):
        conn.call(f"path of length {length} in a frame of 12", GET, i(length))
        conn.call(f"data of length {length}", SET, text(t.root) + i(length))
    for count in (-1, -2, -(1 << 31), 1, 1 << 20, (1 << 31) - 1):
        conn.call(
            f"ACL vector of {count}", CREATE, text(f"{t.root}/v") + buf(b"") + i(count) + (i(0) if count < 0 else b"")
        )
        conn.call(f"watch vector of {count}", SET_WATCHES, q(0) + i(count) + i(0) + i(0))
    conn.fate()


@scenario("trailing-bytes")
def trailing_bytes(t):
    """Whatever follows the last field is ignored."""
    conn = t.connect_in_root()
    node, more = f"{t.root}/n", b"trailing bytes"
    for label, op, body, kind in (
        ("create", CREATE, create(node), "path"),
        ("create2", CREATE2, create(f"{t.root}/n2"), "path-stat"),
        ("createContainer", CREATE_CONTAINER, create(f"{t.root}/c", flags=4), "path-stat"),
        ("createTTL", CREATE_TTL, create_ttl(f"{t.root}/t", 10_000_000), "path-stat"),
        ("exists", EXISTS, path_watch(node), "stat"),
        ("getData", GET, path_watch(node), "data"),
        ("setData", SET, set_data(node, b"1"), "stat"),
        ("getACL", GET_ACL, text(node), "acls"),
        ("setACL", SET_ACL, text(node) + OPEN + i(-1), "stat"),
        ("getChildren", GET_CHILDREN, path_watch(t.root), "names"),
        ("getChildren2", GET_CHILDREN2, path_watch(t.root), "names-stat"),
        ("getEphemerals", GET_EPHEMERALS, text("/"), "names"),
        ("getAllChildrenNumber", ALL_CHILDREN, text(t.root), "int"),
        ("sync", SYNC, text(node), "path"),
        ("multi", MULTI, multi((SET, set_data(node, b"2"))), "multi"),
        ("multiRead", MULTI_READ, multi((GET, path_watch(node))), "multi"),
        ("setWatches", SET_WATCHES, set_watches(0, [], [], []), "hex"),
        ("setWatches2", SET_WATCHES2, set_watches(0, [], [], [], [], []), "hex"),
        ("addWatch", ADD_WATCH, text(node) + i(0), "int"),
        ("checkWatches", CHECK_WATCHES, text(node) + i(4), "hex"),
        ("removeWatches", REMOVE_WATCHES, text(node) + i(4), "hex"),
        ("whoAmI", WHO_AM_I, b"", "clients"),
        ("auth", AUTH, i(0) + text("digest") + buf(b"a:b"), "hex"),
        ("ping", PING, b"", "hex"),
        ("delete", DELETE, path_version(node), "hex"),
        ("closeSession", CLOSE_SESSION, b"", "hex"),
    ):
        conn.call(label, op, body + more, kind)


@scenario("cut-short")
def cut_short(t):
    """Every body cut at every byte: an error each time, and the connection lives."""
    conn = t.connect_in_root()
    node = f"{t.root}/n"
    for label, op, body in (
        ("create", CREATE, create(node, b"data")),
        ("createTTL", CREATE_TTL, create_ttl(node, 10_000_000)),
        ("exists", EXISTS, path_watch(node)),
        ("setData", SET, set_data(node, b"1")),
        ("setACL", SET_ACL, text(node) + OPEN + i(-1)),
        ("delete", DELETE, path_version(node)),
        ("sync", SYNC, text(node)),
        ("multi", MULTI, multi((SET, set_data(t.root, b"2")))),
        ("multiRead", MULTI_READ, multi((GET, path_watch(node)))),
        ("setWatches", SET_WATCHES, set_watches(0, [node], [], [])),
        ("addWatch", ADD_WATCH, text(node) + i(0)),
        ("checkWatches", CHECK_WATCHES, text(node) + i(4)),
        ("getEphemerals", GET_EPHEMERALS, text("/")),
        ("getAllChildrenNumber", ALL_CHILDREN, text(node)),
        ("getACL", GET_ACL, text(node)),
        ("reconfig", RECONFIG, text("a") + text("b") + text("c") + q(1)),
    ):
        outcomes = []
        for length in range(len(body)):
            conn.request(op, body[:length])
            line = conn.reply("hex")
            match = re.search(r"len=(\d+) .*err=(-?\d+)", line)
            outcome = f"len {match[1]} err {match[2]}" if match else line
            if not outcomes or outcomes[-1][0] != outcome:
                outcomes.append([outcome, 0])
            outcomes[-1][1] += 1
            if not match:
                conn = t.connect()
        t.say(f"{label}: " + ", ".join(f"{outcome} x{count}" for outcome, count in outcomes))
    conn.fate()


@scenario("unknown-opcodes")
def unknown_opcodes(t):
    """Refused with zxid -1, then the connection closes."""
    for op in (0, -1, CHECK, 10, 23, 24, 99, 108, 1000, -2, -9, -12, (1 << 31) - 1, -(1 << 31)):
        conn = t.connect()
        conn.call(f"opcode {op}", op, path_version("/"))
        t.say("then:", conn.reply())


@scenario("wide-tree", group="wide")
def wide_tree(t):
    """100,000 children, created in one pipeline; listed and counted."""
    conn = t.connect_in_root()
    count = 100_000

    def pipeline(op, bodies, label):
        """Sends everything while replies come back; they must all succeed, in order."""
        requests = b"".join(frame(i(number + 1) + i(op) + body) for number, body in enumerate(bodies))
        sender = threading.Thread(target=conn.send, args=(requests,))
        sender.start()
        data = b""
        reader = conn.sock.makefile("rb")
        for number in range(count):
            length = int.from_bytes(reader.read(4))
            data = reader.read(length)
            if int.from_bytes(data[:4]) != number + 1 or data[12:16] != bytes(4):
                t.broken(f"{label}: reply {number} is {data.hex()}")
                break
        sender.join()
        t.say(f"{label}: done, last zxid {t.zxid(int.from_bytes(data[4:12]))}")

    conn.sock.settimeout(60)
    pipeline(CREATE, (create(f"{t.root}/child-{number:06d}") for number in range(count)), "create")
    conn.request(GET_CHILDREN2, path_watch(t.root))
    data = conn.payload(60)
    names = int.from_bytes(data[16:20])
    t.say("listing:", len(data), "bytes,", names, "names")
    listed = {data[24 + 16 * at : 36 + 16 * at].decode() for at in range(count)}
    t.check(listed == {f"child-{number:06d}" for number in range(count)}, "the listing is not what was created")
    conn.call("stat", EXISTS, path_watch(t.root), "stat")
    conn.call("descendants", ALL_CHILDREN, text(t.root), "int")
