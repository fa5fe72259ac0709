//! The audit log: one line for every change a client asks for, and for what the server does in its name
//! (`audit.enable`).
//!
//! The lines are those of the genuine server, `key=value` with tabs between, and go to the log under the target
//! `audit`: failures as errors, everything else as information. Mirrors `AuditHelper`, `ZKAuditProvider` and
//! `Slf4jAuditLogger`. Three things differ, so that no line is lost and none is forged: control characters are written
//! as escapes, a refused request with an impossible create mode or access control list has its line all the same,
//! without that field, and transactions that are replayed at start are not told again.
//!
//! While auditing is off, a request pays for one branch when it is admitted and one when it is answered.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use tracing::{error, info};
use zabra_auth::{Providers, ip_identity};
use zabra_proto::{AclEntry, FieldLimit, MultiOp, OpCode, Reader, Request, Txn, read_multi};
use zabra_tree::{Outcome, Tree};
use zabra_types::{AuthSchemes, CreateMode, Identity, SessionId};

use crate::observe::environment::user_name;

/// The target of audit lines in the log.
const TARGET: &str = "audit";

/// A line of the audit log.
#[derive(Debug)]
pub(crate) struct Line {
    text: String,
    failed: bool,
}

impl Line {
    /// Writes it to the log.
    pub(crate) fn write(&self) {
        if self.failed {
            error!(target: TARGET, "{}", self.text);
        } else {
            info!(target: TARGET, "{}", self.text);
        }
    }
}

/// What can become of something audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Success,
    Failure,
    /// Begun; nobody will be there to tell how it ended.
    Invoked,
}

/// What is audited, under the names of the genuine server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Create,
    Delete,
    SetData,
    SetAcl,
    Reconfig,
    /// A multi that failed; the parts of one that succeeded have a line each.
    Multi,
    ServerStart,
    ServerStop,
    /// An ephemeral node goes with its session.
    EndOfEphemeral,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::SetData => "setData",
            Self::SetAcl => "setAcl",
            Self::Reconfig => "reconfig",
            Self::Multi => "multiOperation",
            Self::ServerStart => "serverStart",
            Self::ServerStop => "serverStop",
            Self::EndOfEphemeral => "ephemeralZNodeDeletionOnSessionCloseOrExpire",
        }
    }
}

/// The fields of a line; those that are absent are left out.
#[derive(Clone, Copy, Debug)]
struct Fields<'a> {
    session: Option<SessionId>,
    user: Option<&'a str>,
    ip: Option<&'a str>,
    operation: Operation,
    znode: Option<&'a str>,
    mode: Option<CreateMode>,
    acl: Option<&'a str>,
    verdict: Verdict,
}

impl<'a> Fields<'a> {
    const fn new(operation: Operation, verdict: Verdict) -> Self {
        Self { session: None, user: None, ip: None, operation, znode: None, mode: None, acl: None, verdict }
    }

    const fn of_node(self, znode: Option<&'a str>) -> Self {
        Self { znode, ..self }
    }

    fn line(&self) -> Line {
        let mut text = String::new();
        if let Some(session) = self.session {
            put(&mut text, "session", &session.to_string());
        }
        let mut put_some = |key, value: Option<&str>| {
            if let Some(value) = value {
                put(&mut text, key, value);
            }
        };
        put_some("user", self.user);
        put_some("ip", self.ip);
        put_some("operation", Some(self.operation.name()));
        put_some("znode", self.znode);
        put_some("znode_type", self.mode.map(mode_name));
        put_some("acl", self.acl);
        let result = match self.verdict {
            Verdict::Success => "success",
            Verdict::Failure => "failure",
            Verdict::Invoked => "invoked",
        };
        put_some("result", Some(result));
        Line { text, failed: self.verdict == Verdict::Failure }
    }
}

/// Appends a field, what a client can choose in such a way that it stays one field of one line.
fn put(text: &mut String, key: &str, value: &str) {
    if !text.is_empty() {
        text.push('\t');
    }
    text.push_str(key);
    text.push('=');
    for part in value.split_inclusive(char::is_control) {
        match part.char_indices().next_back() {
            Some((at, last)) if last.is_control() => {
                text.push_str(&part[..at]);
                text.extend(last.escape_default());
            }
            _ => text.push_str(part),
        }
    }
}

