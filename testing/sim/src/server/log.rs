//! The log thread of a process: one ordered stream of appends and durable changes, carried out in batches.
//!
//! A batch touches the disk when it is over. A crash before finds it done on the disk, half done or not begun.

use std::collections::VecDeque;

use bytes::Bytes;
use zabra_storage::{
    TruncateError, TxnLog, install_snapshot, purge, truncate, write_accepted_epoch, write_current_epoch,
    write_snapshot,
};
use zabra_types::{Epoch, Zxid};
use zabra_zab::{Input, StoreOp, Ticket};

use super::Machine;
use super::boot::{self, DIRS};
use super::driver::Process;
use crate::env::{Env, Stop};
use crate::messages::TxnId;
use crate::nemesis::Moment;
use crate::properties::Observation;
use crate::sabotage::Sabotage;
use crate::schedule::Event;

/// Appends of one batch at most.
const BATCH_MAX: usize = 50;

/// Something for the log thread to do.
#[derive(Clone, Debug)]
enum Work {
    Append(Zxid, Bytes),
    /// Nobody waits for it without a ticket.
    Store(Option<Ticket>, StoreOp),
    /// A snapshot of what is applied, and a new log file.
    Snapshot,
}

/// The queue to the log thread, and what it is doing.
#[derive(Debug)]
pub(super) struct LogThread {
    log: TxnLog,
    queue: VecDeque<Work>,
    /// What is being done, and its number.
    job: Option<(u64, Vec<Work>)>,
    jobs: u64,
}

impl LogThread {
    pub(super) fn new(log: TxnLog) -> Self {
        Self { log, queue: VecDeque::new(), job: None, jobs: 0 }
    }
}

impl Process {
    /// `Output::Append`.
    pub(super) fn append(
        &mut self,
        machine: &mut Machine,
        env: &mut Env,
        zxid: Zxid,
        payload: Bytes,
    ) -> Result<(), Stop> {
        env.observe(&Observation::Appended { server: machine.index, zxid })?;
        if self.sabotages_sync(env, &[Sabotage::GapInWindow]) {
            self.forgotten.insert(zxid);
        }
        if self.sabotages_sync(env, &[Sabotage::AckNewLeaderBeforeLogging]) {
            self.withheld.push((zxid, payload));
            return Ok(());
        }
        self.log.queue.push_back(Work::Append(zxid, payload));
        if env.sabotage == Some(Sabotage::AckBeforeFlush) {
            self.inputs.push_back(Input::Flushed(zxid));
        }
        self.log_on(machine, env);
        env.moment(machine.index, Moment::Appended)
    }

    /// `Output::Store`.
    pub(super) fn store(
        &mut self,
        machine: &mut Machine,
        env: &mut Env,
        ticket: Ticket,
        op: StoreOp,
    ) -> Result<(), Stop> {
        let ends_sync = matches!(op, StoreOp::Flush | StoreOp::CurrentEpoch(_)) && self.is_synchronizing();
        let storing = self.log.queue.iter().chain(self.log.job.iter().flat_map(|(_, batch)| batch));
        let waits = storing.into_iter().any(|work| matches!(work, Work::Store(Some(_), _)));
        let early = ends_sync && !waits;
        match (env.sabotage, &op) {
            (Some(Sabotage::ForgetAcceptedEpoch), StoreOp::AcceptedEpoch(_)) => {
                self.inputs.push_back(Input::Stored(ticket));
                return Ok(());
            }
            (Some(Sabotage::AckNewLeaderBeforeFlush), _) if early => {
                self.inputs.push_back(Input::Stored(ticket));
                self.log.queue.push_back(Work::Store(None, op));
                self.log_on(machine, env);
                return Ok(());
            }
            (Some(Sabotage::AckNewLeaderBeforeHistory | Sabotage::AckNewLeaderBeforeLogging), _) if early => {
                if let StoreOp::CurrentEpoch(epoch) = op {
                    self.write_current_epoch(machine, epoch)?;
                }
                self.inputs.push_back(Input::Stored(ticket));
                return Ok(());
            }
            (Some(Sabotage::EpochBeforeHistory), &StoreOp::CurrentEpoch(epoch)) => {
                // It is not reported before its turn.
                self.write_current_epoch(machine, epoch)?;
            }
            _ => {}
        }
        let moment = Moment::of_order(&op);
        self.log.queue.push_back(Work::Store(Some(ticket), op));
        self.log_on(machine, env);
        match moment {
            Some(moment) => env.moment(machine.index, moment),
            None => Ok(()),
        }
    }

