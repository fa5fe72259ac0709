//! Transactions: what preparation makes, what the log and the quorum carry, and what the tree applies.

use crate::{AclList, DecodeError, DecodeReason, Put, Reader, begin_frame, end_frame};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use zabra_types::{SessionId, WallTime, Xid, Zxid};

/// Bytes of a [`TxnHeader`].
pub const TXN_HEADER_LEN: usize = 32;

/// Who made a transaction, when, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxnHeader {
    /// The session; [`SessionId::NONE`] for the server's own clean-up.
    pub session: SessionId,
    /// The request's number in that session.
    pub cxid: Xid,
    /// Its place in the order of everything.
    pub zxid: Zxid,
    /// The leader's wall clock.
    pub time: WallTime,
    /// The type as on the wire, see [`TxnType`].
    pub kind: i32,
}

/// The digest of the whole tree after a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxnDigest {
    /// The algorithm; [`TxnDigest::VERSION`] is the one we compute.
    pub version: i32,
    /// The sum over all nodes.
    pub digest: u64,
}

impl TxnDigest {
    /// The digest algorithm of 3.6 and later.
    pub const VERSION: i32 = 2;
}

macro_rules! txn_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// The type numbers of transactions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum TxnType { $($(#[$doc])* $name,)* }

        impl TxnType {
            /// From the number in a header.
            pub const fn from_code(code: i32) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The number in a header.
            pub const fn code(self) -> i32 {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

txn_types! {
    /// A session begins.
    CreateSession = -10;
    /// A session ends.
    CloseSession = -11;
    /// A refused request.
    Error = -1;
    /// A node, answered with its path.
    Create = 1;
    /// A deletion.
    Delete = 2;
    /// New data.
    SetData = 5;
    /// A new access control list.
    SetAcl = 7;
    /// A checked version, inside multi only.
    Check = 13;
    /// Several at once.
    Multi = 14;
    /// A node, answered with path and Stat.
    Create2 = 15;
    /// A new membership.
    Reconfig = 16;
    /// A container.
    CreateContainer = 19;
    /// A reaped container or TTL node.
    DeleteContainer = 20;
    /// A node with a time to live.
    CreateTtl = 21;
}

/// The record of a plain or ephemeral create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTxn<'a> {
    /// The final path, sequence number included.
    pub path: Cow<'a, str>,
    /// The data.
    pub data: Option<&'a [u8]>,
    /// The expanded access control list.
    pub acl: AclList<'a>,
    /// Whether the node belongs to the header's session.
    pub ephemeral: bool,
    /// The parent's creation counter after this; -1 in logs from before 3.4, which do not have it.
    pub parent_cversion: i32,
}

/// One part of a multi: its type and its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubTxn<'a> {
    /// The type number, as in a header.
    pub kind: i32,
    /// The record.
    pub txn: Txn<'a>,
}

