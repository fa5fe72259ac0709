//! Taking over the history of a leader (`Learner.syncWithLeader`).
//!
//! The order is what matters. The history is on the disk before the epoch is, and the epoch is before NEWLEADER is
//! acknowledged: otherwise a crash leaves a server that claims an epoch without its history and wins elections with it
//! (ZOOKEEPER-4643), or a leader counts a server for transactions that a crash then takes from it (3911, 4646, 4785).
//! No proposal is acknowledged before NEWLEADER is: a genuine leader takes the first ACK for that (4685). What is not
//! committed yet stays pending, for its COMMIT may come before UPTODATE (4394). And what is applied enters the history in
//! memory without gaps, because this server may be the next leader (4925).

use alloc::collections::VecDeque;

use bytes::Bytes;
use zabra_proto::{PacketKind, QuorumPacket};
use zabra_types::{Epoch, Zxid};

use super::broadcast::Broadcast;
use super::continuity::{Place, place};
use super::decisions::Decisions;
use super::{LearnerKind, Line, Phase, Step, Stepped, body, body_behind_leader, sync_limit};
use crate::context::{Context, State};
use crate::history::{Entry, History};
use crate::{CloseReason, LinkId, Output, StoreOp, Ticket};

/// Synchronization, from DIFF, TRUNC or the whole of SNAP to UPTODATE.
#[derive(Debug)]
pub(super) struct Synchronization {
    base: Base,
    stage: Stage,
    /// Transactions that cannot be appended yet.
    collected: VecDeque<Entry>,
    decisions: Decisions,
    /// The last transaction of the leader's history, as far as it came.
    last: Zxid,
}

/// What the leader's transactions are put upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    /// This server's history: they are appended as they come.
    History,
    /// This server's history once it is cut. Should that turn out to be impossible, nothing must stand behind it: until
    /// then they are collected.
    Truncation(Ticket),
    /// The leader's database, which takes the place of this server's with NEWLEADER; before, its own is still good for
    /// another election. What is committed until then is applied to it and not logged: the snapshot will contain it.
    Database(Zxid),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// NEWLEADER is to come.
    Receiving,
    /// NEWLEADER came before the truncation was done.
    NewLeaderCame,
    /// History and epoch are being written.
    Storing(Ticket),
    /// NEWLEADER is acknowledged; UPTODATE is to come.
    Acknowledged,
}

impl Synchronization {
    /// DIFF: the leader's history goes on from this server's. What this server has beyond `committed`, the leader has too,
    /// but it may not be decided.
    pub(super) fn continue_history(ctx: &Context<'_>, line: &Line, epoch: Epoch, committed: Zxid) -> Self {
        let history = &ctx.state.history;
        // What memory does not have any more is applied.
        let committed = committed.min(history.last()).max(history.floor());
        let mut decisions = Decisions::begin(epoch, line.kind, committed);
        for entry in history.after_zxid(committed) {
            decisions.propose(entry.zxid);
        }
        Self::begin(Base::History, decisions, history.last())
    }

    /// TRUNC: it goes on from `last`.
    pub(super) fn truncate(ctx: &mut Context<'_>, line: &Line, epoch: Epoch, last: Zxid) -> Self {
        if last == ctx.state.history.last() {
            return Self::continue_history(ctx, line, epoch, last);
        }
        let ticket = ctx.store(StoreOp::Truncate(last));
        // The beginning of an epoch is no transaction; then the one before it remains.
        let remains = ctx.state.history.last_not_after(last).unwrap_or(last);
        Self::begin(Base::Truncation(ticket), Decisions::begin(epoch, line.kind, remains), remains)
    }

    /// SNAP: it goes on from a database that contains everything up to `zxid`, and perhaps effects of what comes next.
    pub(super) fn replace_history(line: &Line, epoch: Epoch, zxid: Zxid) -> Self {
        Self::begin(Base::Database(zxid), Decisions::begin(epoch, line.kind, zxid), zxid)
    }

    fn begin(base: Base, decisions: Decisions, last: Zxid) -> Self {
        Self { base, stage: Stage::Receiving, collected: VecDeque::new(), decisions, last }
    }

    fn epoch(&self) -> Epoch {
        self.decisions.epoch()
    }

    /// Whether it waits for this truncation.
    pub(super) fn is_truncating(&self, ticket: Ticket) -> bool {
        self.base == Base::Truncation(ticket)
    }

    /// Answers to PING, once the leader expects anything but the ACK of NEWLEADER.
    pub(super) fn may_send(&self, kind: PacketKind) -> bool {
        self.stage == Stage::Acknowledged && kind == PacketKind::Ping
    }

