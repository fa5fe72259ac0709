//! What a run does, as values: chosen from a seed alone, before any server is asked.
//!
//! A value that only a server can know (a version, a zxid) is named here and looked up when it is sent. So any part of
//! a plan can be left out and the rest still means something, which is what makes a failure small.

mod acls;
mod excluded;
mod generate;
mod mutate;
mod paths;

pub(crate) use acls::SUPER_DIGEST;
pub(crate) use excluded::Exclusions;
pub(crate) use generate::{PlanOptions, generate};
pub(crate) use mutate::Mutation;

use std::collections::HashMap;
use zabra_proto::{AclEntry, OpCode};
use zabra_testkit::{Blob, MultiBuilder, RawRequest, Text, WatchLists};

/// Number of connections a plan uses; one more belongs to the final comparison of the trees.
pub(crate) const SLOTS: usize = 5;

/// One step of a plan.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Open a connection for a slot, with a new session or an old one.
    Connect(usize, Hello),
    /// Drop a slot's connection without a word.
    Drop(usize),
    /// Send requests together on a slot's connection.
    Batch(usize, Vec<Call>),
    /// Send bytes that are no frame of a request.
    Broken(usize, BrokenFrame),
    /// Open a connection that never becomes a session.
    Stranger(Stranger),
    /// Stop or kill both servers and start them again.
    Restart {
        /// SIGKILL instead of SIGTERM.
        kill: bool,
    },
}

/// A handshake.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) session: SessionChoice,
    pub(crate) timeout_ms: i32,
    pub(crate) last_zxid: ZxidRef,
    pub(crate) protocol_version: i32,
    pub(crate) read_only: Option<bool>,
    /// Send only this many bytes of the record.
    pub(crate) cut: Option<usize>,
    /// Send these bytes behind the record.
    pub(crate) extra: Vec<u8>,
    /// Requests sent right behind the handshake.
    pub(crate) pipelined: Vec<Call>,
}

/// Which session a handshake asks for.
#[derive(Clone, Debug)]
pub(crate) enum SessionChoice {
    /// A new one, with a password that must not matter.
    New(Option<Vec<u8>>),
    /// The slot's own, its connection being dropped first.
    Own,
    /// The slot's own while its connection is still open, which the server has to close.
    TakeOver,
    /// The slot's own, its connection being dropped first, with a wrong password.
    WrongPassword(Option<Vec<u8>>),
    /// One that never was.
    Unknown,
}

impl Hello {
    /// An ordinary handshake for a new session.
    pub(crate) fn ordinary() -> Self {
        Self {
            session: SessionChoice::New(Some(vec![0; 16])),
            timeout_ms: 30_000,
            last_zxid: ZxidRef::Raw(0),
            protocol_version: 0,
            read_only: Some(false),
            cut: None,
            extra: Vec::new(),
            pipelined: Vec::new(),
        }
    }
}

/// Bytes that end a connection.
#[derive(Clone, Debug)]
pub(crate) enum BrokenFrame {
    /// A length word alone.
    Length(i32),
    /// A frame too short for a request header.
    ShortHeader(usize),
}

/// A connection that says something other than a handshake.
#[derive(Clone, Debug)]
pub(crate) enum Stranger {
    /// A four-letter word.
    Word([u8; 4]),
    /// A frame of these bytes.
    Frame(Vec<u8>),
}

/// A request and how it is spoilt.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) request: Request,
    pub(crate) xid: XidChoice,
    pub(crate) mutation: Mutation,
}

/// The number of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum XidChoice {
    /// The connection's next.
    Next,
    /// This one.
    Fixed(i32),
}

/// A zxid that both servers can be asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ZxidRef {
    /// As it is.
    Raw(i64),
    /// So many transactions before the last one seen (after it when negative).
    Back(i64),
}

/// A version in a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum VersionRef {
    /// As it is; -1 is any.
    Exact(i32),
    /// The last one seen of the node, plus this.
    Seen(i32),
}

/// A request with names where a server's values belong.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Create {
        op: OpCode,
        path: Blob,
        data: Blob,
        acl: Option<Vec<AclEntry<'static>>>,
        flags: i32,
        ttl_ms: i64,
    },
    Delete(Blob, VersionRef),
    SetData(Blob, Blob, VersionRef),
    SetAcl(Blob, Option<Vec<AclEntry<'static>>>, VersionRef),
    Check(Blob, VersionRef),
    Read(OpCode, Blob, bool),
    Path(OpCode, Blob),
    PathAndNumber(OpCode, Blob, i32),
    Bare(OpCode),
    Auth(Blob, Blob),
    Sasl(Blob),
    Reconfig(Option<&'static str>, Option<&'static str>, Option<&'static str>, i64),
    SetWatches(OpCode, ZxidRef, WatchLists),
    Multi {
        op: OpCode,
        ops: Vec<Self>,
        finished: bool,
    },
    Unknown(i32, Vec<u8>),
}

/// What the replies so far have told; the same on both sides, or the run has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// The last transaction seen, counted from the beginning of the run.
    pub(crate) last_zxid: i64,
    /// Version and aversion of each node when last seen.
    pub(crate) versions: HashMap<Vec<u8>, (i32, i32)>,
}

