//! What the roles of a peer share.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;
use zabra_proto::{PacketKind, QuorumPacket};
use zabra_types::{Epoch, Now, ServerId, Zxid};

use crate::history::History;
use crate::sabotage::Sabotage;
use crate::{CloseReason, Durable, LinkId, Members, Options, Output, StoreOp, Ticket};

/// The last epoch that is believed of others. A zxid is a signed number, so epochs end at 2^31; should a server lie, a
/// million are left.
pub(crate) const EPOCH_BELIEVED_MAX: Epoch = Epoch::new(i32::MAX.cast_unsigned() - (1 << 20));

/// What outlives a role: this server's durable state as far as it has been ordered, and its history.
#[derive(Debug)]
pub(crate) struct State {
    /// The highest epoch promised. Raised when the write is ordered; it may be revealed when the write is stored.
    pub(crate) accepted_epoch: Epoch,
    /// The epoch whose history is complete here. As above.
    pub(crate) current_epoch: Epoch,
    /// The history, its end being *appended*.
    pub(crate) history: History,
    /// Everything up to here is on this server's disk.
    pub(crate) flushed: Zxid,
    /// Everything up to here is in the tree.
    pub(crate) applied: Zxid,
    /// Data may be missing: this server may only be filled by a leader.
    pub(crate) data_missing: bool,
    /// The history cannot be brought in step with the leader's by DIFF or TRUNC. It is good for votes all the same.
    pub(crate) snapshot_needed: bool,
    /// The highest epoch that a member was found to have promised and that this server, leading, could not offer. Its next reign
    /// is later, so that it comes to that once.
    pub(crate) promised_elsewhere: Epoch,
    /// The stores under way, in order.
    stores: VecDeque<Store>,
    tickets: u64,
    links: u64,
    sabotage: Option<Sabotage>,
}

/// A store under way.
#[derive(Debug)]
struct Store {
    ticket: Ticket,
    op: StoreOp,
    /// What was appended before it.
    after: Zxid,
}

impl State {
    /// As found at a start: all of it is on the disk and in the tree. `recent` is the end of the history.
    pub(crate) fn new(durable: &Durable, recent: Vec<(Zxid, Bytes)>) -> Self {
        let data_missing = durable.last_zxid == Zxid::NONE;
        let last = if data_missing { Zxid::ZERO } else { durable.last_zxid };
        let history = History::ending_at(last, recent);
        assert!(history.last() == last, "the recent history ends at {}, the log at {last}", history.last());
        Self {
            accepted_epoch: durable.accepted_epoch,
            current_epoch: durable.current_epoch,
            history,
            flushed: last,
            applied: last,
            data_missing,
            snapshot_needed: false,
            promised_elsewhere: Epoch::default(),
            stores: VecDeque::new(),
            tickets: 0,
            links: 0,
            sabotage: None,
        }
    }

    /// What votes and ACKEPOCH tell: the last transaction of the history, [`Zxid::NONE`] when data may be missing. The
    /// caller has waited until it is flushed.
    pub(crate) fn last_zxid(&self) -> Zxid {
        if self.data_missing { Zxid::NONE } else { self.history.last() }
    }

    /// Everything appended up to here is on the disk. Says whether that is news.
    pub(crate) fn note_flushed(&mut self, zxid: Zxid) -> bool {
        assert!(zxid <= self.history.last(), "{zxid} flushed, but only {} appended", self.history.last());
        let news = zxid > self.flushed;
        self.flushed = self.flushed.max(zxid);
        news
    }

    /// A store is done, and with it everything appended before it is on the disk. Says whether that is news.
    pub(crate) fn note_stored(&mut self, ticket: Ticket) -> bool {
        let store = self.take_store(ticket);
        let news = self.note_flushed(store.after);
        if let StoreOp::Truncate(last) = store.op {
            self.history.truncate(last);
            // Earlier when nothing has exactly this zxid.
            let last = self.history.last();
            self.flushed = self.flushed.min(last);
            self.applied = self.applied.min(last);
            for store in &mut self.stores {
                store.after = store.after.min(last);
            }
        }
        news
    }

    /// A truncation could not be done and changed nothing: only a leader's snapshot helps.
    pub(crate) fn note_cannot_truncate(&mut self, ticket: Ticket) {
        self.take_store(ticket);
        self.snapshot_needed = true;
    }

    /// Puts a mistake back.
    #[cfg(feature = "testing")]
    pub(crate) fn sabotage(&mut self, sabotage: Sabotage) {
        self.sabotage = Some(sabotage);
    }

    /// Whether a mistake is put back. Never outside of the simulator.
    pub(crate) fn has(&self, sabotage: Sabotage) -> bool {
        cfg!(feature = "testing") && self.sabotage == Some(sabotage)
    }