    /// A snapshot of the server's own is due.
    pub(super) fn snapshot_soon(&mut self, machine: &mut Machine, env: &mut Env) {
        self.log.queue.push_back(Work::Snapshot);
        self.log_on(machine, env);
    }

    /// What was kept from the log while synchronizing goes there now.
    pub(super) fn release_withheld(&mut self, machine: &mut Machine, env: &mut Env) {
        for (zxid, payload) in std::mem::take(&mut self.withheld) {
            self.log.queue.push_back(Work::Append(zxid, payload));
        }
        self.log_on(machine, env);
    }

    /// Begins the next batch, unless one is under way.
    fn log_on(&mut self, machine: &mut Machine, env: &mut Env) {
        let thread = &mut self.log;
        if thread.job.is_some() || thread.queue.is_empty() {
            return;
        }
        let appends = thread.queue.iter().take_while(|work| matches!(work, Work::Append(..))).count();
        let batch = thread.queue.drain(..appends.clamp(1, BATCH_MAX)).collect();
        thread.jobs += 1;
        thread.job = Some((thread.jobs, batch));
        let (from, to) = env.scenario.disk;
        let delay = env.schedule.between(from, to) + machine.disk_delay;
        let event = Event::LogDone { server: machine.index, boot: machine.boot, job: thread.jobs };
        env.schedule.after(delay, event);
    }

    /// The log thread is done with a batch.
    pub(super) fn log_done(&mut self, machine: &mut Machine, env: &mut Env, job: u64) -> Result<(), Stop> {
        if self.log.job.as_ref().is_none_or(|(number, _)| *number != job) {
            return Ok(());
        }
        let Some((_, batch)) = self.log.job.take() else { return Ok(()) };
        let mut flushed = Vec::new();
        for work in &batch {
            if let Work::Append(zxid, payload) = work {
                self.log.log.append(*zxid, payload).map_err(|error| died(&error))?;
                flushed.push(TxnId::of(*zxid, payload));
            }
        }
        if let Some(last) = flushed.last() {
            self.log.log.flush().map_err(|error| died(&error))?;
            env.ledgers[machine.index].flushed(&flushed);
            env.observe(&Observation::Flushed { server: machine.index, zxid: last.zxid })?;
            env.trace(|| format!("s{} log: flushed {}", machine.id, last.zxid));
            if env.sabotage != Some(Sabotage::AckBeforeFlush) {
                self.inputs.push_back(Input::Flushed(last.zxid));
            }
            if self.sabotages_sync(env, &[Sabotage::AckProposalBeforeNewLeader]) {
                self.acknowledge_to_leader(machine, env, last.zxid)?;
            }
            env.moment(machine.index, Moment::Flushed)?;
        }
        for work in batch {
            match work {
                Work::Append(..) => {}
                Work::Store(ticket, op) => {
                    env.trace(|| format!("s{} log: {op:?}", machine.id));
                    let done =
                        self.store_on_disk(machine, env, &op).inspect_err(|_| in_doubt(machine, env, &op))?;
                    let answer = if done { Input::Stored } else { Input::CannotTruncate };
                    self.inputs.extend(ticket.map(answer));
                    env.moment(machine.index, Moment::of_store(&op))?;
                }
                Work::Snapshot => self.write_own_snapshot(machine, env)?,
            }
        }
        self.log_on(machine, env);
        self.run(machine, env)
    }

    /// Carries a durable change out. False when it cannot be done.
    fn store_on_disk(&mut self, machine: &mut Machine, env: &mut Env, op: &StoreOp) -> Result<bool, Stop> {
        let index = machine.index;
        match op {
            StoreOp::Flush => {}
            StoreOp::AcceptedEpoch(epoch) => {
                write_accepted_epoch(&machine.disk, &DIRS.snapshots, *epoch).map_err(|error| died(&error))?
            }
            StoreOp::CurrentEpoch(epoch) => self.write_current_epoch(machine, *epoch)?,
            StoreOp::Truncate(last) => return self.truncate(machine, env, *last),
            StoreOp::Snapshot(zxid) => {
                if self.tree.last_zxid() != *zxid {
                    let what = format!(
                        "s{} is to become a snapshot of {zxid}, but the tree is at {}",
                        machine.id,
                        self.tree.last_zxid()
                    );
                    return Err(Stop::violation("cursors", what));
                }
                machine.note_snapshot(*zxid, &self.history);
                install_snapshot(&machine.disk, &DIRS, &self.tree, *zxid, boot::SNAPSHOT, boot::LIMIT)
                    .map_err(|error| died(&error))?;
                self.log.log.restart_after(*zxid).map_err(|error| died(&error))?;
                self.base = *zxid;
                env.ledgers[index].adopted(*zxid);
                env.observe(&Observation::Installed { server: index, last: *zxid })?;
            }
        }
        Ok(true)
    }

