//! Errors, and what each of them means for the request.

use std::time::Duration;
use zabra_proto::{DecodeError, DecodeReason, OpClass, OpCode};
use zabra_types::{KeeperError, PathError};

/// What a failed request has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing: the server refused it, or it never got there. A read never does anything.
    DidNotHappen,
    /// What was asked for: only the answer was of no use.
    Happened,
    /// Either: the request was sent and the connection broke before its answer.
    Unknown,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused the request.
    #[error("{op} {path}: {error}")]
    Keeper {
        /// The reason.
        error: KeeperError,
        /// The operation, in this crate's words.
        op: &'static str,
        /// The node asked about.
        path: String,
    },
    /// The server refused a transaction; nothing of it was done.
    #[error("operation {} of a transaction, {} {}: {}", .0.index, .0.op, .0.path, .0.error)]
    Multi(MultiError),
    /// The connection broke before the answer, or while the request waited for its turn to be sent.
    #[error("{op} {path}: the connection was lost ({})", .outcome.words())]
    ConnectionLost {
        /// What the request has done.
        outcome: Outcome,
        /// The operation.
        op: &'static str,
        /// The node asked about.
        path: String,
    },
    /// The session expired.
    #[error("{op} {path}: the session has expired ({})", .outcome.words())]
    SessionExpired {
        /// What the request has done.
        outcome: Outcome,
        /// The operation.
        op: &'static str,
        /// The node asked about.
        path: String,
    },
    /// The client was closed.
    #[error("{op} {path}: the client is closed ({})", .outcome.words())]
    SessionClosed {
        /// What the request has done.
        outcome: Outcome,
        /// The operation.
        op: &'static str,
        /// The node asked about.
        path: String,
    },
    /// A server refused an authentication, which ends the session.
    #[error("{op} {path}: authentication failed: {reason} ({})", .outcome.words())]
    AuthFailed {
        /// What the server or the mechanism has to say.
        reason: String,
        /// What the request has done.
        outcome: Outcome,
        /// The operation.
        op: &'static str,
        /// The node asked about.
        path: String,
    },
    /// The path is none; nothing was sent.
    #[error("{path:?}: {source}")]
    BadPath {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// An argument has no meaning; nothing was sent.
    #[error("{0}")]
    BadArgument(String),
    /// The request is longer than servers accept (`packet_len_max`); nothing was sent.
    #[error("{op} {path}: a request of {len} bytes, {max} are allowed")]
    TooLarge {
        /// The request's length in bytes.
        len: usize,
        /// The longest allowed.
        max: usize,
        /// The operation.
        op: &'static str,
        /// The node asked about.
        path: String,
    },
    /// Too many requests wait for their answers (`pending_max`); nothing was sent.
    #[error("{op} {path}: {max} requests are pending already")]
    Overloaded {
        /// The most allowed.
        max: usize,
        /// The operation.
        op: &'static str,
        /// The node asked about.
        path: String,
    },
    /// The answer to a request that succeeded could not be read.
    #[error("{op} {path}: the server's answer makes no sense: {source}")]
    BadReply {
        /// What the request has done.
        outcome: Outcome,
        /// The operation.
        op: &'static str,
        /// The node asked about.
        path: String,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// No server could be reached in the time a request may wait for one (`connect_within`); nothing was sent.
    #[error("{op} {path}: no connection within {within:?}")]
    NotConnected {
        /// The time allowed.
        within: Duration,
        /// The operation.
        op: &'static str,
        /// The node asked about.
        path: String,
    },
    /// No server accepted a session within the time allowed.
    #[error("no session within {within:?}: {last}")]
    CannotConnect {
        /// The time allowed.
        within: Duration,
        /// What stood in the way most recently.
        last: String,
    },
    /// The thread of blocking clients cannot be started.
    #[error("no thread for input and output: {reason}")]
    NoThread {
        /// What the system says.
        reason: String,
    },
}

/// A refused transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MultiError {
    /// Which operation the server refused, counted from zero.
    pub index: usize,
    /// Why.
    pub error: KeeperError,
    /// That operation, in this crate's words.
    pub op: &'static str,
    /// Its node.
    pub path: String,
}

impl Outcome {
    const fn words(self) -> &'static str {
        match self {
            Self::DidNotHappen => "nothing was done",
            Self::Happened => "it was done",
            Self::Unknown => "it may have been done or not",
        }
    }
}

