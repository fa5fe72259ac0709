//! What writers ask for.

use std::borrow::Cow;
use std::sync::Arc;
use zabra_proto::{AclEntry, OpCode};
use zabra_testkit::{MultiBuilder, RawRequest, open_acl};
use zabra_types::Perms;

/// Everything the test makes is below this node.
pub(crate) const ROOT: &str = "/crash";
/// Every slot makes sequential nodes here.
pub(crate) const QUEUE: &str = "/crash/queue";
/// Every slot sets this node.
pub(crate) const COUNTER: &str = "/crash/counter";
/// What the names in the queue begin with.
pub(crate) const ENTRY_PREFIX: &str = "/crash/queue/e-";

/// The home of a slot, which nobody else touches.
pub(crate) fn home(slot: usize) -> String {
    format!("{ROOT}/w{slot}")
}

/// Data of a node; the text it begins with says which request wrote it, so no two are equal.
pub(crate) type Data = Arc<[u8]>;

/// A request within a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// One write.
    Write(Op),
    /// Several writes, all or none.
    Multi(Vec<Op>),
    /// getData of a node of the slot's own.
    Read(String),
    /// getData of the counter.
    ReadCounter,
    /// closeSession
    Close,
}

/// A write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// A node of the slot's own.
    Create(Create),
    /// New data for a node of the slot's own.
    Set { path: String, data: Data, version: i32 },
    /// A new access control list, known by its number, for a node of the slot's own. Not possible in a multi.
    SetAcl { path: String, acl: u32, version: i32 },
    /// Deletion of a node of the slot's own.
    Delete { path: String, version: i32 },
    /// Does nothing unless the version is another. Possible in a multi only.
    Check { path: String, version: i32 },
    /// A sequential node in the queue.
    Enqueue { data: Data, ephemeral: bool },
    /// Deletion of a node in the queue that this slot has made.
    Dequeue { path: String, data: Data },
    /// New data for the counter.
    Count { data: Data },
}

/// What is to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Create {
    /// The path, without the sequence number.
    pub(crate) path: String,
    pub(crate) data: Data,
    pub(crate) ephemeral: bool,
    pub(crate) sequential: bool,
    /// Whether the reply is to tell the Stat.
    pub(crate) with_stat: bool,
}

impl Action {
    /// Whether it becomes a transaction, also when it is refused.
    pub(crate) const fn is_logged(&self) -> bool {
        matches!(self, Self::Write(_) | Self::Multi(_) | Self::Close)
    }

    /// As bytes on the wire.
    pub(crate) fn request(&self) -> RawRequest {
        match self {
            Self::Write(op) => op.request(),
            Self::Multi(ops) => {
                let mut multi = MultiBuilder::new();
                for op in ops {
                    multi.push(&op.request());
                }
                multi.finish(OpCode::Multi)
            }
            Self::Read(path) => RawRequest::read(OpCode::GetData, path, false),
            Self::ReadCounter => RawRequest::read(OpCode::GetData, COUNTER, false),
            Self::Close => RawRequest::bare(OpCode::CloseSession),
        }
    }
}

impl Op {
    fn request(&self) -> RawRequest {
        match self {
            Self::Create(create) => {
                let op = if create.with_stat { OpCode::Create2 } else { OpCode::Create };
                create_request(op, &create.path, &create.data, create.ephemeral, create.sequential)
            }
            Self::Set { path, data, version } => RawRequest::set_data(path, Some(data), *version),
            Self::SetAcl { path, acl, version } => {
                RawRequest::set_acl(path, Some(&acl_entries(*acl)), *version)
            }
            Self::Delete { path, version } => RawRequest::delete(path, *version),
            Self::Check { path, version } => RawRequest::path_and_number(OpCode::Check, path, *version),
            Self::Enqueue { data, ephemeral } => {
                create_request(OpCode::Create2, ENTRY_PREFIX, data, *ephemeral, true)
            }
            Self::Dequeue { path, .. } => RawRequest::delete(path, -1),
            Self::Count { data } => RawRequest::set_data(COUNTER, Some(data), -1),
        }
    }
}

fn create_request(op: OpCode, path: &str, data: &[u8], ephemeral: bool, sequential: bool) -> RawRequest {
    let flags = i32::from(ephemeral) + 2 * i32::from(sequential);
    RawRequest::create_with(op, path, Some(data), Some(&open_acl()), flags, 0)
}

/// The access control list of a number: open, and beside that an entry that carries the number. 0 has no such entry.
fn acl_entries(number: u32) -> Vec<AclEntry<'static>> {
    let mut entries = open_acl();
    if number != 0 {
        entries.push(AclEntry {
            perms: Perms::READ,
            scheme: Some(Cow::Borrowed("digest")),
            id: Some(Cow::Owned(acl_id(number))),
        });
    }
    entries
}

/// The identity that carries the number of an access control list.
pub(crate) fn acl_id(number: u32) -> String {
    format!("mark{number}:x")
}

/// The first words of data, which name the request that wrote it.
pub(crate) fn tag(data: &[u8]) -> String {
    let text = data.split(|&byte| byte == b'|').next().unwrap_or_default();
    String::from_utf8_lossy(text).chars().take(60).collect()
}