const fn mode_name(mode: CreateMode) -> &'static str {
    match mode {
        CreateMode::Persistent => "persistent",
        CreateMode::Ephemeral => "ephemeral",
        CreateMode::PersistentSequential => "persistent_sequential",
        CreateMode::EphemeralSequential => "ephemeral_sequential",
        CreateMode::Container => "container",
        CreateMode::PersistentWithTtl => "persistent_with_ttl",
        CreateMode::PersistentSequentialWithTtl => "persistent_sequential_with_ttl",
    }
}

/// What the audit log will say of a request, once it is known what became of it.
#[derive(Debug)]
pub(crate) struct Audited {
    session: SessionId,
    user: Option<String>,
    ip: String,
    asked: Asked,
}

#[derive(Debug)]
enum Asked {
    /// One change of one node, as the client named it.
    One { operation: Operation, path: Option<String>, mode: Option<CreateMode>, acl: Option<String> },
    /// Several; the modes of creates by the paths asked for, which those of sequential nodes are not, so that their
    /// lines are without.
    Many(BTreeMap<String, CreateMode>),
}

impl Audited {
    /// Notes a request before it is prepared; `None` for one that is not audited.
    pub(crate) fn new(
        (session, remote, identities): (SessionId, IpAddr, &[Identity]),
        schemes: &Providers,
        (op, body, limit): (OpCode, &[u8], FieldLimit),
    ) -> Option<Self> {
        Some(Self {
            session,
            user: users(schemes, identities),
            ip: ip_identity(remote).id,
            asked: Asked::read(op, body, limit)?,
        })
    }

    fn line(&self, fields: Fields<'_>) -> Line {
        Fields { session: Some(self.session), user: self.user.as_deref(), ip: Some(&self.ip), ..fields }
            .line()
    }

    /// Says that it was refused before it became a transaction.
    pub(crate) fn refused(&self) -> Line {
        self.line(match &self.asked {
            Asked::One { operation, path, .. } => {
                Fields::new(*operation, Verdict::Failure).of_node(path.as_deref())
            }
            Asked::Many(_) => Fields::new(Operation::Multi, Verdict::Failure),
        })
    }

    /// Says what became of it.
    pub(crate) fn conclude(&self, txn: &Txn<'_>, outcome: &Outcome, lines: &mut Vec<Line>) {
        let mut say = |fields: Fields<'_>| lines.push(self.line(fields));
        match (&self.asked, txn) {
            (Asked::One { operation, path, mode, acl }, txn) => {
                let verdict = match (txn, outcome) {
                    (Txn::Error { .. }, _) | (_, Outcome::Error(_)) => Verdict::Failure,
                    _ => Verdict::Success,
                };
                let (mode, acl) = (*mode, acl.as_deref());
                let znode = changed_path(txn).or(path.as_deref());
                say(Fields { mode, acl, ..Fields::new(*operation, verdict).of_node(znode) });
            }
            (Asked::Many(modes), Txn::Multi(parts))
                if !parts.iter().any(|part| matches!(part.txn, Txn::Error { .. })) =>
            {
                for part in parts {
                    let Some(operation) = operation_of(&part.txn) else { continue };
                    let znode = changed_path(&part.txn);
                    let mode = match operation {
                        Operation::Create => znode.and_then(|path| modes.get(path)).copied(),
                        _ => None,
                    };
                    say(Fields { mode, ..Fields::new(operation, Verdict::Success).of_node(znode) });
                }
            }
            (Asked::Many(_), _) => say(Fields::new(Operation::Multi, Verdict::Failure)),
        }
    }
}