impl Error {
    /// What the request has done.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::ConnectionLost { outcome, .. }
            | Self::SessionExpired { outcome, .. }
            | Self::SessionClosed { outcome, .. }
            | Self::AuthFailed { outcome, .. }
            | Self::BadReply { outcome, .. } => *outcome,
            Self::Keeper { .. }
            | Self::Multi(_)
            | Self::BadPath { .. }
            | Self::BadArgument(_)
            | Self::TooLarge { .. }
            | Self::Overloaded { .. }
            | Self::NotConnected { .. }
            | Self::CannotConnect { .. }
            | Self::NoThread { .. } => Outcome::DidNotHappen,
        }
    }

    /// The server's reason, if it was the server who refused; in a transaction that of the operation at fault.
    pub const fn keeper(&self) -> Option<KeeperError> {
        match self {
            Self::Keeper { error, .. } => Some(*error),
            Self::Multi(multi) => Some(multi.error),
            _ => None,
        }
    }

    /// The node, or the parent of the one to create, is not there.
    pub const fn is_no_node(&self) -> bool {
        matches!(self.keeper(), Some(KeeperError::NoNode))
    }

    /// The node is there already.
    pub const fn is_node_exists(&self) -> bool {
        matches!(self.keeper(), Some(KeeperError::NodeExists))
    }

    /// The node has another version than expected.
    pub const fn is_bad_version(&self) -> bool {
        matches!(self.keeper(), Some(KeeperError::BadVersion))
    }

    /// The node to delete has children.
    pub const fn is_not_empty(&self) -> bool {
        matches!(self.keeper(), Some(KeeperError::NotEmpty))
    }

    /// The access control list does not allow it.
    pub const fn is_no_auth(&self) -> bool {
        matches!(self.keeper(), Some(KeeperError::NoAuth))
    }

    /// The connection broke.
    pub const fn is_connection_lost(&self) -> bool {
        matches!(self, Self::ConnectionLost { .. })
    }

    /// The session is over for one reason or another.
    pub const fn is_session_over(&self) -> bool {
        matches!(self, Self::SessionExpired { .. } | Self::SessionClosed { .. } | Self::AuthFailed { .. })
            || matches!(self.keeper(), Some(KeeperError::SessionExpired))
    }

    /// Whether the same request may succeed in a moment: the connection broke, or a server asked to wait.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::ConnectionLost { .. } | Self::Overloaded { .. })
            || matches!(self.keeper(), Some(KeeperError::ThrottledOp))
    }
}

/// The error for the code in the header of a reply.
pub(crate) fn refused(code: i32, op: OpCode, path: String) -> Error {
    let op = op_name(op);
    match KeeperError::from_code(code) {
        Some(error) => Error::Keeper { error, op, path },
        // A code nobody knows is a refusal all the same.
        None => Error::BadReply {
            outcome: Outcome::DidNotHappen,
            op,
            path,
            source: DecodeError { field: "err", reason: DecodeReason::Unknown(code) },
        },
    }
}

/// Whether the operation can leave a trace in the tree.
pub(crate) const fn may_change(op: OpCode) -> bool {
    matches!(op.class(), OpClass::Write)
}

/// The operation in this crate's words.
pub(crate) const fn op_name(op: OpCode) -> &'static str {
    match op {
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => "create",
        OpCode::Delete | OpCode::DeleteContainer => "delete",
        OpCode::Exists => "exists",
        OpCode::GetData => "get",
        OpCode::SetData => "set",
        OpCode::GetAcl => "acl",
        OpCode::SetAcl => "set_acl",
        OpCode::GetChildren | OpCode::GetChildren2 => "children",
        OpCode::Sync => "sync",
        OpCode::Ping => "ping",
        OpCode::Check => "check",
        OpCode::Multi => "transaction",
        OpCode::Reconfig => "reconfig",
        OpCode::CheckWatches => "check_watches",
        OpCode::RemoveWatches => "remove_watches",
        OpCode::MultiRead => "read_many",
        OpCode::Auth => "add_auth",
        OpCode::SetWatches | OpCode::SetWatches2 => "set_watches",
        OpCode::Sasl => "sasl",
        OpCode::GetEphemerals => "ephemerals",
        OpCode::GetAllChildrenNumber => "all_children_number",
        OpCode::AddWatch => "add_watch",
        OpCode::WhoAmI => "whoami",
        OpCode::CreateSession => "connect",
        OpCode::CloseSession => "close",
        OpCode::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_was_asked() {
        let error = refused(-101, OpCode::GetData, "/a".to_owned());
        assert_eq!(error.to_string(), "get /a: NoNode (-101)");
        assert!(error.is_no_node());
        assert_eq!(error.outcome(), Outcome::DidNotHappen);
        let error = refused(-99, OpCode::Create2, "/a".to_owned());
        assert_eq!(error.outcome(), Outcome::DidNotHappen);
        assert_eq!(error.keeper(), None);
    }
}