    pub(super) fn handle_packet(
        &mut self,
        ctx: &mut Context<'_>,
        line: &mut Line,
        packet: QuorumPacket,
    ) -> Stepped {
        match (packet.kind, line.kind) {
            (PacketKind::Proposal, _) => self.handle_proposal(ctx, packet.zxid, body(packet.data)?)?,
            (PacketKind::Commit | PacketKind::CommitAndActivate, _) => self.decisions.commit(packet.zxid)?,
            (PacketKind::Inform, LearnerKind::Observer) => {
                self.handle_inform(ctx, packet.zxid, body(packet.data)?)?;
            }
            (PacketKind::InformAndActivate, LearnerKind::Observer) => {
                self.handle_inform(ctx, packet.zxid, body_behind_leader(packet.data)?)?;
            }
            (PacketKind::NewLeader, _) if self.stage == Stage::Receiving => {
                self.handle_new_leader(ctx, line.link, packet.zxid)?;
            }
            (PacketKind::UpToDate, _) if self.stage == Stage::Acknowledged => {
                // Once more, as genuine servers do; their leaders expect it to be ignored.
                ctx.send(line.link, PacketKind::Ack, Zxid::new(self.epoch(), 0));
                let decisions = self.decisions.hand_over();
                return Ok(Step::Enter(Phase::Broadcast(Broadcast::begin(ctx, line, decisions))));
            }
            (PacketKind::Ping, _) if self.stage == Stage::Acknowledged => {
                ctx.out.push(Output::FromLeader { link: line.link, packet });
            }
            // Any answer would be taken for the ACK of NEWLEADER.
            (PacketKind::Ping, _) => {}
            // Nothing has been asked on this link.
            (PacketKind::Sync | PacketKind::Revalidate, _) => {}
            (kind, _) => return Err(CloseReason::Unexpected(kind)),
        }
        Ok(Step::Stay)
    }

    fn handle_proposal(
        &mut self,
        ctx: &mut Context<'_>,
        zxid: Zxid,
        payload: Bytes,
    ) -> Result<(), CloseReason> {
        match place(self.epoch(), self.last, zxid) {
            Ok(Place::Next) => {}
            Ok(Place::Again) => {
                self.acknowledge_later(zxid);
                return Ok(());
            }
            Err(why) => {
                // The leader would leave it out again.
                ctx.state.snapshot_needed |= matches!(why, CloseReason::Gap { .. });
                return Err(why);
            }
        }
        self.last = zxid;
        self.decisions.propose(zxid);
        self.acknowledge_later(zxid);
        match self.base {
            Base::History => ctx.append(zxid, payload),
            Base::Truncation(_) | Base::Database(_) => self.collected.push_back(Entry { zxid, payload }),
        }
        Ok(())
    }

    /// What comes behind NEWLEADER is acknowledged in any case; a genuine leader waits for it.
    fn acknowledge_later(&mut self, zxid: Zxid) {
        if self.stage != Stage::Receiving {
            self.decisions.owe(zxid);
        }
    }

    fn handle_inform(
        &mut self,
        ctx: &mut Context<'_>,
        zxid: Zxid,
        payload: Bytes,
    ) -> Result<(), CloseReason> {
        self.handle_proposal(ctx, zxid, payload)?;
        self.decisions.commit(zxid)
    }

    fn handle_new_leader(
        &mut self,
        ctx: &mut Context<'_>,
        link: LinkId,
        zxid: Zxid,
    ) -> Result<(), CloseReason> {
        if zxid != Zxid::new(self.epoch(), 0) {
            return Err(CloseReason::Malformed("a NEWLEADER of another epoch"));
        }
        self.decisions.owe_pending();
        match self.base {
            Base::History => self.store(ctx),
            Base::Truncation(_) => self.stage = Stage::NewLeaderCame,
            Base::Database(zxid) => {
                self.adopt_database(ctx, link, zxid);
                self.store(ctx);
            }
        }
        Ok(())
    }

    /// The leader's database takes the place of this server's, in memory and then, with everything committed since, on the
    /// disk: whatever the sending let slip into it is in front of NEWLEADER, so now it is exact.
    fn adopt_database(&mut self, ctx: &mut Context<'_>, link: LinkId, zxid: Zxid) {
        ctx.out.push(Output::AdoptSnapshot { link, zxid });
        let state = &mut *ctx.state;
        state.history = History::after(zxid);
        state.flushed = state.flushed.min(zxid);
        state.applied = zxid;
        let committed = self.decisions.committed();
        while self.collected.front().is_some_and(|entry| entry.zxid <= committed)
            && let Some(entry) = self.collected.pop_front()
        {
            state.history.append(entry.zxid, entry.payload);
        }
        ctx.apply_upto(committed);
        ctx.store(StoreOp::Snapshot(committed));
        // From here on this is the state that the next election is about.
        ctx.state.data_missing = false;
        self.continue_log(ctx);
    }

    fn continue_log(&mut self, ctx: &mut Context<'_>) {
        self.base = Base::History;
        for entry in self.collected.drain(..) {
            ctx.append(entry.zxid, entry.payload);
        }
    }

    fn store(&mut self, ctx: &mut Context<'_>) {
        ctx.store(StoreOp::Flush);
        self.stage = Stage::Storing(ctx.store(StoreOp::CurrentEpoch(self.epoch())));
    }

    pub(super) fn handle_stored(&mut self, ctx: &mut Context<'_>, line: &mut Line, stored: Ticket) {
        if self.base == Base::Truncation(stored) {
            self.continue_log(ctx);
            if self.stage == Stage::NewLeaderCame {
                self.store(ctx);
            }
        } else if self.stage == Stage::Storing(stored) {
            self.stage = Stage::Acknowledged;
            ctx.state.snapshot_needed = false;
            line.limit = sync_limit(ctx.options);
            line.heard = ctx.now;
            ctx.send(line.link, PacketKind::Ack, Zxid::new(self.epoch(), 0));
        }
    }

    pub(super) fn check(&self, state: &State) {
        self.decisions.check(self.last);
        assert!(
            self.base == Base::History
                || self.stage == Stage::Receiving
                || self.stage == Stage::NewLeaderCame
        );
        assert!(self.base != Base::History || self.collected.is_empty(), "what can be appended is");
        assert!(self.base != Base::History || self.last == state.history.last());
    }
}
