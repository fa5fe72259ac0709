//! One scenario, from its beginning to its verdict.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use zabra_testkit::{Ensemble, Rng};

use crate::Failure;
use crate::book::Excuses;
use crate::counter;
use crate::crew::{Done, Library, Worker};
use crate::faults::{Faults, Happened, Victims};
use crate::gate::Gates;
use crate::line;
use crate::scenario::{SETS_BARRIERS, Scenario};
use crate::witness::Witness;

/// How long contenders may take to finish when their time is up.
const FINISH_MAX: Duration = Duration::from_secs(40);

/// One event for each release, and a few for those who came while they asked.
const HERD_ABOVE: f64 = 1.1;

/// So many turns, taken by chance, do not spare one of three processes.
const MANY_TURNS: u64 = 30;

/// Enough for everybody to have a turn, whatever happens.
const LONG: Duration = Duration::from_secs(15);

/// Where it takes place.
#[derive(Debug)]
pub(crate) struct Arena<'a> {
    pub(crate) ensemble: &'a mut Ensemble,
    /// Gates where connections are cut.
    pub(crate) rough: &'a Gates,
    /// Gates where they are not.
    pub(crate) smooth: &'a Gates,
    pub(crate) witness: &'a Witness,
    pub(crate) workers: &'a mut [Worker],
    /// How many clients each process has.
    pub(crate) clients: usize,
    /// For how long.
    pub(crate) time: Duration,
    pub(crate) rng: Rng,
    /// What a contender of this process is to do wrong.
    pub(crate) sabotage: Option<(String, String)>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Turns by library.
    pub(crate) turns: BTreeMap<Library, u64>,
    pub(crate) happened: Happened,
    /// Watch events for each turn.
    pub(crate) events_per_turn: f64,
    /// Old tokens that were refused.
    pub(crate) stale: u64,
    /// What was excused.
    pub(crate) excused: u64,
    /// Failures that contenders were told of and got over.
    pub(crate) errors: u64,
    /// Broken promises.
    pub(crate) wrong: Vec<String>,
    /// Somebody did not come to an end.
    pub(crate) is_stuck: bool,
    /// Why that says nothing: a client that is not ours has forgotten that it stands in line.
    pub(crate) forgotten: Option<String>,
    /// What our own contenders said, when there are any.
    pub(crate) log: String,
}

