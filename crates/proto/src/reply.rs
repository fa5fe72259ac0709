//! Pieces of replies that several operations share.

use crate::{MultiHeader, OpCode, Put, ReplyHeader};
use alloc::vec::Vec;
use zabra_types::{KeeperError, Xid, Zxid};

/// Appends the header of a reply, successful or not.
pub fn put_reply_header(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, error: Option<KeeperError>) {
    ReplyHeader { xid, zxid, err: error.map_or(0, KeeperError::code) }.encode(out);
}

/// Appends one failed result of a multi or multiRead: the code stands in it twice.
pub fn put_error_result(out: &mut Vec<u8>, code: i32) {
    MultiHeader { op: OpCode::Error.code(), done: false, err: code }.encode(out);
    out.put_i32(code);
}
