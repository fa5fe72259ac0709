//! What the tests of the properties share.

use bytes::Bytes;
use zabra_types::{Epoch, Zxid};

use super::{Facts, Observation, Property};
use crate::ensemble::Ensemble;
use crate::messages::TxnId;
use crate::model::Model;

static EMPTY: Bytes = Bytes::new();

/// Three voters and an observer, before anything happened.
pub(super) fn facts() -> Facts {
    Facts {
        ensemble: Ensemble { voters: 3, observers: 1, groups: None },
        decided: Vec::new(),
        payloads: std::collections::BTreeMap::new(),
        model: Model::new(),
    }
}

pub(super) fn txn(zxid: i64) -> TxnId {
    TxnId { zxid: Zxid::from_raw(zxid), hash: 7 }
}

pub(super) fn delivered(server: usize, position: usize, zxid: i64) -> Observation<'static> {
    Observation::Delivered { server, position, txn: txn(zxid) }
}

pub(super) fn broadcast(server: usize, epoch: u32, zxid: i64) -> Observation<'static> {
    Observation::Broadcast { server, epoch: Epoch::new(epoch), txn: txn(zxid), payload: &EMPTY }
}

pub(super) fn leads(server: usize, epoch: u32, history: &[TxnId]) -> Observation<'_> {
    Observation::Serving { server, epoch: Epoch::new(epoch), leads: true, history }
}

/// Whether the property had nothing against each observation.
pub(super) fn verdicts(property: &mut dyn Property, facts: &Facts, seen: &[Observation<'_>]) -> Vec<bool> {
    seen.iter().map(|seen| property.observe(seen, facts).is_ok()).collect()
}
