//! What must hold, one property a file. The first eight have the names that the specification of Zab gives them.
//!
//! Whoever does something tells it as an [`Observation`]; each property looks at those it is about. None of them asks the
//! core what it thinks.

mod acknowledged_writes;
mod agreement;
mod at_most_once;
mod cursors;
mod durable_majority;
mod ephemerals;
mod exact_reads;
mod global_primary_order;
mod integrity;
mod linearizable;
mod local_primary_order;
mod one_leader_per_epoch;
mod packet_order;
mod prefix_consistency;
mod primary_integrity;
mod replicas;
mod sequential_numbers;
mod session_order;
mod total_order;

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use zabra_proto::QuorumPacket;
use zabra_types::{Epoch, SessionId, Xid, Zxid};
use zabra_zab::Durable;

use crate::ensemble::Ensemble;
use crate::env::Violation;
use crate::messages::{Answer, Op, TxnId};
use crate::model::Model;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Observation<'a> {
    /// A process began with this on its disk.
    Started { server: usize, durable: Durable },
    /// A transaction was given to a log.
    Appended { server: usize, zxid: Zxid },
    /// Everything up to this one is on a disk.
    Flushed { server: usize, zxid: Zxid },
    /// A server cut its history after this one.
    Truncated { server: usize, last: Zxid },
    /// A leader's snapshot has become a server's history on disk.
    Installed { server: usize, last: Zxid },
    /// A leader's snapshot has become a server's tree.
    Adopted { server: usize, zxid: Zxid },
    /// A transaction was applied to a tree.
    Applied { server: usize, zxid: Zxid },
    /// A leader gave out a transaction.
    Broadcast { server: usize, epoch: Epoch, txn: TxnId, payload: &'a Bytes },
    /// A server that serves clients has delivered a transaction, in this place of its history.
    Delivered { server: usize, position: usize, txn: TxnId },
    /// A server begins to serve clients.
    Serving { server: usize, epoch: Epoch, leads: bool, history: &'a [TxnId] },
    /// The digest of the tree of a server that serves, after this transaction.
    Tree { server: usize, zxid: Zxid, digest: u64 },
    /// A packet was sent over a connection of the quorum port, by the learner if by its dialler.
    Sent { conn: u64, by_dialler: bool, packet: &'a QuorumPacket },
    /// A server answers a client's write. `holders` have said that it is on their disk, `survivors` would have it after
    /// a power failure now, where that was looked at.
    Answered { server: usize, txn: TxnId, holders: &'a [usize], survivors: Option<&'a [usize]> },
    /// A client asks for something.
    Asked { session: SessionId, xid: Xid, op: &'a Op },
    /// A client is answered.
    Told { session: SessionId, xid: Xid, op: &'a Op, zxid: Zxid, answer: &'a Answer },
    /// A client is told that its session is over.
    Expired { session: SessionId },
}

/// What is known for certain.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) ensemble: Ensemble,
    /// The decided history: what servers that serve have delivered.
    pub(crate) decided: Vec<TxnId>,
    /// All transactions that were ever given out.
    payloads: BTreeMap<(Zxid, u64), Bytes>,
    pub(crate) model: Model,
}

impl Facts {
    /// The last decided transaction.
    pub(crate) fn last(&self) -> Zxid {
        self.decided.last().map_or(Zxid::ZERO, |txn| txn.zxid)
    }

    /// The bytes of a transaction that was given out.
    pub(crate) fn payload(&self, txn: TxnId) -> Option<&Bytes> {
        self.payloads.get(&(txn.zxid, txn.hash))
    }
}

/// A property: looks at what happens and says what is wrong with it.
trait Property: Debug {
    fn name(&self) -> &'static str;
    fn observe(&mut self, seen: &Observation<'_>, facts: &Facts) -> Result<(), String>;
}

/// All properties.
#[derive(Debug)]
pub(crate) struct Properties {
    facts: Facts,
    properties: Vec<Box<dyn Property>>,
}

impl Properties {
    pub(crate) fn new(ensemble: &Ensemble) -> Self {
        let facts = Facts {
            ensemble: ensemble.clone(),
            decided: Vec::new(),
            payloads: BTreeMap::new(),
            model: Model::new(),
        };
        let properties: Vec<Box<dyn Property>> = vec![
            Box::new(prefix_consistency::PrefixConsistency::default()),
            Box::new(integrity::Integrity::default()),
            Box::new(agreement::Agreement::default()),
            Box::new(total_order::TotalOrder::default()),
            Box::new(local_primary_order::LocalPrimaryOrder::default()),
            Box::new(global_primary_order::GlobalPrimaryOrder::default()),
            Box::new(primary_integrity::PrimaryIntegrity::default()),
            Box::new(one_leader_per_epoch::OneLeaderPerEpoch::default()),
            Box::new(durable_majority::DurableMajority),
            Box::new(cursors::Cursors::default()),
            Box::new(packet_order::PacketOrder::default()),
            Box::new(replicas::Replicas::default()),
            Box::new(acknowledged_writes::AcknowledgedWrites),
            Box::new(at_most_once::AtMostOnce::default()),
            Box::new(session_order::SessionOrder::default()),
            Box::new(linearizable::Linearizable::default()),
            Box::new(exact_reads::ExactReads),
            Box::new(ephemerals::Ephemerals),
            Box::new(sequential_numbers::SequentialNumbers::default()),
        ];
        Self { facts, properties }
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Shows every property what happened.
    pub(crate) fn observe(&mut self, seen: &Observation<'_>) -> Result<(), Violation> {
        if let Observation::Broadcast { txn, payload, .. } = seen {
            self.facts.payloads.insert((txn.zxid, txn.hash), (*payload).clone());
        }
        let mut decides = None;
        if let Observation::Delivered { position, txn, .. } = seen
            && *position == self.facts.decided.len()
        {
            self.facts.decided.push(*txn);
            decides = self.facts.payload(*txn).cloned();
        }
        for property in &mut self.properties {
            property
                .observe(seen, &self.facts)
                .map_err(|what| Violation { property: property.name(), what })?;
        }
        if let Some(payload) = decides {
            self.facts.model.apply(&payload).map_err(|what| Violation { property: "model", what })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod testing;
