//! The headers before every body.

use crate::{DecodeError, OpCode, Put, Reader};
use alloc::vec::Vec;
use zabra_types::{Xid, Zxid};

/// What a client puts before the body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The client's number for the request.
    pub xid: Xid,
    /// The operation, as sent.
    pub op: i32,
}

impl RequestHeader {
    /// Reads the eight bytes.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { xid: Xid::from_raw(reader.i32("xid")?), op: reader.i32("type")? })
    }

    /// Appends the eight bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_i32(self.xid.raw());
        out.put_i32(self.op);
    }
}

/// What the server puts before the body of a reply or event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHeader {
    /// Echo of the request, or a reserved number.
    pub xid: Xid,
    /// The last transaction this server has processed.
    pub zxid: Zxid,
    /// 0, or the code of a `KeeperError`.
    pub err: i32,
}

impl ReplyHeader {
    /// Bytes on the wire.
    pub const LEN: usize = 16;

    /// Reads the sixteen bytes.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            xid: Xid::from_raw(reader.i32("xid")?),
            zxid: Zxid::from_raw(reader.i64("zxid")?),
            err: reader.i32("err")?,
        })
    }

    /// Appends the sixteen bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_i32(self.xid.raw());
        out.put_i64(self.zxid.raw());
        out.put_i32(self.err);
    }
}

/// What stands before each operation and each result of a multi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiHeader {
    /// The operation or result type.
    pub op: i32,
    /// Set on the last header, which has no body.
    pub done: bool,
    /// The result's code; -1 in requests.
    pub err: i32,
}

impl MultiHeader {
    /// The header that ends a list.
    pub const END: Self = Self { op: -1, done: true, err: -1 };

    /// The header of a successful result.
    pub const fn result(op: OpCode) -> Self {
        Self { op: op.code(), done: false, err: 0 }
    }

    /// Reads the nine bytes.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            op: reader.i32("multi type")?,
            done: reader.bool("multi done")?,
            err: reader.i32("multi err")?,
        })
    }

    /// Appends the nine bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_i32(self.op);
        out.put_bool(self.done);
        out.put_i32(self.err);
    }
}
