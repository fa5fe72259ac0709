"""Requests that kazoo does not know, in kazoo's own manner, and a recorder of every watch event."""

import struct
from collections import namedtuple

from kazoo.protocol.serialization import (
    Watch,
    int_struct,
    read_string,
    stat_struct,
    write_buffer,
    write_string,
)
from kazoo.protocol.states import ZnodeStat
from kazoo.security import OPEN_ACL_UNSAFE

CONTAINER, TTL, TTL_SEQUENTIAL = 4, 5, 6


def _acls(acls):
    out = bytearray(int_struct.pack(len(acls)))
    for acl in acls:
        out += int_struct.pack(acl.perms) + write_string(acl.id.scheme) + write_string(acl.id.id)
    return out


def _path_and_stat(body, offset):
    path, offset = read_string(body, offset)
    return path, ZnodeStat._make(stat_struct.unpack_from(body, offset))


class CreateContainer(namedtuple("CreateContainer", "path data flags")):
    type = 19

    def serialize(self):
        return write_string(self.path) + write_buffer(self.data) + _acls(OPEN_ACL_UNSAFE) + int_struct.pack(self.flags)

    deserialize = staticmethod(_path_and_stat)


class CreateTTL(namedtuple("CreateTTL", "path data flags ttl")):
    type = 21

    def serialize(self):
        head = write_string(self.path) + write_buffer(self.data) + _acls(OPEN_ACL_UNSAFE)
        return head + struct.pack("!iq", self.flags, self.ttl)

    deserialize = staticmethod(_path_and_stat)


class AddWatch(namedtuple("AddWatch", "path mode")):
    type = 106

    def serialize(self):
        return write_string(self.path) + int_struct.pack(self.mode)

    @classmethod
    def deserialize(cls, body, offset):
        return int_struct.unpack_from(body, offset)[0]


class CheckWatches(namedtuple("CheckWatches", "path kind")):
    type = 17

    def serialize(self):
        return write_string(self.path) + int_struct.pack(self.kind)

    @classmethod
    def deserialize(cls, body, offset):
        return "ok"


class RemoveWatches(CheckWatches):
    type = 18


class GetEphemerals(namedtuple("GetEphemerals", "prefix")):
    type = 103

    def serialize(self):
        return write_string(self.prefix)

    @classmethod
    def deserialize(cls, body, offset):
        return sorted(_strings(body, offset))


class GetAllChildrenNumber(namedtuple("GetAllChildrenNumber", "path")):
    type = 104

    def serialize(self):
        return write_string(self.path)

    @classmethod
    def deserialize(cls, body, offset):
        return int_struct.unpack_from(body, offset)[0]


class WhoAmI(namedtuple("WhoAmI", "unused", defaults=[0])):
    # The field keeps the tuple from being empty, and so false, which kazoo takes for "no request".
    type = 107

    def serialize(self):
        return b""

    @classmethod
    def deserialize(cls, body, offset):
        count = int_struct.unpack_from(body, offset)[0]
        offset += 4
        found = []
        for _ in range(count):
            scheme, offset = read_string(body, offset)
            user, offset = read_string(body, offset)
            found.append((scheme, user))
        return sorted(found)


class SetWatches(namedtuple("SetWatches", "zxid data exist child")):
    type = 101

    def serialize(self):
        out = bytearray(struct.pack("!q", self.zxid))
        for paths in (self.data, self.exist, self.child):
            out += int_struct.pack(len(paths)) + b"".join(write_string(path) for path in paths)
        return out

    @classmethod
    def deserialize(cls, body, offset):
        return "ok"


def _strings(body, offset):
    count = int_struct.unpack_from(body, offset)[0]
    offset += 4
    for _ in range(count):
        text, offset = read_string(body, offset)
        yield text


def call(zk, request):
    """Sends one request through a client and waits for its answer."""
    result = zk.handler.async_result()
    zk._call(request, result)
    return result.get(timeout=60)


EVENTS = {1: "created", 2: "deleted", 3: "changed", 4: "children"}


class EventLog:
    """Every event frame a client receives, in order, before kazoo deals it out."""

    def __init__(self, zk):
        self.seen = []
        deal_out = zk._connection._read_watch_event

        def read(buffer, offset):
            watch, _ = Watch.deserialize(buffer, offset)
            self.seen.append(f"{EVENTS.get(watch.type, watch.type)} {watch.path} state={watch.state}")
            deal_out(buffer, offset)

        zk._connection._read_watch_event = read

    def take(self):
        """What arrived since the last call. Call after a round trip: events precede the replies that follow."""
        seen, self.seen = self.seen, []
        return seen