impl Asked {
    fn read(op: OpCode, body: &[u8], limit: FieldLimit) -> Option<Self> {
        let mut reader = Reader::with_limit(body, limit);
        if op == OpCode::Multi {
            // One that cannot be read is refused as a whole.
            let parts = read_multi(&mut reader).unwrap_or_default();
            return Some(Self::Many(parts.iter().filter_map(mode_by_path).collect()));
        }
        let plain = |operation, path: Option<Cow<'_, str>>| Self::One {
            operation,
            path: path.map(Cow::into_owned),
            mode: None,
            acl: None,
        };
        let Ok(request) = Request::decode(op, &mut reader) else {
            // All of them but a reconfiguration begin with a path.
            let mut reader = Reader::with_limit(body, limit);
            let operation = match op {
                OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                    Operation::Create
                }
                OpCode::Delete => Operation::Delete,
                OpCode::SetData => Operation::SetData,
                OpCode::SetAcl => Operation::SetAcl,
                OpCode::Reconfig => return Some(plain(Operation::Reconfig, None)),
                _ => return None,
            };
            return Some(plain(operation, reader.text("path").ok().flatten()));
        };
        Some(match request {
            Request::Create(create) => Self::One {
                operation: Operation::Create,
                path: create.path.map(Cow::into_owned),
                mode: CreateMode::from_flags(create.flags),
                acl: None,
            },
            Request::Delete(delete) => plain(Operation::Delete, delete.path),
            Request::SetData(set) => plain(Operation::SetData, set.path),
            Request::SetAcl(set) => Self::One {
                operation: Operation::SetAcl,
                path: set.path.map(Cow::into_owned),
                mode: None,
                acl: set.acl.as_deref().map(acl_text),
            },
            Request::Reconfig(_) => plain(Operation::Reconfig, None),
            _ => return None,
        })
    }
}

/// The create mode of a part of a multi. The genuine server leaves out those with a time to live.
fn mode_by_path(part: &MultiOp<'_>) -> Option<(String, CreateMode)> {
    match part {
        MultiOp::Create(create) if create.ttl_ms.is_none() => {
            Some((create.path.as_deref()?.to_owned(), CreateMode::from_flags(create.flags)?))
        }
        _ => None,
    }
}

/// The node that a transaction changes.
fn changed_path<'t>(txn: &'t Txn<'_>) -> Option<&'t str> {
    match txn {
        Txn::Create(create) | Txn::CreateContainer(create) | Txn::CreateTtl(create, _) => Some(&create.path),
        Txn::Delete { path } | Txn::SetData { path, .. } | Txn::SetAcl { path, .. } => Some(path),
        _ => None,
    }
}

/// What a part of a multi that was applied is called; nothing for a check.
const fn operation_of(txn: &Txn<'_>) -> Option<Operation> {
    match txn {
        Txn::Create(_) | Txn::CreateContainer(_) | Txn::CreateTtl(..) => Some(Operation::Create),
        Txn::Delete { .. } => Some(Operation::Delete),
        Txn::SetData { .. } => Some(Operation::SetData),
        _ => None,
    }
}

/// An access control list as it was sent, in one word.
fn acl_text(entries: &[AclEntry<'_>]) -> String {
    let mut text = String::new();
    for entry in entries {
        let word = |word: &Option<Cow<'_, str>>| word.as_deref().unwrap_or("null").to_owned();
        // Writing to a String does not fail.
        let _ = write!(text, "{}:{}:{}", word(&entry.scheme), word(&entry.id), entry.perms);
    }
    text
}

/// The users behind the identities of a connection.
fn users(schemes: &Providers, identities: &[Identity]) -> Option<String> {
    let names = identities
        .iter()
        .map(|identity| schemes.user_name(&identity.scheme, &identity.id))
        .filter(|name| !name.trim().is_empty());
    let names = names.collect::<Vec<_>>().join(",");
    (!names.is_empty()).then_some(names)
}

/// The lines about the ephemeral nodes that go with a session; to be called before the transaction is applied.
pub(crate) fn end_of_session(tree: &Tree, session: SessionId, listed: Option<&[Cow<'_, str>]>) -> Vec<Line> {
    let line = |path: &str| {
        let verdict = if tree.get(path).is_some() { Verdict::Success } else { Verdict::Failure };
        Fields {
            session: Some(session),
            user: Some(user_name()),
            ..Fields::new(Operation::EndOfEphemeral, verdict).of_node(Some(path))
        }
        .line()
    };
    match listed {
        Some(paths) => paths.iter().map(|path| line(path)).collect(),
        None => tree.ephemerals_of(session).map(|path| line(&path)).collect(),
    }
}

/// Says that the server started, or that it could not.
pub(crate) fn log_start(started: bool) {
    log_server(Operation::ServerStart, if started { Verdict::Success } else { Verdict::Failure });
}

/// Says that the server is about to stop.
pub(crate) fn log_stop() {
    log_server(Operation::ServerStop, Verdict::Invoked);
}

fn log_server(operation: Operation, verdict: Verdict) {
    Fields { user: Some(user_name()), ..Fields::new(operation, verdict) }.line().write();
}