impl Arena<'_> {
    /// Lets them fight.
    pub(crate) fn fight(&mut self, scenario: &Scenario, number: usize) -> Result<Outcome, Failure> {
        let root = format!("/contention/{}-{number}", scenario.name);
        counter::prepare(self.ensemble, &root, scenario)?;
        self.witness.turn_page();
        let events = self.rough.events() + self.smooth.events();
        let fighting: Vec<usize> =
            (0..self.workers.len()).filter(|&at| scenario.has(self.workers[at].library)).collect();
        let sets = fighting.iter().copied().find(|&at| self.workers[at].library == SETS_BARRIERS);
        for &at in &fighting {
            let order = self.order(scenario, &root, at, (fighting.len(), sets));
            self.workers[at].order(&order)?;
        }
        if !self.witness.start_all(fighting.len() * self.clients) {
            self.witness.book().wrong("not all contenders got a connection".to_owned());
        }
        let over = AtomicBool::new(false);
        let deadline = Instant::now() + self.time;
        let mut victims = Victims {
            ensemble: self.ensemble,
            rough: self.rough,
            witness: self.witness,
            processes: fighting
                .iter()
                .map(|&at| (self.workers[at].name.clone(), self.workers[at].pid()))
                .collect(),
            session: scenario.session,
        };
        let workers = &*self.workers;
        let rng = &mut self.rng;
        let (happened, done) = thread::scope(|scope| {
            let over = &over;
            let trouble = scope
                .spawn(|| victims.trouble(scenario.faults, over, rng).map_err(|failure| failure.to_string()));
            // Rounds end by themselves, and there is trouble as long as they last.
            if scenario.rounds == 0 {
                thread::sleep(deadline.saturating_duration_since(Instant::now()));
                over.store(true, Relaxed);
            }
            let wait = |&at: &usize| (at, workers[at].wait_done(deadline + FINISH_MAX));
            let done: Vec<(usize, Result<Done, String>)> = fighting.iter().map(wait).collect();
            over.store(true, Relaxed);
            (trouble.join(), done)
        });
        let happened = happened.map_err(|_| "the thread that makes trouble panicked")??;
        self.ensemble.wait_serving()?;
        let events = self.rough.events() + self.smooth.events() - events;
        let values = counter::values(self.ensemble, &root, scenario)?;
        let mut outcome = self.judge(scenario, happened, &done, (events, &values));
        outcome.is_stuck = done.iter().any(|(_, done)| done.is_err());
        if outcome.is_stuck {
            let line = line::read(self.ensemble, &root)?;
            outcome.forgotten = line::forgotten(&line);
            outcome.wrong.extend(line.iter().map(|stander| format!("in line: {stander:?}")));
        }
        Ok(outcome)
    }

    fn order(
        &self,
        scenario: &Scenario,
        root: &str,
        at: usize,
        (fighting, sets): (usize, Option<usize>),
    ) -> String {
        let worker = &self.workers[at];
        let spared = scenario.spares_others && worker.library != Library::Rust;
        let gates = if spared { self.smooth } else { self.rough };
        let mut members = fighting * self.clients;
        let mut order = format!(
            "{} root={root} hosts={} session={} millis={} clients={} stay={} rounds={} leases={}",
            scenario.name,
            gates.hosts(),
            scenario.session.as_millis(),
            self.time.as_millis(),
            self.clients,
            scenario.stay_ms,
            scenario.rounds,
            scenario.leases,
        );
        if scenario.name == "barrier" {
            members -= 1;
            if sets == Some(at) {
                order.push_str(" sets=1");
            }
        }
        order.push_str(&format!(" members={members}"));
        if let Some((process, sabotage)) = &self.sabotage
            && *process == worker.name
        {
            order.push_str(&format!(" sabotage={sabotage}"));
        }
        order
    }

    fn judge(
        &self,
        scenario: &Scenario,
        happened: Happened,
        done: &[(usize, Result<Done, String>)],
        (events, values): (u64, &BTreeMap<String, i64>),
    ) -> Outcome {
        let mut excuses = Excuses::default();
        let mut errors = 0;
        let mut wrong = Vec::new();
        for (at, done) in done {
            match done {
                Ok(done) => {
                    errors += done.number("errors");
                    if self.workers[*at].library != Library::Rust {
                        excuses.unsure += done.number("suspensions");
                    }
                }
                Err(why) => wrong.push(why.clone()),
            }
        }
        let book = self.witness.turn_page();
        let verdict = book.verdict(values, excuses);
        wrong.extend(verdict.wrong);
        let mut turns: BTreeMap<Library, u64> = BTreeMap::new();
        for (who, count) in book.turns() {
            if let Some(library) = Library::ALL.into_iter().find(|library| who.starts_with(library.name())) {
                *turns.entry(library).or_default() += count;
            }
        }
        let all: u64 = turns.values().sum();
        // Under faults the time may not do for each client, but for one of each process: of ours, unless servers were away
        // for most of it, and of others, who may take seconds to connect again, if it is long.
        let calm = scenario.faults == Faults::default();
        let is_due = |library| match library {
            _ if calm || all == 0 => true,
            Library::Rust => all >= MANY_TURNS,
            Library::Curator | Library::Kazoo => self.time >= LONG,
        };
        for &(at, _) in done {
            let name = &self.workers[at].name;
            let had = |client: &usize| book.turns().contains_key(&format!("{name}/{client}"));
            let wanted = if calm { self.clients } else { 1 };
            let due = scenario.is_fair() && is_due(self.workers[at].library);
            if due && (0..self.clients).filter(had).count() < wanted {
                wrong.push(format!("contenders of {name} never had a turn"));
            }
        }
        let events_per_turn = events as f64 / all.max(1) as f64;
        // Our holders hear of their own node, too.
        let ours = turns.get(&Library::Rust).copied().unwrap_or(0);
        if scenario.wakes_one && events as f64 > HERD_ABOVE * (all + ours) as f64 {
            wrong.push(format!("a herd: {events} watch events for {all} turns, {ours} of them ours"));
        }
        let ours_said = || {
            let ours = self.workers.iter().filter(|worker| worker.library == Library::Rust);
            ours.map(Worker::log_tail).collect::<Vec<_>>().join("\n")
        };
        let log = if wrong.is_empty() { String::new() } else { ours_said() };
        Outcome {
            log,
            turns,
            happened,
            events_per_turn,
            stale: book.stale(),
            excused: verdict.excused,
            errors,
            wrong,
            is_stuck: false,
            forgotten: None,
        }
    }
}
