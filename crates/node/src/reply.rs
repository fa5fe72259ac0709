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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use zabra_proto::{AclList, CreateTxn};
    use zabra_types::{SessionId, WallTime};

    const XID: Xid = Xid::from_raw(3);
    const ZXID: Zxid = Zxid::from_raw(0x74);

    fn reply(op: OpCode, kind: TxnType, txn: &Txn<'_>, outcome: &Outcome) -> (Vec<u8>, AfterReply) {
        let header = TxnHeader {
            session: SessionId::from_raw(1),
            cxid: XID,
            zxid: ZXID,
            time: WallTime::from_millis(0),
            kind: kind.code(),
        };
        let mut out = Vec::new();
        let after = put_write_reply(&mut out, (op, XID), &header, txn, outcome, ZXID);
        let len = i32::from_be_bytes(out[..4].try_into().unwrap());
        assert_eq!(len as usize, out.len() - 4);
        assert_eq!(out[4..16], [0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0x74]);
        (out, after)
    }

    fn record(path: &str) -> CreateTxn<'_> {
        CreateTxn { path: path.into(), data: None, acl: AclList::OPEN, ephemeral: false, parent_cversion: 1 }
    }

    #[test]
    fn the_failed_multi_of_the_reference() {
        let error = |code| SubTxn { kind: -1, txn: Txn::Error { code } };
        let before = SubTxn { kind: 1, txn: Txn::Create(record("/a")) };
        let txn = Txn::Multi(vec![before, error(-103), error(-2)]);
        let (out, _) = reply(OpCode::Multi, TxnType::Multi, &txn, &Outcome::Multi(vec![]));
        let golden = [
            0, 0, 0, 0x40, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0x74, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0x99, 0xff, 0xff, 0xff, 0x99,
            0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff,
            0xff, 1, 0xff, 0xff, 0xff, 0xff,
        ];
        assert_eq!(out, golden);
    }

    #[test]
    fn what_follows_the_header() {
        let stat = Stat { czxid: 0x0102, ..Stat::default() };
        let shown = Outcome::Stat(stat);
        let mut stat_bytes = Vec::new();
        put_stat(&mut stat_bytes, &stat);
        let path = [0, 0, 0, 2, b'/', b'a'];
        let path_and_stat = [&path[..], &stat_bytes].concat();
        let data_and_stat = [&[0, 0, 0, 1, b'x'][..], &stat_bytes].concat();
        let set = || Txn::SetData { path: "/a".into(), data: Some(b"x"), version: 1 };
        let set_acl = Txn::SetAcl { path: "/a".into(), acl: AclList::OPEN, version: 1 };
        let cases = [
            (OpCode::Create, TxnType::Create, Txn::Create(record("/a")), &shown, path.to_vec()),
            (OpCode::Create2, TxnType::Create2, Txn::Create(record("/a")), &shown, path_and_stat.clone()),
            (
                OpCode::CreateContainer,
                TxnType::CreateContainer,
                Txn::CreateContainer(record("/a")),
                &shown,
                path_and_stat.clone(),
            ),
            (OpCode::CreateTtl, TxnType::CreateTtl, Txn::CreateTtl(record("/a"), 9), &shown, path_and_stat),
            (OpCode::Delete, TxnType::Delete, Txn::Delete { path: "/a".into() }, &Outcome::Done, vec![]),
            (OpCode::SetData, TxnType::SetData, set(), &shown, stat_bytes.clone()),
            (OpCode::SetAcl, TxnType::SetAcl, set_acl, &shown, stat_bytes),
            (OpCode::Reconfig, TxnType::Reconfig, set(), &shown, data_and_stat),
        ];
        for (op, kind, txn, outcome, body) in cases {
            let (out, after) = reply(op, kind, &txn, outcome);
            assert_eq!((out[16..20].to_vec(), &out[20..]), (vec![0; 4], &body[..]), "{op:?}");
            assert_eq!(after, AfterReply::Keep);
        }
    }

    #[test]
    fn errors_have_no_body_and_the_end_of_a_session_closes() {
        let error = Txn::Error { code: -110 };
        let (out, after) = reply(OpCode::Create, TxnType::Error, &error, &Outcome::Error(-110));
        assert_eq!((&out[16..], after), (&(-110_i32).to_be_bytes()[..], AfterReply::Keep));

        let closed = Txn::CloseSession { paths: Some(vec![]) };
        let (out, after) = reply(OpCode::CloseSession, TxnType::CloseSession, &closed, &Outcome::Done);
        assert_eq!((&out[16..], after), (&[0; 4][..], AfterReply::Close));

        let mut out = Vec::new();
        assert_eq!(put_refusal(&mut out, XID, KeeperError::MarshallingError, ZXID), AfterReply::Keep);
        assert_eq!(out[16..], (-5_i32).to_be_bytes());
        assert_eq!(
            put_refusal(&mut Vec::new(), XID, KeeperError::SessionMoved, ZXID),
            AfterReply::CloseSilently
        );
    }
}
