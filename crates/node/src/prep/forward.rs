//! What the server that a client is on may tell it without asking the leader.

use super::multi::has_path;
use super::parent_of;
use crate::acl;
use zabra_proto::{FieldLimit, MultiOp, OpCode, Reader, Request, read_multi};
use zabra_tree::Tree;
use zabra_types::{AuthSchemes, CreateMode, Identity, KeeperError, Perms};

/// Why a write must not be sent to a leader: its body cannot be read.
///
/// The leader would say so too, but a genuine one says it under a number that it has given to another transaction, and
/// whoever waits for the answer may miss it.
pub fn refuse_to_forward(op: OpCode, body: &[u8], limit: FieldLimit) -> Option<KeeperError> {
    let mut reader = Reader::with_limit(body, limit);
    let readable = match op {
        OpCode::Multi => read_multi(&mut reader).is_ok_and(|ops| ops.iter().all(has_path)),
        _ => Request::decode(op, &mut reader).is_ok(),
    };
    (!readable).then_some(KeeperError::MarshallingError)
}

/// Checks a write against the state of this server, before the leader does (`ZooKeeperServer.authWriteRequest`).
///
/// What is not there, or no path, is left to the leader, and so is everything about a multi.
///
/// # Errors
/// `NoAuth` or `InvalidAcl`.
pub fn check_eagerly(
    tree: &Tree,
    (schemes, skip_acl): (&dyn AuthSchemes, bool),
    who: &[Identity],
    (op, body, limit): (OpCode, &[u8], FieldLimit),
) -> Result<(), KeeperError> {
    let Ok(request) = Request::decode(op, &mut Reader::with_limit(body, limit)) else { return Ok(()) };
    let valid = |list| match acl::expand(list, who, schemes, limit) {
        Err(KeeperError::InvalidAcl) => Err(KeeperError::InvalidAcl),
        _ => Ok(()),
    };
    let (path, want) = match &request {
        Request::Create(create) if matches!(op, OpCode::Create | OpCode::Create2) => {
            valid(create.acl.as_deref())?;
            (create.path.as_deref().and_then(|path| parent_of(path).ok()), Perms::CREATE)
        }
        Request::Delete(delete) => {
            (delete.path.as_deref().and_then(|path| parent_of(path).ok()), Perms::DELETE)
        }
        Request::SetData(set) => (set.path.as_deref(), Perms::WRITE),
        Request::SetAcl(set) => {
            valid(set.acl.as_deref())?;
            (set.path.as_deref(), Perms::ADMIN)
        }
        _ => return Ok(()),
    };
    match path.and_then(|path| tree.get(path)) {
        Some(node) if !acl::check(node.acl(), want, who, schemes, skip_acl) => Err(KeeperError::NoAuth),
        _ => Ok(()),
    }
}

/// Whether a write makes an ephemeral node, which a local session cannot own (`checkUpgradeSession`).
pub fn makes_ephemeral(op: OpCode, body: &[u8], limit: FieldLimit) -> bool {
    let is_ephemeral = |flags: i32| CreateMode::from_flags(flags).is_some_and(CreateMode::is_ephemeral);
    let mut reader = Reader::with_limit(body, limit);
    match op {
        OpCode::Create | OpCode::Create2 => matches!(
            Request::decode(op, &mut reader), Ok(Request::Create(create)) if is_ephemeral(create.flags)
        ),
        OpCode::Multi => read_multi(&mut reader).is_ok_and(|ops| {
            ops.iter().any(|op| matches!(op, MultiOp::Create(create) if is_ephemeral(create.flags)))
        }),
        _ => false,
    }
}
