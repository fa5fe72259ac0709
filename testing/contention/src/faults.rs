//! What happens to contenders: cut connections, killed servers, frozen processes.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use zabra_testkit::{Ensemble, Rng};

use crate::Failure;
use crate::gate::Gates;
use crate::witness::Witness;

/// Which faults there are in a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Connections through the rough gates are cut.
    pub(crate) cuts: bool,
    /// Servers are killed and started again.
    pub(crate) kills: bool,
    /// Processes are frozen for longer than their sessions last.
    pub(crate) freezes: bool,
}

impl Faults {
    /// In one word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self { freezes: true, .. } => "freezes",
            Self { cuts: true, kills: true, .. } => "cuts+kills",
            Self { cuts: true, .. } => "cuts",
            Self { kills: true, .. } => "kills",
            Self { .. } => "calm",
        }
    }
}

/// How often which fault happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Happened {
    pub(crate) cuts: u64,
    pub(crate) kills: u64,
    pub(crate) freezes: u64,
}

/// Between two cuts, at most.
const CUT_PAUSE_MAX_MS: usize = 300;
/// Between the return of a server and the next kill.
const KILL_PAUSE: Duration = Duration::from_millis(1200);
/// Between the return of a process and the next that is frozen.
const FREEZE_PAUSE: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(5);

/// Whom the faults hit.
#[derive(Debug)]
pub(crate) struct Victims<'a> {
    pub(crate) ensemble: &'a mut Ensemble,
    pub(crate) rough: &'a Gates,
    pub(crate) witness: &'a Witness,
    /// Names and numbers of the processes.
    pub(crate) processes: Vec<(String, u32)>,
    /// How long sessions last.
    pub(crate) session: Duration,
}

impl Victims<'_> {
    /// Makes trouble until `over`, and leaves everything running.
    pub(crate) fn trouble(
        &mut self,
        faults: Faults,
        over: &AtomicBool,
        rng: &mut Rng,
    ) -> Result<Happened, Failure> {
        let mut happened = Happened::default();
        let seed = rng.next_u64();
        let (rough, witness, session) = (self.rough, self.witness, self.session);
        let processes = &self.processes;
        let ensemble = &mut *self.ensemble;
        thread::scope(|scope| {
            let cutter = faults.cuts.then(|| scope.spawn(move || cut(rough, over, Rng::new(seed))));
            let freezer = faults
                .freezes
                .then(|| scope.spawn(move || freeze(processes, witness, session, over, Rng::new(seed ^ 1))));
            if faults.kills {
                happened.kills = kill(ensemble, over, rng)?;
            }
            if let Some(cutter) = cutter {
                happened.cuts = cutter.join().map_err(|_| "the thread that cuts connections panicked")?;
            }
            if let Some(freezer) = freezer {
                let frozen = freezer.join().map_err(|_| "the thread that freezes processes panicked")?;
                happened.freezes = frozen.map_err(|error| format!("sending a signal: {error}"))?;
            }
            Ok(happened)
        })
    }
}

fn cut(rough: &Gates, over: &AtomicBool, mut rng: Rng) -> u64 {
    let mut cuts = 0;
    while !over.load(Relaxed) {
        cuts += u64::from(rough.cut_one(&mut rng));
        thread::sleep(Duration::from_millis(rng.below(CUT_PAUSE_MAX_MS) as u64));
    }
    cuts
}

fn kill(ensemble: &mut Ensemble, over: &AtomicBool, rng: &mut Rng) -> Result<u64, Failure> {
    let count = ensemble.members().count();
    let mut kills = 0;
    while !over.load(Relaxed) {
        // Every other time the leader.
        let victim = match ensemble.leader() {
            Some(leader) if kills % 2 == 0 => leader,
            _ => u8::try_from(rng.below(count) + 1)?,
        };
        ensemble.server_mut(victim).kill()?;
        kills += 1;
        thread::sleep(Duration::from_millis(100 + rng.below(400) as u64));
        ensemble.server_mut(victim).start()?;
        let next = Instant::now() + KILL_PAUSE;
        while Instant::now() < next && !over.load(Relaxed) {
            thread::sleep(LOOK);
        }
    }
    Ok(kills)
}

fn freeze(
    processes: &[(String, u32)],
    witness: &Witness,
    session: Duration,
    over: &AtomicBool,
    mut rng: Rng,
) -> std::io::Result<u64> {
    let signal = |signal: &str, pid: u32| Command::new("kill").args([signal, &pid.to_string()]).status();
    let mut freezes = 0;
    while !over.load(Relaxed) {
        let (name, pid) = rng.pick(processes);
        // Inside of something, where it hurts.
        while !witness.book().has_inside(name) && !over.load(Relaxed) {
            thread::sleep(Duration::from_micros(300));
        }
        signal("-STOP", *pid)?;
        witness.book().freeze(name);
        freezes += 1;
        thread::sleep(session * 2);
        // Before it says anything again.
        witness.book().thaw(name);
        signal("-CONT", *pid)?;
        thread::sleep(FREEZE_PAUSE);
    }
    Ok(freezes)
}
