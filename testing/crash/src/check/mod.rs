//! Judges a round: what was sent, what was answered, and what the restarted server shows.
//!
//! Nothing here does I/O, so that the tests can doctor a history and see it found out.

mod answers;
mod compare;
#[cfg(test)]
mod doctored;
#[cfg(test)]
mod fake;
mod recovered;
mod whole;

use crate::history::SlotRound;
use crate::ledger::Ledger;
use crate::observe::{Observed, Seen};
use crate::world::{Tally, World};
use std::collections::BTreeSet;
use std::time::Duration;

/// Faults of one round that are told; the others are most likely the same one.
const FAULTS_MAX: usize = 40;

/// What there was when the round began.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    /// The last transaction.
    pub(crate) zxid: i64,
    /// Sessions that are alive, also such as nobody got to know.
    pub(crate) sessions: i64,
    pub(crate) counter: Seen,
    pub(crate) queue: Seen,
    /// The highest number ever seen in the queue.
    pub(crate) last_entry: Option<u32>,
    /// Ids of all sessions ever confirmed.
    pub(crate) session_ids: BTreeSet<i64>,
}

/// A round: who did what until the server was killed.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) base: Base,
    pub(crate) slots: Vec<SlotRound>,
    /// When it was killed.
    pub(crate) ended: Duration,
}

/// What a sound round leaves behind.
#[derive(Clone, Debug)]
pub(crate) struct Sound {
    /// What each slot has made.
    pub(crate) worlds: Vec<World>,
    pub(crate) base: Base,
    pub(crate) figures: Figures,
}

/// How much a round tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Writes that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Writes in flight when the server was killed, and how many of those (at least) took effect.
    pub(crate) in_flight: u64,
    pub(crate) survived: u64,
}

/// What was found out about a slot's round.
#[derive(Clone, Debug)]
struct SlotFindings {
    /// The zxids and times that are known.
    ledger: Ledger,
    /// What the server told about the queue and the counter.
    shared: Shared,
    /// What is there: the world after the shortest part of the requests that explains it.
    world: World,
    /// How many requests that are.
    effective: usize,
    /// The tallies of the shortest and the longest such part. Between them are requests that leave no trace.
    tallies: (Tally, Tally),
}

/// What replies told about nodes that all slots share.
#[derive(Clone, Debug, Default)]
struct Shared {
    /// Zxid and path of nodes created in the queue.
    enqueued: Vec<(i64, String)>,
    /// Zxid of a set of the counter and the version it made.
    counted: Vec<(i64, i32)>,
    /// The counter as reads found it: zxid of its last change, version.
    counter_read: Vec<(i64, i32)>,
    /// The highest zxid any reply told.
    zxid_max: i64,
}

/// Judges a round.
///
/// # Errors
/// Everything that is wrong, a line each.
pub(crate) fn judge(round: &Round, observed: &Observed) -> Result<Sound, Vec<String>> {
    let mut faults = Vec::new();
    let mut findings = Vec::new();
    for slot in &round.slots {
        if slot.ended.0 < round.ended {
            let (at, why) = &slot.ended;
            faults.push(format!("slot {} lost the server after {at:?}, while it ran: {why}", slot.slot));
        }
        let mut slot_faults = Vec::new();
        let (ledger, shared) = answers::check(slot, &mut slot_faults);
        match recovered::check(round, slot, ledger, shared, observed) {
            Ok(found) => findings.push(found),
            Err(more) => slot_faults.extend(more),
        }
        faults.extend(slot_faults.into_iter().map(|fault| format!("slot {}: {fault}", slot.slot)));
    }
    if findings.len() == round.slots.len() {
        whole::check(round, &findings, observed, &mut faults);
    }
    if !faults.is_empty() {
        let left_out = faults.len().saturating_sub(FAULTS_MAX);
        faults.truncate(FAULTS_MAX);
        if left_out > 0 {
            faults.push(format!("and {left_out} more"));
        }
        return Err(faults);
    }
    Ok(Sound {
        figures: figures(round, &findings),
        base: whole::next_base(round, &findings, observed),
        worlds: findings.into_iter().map(|found| found.settled()).collect(),
    })
}

fn figures(round: &Round, findings: &[SlotFindings]) -> Figures {
    let mut figures = Figures::default();
    for (slot, found) in round.slots.iter().zip(findings) {
        let answered = slot.answered();
        for (at, _) in slot.requests.iter().enumerate().filter(|(_, request)| request.what.is_logged()) {
            if at < answered {
                figures.acknowledged += 1;
            } else {
                figures.in_flight += 1;
                figures.survived += u64::from(at < found.effective);
            }
        }
    }
    figures
}

impl SlotFindings {
    /// The world with everything known filled in, for the next round.
    fn settled(mut self) -> World {
        self.world.settle(&self.ledger);
        self.world
    }
}