/// The record of a transaction, borrowed from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Txn<'a> {
    /// A session begins; the timeout in milliseconds.
    CreateSession {
        /// Milliseconds.
        timeout_ms: i32,
    },
    /// A session ends; the ephemeral nodes to delete, unless an old server left them out.
    CloseSession {
        /// The nodes, `None` when the record is absent.
        paths: Option<Vec<Cow<'a, str>>>,
    },
    /// A refused request: nothing changes.
    Error {
        /// The code the client was told.
        code: i32,
    },
    /// A plain or ephemeral node (types create and create2).
    Create(CreateTxn<'a>),
    /// A container; `ephemeral` is false.
    CreateContainer(CreateTxn<'a>),
    /// A node with a time to live; `ephemeral` is false.
    CreateTtl(CreateTxn<'a>, i64),
    /// A deletion, also of containers and TTL nodes.
    Delete {
        /// The node.
        path: Cow<'a, str>,
    },
    /// New data (types setData and reconfig).
    SetData {
        /// The node.
        path: Cow<'a, str>,
        /// The data.
        data: Option<&'a [u8]>,
        /// The version after the change.
        version: i32,
    },
    /// A new access control list.
    SetAcl {
        /// The node.
        path: Cow<'a, str>,
        /// The list.
        acl: AclList<'a>,
        /// The aversion after the change.
        version: i32,
    },
    /// A checked version: nothing changes.
    Check {
        /// The node.
        path: Cow<'a, str>,
        /// The version that was checked, plus one.
        version: i32,
    },
    /// Several at once; if any is an error, none is applied.
    Multi(Vec<SubTxn<'a>>),
}

/// Appends a transaction as the log and the quorum carry it: header, record, digest.
pub fn encode_txn(out: &mut Vec<u8>, header: &TxnHeader, txn: &Txn<'_>, digest: Option<TxnDigest>) {
    put_txn_header(out, header);
    encode_record(out, txn);
    if let Some(digest) = digest {
        put_txn_digest(out, digest);
    }
}

/// Appends a transaction's header. For those who make a multi part by part: a count and that many
/// [`put_sub_txn`] follow, then [`put_txn_digest`].
pub fn put_txn_header(out: &mut Vec<u8>, header: &TxnHeader) {
    out.put_i64(header.session.raw());
    out.put_i32(header.cxid.raw());
    out.put_i64(header.zxid.raw());
    out.put_i64(header.time.millis());
    out.put_i32(header.kind);
}

/// Appends one part of a multi: its type, the length of its record, and the record.
pub fn put_sub_txn(out: &mut Vec<u8>, kind: i32, txn: &Txn<'_>) {
    out.put_i32(kind);
    let at = begin_frame(out);
    encode_record(out, txn);
    end_frame(out, at);
}

/// Appends the digest that ends a transaction.
pub fn put_txn_digest(out: &mut Vec<u8>, digest: TxnDigest) {
    out.put_i32(digest.version);
    out.put_i64(digest.digest as i64);
}

fn encode_record(out: &mut Vec<u8>, txn: &Txn<'_>) {
    match txn {
        Txn::CreateSession { timeout_ms } => out.put_i32(*timeout_ms),
        Txn::CloseSession { paths: None } => {}
        Txn::CloseSession { paths: Some(paths) } => {
            out.put_count(paths.len());
            for path in paths {
                out.put_text(path);
            }
        }
        Txn::Error { code } => out.put_i32(*code),
        Txn::Create(create) => {
            put_create(out, create);
            out.put_bool(create.ephemeral);
            out.put_i32(create.parent_cversion);
        }
        Txn::CreateContainer(create) => {
            put_create(out, create);
            out.put_i32(create.parent_cversion);
        }
        Txn::CreateTtl(create, ttl_ms) => {
            put_create(out, create);
            out.put_i32(create.parent_cversion);
            out.put_i64(*ttl_ms);
        }
        Txn::Delete { path } => out.put_text(path),
        Txn::SetData { path, data, version } => {
            out.put_text(path);
            out.put_buffer(*data);
            out.put_i32(*version);
        }
        Txn::SetAcl { path, acl, version } => {
            out.put_text(path);
            out.extend_from_slice(acl.as_bytes());
            out.put_i32(*version);
        }
        Txn::Check { path, version } => {
            out.put_text(path);
            out.put_i32(*version);
        }
        Txn::Multi(subs) => {
            out.put_count(subs.len());
            for sub in subs {
                put_sub_txn(out, sub.kind, &sub.txn);
            }
        }
    }
}

fn put_create(out: &mut Vec<u8>, create: &CreateTxn<'_>) {
    out.put_text(&create.path);
    out.put_buffer(create.data);
    out.extend_from_slice(create.acl.as_bytes());
}

/// Reads a transaction as the log and the quorum carry it.
///
/// # Errors
/// The bytes are not a transaction: short, of unknown type, or with bytes left that are no digest.
pub fn decode_txn(payload: &[u8]) -> Result<(TxnHeader, Txn<'_>, Option<TxnDigest>), DecodeError> {
    let mut reader = Reader::with_limit(payload, crate::FieldLimit(i32::MAX as usize));
    let header = TxnHeader {
        session: SessionId::from_raw(reader.i64("clientId")?),
        cxid: Xid::from_raw(reader.i32("cxid")?),
        zxid: Zxid::from_raw(reader.i64("zxid")?),
        time: WallTime::from_millis(reader.i64("time")?),
        kind: reader.i32("type")?,
    };
    let txn = decode_record(&mut reader, header.kind, false)?;
    let digest = if reader.rest().is_empty() {
        None
    } else {
        Some(TxnDigest { version: reader.i32("digest version")?, digest: reader.i64("digest")? as u64 })
    };
    reader.finish("transaction")?;
    Ok((header, txn, digest))
}

fn decode_record<'a>(reader: &mut Reader<'a>, kind: i32, nested: bool) -> Result<Txn<'a>, DecodeError> {
    let unknown = DecodeError { field: "type", reason: DecodeReason::Unknown(kind) };
    Ok(match TxnType::from_code(kind).ok_or(unknown)? {
        TxnType::Check if nested => {
            Txn::Check { path: reader.some_text("path")?, version: reader.i32("version")? }
        }
        TxnType::CreateSession | TxnType::CloseSession | TxnType::Multi | TxnType::Reconfig if nested => {
            return Err(unknown);
        }
        TxnType::Check => return Err(unknown),
        TxnType::CreateSession => Txn::CreateSession { timeout_ms: reader.i32("timeOut")? },
        TxnType::CloseSession => Txn::CloseSession { paths: decode_close_session(reader) },
        TxnType::Error => Txn::Error { code: reader.i32("err")? },
        TxnType::Create | TxnType::Create2 => {
            let mut create = take_create(reader)?;
            create.ephemeral = reader.bool("ephemeral")?;
            // Records from before 3.4 end here.
            let v0 = kind == TxnType::Create.code() && reader.rest().is_empty();
            create.parent_cversion = if v0 { -1 } else { reader.i32("parentCVersion")? };
            Txn::Create(create)
        }
        TxnType::CreateContainer => {
            let mut create = take_create(reader)?;
            create.parent_cversion = reader.i32("parentCVersion")?;
            Txn::CreateContainer(create)
        }
        TxnType::CreateTtl => {
            let mut create = take_create(reader)?;
            create.parent_cversion = reader.i32("parentCVersion")?;
            let ttl_ms = reader.i64("ttl")?;
            Txn::CreateTtl(create, ttl_ms)
        }
        TxnType::Delete | TxnType::DeleteContainer => Txn::Delete { path: reader.some_text("path")? },
        TxnType::SetData | TxnType::Reconfig => Txn::SetData {
            path: reader.some_text("path")?,
            data: reader.buffer("data")?,
            version: reader.i32("version")?,
        },
        TxnType::SetAcl => Txn::SetAcl {
            path: reader.some_text("path")?,
            acl: AclList::decode(reader)?,
            version: reader.i32("version")?,
        },
        TxnType::Multi => {
            let count = reader.count("txns")?.unwrap_or(0);
            let mut subs = Vec::with_capacity(count.min(reader.rest().len() / 8));
            for _ in 0..count {
                let kind = reader.i32("sub type")?;
                let bytes = reader.buffer("sub data")?.unwrap_or_default();
                let mut inner = Reader::with_limit(bytes, reader.limit());
                subs.push(SubTxn { kind, txn: decode_record(&mut inner, kind, true)? });
                inner.finish("sub transaction")?;
            }
            Txn::Multi(subs)
        }
    })
}

fn take_create<'a>(reader: &mut Reader<'a>) -> Result<CreateTxn<'a>, DecodeError> {
    Ok(CreateTxn {
        path: reader.some_text("path")?,
        data: reader.buffer("data")?,
        acl: AclList::decode(reader)?,
        ephemeral: false,
        parent_cversion: -1,
    })
}

/// The paths of a closeSession, which old servers leave out.
///
/// Twelve bytes that start with 2 are a digest without a record, not two paths: a path has at least two bytes, so
/// two of them never fit.
fn decode_close_session<'a>(reader: &mut Reader<'a>) -> Option<Vec<Cow<'a, str>>> {
    let rest = reader.rest();
    if rest.len() == 12 && rest.starts_with(&[0, 0, 0, 2]) {
        return None;
    }
    let mut attempt = reader.clone();
    let paths = attempt.texts("paths2Delete").ok()??;
    *reader = attempt;
    Some(paths)
}
