//! Carrying out what the peer says.
//!
//! Everything happens under the brain's lock, in the order of the outputs. An input that comes up while outputs are
//! carried out, as the proposal of a forwarded request does, waits in the brain until they all are.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::sleep;
use tracing::{info, trace, warn};
use zabra_proto::PacketKind;
use zabra_types::{Now, Zxid};
use zabra_zab::{Input, LinkId, Output, Role};

use super::store::Job;
use super::{Ensemble, Member, Standing, requests};
use crate::commit::{Aftermath, apply_decided};
use crate::core::{Brain, Core};
use crate::pipeline::Bereaved;
use crate::stats::millis;

impl Core {
    /// Tells the peer what happened, and does what it says.
    pub(crate) fn hear(&self, inputs: impl IntoIterator<Item = Input>) {
        let mut after = Aftermath::default();
        {
            let mut brain = self.brain.lock();
            brain.inputs.extend(inputs);
            self.run_peer(&mut brain, &mut after);
        }
        self.set_off();
        after.carry_out(self);
    }

    /// Lets everything go that was put into queues: to the other servers first, so that their disks work at the same time
    /// as this server's. No lock is held.
    fn set_off(&self) {
        let Some(ensemble) = &self.ensemble else { return };
        if let Some(links) = ensemble.links() {
            links.flush();
        }
        ensemble.store.start();
    }

    /// Tells the peer what waits in the brain, and does what it says. No other lock is held.
    fn run_peer(&self, brain: &mut Brain, after: &mut Aftermath) {
        let (Some(ensemble), Some(member)) = (&self.ensemble, &mut brain.member) else { return };
        let _bereaved = Bereaved { core: self, of: "what decides in the ensemble" };
        let mut inputs = mem::take(&mut member.inputs);
        let mut outputs = mem::take(&mut member.outputs);
        let mut carrier = Carrier { core: self, ensemble, after };
        while !brain.inputs.is_empty() {
            mem::swap(&mut brain.inputs, &mut inputs);
            for input in inputs.drain(..) {
                let Some(member) = &mut brain.member else { return };
                if carrier.is_current(&input) {
                    carrier.count(&input);
                    member.peer.handle(self.clock.now(), input, &mut outputs);
                }
                for output in outputs.drain(..) {
                    carrier.carry_out(brain, output);
                }
            }
            // Only now: what one batch of inputs decides is applied together.
            carrier.apply(brain);
        }
        if let Some(member) = &mut brain.member {
            member.inputs = inputs;
            member.outputs = outputs;
            ensemble.timer.arm(member.peer.next_deadline());
        }
    }

    /// Lets the peer begin.
    pub(super) fn start_peer(&self) {
        self.call_peer(|member, now, outputs| member.peer.start(now, outputs));
    }

    /// Lets the peer do what is due.
    fn deadline(&self) {
        self.call_peer(|member, now, outputs| {
            if member.peer.next_deadline().is_some_and(|deadline| deadline <= now) {
                member.peer.handle_deadline(now, outputs);
            }
        });
    }

    fn call_peer(&self, call: impl FnOnce(&mut Member, Now, &mut Vec<Output>)) {
        let Some(ensemble) = &self.ensemble else { return };
        let mut after = Aftermath::default();
        {
            let mut brain = self.brain.lock();
            let mut outputs = Vec::new();
            let Some(member) = &mut brain.member else { return };
            let _bereaved = Bereaved { core: self, of: "what decides in the ensemble" };
            call(member, self.clock.now(), &mut outputs);
            let mut carrier = Carrier { core: self, ensemble, after: &mut after };
            for output in outputs {
                carrier.carry_out(&mut brain, output);
            }
            carrier.apply(&mut brain);
            self.run_peer(&mut brain, &mut after);
        }
        self.set_off();
        after.carry_out(self);
    }
}

/// Hands over to the peer what clients' requests have become, until the task is dropped: everything together that comes
/// in one turn of the runtime, so that it is one packet to each server and one sync of each disk.
pub(super) async fn keep_rounds(core: Arc<Core>) {
    let Some(ensemble) = &core.ensemble else { return };
    loop {
        ensemble.round.notified().await;
        // Behind all tasks that are ready now.
        yield_now().await;
        core.hear([]);
    }
}

