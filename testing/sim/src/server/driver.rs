//! A running process: gives inputs to the peer, and carries out its outputs in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use zabra_proto::decode_txn;
use zabra_storage::write_snapshot;
use zabra_tree::{DigestCheck, Tree};
use zabra_types::{Epoch, Zxid};
use zabra_zab::{Input, LinkId, Output, Peer, Role, Ticket};

use super::app::App;
use super::boot::{self, DIRS, Loaded};
use super::election::Line;
use super::links::Link;
use super::log::{LogThread, died};
use super::{Machine, brief, database};
use crate::env::{Env, Stop};
use crate::messages::{Database, TxnId};
use crate::nemesis::Moment;
use crate::network::{Arrival, ConnId, Kind, Node, Side};
use crate::properties::Observation;
use crate::sabotage::Sabotage;
use crate::schedule::Event;
use crate::time::Time;

/// A running process of a server.
#[derive(Debug)]
pub(crate) struct Process {
    pub(super) peer: Peer,
    pub(super) role: Role,
    pub(super) tree: Tree,
    /// The snapshot that the tree on disk began with.
    pub(super) base: Zxid,
    /// What the tree holds.
    pub(super) history: Vec<TxnId>,
    pub(super) log: LogThread,
    /// Connections of the quorum port, and which link each is.
    pub(super) links: BTreeMap<LinkId, Link>,
    pub(super) conns: BTreeMap<ConnId, LinkId>,
    pub(super) links_accepted: u64,
    /// Databases that came from leaders.
    pub(super) databases: BTreeMap<LinkId, Rc<Database>>,
    /// Connections of the election port, by server.
    pub(super) lines: BTreeMap<usize, Line>,
    /// Questions about the log on disk.
    pub(super) questions: BTreeMap<u64, (Zxid, Zxid)>,
    pub(super) app: App,
    pub(super) inputs: VecDeque<Input>,
    /// Transactions that a sabotaged driver keeps from the log.
    pub(super) withheld: Vec<(Zxid, Bytes)>,
    /// Transactions that a sabotaged driver keeps from learners.
    pub(super) forgotten: BTreeSet<Zxid>,
    /// Transactions applied since the last snapshot.
    since_snapshot: usize,
    /// The wake-up that is planned.
    wake: Option<Time>,
}

impl Process {
    /// Recovers what the disk holds.
    pub(super) fn start(machine: &mut Machine, env: &mut Env) -> Result<Self, Stop> {
        let Loaded { tree, durable, recent, base, replayed } = boot::start(machine, env)?;
        let index = machine.index;
        if let Some(lost) = env.ledgers[index].recovered(base, &replayed, durable.last_zxid) {
            let what = format!("s{} said that {lost} was on its disk, and it is not", machine.id);
            return Err(Stop::violation("durable_majority", what));
        }
        // What the snapshot holds was in the tree before.
        let mut history = match machine.snapshots.get(&base) {
            Some(history) => history.clone(),
            None if base <= Zxid::ZERO => Vec::new(),
            None => return Err(Stop::violation("storage", format!("nobody wrote a snapshot of {base}"))),
        };
        history.extend(replayed);
        env.trace(|| format!("s{} START {} with {durable:?}, snapshot {base}", machine.id, machine.boot));
        if env.scenario.snapshot_at_start && durable.last_zxid > Zxid::ZERO {
            machine.note_snapshot(tree.last_zxid(), &history);
            write_snapshot(&machine.disk, &DIRS.snapshots, &tree, boot::SNAPSHOT)
                .map_err(|error| died(&error))?;
        }
        env.observe(&Observation::Started { server: index, durable })?;
        let last = durable.last_zxid.max(Zxid::ZERO);
        let mut peer = Peer::new(
            env.scenario.options(machine.id),
            env.ensemble.members(),
            durable,
            recent,
            env.schedule.rng.next_u64(),
        );
        if let Some(sabotage) = env.sabotage.and_then(Sabotage::of_peer) {
            peer.sabotage(sabotage);
        }
        Ok(Self {
            peer,
            role: Role::Looking,
            tree,
            base,
            history,
            log: LogThread::new(boot::open_log(machine, last)),
            links: BTreeMap::new(),
            conns: BTreeMap::new(),
            links_accepted: 0,
            databases: BTreeMap::new(),
            lines: BTreeMap::new(),
            questions: BTreeMap::new(),
            app: App::new(machine, env),
            inputs: VecDeque::new(),
            withheld: Vec::new(),
            forgotten: BTreeSet::new(),
            since_snapshot: 0,
            wake: None,
        })
    }

