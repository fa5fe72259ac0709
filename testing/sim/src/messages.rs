//! What clients and servers say to each other, and what is carried along so that it can be checked.

use zabra_proto::OpCode;
use zabra_testkit::{MultiBuilder, RawRequest};
use zabra_types::{CreateMode, KeeperError, SessionId, Xid, Zxid};

/// A transaction, told from any other by the hash of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TxnId {
    /// Its zxid.
    pub(crate) zxid: Zxid,
    /// The hash of header, record and digest.
    pub(crate) hash: u64,
}

impl TxnId {
    /// The transaction with these bytes.
    pub(crate) fn of(zxid: Zxid, payload: &[u8]) -> Self {
        Self { zxid, hash: fnv(0xCBF2_9CE4_8422_2325, payload) }
    }
}

/// Mixes bytes into a hash (FNV-1a). The same on every machine.
pub(crate) fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// A whole database on its way to a learner.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) bytes: Vec<u8>,
    /// What the tree held when it was begun.
    pub(crate) history: Vec<TxnId>,
}

/// What a client says.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// Give me a session, or take over mine.
    Connect { session: Option<SessionId>, timeout_ms: i32, seen: Zxid },
    /// Do this.
    Request { xid: Xid, op: Op },
    /// I am still there.
    Ping,
}

/// What a server says.
#[derive(Clone, Debug)]
pub(crate) enum Tell {
    /// The session, new or taken over.
    Connected(SessionId),
    /// The session has ended.
    Expired,
    /// The answer to a request, with the last transaction that the server had applied by then.
    Reply { xid: Xid, zxid: Zxid, answer: Answer },
    /// So am I.
    Pong,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Make a node.
    Create {
        /// The path, without the number.
        path: String,
        /// The data.
        data: String,
        /// How.
        mode: CreateMode,
    },
    /// Replace data.
    SetData {
        /// The node.
        path: String,
        /// The data.
        data: String,
        /// The version it must have; -1 for any.
        version: i32,
    },
    /// Remove a node.
    Delete {
        /// The node.
        path: String,
        /// The version it must have; -1 for any.
        version: i32,
    },
    /// All of these or none.
    Multi(Vec<Self>),
    /// Read data.
    Get(String),
    /// Read the names of children.
    Children(String),
    /// Catch up with the leader.
    Sync,
    /// End the session.
    Close,
}

impl Op {
    /// Whether it becomes a transaction.
    pub(crate) fn is_write(&self) -> bool {
        !matches!(self, Self::Get(_) | Self::Children(_) | Self::Sync)
    }

    /// The request as it goes over the wire; none for reads, which stay where they are.
    pub(crate) fn request(&self) -> Option<RawRequest> {
        Some(match self {
            Self::Create { path, data, mode } => RawRequest::create(path, data.as_bytes(), mode.flags()),
            Self::SetData { path, data, version } => {
                RawRequest::set_data(path, Some(data.as_bytes()), *version)
            }
            Self::Delete { path, version } => RawRequest::delete(path, *version),
            Self::Multi(ops) => {
                let mut multi = MultiBuilder::new();
                for request in ops.iter().filter_map(Self::request) {
                    multi.push(&request);
                }
                multi.finish(OpCode::Multi)
            }
            Self::Sync => RawRequest::path(OpCode::Sync, "/"),
            Self::Close => RawRequest::bare(OpCode::CloseSession),
            Self::Get(_) | Self::Children(_) => return None,
        })
    }
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is done.
    Done,
    /// A node was made; its path.
    Created(String),
    /// Data was replaced; its version now.
    Set(i32),
    /// The data of a node.
    Data(NodeView),
    /// The names of the children, sorted.
    Names(Vec<String>),
    /// Each part of a multi.
    Multi(Vec<Self>),
    /// It was refused with this code.
    Error(i32),
}

impl Answer {
    /// Whether it says that the session lives elsewhere.
    pub(crate) fn is_moved(&self) -> bool {
        match self {
            Self::Error(code) => *code == KeeperError::SessionMoved.code(),
            Self::Multi(parts) => parts.iter().any(Self::is_moved),
            _ => false,
        }
    }
}

/// What a client sees of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeView {
    /// The data.
    pub(crate) data: String,
    /// Changes of the data.
    pub(crate) version: i32,
    /// The transaction that made it.
    pub(crate) czxid: Zxid,
    /// The transaction that changed the data last.
    pub(crate) mzxid: Zxid,
    /// The session it goes with, if it does.
    pub(crate) owner: Option<SessionId>,
}
