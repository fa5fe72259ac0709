//! What every part of the world works with.

use std::fmt;
use std::time::Duration;

use zabra_storage::FaultDisk;
use zabra_types::Zxid;

use crate::ensemble::Ensemble;
use crate::ledger::Ledger;
use crate::messages::{TxnId, fnv};
use crate::nemesis::{Ambush, Moment, Victims};
use crate::network::Network;
use crate::properties::{Observation, Properties};
use crate::sabotage::Sabotage;
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::server::survivors;

/// Of so many acknowledgements, the disks are read for one.
const DISKS_READ_EVERY: usize = 16;

/// Something that must not be, was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The property.
    pub property: &'static str,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.what)
    }
}

/// Why a process does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The run is over.
    Violation(Violation),
    /// It ends by itself: its disk failed.
    Died(String),
    /// A fault that waited for this moment strikes.
    Ambushed,
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl Stop {
    pub(crate) fn violation(property: &'static str, what: impl Into<String>) -> Self {
        Self::Violation(Violation { property, what: what.into() })
    }
}

/// What every part of the world works with.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) scenario: Scenario,
    pub(crate) ensemble: Ensemble,
    pub(crate) schedule: Schedule,
    pub(crate) network: Network,
    pub(crate) properties: Properties,
    pub(crate) sabotage: Option<Sabotage>,
    /// The disks of all servers, to look at.
    pub(crate) disks: Vec<FaultDisk>,
    /// What each server has said to be on its disk.
    pub(crate) ledgers: Vec<Ledger>,
    /// Faults that wait for their moment.
    pub(crate) ambushes: Vec<Ambush>,
    /// Ambushes that have struck, for the world to carry out.
    pub(crate) struck: Vec<(usize, Victims)>,
    /// Whether faults still happen.
    pub(crate) chaos: bool,
    lines: Option<Vec<String>>,
    fingerprint: u64,
    /// What was counted.
    pub(crate) counts: Counts,
}

/// What happened how often: a world in which nothing happens shows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps.
    pub steps: u64,
    /// Transactions decided.
    pub decided: u64,
    /// Writes that clients were told of.
    pub acknowledged: u64,
    /// Reads.
    pub reads: u64,
    /// Leaders that established an epoch.
    pub epochs: u64,
    /// Processes that ended.
    pub crashes: u64,
    /// Snapshots sent to learners.
    pub snaps: u64,
    /// Truncations done.
    pub truncs: u64,
    /// How long it took at most from the end of faults until everything worked.
    pub recovery: Duration,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        let Self { steps, decided, acknowledged, reads, epochs, crashes, snaps, truncs, recovery } = other;
        self.steps += steps;
        self.decided += decided;
        self.acknowledged += acknowledged;
        self.reads += reads;
        self.epochs += epochs;
        self.crashes += crashes;
        self.snaps += snaps;
        self.truncs += truncs;
        self.recovery = self.recovery.max(*recovery);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, decided, acknowledged, reads, epochs, crashes, snaps, truncs, recovery } = self;
        write!(
            f,
            "{steps} steps, {decided} transactions, {acknowledged} acknowledged, {reads} reads, {epochs} epochs, \
             {crashes} crashes, {snaps} SNAP, {truncs} TRUNC, at most {recovery:.1?} until everything worked again"
        )
    }
}

impl Env {
    pub(crate) fn new(
        scenario: Scenario,
        schedule: Schedule,
        disks: Vec<FaultDisk>,
        sabotage: Option<Sabotage>,
        traced: bool,
    ) -> Self {
        let ensemble = scenario.ensemble.clone();
        Self {
            network: Network::new(scenario.latency, scenario.spikes),
            properties: Properties::new(&ensemble),
            ledgers: vec![Ledger::default(); disks.len()],
            scenario,
            ensemble,
            schedule,
            sabotage,
            disks,
            ambushes: Vec::new(),
            struck: Vec::new(),
            chaos: true,
            lines: traced.then(Vec::new),
            fingerprint: 0xCBF2_9CE4_8422_2325,
            counts: Counts::default(),
        }
    }

    /// Notes a line for the reader of a trace. What makes the line is not run otherwise.
    pub(crate) fn trace(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{} {}", self.schedule.now(), line()));
        }
    }

    /// The lines noted.
    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }

    /// Mixes what happened into the fingerprint of the run.
    pub(crate) fn note(&mut self, what: u64) {
        let time = self.schedule.now().micros();
        self.fingerprint = fnv(fnv(self.fingerprint, &time.to_le_bytes()), &what.to_le_bytes());
    }

    /// Two runs with the same fingerprint were the same.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Shows the properties what happened.
    pub(crate) fn observe(&mut self, seen: &Observation<'_>) -> Result<(), Violation> {
        self.properties.observe(seen)
    }

    /// A fault may wait for this moment at this server.
    pub(crate) fn moment(&mut self, server: usize, moment: Moment) -> Result<(), Stop> {
        let Some(at) = self.ambushes.iter_mut().position(|ambush| ambush.is_due(server, moment)) else {
            return Ok(());
        };
        let ambush = self.ambushes.swap_remove(at);
        self.trace(|| format!("AMBUSH {moment:?} at {}: {:?}", Ensemble::id(server), ambush.victims));
        self.struck.push((server, ambush.victims));
        if ambush.victims.include_here() { Err(Stop::Ambushed) } else { Ok(()) }
    }

    /// A server is about to tell a client that its write is done.
    pub(crate) fn answered(&mut self, server: usize, txn: TxnId) -> Result<(), Violation> {
        let servers = 0..self.ledgers.len();
        let holders: Vec<usize> = servers.clone().filter(|&server| self.ledgers[server].has(txn)).collect();
        let whole = !self.ledgers.iter().any(Ledger::is_replaced);
        let read = self.schedule.rng.one_in(DISKS_READ_EVERY) && whole;
        let survivors: Option<Vec<usize>> = read.then(|| {
            let has = |(base, txns): (Zxid, Vec<TxnId>)| txn.zxid <= base || txns.contains(&txn);
            servers.filter(|&server| survivors(&self.disks[server]).is_some_and(has)).collect()
        });
        let survivors = survivors.as_deref();
        self.observe(&Observation::Answered { server, txn, holders: &holders, survivors })
    }
}