    /// The peer begins.
    pub(super) fn begin(&mut self, machine: &mut Machine, env: &mut Env) -> Result<(), Stop> {
        let mut out = Vec::new();
        self.peer.start(machine.clock.at(env.schedule.now()), &mut out);
        self.carry_out(machine, env, out)?;
        self.run(machine, env)
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// The epoch that clients are served in.
    pub(crate) fn serves(&self) -> Option<Epoch> {
        match self.role {
            Role::Leading(epoch) | Role::Following { epoch, .. } | Role::Observing { epoch, .. } => {
                Some(epoch)
            }
            Role::Looking | Role::PreparingToLead | Role::Synchronizing(_) => None,
        }
    }

    pub(super) fn is_synchronizing(&self) -> bool {
        matches!(self.role, Role::Synchronizing(_))
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(super) fn event(&mut self, machine: &mut Machine, env: &mut Env, event: Event) -> Result<(), Stop> {
        match event {
            Event::Wake { .. } => {
                self.wake = None;
                let now = machine.clock.at(env.schedule.now());
                if self.peer.next_deadline().is_some_and(|due| due <= now) {
                    let mut out = Vec::new();
                    self.peer.handle_deadline(now, &mut out);
                    self.carry_out(machine, env, out)?;
                }
                self.expire_sessions(machine, env);
            }
            Event::LogDone { job, .. } => return self.log_done(machine, env, job),
            Event::Sent { link, .. } => self.sent(machine, env, LinkId(link))?,
            Event::Found { ticket, .. } => self.found(machine, ticket),
            _ => {}
        }
        self.run(machine, env)
    }

    pub(super) fn accepted(
        &mut self,
        machine: &mut Machine,
        env: &mut Env,
        conn: ConnId,
        kind: Kind,
        from: Node,
    ) -> Result<(), Stop> {
        match (kind, from) {
            (Kind::Election, Node::Server(from)) => self.line_accepted(machine, env, conn, from),
            (Kind::Quorum, _) => self.link_accepted(conn),
            (Kind::Client, _) => self.client_accepted(machine, env, conn),
            (Kind::Election, Node::Client(_)) => {}
        }
        self.run(machine, env)
    }

    pub(super) fn arrived(
        &mut self,
        machine: &mut Machine,
        env: &mut Env,
        conn: ConnId,
        side: Side,
        arrival: Arrival,
    ) -> Result<(), Stop> {
        if let Some(&link) = self.conns.get(&conn) {
            self.link_arrived(machine, env, link, arrival)?;
        } else if let Some(from) = self.line_of(conn) {
            self.line_arrived(env, from, arrival)?;
        } else if side == Side::Acceptor {
            self.client_arrived(machine, env, conn, arrival)?;
        }
        self.run(machine, env)
    }

    pub(super) fn step_down(&mut self, machine: &mut Machine, env: &mut Env) -> Result<(), Stop> {
        if matches!(self.role, Role::Leading(_)) {
            env.trace(|| format!("s{} is told to step down", machine.id));
            self.inputs.push_back(Input::StepDown);
        }
        self.run(machine, env)
    }

    /// Gives the peer everything that waits, and plans when to look at the clock again.
    pub(super) fn run(&mut self, machine: &mut Machine, env: &mut Env) -> Result<(), Stop> {
        let mut out = Vec::new();
        while let Some(input) = self.inputs.pop_front() {
            if let Input::Propose { zxid, payload } = &input
                && let Role::Leading(epoch) = self.role
            {
                let txn = TxnId::of(*zxid, payload);
                env.observe(&Observation::Broadcast { server: machine.index, epoch, txn, payload })?;
                env.moment(machine.index, Moment::Proposed)?;
            }
            env.trace(|| format!("s{} <- {}", machine.id, brief::input(&input)));
            self.peer.handle(machine.clock.at(env.schedule.now()), input, &mut out);
            self.carry_out(machine, env, std::mem::take(&mut out))?;
        }
        self.peer.check();
        self.plan_wake(machine, env);
        Ok(())
    }

    fn plan_wake(&mut self, machine: &Machine, env: &mut Env) {
        let due = [self.peer.next_deadline(), self.app.next_deadline()].into_iter().flatten().min();
        let Some(due) = due else { return };
        let time = machine.clock.when(due);
        if self.wake.is_none_or(|wake| time < wake) {
            self.wake = Some(time);
            env.schedule.at(time, Event::Wake { server: machine.index, boot: machine.boot });
        }
    }

    pub(super) fn carry_out(
        &mut self,
        machine: &mut Machine,
        env: &mut Env,
        mut out: Vec<Output>,
    ) -> Result<(), Stop> {
        if env.sabotage == Some(Sabotage::CommitOutOfOrder) && matches!(self.role, Role::Leading(_)) {
            swap_applied(&mut out);
        }
        for output in out {
            env.trace(|| format!("s{}    {}", machine.id, brief::output(&output)));
            self.carry_out_one(machine, env, output)?;
        }
        Ok(())
    }

    fn carry_out_one(&mut self, machine: &mut Machine, env: &mut Env, output: Output) -> Result<(), Stop> {
        match output {
            Output::Notify { to, notification } => self.notify(machine, env, to, notification),
            Output::DialPeers => self.dial_peers(machine, env),
            Output::Connect { link, leader } => self.connect(machine, env, link, leader),
            Output::Send { link, packet } => return self.send(machine, env, link, packet),
            Output::SendLog { link, after, before } => {
                return self.send_log(machine, env, link, after, before);
            }
            Output::SendSnapshot { link } => return self.send_snapshot(machine, env, link),
            Output::Close { link, .. } => self.close(env, link),
            Output::Append { zxid, payload } => return self.append(machine, env, zxid, payload),
            Output::Store { ticket, op } => return self.store(machine, env, ticket, op),
            Output::FindInLog { ticket, at, before } => self.find_in_log(machine, env, ticket, at, before),
            Output::Apply { zxid, payload } => return self.apply(machine, env, zxid, &payload),
            Output::AdoptSnapshot { link, zxid } => return self.adopt(machine, env, link, zxid),
            Output::Became(role) => return self.became(machine, env, role),
            Output::FromLearner { link, packet } => self.hear_learner(machine, env, link, &packet),
            Output::FromLeader { link, packet } => return self.hear_leader(machine, env, link, &packet),
            Output::Synced(token) => return self.synced(env, token),
            Output::LearnerGone(_) => {}
            Output::Fatal(why) => return Err(Stop::violation("fatal", format!("s{}: {why}", machine.id))),
        }
        Ok(())
    }

    fn find_in_log(&mut self, machine: &Machine, env: &mut Env, ticket: Ticket, at: Zxid, before: Zxid) {
        self.questions.insert(ticket.0, (at, before));
        let (from, to) = env.scenario.disk;
        let delay = env.schedule.between(from, to) + machine.disk_delay;
        let event = Event::Found { server: machine.index, boot: machine.boot, ticket: ticket.0 };
        env.schedule.after(delay, event);
    }

    fn found(&mut self, machine: &Machine, ticket: u64) {
        let Some((at, before)) = self.questions.remove(&ticket) else { return };
        let floor = boot::floor_in_log(machine, self.base, at, before);
        self.inputs.push_back(Input::FoundInLog { ticket: Ticket(ticket), floor });
    }

    fn apply(
        &mut self,
        machine: &mut Machine,
        env: &mut Env,
        zxid: Zxid,
        payload: &Bytes,
    ) -> Result<(), Stop> {
        let index = machine.index;
        let txn = TxnId::of(zxid, payload);
        let (header, record, digest) = match decode_txn(payload) {
            Ok(decoded) => decoded,
            Err(error) => return Err(Stop::violation("storage", format!("{zxid} cannot be read: {error}"))),
        };
        env.observe(&Observation::Applied { server: index, zxid })?;
        let outcome = self.tree.apply_prepared(&header, &record, self.app.hints(zxid), &mut ());
        // What a snapshot showed already may be applied to it again.
        while self.history.last().is_some_and(|last| last.zxid >= zxid) {
            self.history.pop();
        }
        self.history.push(txn);
        // While it synchronizes, the tree may show later transactions already.
        if let DigestCheck::Mismatch { expected, actual } = self.tree.check_digest(zxid, digest)
            && self.serves().is_some()
        {
            let what = format!(
                "s{} has the digest {actual:x} after {zxid}, its leader had {expected:x}",
                machine.id
            );
            return Err(Stop::violation("replicas", what));
        }
        if self.serves().is_some() {
            let position = self.history.len() - 1;
            env.observe(&Observation::Delivered { server: index, position, txn })?;
            env.observe(&Observation::Tree { server: index, zxid, digest: self.tree.digest() })?;
        }
        self.app.note_applied(zxid);
        self.answer_txn(machine, env, txn, (&header, &record), outcome)?;
        self.since_snapshot += 1;
        if self.since_snapshot >= env.scenario.snapshot_every && self.serves().is_some() {
            self.since_snapshot = 0;
            self.snapshot_soon(machine, env);
        }
        env.moment(index, Moment::Applied)
    }

    fn adopt(&mut self, machine: &mut Machine, env: &mut Env, link: LinkId, zxid: Zxid) -> Result<(), Stop> {
        let Some(database) = self.databases.remove(&link) else {
            let what = format!("s{} adopts a database that has not come over link {}", machine.id, link.0);
            return Err(Stop::violation("cursors", what));
        };
        self.tree = database::read(&database.bytes, zxid).map_err(|why| Stop::violation("storage", why))?;
        self.history.clone_from(&database.history);
        env.observe(&Observation::Adopted { server: machine.index, zxid })?;
        env.moment(machine.index, Moment::Adopted)
    }

    fn became(&mut self, machine: &mut Machine, env: &mut Env, role: Role) -> Result<(), Stop> {
        let index = machine.index;
        self.role = role;
        env.note(role_number(role));
        if !self.is_synchronizing() {
            self.release_withheld(machine, env);
        }
        if let Some(epoch) = self.serves() {
            for (position, &txn) in self.history.iter().enumerate() {
                env.observe(&Observation::Delivered { server: index, position, txn })?;
            }
            let leads = matches!(role, Role::Leading(_));
            env.observe(&Observation::Serving { server: index, epoch, leads, history: &self.history })?;
            let zxid = self.history.last().map_or(Zxid::ZERO, |txn| txn.zxid);
            env.observe(&Observation::Tree { server: index, zxid, digest: self.tree.digest() })?;
            env.counts.epochs += u64::from(leads);
        }
        self.change_part(machine, env);
        env.moment(index, Moment::of_role(role))
    }
}

/// Lets two transactions change places.
fn swap_applied(out: &mut [Output]) {
    let mut applied = (0..out.len()).filter(|&at| matches!(out[at], Output::Apply { .. }));
    if let (Some(first), Some(second)) = (applied.next(), applied.next()) {
        out.swap(first, second);
    }
}

/// A number that tells roles apart.
fn role_number(role: Role) -> u64 {
    match role {
        Role::Looking => 1,
        Role::PreparingToLead => 2,
        Role::Synchronizing(leader) => 3 + leader.get() as u64,
        Role::Leading(epoch) => 1 << 32 | u64::from(epoch.get()),
        Role::Following { epoch, .. } => 2 << 32 | u64::from(epoch.get()),
        Role::Observing { epoch, .. } => 3 << 32 | u64::from(epoch.get()),
    }
}
