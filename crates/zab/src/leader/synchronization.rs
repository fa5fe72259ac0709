//! Synchronization: every learner gets the history of the epoch, and a quorum of them establishes it
//! (`LearnerHandler.syncFollower`, `Leader.startForwarding`, `waitForNewLeaderAck`).

use bytes::Bytes;
use zabra_proto::{PacketKind, QuorumPacket};
use zabra_types::{Epoch, Zxid};

use super::learner::{Flow, Syncing};
use super::sync::{Choice, Start, View, is_beginning_of_epoch};
use super::{Leader, Phase, Stage, SyncMode};
use crate::context::Context;
use crate::role::Verdict;
use crate::{CloseReason, LinkId, Output, Role, Ticket};

impl Leader {
    /// A learner whose history ends with `last` may have this leader's.
    pub(super) fn synchronize(&mut self, ctx: &mut Context<'_>, link: LinkId, last: Zxid) {
        let choice = self.view(ctx).choose(last);
        self.begin_sync(ctx, link, last, choice);
    }

    /// The log on disk has been looked into.
    pub(crate) fn handle_found(&mut self, ctx: &mut Context<'_>, ticket: Ticket, floor: Option<Zxid>) {
        let waiting = self.learners.iter().find_map(|(link, learner)| match learner.phase {
            Phase::Searching { last, ticket: of } if of == ticket => Some((*link, last)),
            _ => None,
        });
        // The learner that it was for may be gone.
        let Some((link, last)) = waiting else { return };
        let choice = self.view(ctx).choose_found(last, floor);
        self.begin_sync(ctx, link, last, choice);
    }

    fn view<'a>(&self, ctx: &'a Context<'_>) -> View<'a> {
        View {
            history: &ctx.state.history,
            committed: self.broadcast.committed(),
            elected_epoch: self.elected.current_epoch,
            own_epoch: self.stage.epoch().unwrap_or_default(),
            log_sync: ctx.options.log_sync,
            force_snapshot: ctx.options.force_snapshot,
        }
    }

    fn begin_sync(&mut self, ctx: &mut Context<'_>, link: LinkId, last: Zxid, choice: Choice) {
        if let Some(why) = self.refusal(ctx, link, last, choice) {
            return self.close(ctx, link, why);
        }
        let beat = self.beats.count();
        let place = self.snapshot_place(ctx, link, last);
        let Some(learner) = self.learners.get_mut(&link) else { return };
        let (mode, sending) = match choice {
            Choice::SearchLog => {
                let (ticket, before) = (ctx.ticket(), memory_begin(ctx));
                ctx.out.push(Output::FindInLog { ticket, at: last, before });
                return learner.enter(Phase::Searching { last, ticket }, beat);
            }
            Choice::From(start) => {
                let committed = self.broadcast.committed();
                let (mode, packet) = match start {
                    Start::Diff(at) => (SyncMode::Diff, (PacketKind::Diff, committed.max(at))),
                    Start::Trunc(to) => (SyncMode::Trunc, (PacketKind::Trunc, to)),
                };
                ctx.send(link, packet.0, packet.1);
                let after = start.after();
                let from_disk = after < ctx.state.history.floor();
                if from_disk {
                    ctx.out.push(Output::SendLog { link, after, before: memory_begin(ctx) });
                }
                send_history(ctx, link, after, committed, learner.is_observer());
                (mode, from_disk)
            }
            Choice::Snap => {
                let applied = ctx.state.applied;
                let zxid = place.unwrap_or(applied);
                ctx.send(link, PacketKind::Snap, zxid);
                ctx.out.push(Output::SendSnapshot { link });
                send_history(ctx, link, applied, self.broadcast.committed(), learner.is_observer());
                (SyncMode::Snap, true)
            }
        };
        let base = self.broadcast.committed();
        learner.enter(Phase::Syncing(Syncing { mode, sending, base, early: base }), beat);
        if !sending {
            self.send_new_leader(ctx, link);
        }
    }