/// Calls the peer whenever it wants to be, until the task is dropped.
pub(super) async fn keep_time(core: Arc<Core>) {
    let Some(ensemble) = &core.ensemble else { return };
    loop {
        let armed = ensemble.timer.armed.load(SeqCst);
        if armed == u64::MAX {
            ensemble.timer.changed.notified().await;
            continue;
        }
        let wait = Now::new(Duration::from_millis(armed)).since(core.clock.now());
        if wait.is_zero() {
            core.deadline();
            // Deadlines are not whole milliseconds.
            sleep(Duration::from_millis(1)).await;
            continue;
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = ensemble.timer.changed.notified() => {}
        }
    }
}

/// Carries out outputs, the brain's lock held.
struct Carrier<'a> {
    core: &'a Core,
    ensemble: &'a Ensemble,
    after: &'a mut Aftermath,
}

impl Carrier<'_> {
    /// Whether the peer may hear of it: of a link that it closed, nothing comes any more.
    fn is_current(&self, input: &Input) -> bool {
        let Some(links) = self.ensemble.links() else { return true };
        match input {
            Input::Closed(link) | Input::NotConnected(link) => links.forget(*link),
            Input::Accepted(link)
            | Input::Connected(link)
            | Input::Packet { link, .. }
            | Input::SnapshotProgress(link)
            | Input::SnapshotReceived(link)
            | Input::HistorySent(link)
            | Input::Send { link, .. } => links.is_open(*link),
            _ => true,
        }
    }

    fn count(&self, input: &Input) {
        let stats = &self.core.stats;
        match input {
            Input::Notified { from, notification } => trace!(%from, ?notification, "heard"),
            Input::PeerUp(peer) => trace!(%peer, "up"),
            Input::PeerDown(peer) => trace!(%peer, "down"),
            Input::Propose { .. } => stats.proposal_count.increment(),
            Input::Packet { packet, .. } => match packet.kind {
                PacketKind::Proposal => stats.learner_proposal_received_count.increment(),
                PacketKind::Commit | PacketKind::Inform => stats.learner_commit_received_count.increment(),
                _ => {}
            },
            _ => {}
        }
    }

    fn carry_out(&mut self, brain: &mut Brain, output: Output) {
        let Self { core, ensemble, .. } = *self;
        if let Some(links) = ensemble.links() {
            match output {
                Output::Connect { link, leader } => return links.connect(link, leader),
                Output::Send { link, packet } => {
                    match packet.kind {
                        PacketKind::Diff | PacketKind::Trunc => core.stats.diff_count.increment(),
                        PacketKind::Snap => core.stats.snap_count.increment(),
                        _ => {}
                    }
                    return links.send(link, &packet);
                }
                Output::SendLog { link, after, before } => return links.send_log(link, after, before),
                Output::Close { link, why } => return links.close(link, &why),
                _ => {}
            }
        }
        match output {
            Output::Apply { payload, .. } => {
                if let Some(member) = &mut brain.member {
                    member.committed.push(payload);
                }
            }
            Output::Append { zxid, payload } => ensemble.store.push(Job::Append { zxid, payload }),
            Output::Store { ticket, op } => {
                // A snapshot is of everything applied.
                self.apply(brain);
                ensemble.store.push(Job::Store { ticket, op });
            }
            Output::FindInLog { ticket, at, before } => {
                if let Some(data) = ensemble.data() {
                    data.find(ticket, at, before);
                }
            }
            Output::Notify { to, notification } => {
                trace!(%to, ?notification, "telling");
                if let Some(election) = ensemble.election() {
                    election.notify(to, &notification);
                }
            }
            Output::DialPeers => {
                if let Some(election) = ensemble.election() {
                    election.dial_all();
                }
            }
            output => {
                self.apply(brain);
                self.carry_out_applied(brain, output);
            }
        }
    }

    /// What needs everything committed before to be applied.
    fn carry_out_applied(&mut self, brain: &mut Brain, output: Output) {
        let Self { core, ensemble, .. } = *self;
        match output {
            Output::SendSnapshot { link } => {
                if let Some(links) = ensemble.links() {
                    links.send_snapshot(link);
                }
            }
            Output::AdoptSnapshot { link, zxid } => self.adopt(link, zxid),
            Output::Became(role) => self.change_role(brain, role),
            Output::FromLearner { link, packet } => requests::from_learner(core, brain, link, packet),
            Output::FromLeader { link, packet } => requests::from_leader(core, brain, link, packet),
            Output::Synced(token) => requests::synced(core, brain, token),
            Output::Fatal(why) => core.fail(why.to_owned()),
            // Carried out above, or of no use before the ports are open. The sessions of a learner that is gone stay
            // its own until another asks for them.
            _ => {}
        }
    }

    /// Applies what is committed.
    fn apply(&mut self, brain: &mut Brain) {
        let Some(member) = &mut brain.member else { return };
        if member.committed.is_empty() {
            return;
        }
        let mut committed = mem::take(&mut member.committed);
        if let Err(why) = apply_decided(self.core, brain, committed.iter().map(|txn| &**txn), self.after) {
            self.core.fail(why);
        }
        committed.clear();
        if let Some(member) = &mut brain.member {
            member.committed = committed;
        }
    }

    /// Takes a leader's database for its own.
    fn adopt(&mut self, link: LinkId, zxid: Zxid) {
        let Self { core, ensemble, .. } = *self;
        let Some((tree, hold)) = ensemble.links().and_then(|links| links.take_snapshot(link)) else {
            return core.fail("the peer adopts a database that did not come; please report this".to_owned());
        };
        info!(%zxid, nodes = tree.node_count(), "taking over the leader's database");
        *ensemble.adopted.lock() = Some(hold);
        core.replace_tree(tree);
    }

    fn change_role(&mut self, brain: &mut Brain, role: Role) {
        let Self { core, ensemble, .. } = *self;
        let before = ensemble.standing();
        let now = core.clock.now();
        let lost = match role {
            Role::Leading(_) | Role::Following { .. } | Role::Observing { .. } => None,
            _ => before.lost.or(Some(now)),
        };
        *ensemble.standing.lock() = Standing { role, since: now, lost };
        note_change(core, before, role, now);
        tell(before.role, role);
        requests::became(core, brain, role);
    }
}