    /// Cuts the history. False when only a leader's snapshot helps.
    fn truncate(&mut self, machine: &mut Machine, env: &mut Env, last: Zxid) -> Result<bool, Stop> {
        let index = machine.index;
        let reload = self.tree.last_zxid() > last;
        let kept = match env.sabotage {
            Some(Sabotage::TruncateKeepsSnapshots) => boot::newer_snapshots(&machine.disk, last),
            _ => Vec::new(),
        };
        let done = truncate(&boot::shared(&machine.disk), &boot::options(false), last, reload);
        let reloaded = match done {
            Ok(truncated) => truncated.reloaded,
            Err(error @ TruncateError::Disk(_)) => return Err(died(&error)),
            Err(_) => return Ok(false),
        };
        env.counts.truncs += 1;
        env.ledgers[index].truncated(last);
        env.observe(&Observation::Truncated { server: index, last })?;
        self.log.log.restart_after(last).map_err(|error| died(&error))?;
        self.history.retain(|txn| txn.zxid <= last);
        self.base = self.base.min(last);
        match reloaded {
            // The genuine server loads the snapshot again that it has kept, and calls it by the lower zxid.
            Some(_) if !kept.is_empty() => {}
            Some(reloaded) => self.tree = reloaded.tree,
            None => {}
        }
        for (path, bytes) in kept {
            machine.disk.put(&path, &bytes);
        }
        Ok(true)
    }

    fn write_current_epoch(&self, machine: &Machine, epoch: Epoch) -> Result<(), Stop> {
        write_current_epoch(&machine.disk, &DIRS.snapshots, epoch).map_err(|error| died(&error))
    }

    /// The snapshot that a server writes now and then.
    fn write_own_snapshot(&mut self, machine: &mut Machine, env: &mut Env) -> Result<(), Stop> {
        if self.serves().is_none() {
            // What is in the tree may not be decided.
            return Ok(());
        }
        machine.note_snapshot(self.tree.last_zxid(), &self.history);
        let disk = &machine.disk;
        write_snapshot(disk, &DIRS.snapshots, &self.tree, boot::SNAPSHOT).map_err(|error| died(&error))?;
        self.log.log.roll().map_err(|error| died(&error))?;
        purge(disk, &DIRS, 3).map_err(|error| died(&error))?;
        env.trace(|| format!("s{} log: snapshot of {}", machine.id, self.tree.last_zxid()));
        Ok(())
    }

    /// The process is about to die: does to the disk what the log thread was doing, as far as the disk lets it.
    pub(super) fn finish_job_on_disk(mut self, machine: &mut Machine, env: &mut Env) {
        let Some((_, batch)) = self.log.job.take() else { return };
        for work in &batch {
            if let Work::Append(zxid, payload) = work {
                // A disk that fails now fails nobody any more.
                let _ = self.log.log.append(*zxid, payload);
            }
        }
        let _ = self.log.log.flush();
        let reported = env.ledgers[machine.index].clone();
        for work in batch {
            match work {
                Work::Store(_, op) => {
                    let _ = self.store_on_disk(machine, env, &op);
                    // Nobody was told.
                    env.ledgers[machine.index].clone_from(&reported);
                    in_doubt(machine, env, &op);
                }
                Work::Snapshot => {
                    let _ = self.write_own_snapshot(machine, env);
                }
                Work::Append(..) => {}
            }
        }
    }

    /// Whether this process synchronizes and one of these bugs is back.
    fn sabotages_sync(&self, env: &Env, bugs: &[Sabotage]) -> bool {
        self.is_synchronizing() && env.sabotage.is_some_and(|sabotage| bugs.contains(&sabotage))
    }
}

/// A change of the disk was broken off: nobody knows whether the end of the history is gone.
fn in_doubt(machine: &Machine, env: &mut Env, op: &StoreOp) {
    if let StoreOp::Truncate(last) | StoreOp::Snapshot(last) = *op {
        env.ledgers[machine.index].truncated(last);
    }
}

pub(super) fn died(error: &dyn std::error::Error) -> Stop {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    Stop::Died(text)
}
