//! A request becomes at most one transaction, and the requests of a session become transactions in the order of their
//! numbers.

use std::collections::BTreeMap;

use zabra_proto::{Txn, decode_txn};
use zabra_types::{SessionId, Xid, Zxid};

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct AtMostOnce {
    seen: Zxid,
    last: BTreeMap<SessionId, Xid>,
}

impl Property for AtMostOnce {
    fn name(&self) -> &'static str {
        "at_most_once"
    }

    fn observe(&mut self, seen: &Observation<'_>, facts: &Facts) -> Result<(), String> {
        let &Observation::Delivered { txn, .. } = seen else { return Ok(()) };
        if txn.zxid <= self.seen {
            return Ok(());
        }
        self.seen = txn.zxid;
        let Some(payload) = facts.payload(txn) else { return Ok(()) };
        let Ok((header, record, _)) = decode_txn(payload) else { return Ok(()) };
        if header.cxid == Xid::default() || is_refusal(&record) {
            // The leader's own, the beginnings of sessions, and what came late from where the session was before.
            return Ok(());
        }
        match self.last.insert(header.session, header.cxid) {
            Some(before) if before >= header.cxid => Err(format!(
                "{} is request {} of session {}, after {before}",
                txn.zxid, header.cxid, header.session
            )),
            _ => Ok(()),
        }
    }
}

fn is_refusal(record: &Txn<'_>) -> bool {
    match record {
        Txn::Error { .. } => true,
        Txn::Multi(parts) => parts.iter().any(|part| is_refusal(&part.txn)),
        _ => false,
    }
}