/// Counts a change, and how long what it ended took.
fn note_change(core: &Core, before: Standing, role: Role, now: Now) {
    let stats = &core.stats;
    let lasted = millis(now.since(before.since));
    let unavailable = before.lost.map(|lost| millis(now.since(lost)));
    match role {
        Role::Looking => stats.looking_count.increment(),
        Role::PreparingToLead | Role::Synchronizing(_) => stats.election_time.record(lasted),
        Role::Leading(_) => unavailable.into_iter().for_each(|ms| stats.leader_unavailable_time.record(ms)),
        Role::Following { .. } => stats.follower_sync_time.record(lasted),
        Role::Observing { .. } => stats.observer_sync_time.record(lasted),
    }
    if matches!(role, Role::Leading(_) | Role::Following { .. } | Role::Observing { .. }) {
        unavailable.into_iter().for_each(|ms| stats.unavailable_time.record(ms));
    }
}

/// What operators want to know of changes.
fn tell(before: Role, role: Role) {
    match role {
        Role::Looking => match before {
            Role::Leading(_) | Role::Following { .. } | Role::Observing { .. } => {
                warn!("LOOKING: the leader or its quorum is lost; serving nobody until there is a leader");
            }
            Role::Looking | Role::PreparingToLead | Role::Synchronizing(_) => info!("LOOKING for a leader"),
        },
        Role::PreparingToLead => info!("elected; waiting for followers to establish a new epoch"),
        Role::Leading(epoch) => info!(%epoch, "LEADING"),
        Role::Synchronizing(leader) => info!(%leader, "a leader is elected; synchronizing with it"),
        Role::Following { leader, epoch, .. } => info!(%leader, %epoch, "FOLLOWING"),
        Role::Observing { leader, epoch, .. } => info!(%leader, %epoch, "OBSERVING"),
    }
}