    /// Whether a store is under way.
    pub(crate) fn is_storing(&self) -> bool {
        !self.stores.is_empty()
    }

    /// Panics when the state contradicts itself.
    pub(crate) fn check(&self) {
        let last = self.history.last();
        assert!(
            self.flushed <= last && self.applied <= last,
            "{} and {} beyond {last}",
            self.flushed,
            self.applied
        );
        assert!(self.history.floor() <= self.applied, "what is not applied is in memory");
        assert!(self.current_epoch <= self.accepted_epoch, "an epoch that was not promised");
        assert!(last.epoch() <= self.accepted_epoch, "{last} of an epoch that was not promised");
        self.history.check();
    }

    /// Panics when something is left of a role.
    pub(crate) fn check_settled(&self) {
        assert!(!self.is_storing(), "{:?} are under way", self.stores);
        assert_eq!(self.flushed, self.history.last(), "a vote for what is not on the disk");
        assert!(self.history.last().epoch() <= self.current_epoch, "the history is of a later epoch");
    }

    fn take_store(&mut self, ticket: Ticket) -> Store {
        match self.stores.pop_front() {
            Some(store) if store.ticket == ticket => store,
            oldest => panic!("{ticket:?} is done, but the oldest store is {oldest:?}"),
        }
    }
}

/// What a role works with while it handles one input.
pub(crate) struct Context<'a> {
    pub(crate) now: Now,
    pub(crate) options: &'a Options,
    pub(crate) members: &'a Members,
    pub(crate) state: &'a mut State,
    pub(crate) out: &'a mut Vec<Output>,
}

impl Context<'_> {
    /// Whether these servers, as far as they vote, are a quorum.
    pub(crate) fn is_quorum(&self, servers: &BTreeSet<ServerId>) -> bool {
        if self.state.has(Sabotage::CountNonVoters) {
            return 2 * servers.len() > self.members.voters.len();
        }
        self.members.is_quorum(servers)
    }

    pub(crate) fn send(&mut self, link: LinkId, kind: PacketKind, zxid: Zxid) {
        self.send_packet(link, QuorumPacket::bare(kind, zxid));
    }

    pub(crate) fn send_data(&mut self, link: LinkId, kind: PacketKind, zxid: Zxid, data: Bytes) {
        self.send_packet(link, QuorumPacket::with_data(kind, zxid, data));
    }

    pub(crate) fn send_packet(&mut self, link: LinkId, packet: QuorumPacket) {
        self.out.push(Output::Send { link, packet });
    }

    pub(crate) fn close(&mut self, link: LinkId, why: CloseReason) {
        self.out.push(Output::Close { link, why });
    }

    /// Orders a durable change; its completion carries the ticket. Epochs count from now on, a truncation when it is done:
    /// it may turn out to be impossible, so nothing is appended before.
    pub(crate) fn store(&mut self, op: StoreOp) -> Ticket {
        match &op {
            StoreOp::AcceptedEpoch(epoch) => self.state.accepted_epoch = *epoch,
            StoreOp::CurrentEpoch(epoch) => self.state.current_epoch = *epoch,
            StoreOp::Flush | StoreOp::Truncate(_) | StoreOp::Snapshot(_) => {}
        }
        let ticket = self.ticket();
        self.state.stores.push_back(Store { ticket, op: op.clone(), after: self.state.history.last() });
        self.out.push(Output::Store { ticket, op });
        ticket
    }

    pub(crate) fn ticket(&mut self) -> Ticket {
        self.state.tickets += 1;
        Ticket(self.state.tickets)
    }

    /// Numbers for links that this peer asks for; the caller's own have the top bit set.
    pub(crate) fn link(&mut self) -> LinkId {
        self.state.links += 1;
        LinkId(self.state.links)
    }

    /// Appends a transaction to history and log.
    pub(crate) fn append(&mut self, zxid: Zxid, payload: Bytes) {
        self.state.history.append(zxid, payload.clone());
        self.out.push(Output::Append { zxid, payload });
    }

    /// Applies the history up to and including `upto`, and trims what memory need not keep.
    pub(crate) fn apply_upto(&mut self, upto: Zxid) {
        let state = &mut *self.state;
        for entry in state.history.after_zxid(state.applied).take_while(|entry| entry.zxid <= upto) {
            self.out.push(Output::Apply { zxid: entry.zxid, payload: entry.payload.clone() });
        }
        state.applied = state.applied.max(upto.min(state.history.last()));
        let keep_after = state.applied.min(state.flushed);
        state.history.trim(self.options.history_len, self.options.history_bytes, keep_after);
    }
}
