//! Replies to writes.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use zabra_proto::{
    MultiHeader, OpCode, Put, ReplyHeader, SubTxn, Txn, TxnHeader, TxnType, begin_frame, end_frame,
    put_error_result, put_stat, write_multi_end,
};
use zabra_tree::{Outcome, SubOutcome};
use zabra_types::{KeeperError, Stat, Xid, Zxid};

/// What becomes of the connection after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterReply {
    /// It goes on.
    Keep,
    /// It closes once the reply is sent.
    Close,
    /// It closes at once: nothing was written. Its session lives on another connection.
    CloseSilently,
}

/// Appends the whole reply frame to a write, built from the applied transaction (`FinalRequestProcessor`).
///
/// `op` and `xid` are the request's, `outcome` is what the tree answered to `txn`, `last_zxid` the last transaction
/// applied.
pub fn put_write_reply(
    out: &mut Vec<u8>,
    (op, xid): (OpCode, Xid),
    header: &TxnHeader,
    txn: &Txn<'_>,
    outcome: &Outcome,
    last_zxid: Zxid,
) -> AfterReply {
    if session_moved(txn) {
        return AfterReply::CloseSilently;
    }
    let err = match (txn, outcome) {
        (Txn::Error { code }, _) | (_, Outcome::Error(code)) => *code,
        _ => 0,
    };
    let frame = begin_frame(out);
    ReplyHeader { xid, zxid: last_zxid, err }.encode(out);
    if err == 0 {
        put_body(out, header, txn, outcome);
    }
    end_frame(out, frame);
    if op == OpCode::CloseSession { AfterReply::Close } else { AfterReply::Keep }
}

/// Appends the reply frame to a request that was refused without a transaction.
pub fn put_refusal(out: &mut Vec<u8>, xid: Xid, error: KeeperError, last_zxid: Zxid) -> AfterReply {
    if error == KeeperError::SessionMoved {
        return AfterReply::CloseSilently;
    }
    let frame = begin_frame(out);
    ReplyHeader { xid, zxid: last_zxid, err: error.code() }.encode(out);
    end_frame(out, frame);
    AfterReply::Keep
}

fn put_body(out: &mut Vec<u8>, header: &TxnHeader, txn: &Txn<'_>, outcome: &Outcome) {
    if let Txn::Multi(subs) = txn {
        put_results(out, subs, outcome);
        return;
    }
    let stat = match outcome {
        Outcome::Stat(stat) => Some(stat),
        _ => None,
    };
    if let (Some(TxnType::Reconfig), Txn::SetData { data, .. }) = (TxnType::from_code(header.kind), txn) {
        out.put_buffer(*data);
    }
    put_result_body(out, header.kind, txn, stat);
}

/// What follows the header of a reply, or of a result in a multi. A Stat that apply did not tell is all zero.
fn put_result_body(out: &mut Vec<u8>, kind: i32, txn: &Txn<'_>, stat: Option<&Stat>) {
    let stat = stat.copied().unwrap_or_default();
    match txn {
        Txn::Create(create) if kind == TxnType::Create.code() => out.put_text(&create.path),
        Txn::Create(create) | Txn::CreateContainer(create) | Txn::CreateTtl(create, _) => {
            out.put_text(&create.path);
            put_stat(out, &stat);
        }
        Txn::SetData { .. } | Txn::SetAcl { .. } => put_stat(out, &stat),
        _ => {}
    }
}

fn put_results(out: &mut Vec<u8>, subs: &[SubTxn<'_>], outcome: &Outcome) {
    let outcomes: Cow<'_, [SubOutcome]> = match outcome {
        Outcome::Multi(outcomes) => Cow::from(outcomes),
        _ => Cow::from(Vec::new()),
    };
    let failed_at = subs.iter().position(|sub| matches!(sub.txn, Txn::Error { .. }));
    for (i, sub) in subs.iter().enumerate() {
        let outcome = outcomes.get(i);
        match (failed_at, &sub.txn, outcome) {
            (Some(_), Txn::Error { code }, _) => put_error_result(out, *code),
            (Some(failed_at), ..) if i > failed_at => {
                put_error_result(out, KeeperError::RuntimeInconsistency.code());
            }
            (Some(_), ..) => put_error_result(out, 0),
            (None, _, Some(SubOutcome::Error(code))) => put_error_result(out, *code),
            (None, txn, outcome) => {
                let stat = match outcome {
                    Some(SubOutcome::Stat(stat)) => Some(stat),
                    _ => None,
                };
                MultiHeader::result(result_op(sub.kind, txn)).encode(out);
                put_result_body(out, sub.kind, txn, stat);
            }
        }
    }
    write_multi_end(out);
}

/// Every create but the first answers like create2.
const fn result_op(kind: i32, txn: &Txn<'_>) -> OpCode {
    match txn {
        Txn::Create(_) if kind == TxnType::Create.code() => OpCode::Create,
        Txn::Create(_) | Txn::CreateContainer(_) | Txn::CreateTtl(..) => OpCode::Create2,
        Txn::Delete { .. } => OpCode::Delete,
        Txn::SetData { .. } => OpCode::SetData,
        _ => OpCode::Check,
    }
}

fn session_moved(txn: &Txn<'_>) -> bool {
    match txn {
        Txn::Error { code } => *code == KeeperError::SessionMoved.code(),
        Txn::Multi(subs) => subs.iter().any(|sub| session_moved(&sub.txn)),
        _ => false,
    }
}