impl Known {
    pub(crate) fn zxid(&self, zxid: ZxidRef, base: i64) -> i64 {
        match zxid {
            ZxidRef::Raw(raw) => raw,
            ZxidRef::Back(back) => base + self.last_zxid - back,
        }
    }

    fn version(&self, path: Option<&[u8]>, version: VersionRef, of_acl: bool) -> i32 {
        match version {
            VersionRef::Exact(version) => version,
            VersionRef::Seen(delta) => {
                let seen = path.and_then(|path| self.versions.get(path)).copied().unwrap_or_default();
                (if of_acl { seen.1 } else { seen.0 }) + delta
            }
        }
    }
}

impl Request {
    /// The operation number it is sent under.
    pub(crate) fn op(&self) -> i32 {
        match self {
            Self::Create { op, .. }
            | Self::Read(op, ..)
            | Self::Path(op, _)
            | Self::PathAndNumber(op, ..)
            | Self::Bare(op)
            | Self::SetWatches(op, ..)
            | Self::Multi { op, .. } => op.code(),
            Self::Delete(..) => OpCode::Delete.code(),
            Self::SetData(..) => OpCode::SetData.code(),
            Self::SetAcl(..) => OpCode::SetAcl.code(),
            Self::Check(..) => OpCode::Check.code(),
            Self::Auth(..) => OpCode::Auth.code(),
            Self::Sasl(_) => OpCode::Sasl.code(),
            Self::Reconfig(..) => OpCode::Reconfig.code(),
            Self::Unknown(op, _) => *op,
        }
    }

    /// The request as sent to a server whose transactions are counted from `base`.
    pub(crate) fn resolve(&self, known: &Known, base: i64) -> RawRequest {
        match self {
            Self::Create { op, path, data, acl, flags, ttl_ms } => RawRequest::create_with(
                *op,
                Text(path.0.as_deref()),
                data.0.as_deref(),
                acl.as_deref(),
                *flags,
                *ttl_ms,
            ),
            Self::Delete(path, version) => {
                let path = path.0.as_deref();
                RawRequest::delete(path, known.version(path, *version, false))
            }
            Self::SetData(path, data, version) => {
                let path = path.0.as_deref();
                RawRequest::set_data(path, data.0.as_deref(), known.version(path, *version, false))
            }
            Self::SetAcl(path, acl, version) => {
                let path = path.0.as_deref();
                RawRequest::set_acl(path, acl.as_deref(), known.version(path, *version, true))
            }
            Self::Check(path, version) => {
                let path = path.0.as_deref();
                RawRequest::path_and_number(OpCode::Check, path, known.version(path, *version, false))
            }
            Self::Read(op, path, watch) => RawRequest::read(*op, path.0.as_deref(), *watch),
            Self::Path(op, path) => RawRequest::path(*op, path.0.as_deref()),
            Self::PathAndNumber(op, path, number) => {
                RawRequest::path_and_number(*op, path.0.as_deref(), *number)
            }
            Self::Bare(op) => RawRequest::bare(*op),
            Self::Auth(scheme, auth) => RawRequest::auth(scheme.0.as_deref(), auth.0.as_deref()),
            Self::Sasl(token) => RawRequest::sasl(token.0.as_deref()),
            Self::Reconfig(joining, leaving, members, config) => {
                RawRequest::reconfig(*joining, *leaving, *members, *config)
            }
            Self::SetWatches(op, zxid, watches) => {
                RawRequest::set_watches(*op, known.zxid(*zxid, base), watches)
            }
            Self::Multi { op, ops, finished } => {
                let mut list = MultiBuilder::new();
                for sub in ops {
                    list.push(&sub.resolve(known, base));
                }
                if *finished { list.finish(*op) } else { list.unfinished(*op) }
            }
            Self::Unknown(op, body) => RawRequest::new(*op, body.clone()),
        }
    }
}

impl Call {
    /// A request as it should be.
    pub(crate) fn plain(request: Request) -> Self {
        Self { request, xid: XidChoice::Next, mutation: Mutation::None }
    }
}