    /// Under which zxid a learner whose history ends with `last` may get a snapshot; none if it must not get one now.
    ///
    /// A genuine learner keeps its log when it gets a snapshot, and replays what is behind the snapshot's zxid when it starts
    /// again. So the snapshot must not stand before anything the learner has and this leader has not. The beginning of the
    /// epoch does not, but only once it is established: later leaders take it to say what is before it.
    fn snapshot_place(&self, ctx: &Context<'_>, link: LinkId, last: Zxid) -> Option<Zxid> {
        let (applied, committed) = (ctx.state.applied, self.broadcast.committed());
        let replaces_log = self.learners.get(&link).is_some_and(|learner| learner.replaces_log);
        let beginning = Zxid::new(self.stage.epoch().unwrap_or_default(), 0);
        if last <= applied {
            Some(applied)
        } else if self.established().is_some() {
            Some(applied.max(beginning))
        } else {
            // What is committed is sent behind the snapshot.
            (replaces_log || last <= committed || is_beginning_of_epoch(last)).then_some(applied)
        }
    }

    /// Why a learner cannot be synchronized now.
    fn refusal(&self, ctx: &Context<'_>, link: LinkId, last: Zxid, choice: Choice) -> Option<CloseReason> {
        if choice == Choice::Snap && self.snapshot_place(ctx, link, last).is_none() {
            let epoch = self.stage.epoch().unwrap_or_default();
            return Some(CloseReason::AheadOfLeader(epoch, last));
        }
        let is_observer = self.learners.get(&link).is_some_and(|learner| learner.is_observer());
        let under_way = |snaps: bool| {
            let counts = self.learners.values().filter(|learner| match &learner.phase {
                Phase::Searching { .. } => !snaps,
                Phase::Syncing(syncing) => snaps == (syncing.mode == SyncMode::Snap),
                _ => false,
            });
            u32::try_from(counts.count()).unwrap_or(u32::MAX)
        };
        let was_searching =
            self.learners.get(&link).is_some_and(|learner| matches!(learner.phase, Phase::Searching { .. }));
        let full = match choice {
            Choice::Snap => under_way(true) >= ctx.options.snap_syncs_max,
            Choice::From(_) | Choice::SearchLog => {
                under_way(false) - u32::from(was_searching) >= ctx.options.diff_syncs_max
            }
        };
        (is_observer && full).then_some(CloseReason::Throttled)
    }

    /// A snapshot or part of the log has been sent.
    pub(crate) fn handle_history_sent(&mut self, ctx: &mut Context<'_>, link: LinkId) -> Verdict {
        if let Some(learner) = self.learners.get_mut(&link)
            && let Phase::Syncing(syncing) = &mut learner.phase
            && syncing.sending
        {
            syncing.sending = false;
            learner.heard(self.beats.count());
            self.send_new_leader(ctx, link);
        }
        Verdict::Stay
    }

    fn send_new_leader(&mut self, ctx: &mut Context<'_>, link: LinkId) {
        let (Some(epoch), Some(learner)) = (self.stage.epoch(), self.learners.get_mut(&link)) else { return };
        if let Phase::Syncing(syncing) = &mut learner.phase {
            syncing.base = self.broadcast.committed();
            syncing.early = syncing.base;
        }
        let membership = Bytes::copy_from_slice(ctx.members.text.as_bytes());
        ctx.send_packet(link, QuorumPacket::new_leader(epoch, membership));
    }

    /// An ACK after NEWLEADER was sent and before NEWLEADER was acknowledged.
    pub(super) fn acknowledge_sync(
        &mut self,
        ctx: &mut Context<'_>,
        link: LinkId,
        zxid: Zxid,
    ) -> Result<(), CloseReason> {
        let (Some(epoch), Some(learner)) = (self.stage.epoch(), self.learners.get_mut(&link)) else {
            return Ok(());
        };
        let Phase::Syncing(syncing) = &mut learner.phase else { return Ok(()) };
        if zxid != Zxid::new(epoch, 0) {
            if is_beginning_of_epoch(zxid) {
                return Err(CloseReason::Malformed("an acknowledgement of another epoch"));
            }
            if let Some(acked) = acknowledged(ctx, epoch, syncing.early, zxid)? {
                syncing.early = acked;
            }
            return Ok(());
        }
        // Of what was sent before NEWLEADER only the committed part is certain to be on the learner's disk; the rest is
        // acknowledged by itself.
        let flow = Flow { mode: syncing.mode, acked: syncing.early, told: syncing.base, waiting: None };
        learner.enter(Phase::Acked(flow), self.beats.count());
        if let (Stage::Synchronizing { accepted, .. }, Some(voter)) = (&mut self.stage, learner.voter()) {
            accepted.insert(voter);
            self.establish(ctx);
        } else if self.established().is_some() {
            self.activate(ctx, link);
            self.commit(ctx);
        }
        Ok(())
    }

    /// With a quorum that has the history durable under the new epoch, this one included, all of it is committed for ever.
    pub(super) fn establish(&mut self, ctx: &mut Context<'_>) {
        let Stage::Synchronizing { epoch, accepted, .. } = &self.stage else { return };
        if !accepted.contains(&ctx.options.id) || !ctx.is_quorum(accepted) {
            return;
        }
        let epoch = *epoch;
        ctx.apply_upto(self.broadcast.committed());
        ctx.out.push(Output::Became(Role::Leading(epoch)));
        self.enter(Stage::Leading { epoch });
        for link in self.links_in(|phase| matches!(phase, Phase::Acked(_))) {
            self.activate(ctx, link);
        }
    }

    /// The learner may serve clients, and hears of what was committed since NEWLEADER.
    fn activate(&mut self, ctx: &mut Context<'_>, link: LinkId) {
        let committed = self.broadcast.committed();
        let Some(learner) = self.learners.get_mut(&link) else { return };
        let is_observer = learner.is_observer();
        let beat = self.beats.count();
        // The phase is taken out for a moment to move the flow on.
        let Phase::Acked(mut flow) = core::mem::replace(&mut learner.phase, Phase::Connected) else {
            unreachable!("only a learner that has acknowledged NEWLEADER is activated")
        };
        ctx.send_packet(link, QuorumPacket::up_to_date());
        if !is_observer {
            flow.tell(ctx, link, committed);
        }
        if let Some(voter) = learner.voter() {
            self.broadcast.note_ack(voter, flow.acked);
        }
        let votes = learner.voter().is_some();
        learner.enter(Phase::Active(flow), beat);
        if votes {
            self.ask_newcomer(ctx, link);
        }
    }
}

/// Whether `zxid` moves on what a learner has acknowledged: to where. Proposals of earlier epochs may be acknowledged as well, by
/// learners that got them in synchronization, and mean nothing.
pub(super) fn acknowledged(
    ctx: &Context<'_>,
    epoch: Epoch,
    before: Zxid,
    zxid: Zxid,
) -> Result<Option<Zxid>, CloseReason> {
    if is_beginning_of_epoch(zxid) || zxid <= before {
        return Ok(None);
    }
    if zxid.epoch() != epoch || zxid > ctx.state.history.last() {
        return Err(CloseReason::Malformed("an acknowledgement of what was never proposed"));
    }
    Ok(Some(zxid))
}

/// (PROPOSAL, COMMIT) for what is in memory behind `after` and committed; to those who vote about it or could, what is not
/// committed yet as well.
fn send_history(ctx: &mut Context<'_>, link: LinkId, after: Zxid, committed: Zxid, is_observer: bool) {
    for entry in ctx.state.history.after_zxid(after) {
        let is_committed = entry.zxid <= committed;
        if !is_committed && is_observer {
            break;
        }
        let proposal = QuorumPacket::with_data(PacketKind::Proposal, entry.zxid, entry.payload.clone());
        ctx.out.push(Output::Send { link, packet: proposal });
        if is_committed {
            let commit = QuorumPacket::bare(PacketKind::Commit, entry.zxid);
            ctx.out.push(Output::Send { link, packet: commit });
        }
    }
}

/// The first transaction in memory; when there is none, what is behind the last one on disk.
fn memory_begin(ctx: &Context<'_>) -> Zxid {
    let floor = ctx.state.history.floor();
    match ctx.state.history.after_zxid(floor).next() {
        Some(first) => first.zxid,
        None => Zxid::from_raw(floor.raw().saturating_add(1)),
    }
}
