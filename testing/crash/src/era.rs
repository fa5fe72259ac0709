//! A data directory and the rounds it goes through.

use crate::action::{COUNTER, QUEUE, ROOT, home};
use crate::check::{Base, Figures, Round, Sound, judge};
use crate::files;
use crate::observe::{Observed, observe};
use crate::settings;
use crate::slot::{Slot, shake_hands};
use crate::world::World;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zabra_proto::OpCode;
use zabra_testkit::{Program, RawClient, RawRequest, Rng, ServerProcess};

/// Lines in the log of a Zabra that has come back from a crash which should not be there. A process that is killed
/// loses nothing it has written: so no snapshot is half there, and no log ends before what a snapshot shows.
const BAD_LINES: &[&str] = &[
    " ERROR ",
    "panicked",
    "the tree is not as",
    "a snapshot cannot be used",
    "the snapshot shows effects",
    "removed ephemeral nodes of sessions",
];
/// Files in the making that may lie about after a restart: one snapshot and one log.
const UNFINISHED_MAX: usize = 2;

/// What a run of the program wants.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) program: Program,
    /// Slots, each with a writer.
    pub(crate) writers: usize,
    /// Bytes to cut off the log before every start.
    pub(crate) cut_log: Option<usize>,
    /// Whether log lines mean what they mean in Zabra.
    pub(crate) is_zabra: bool,
}

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// SIGKILL.
    Kill,
    /// SIGKILL, and again while the server comes back.
    KillTwice,
    /// SIGTERM.
    Stop,
}

/// A data directory with a server on it.
pub(crate) struct Era {
    server: ServerProcess,
    slots: Vec<Slot>,
    base: Base,
    rng: Rng,
    /// How much of the server's log has been read.
    log_read: u64,
    cut_log: Option<usize>,
    is_zabra: bool,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) figures: Figures,
    /// Whether a file was in the making when the server was killed.
    pub(crate) unfinished: bool,
    /// From starting it to its first answer.
    pub(crate) start: Duration,
}

/// A round that failed.
pub(crate) struct Failure {
    pub(crate) faults: Vec<String>,
    /// The server's directory.
    pub(crate) home: PathBuf,
    /// How the server was set up before and after the kill.
    pub(crate) settings: String,
}

impl Era {
    /// A fresh directory, prepared and looked at.
    pub(crate) fn begin(options: &Options, mut rng: Rng) -> Result<Self, String> {
        let mut spec = settings::base(options.program.clone(), &mut rng);
        settings::vary(&mut spec, &mut rng);
        let server = spec.start().map_err(|error| format!("the first start: {}", chain(&error)))?;
        prepare(&server, options.writers)?;
        let observed = observe(server.addr(), [])?;
        let seen = |path: &str| observed.nodes.get(path).ok_or_else(|| format!("{path} could not be made"));
        let slots = (0..options.writers)
            .map(|number| {
                let home = home(number);
                let seen = seen(&home)?;
                let world = World::new(home, seen.data.clone().into(), &seen.stat);
                Ok(Slot { number, world, sessions: Vec::new() })
            })
            .collect::<Result<_, String>>()?;
        let base = Base {
            zxid: observed.zxid_after,
            sessions: 0,
            counter: seen(COUNTER)?.clone(),
            queue: seen(QUEUE)?.clone(),
            last_entry: None,
            session_ids: BTreeSet::new(),
        };
        let (cut_log, is_zabra) = (options.cut_log, options.is_zabra);
        Ok(Self { server, slots, base, rng, log_read: 0, cut_log, is_zabra })
    }

    /// Lets everybody write, kills the server, starts it again and judges what it shows.
    pub(crate) fn round(&mut self, number: u64) -> Result<Report, Box<Failure>> {
        let before = settings::describe(self.server.spec_mut());
        let manner = self.rng.weighted(&[(16, Manner::Kill), (3, Manner::KillTwice), (1, Manner::Stop)]);
        let (least, range) = self.rng.weighted(&[(3, (1, 15)), (5, (15, 100)), (2, (100, 400))]);
        let lasts = Duration::from_micros((least * 1000 + self.rng.below(range * 1000)) as u64);
        let round = self.write_and_kill(number, lasts, manner == Manner::Stop);
        round.and_then(|round| self.come_back(&round, manner)).map_err(|faults| {
            let after = settings::describe(self.server.spec_mut());
            let settings = format!("{before}; {manner:?} after {lasts:?}; then {after}");
            Box::new(Failure { faults, home: self.server.home().to_owned(), settings })
        })
    }

    /// Starts the server again after a round and judges what it shows.
    fn come_back(&mut self, round: &Round, manner: Manner) -> Result<Report, Vec<String>> {
        let unfinished = files::unfinished(self.server.home()) > 0;
        let observed = self.restart(manner).and_then(|start| Ok((start, self.observe(round)?)));
        let judged = match &observed {
            Ok((start, observed)) => judge(round, observed).map(|sound| (*start, sound)),
            Err(fault) => Err(vec![fault.clone()]),
        };
        let signs = self.bad_signs();
        match judged {
            Ok((start, sound)) if signs.is_empty() => {
                let figures = sound.figures;
                self.go_on(round, sound);
                Ok(Report { figures, unfinished, start })
            }
            judged => {
                let mut faults = judged.err().unwrap_or_default();
                faults.extend(signs);
                let observed = observed.as_ref().ok().map(|(_, observed)| observed);
                write_history(self.server.home(), round, observed, &faults);
                Err(faults)
            }
        }
    }

    /// Leaves the directory where it is.
    pub(crate) fn keep(&mut self) {
        self.server.keep_home();
    }

    fn write_and_kill(&mut self, number: u64, lasts: Duration, stop: bool) -> Result<Round, Vec<String>> {
        let clock = Instant::now();
        let addr = self.server.addr();
        let (rng, server, slots) = (&mut self.rng, &mut self.server, &self.slots);
        let (ended, killed, slots) = std::thread::scope(|scope| {
            let writers: Vec<_> = slots
                .iter()
                .map(|slot| {
                    let rng = Rng::new(rng.next_u64());
                    scope.spawn(move || slot.write(addr, clock, number, rng))
                })
                .collect();
            std::thread::sleep(lasts);
            let ended = clock.elapsed();
            let killed = if stop { server.stop() } else { server.kill() };
            let joined = writers.into_iter().map(|writer| writer.join().expect("writers do not panic"));
            (ended, killed, joined.collect())
        });
        killed.map_err(|error| vec![format!("ending the server: {}", chain(&error))])?;
        Ok(Round { base: self.base.clone(), slots, ended })
    }

    /// Starts the server with other settings; how long that took.
    fn restart(&mut self, manner: Manner) -> Result<Duration, String> {
        settings::vary(self.server.spec_mut(), &mut self.rng);
        if let Some(len) = self.cut_log {
            files::cut_log(self.server.home(), len).map_err(|error| format!("cutting the log: {error}"))?;
        }
        let failed = |error| format!("the server does not come back: {}", chain(&error));
        if manner == Manner::KillTwice {
            self.server.spawn().map_err(failed)?;
            std::thread::sleep(Duration::from_micros(self.rng.below(40_000) as u64));
            self.server.kill().map_err(failed)?;
        }
        let begun = Instant::now();
        self.server.start().map_err(failed)?;
        Ok(begun.elapsed())
    }

    fn observe(&self, round: &Round) -> Result<Observed, String> {
        let sessions = round.slots.iter().flat_map(|slot| {
            let alive = slot.before.sessions();
            let old = self.slots[slot.slot].sessions.len();
            let known = slot.sessions.iter().enumerate();
            known
                .filter(move |(key, _)| *key >= old || alive.contains(key))
                .map(|(key, session)| (slot.slot, key, session))
        });
        observe(self.server.addr(), sessions)
    }

    /// What the log and the files say, beside what clients see.
    fn bad_signs(&mut self) -> Vec<String> {
        if !self.is_zabra {
            return Vec::new();
        }
        let log = fs::read(self.server.home().join("server.log")).unwrap_or_default();
        let new = String::from_utf8_lossy(&log[(self.log_read as usize).min(log.len())..]).into_owned();
        self.log_read = log.len() as u64;
        let mut signs: Vec<_> = new
            .lines()
            .filter(|line| BAD_LINES.iter().any(|bad| line.contains(bad)))
            .map(|line| format!("log: {line}"))
            .collect();
        let unfinished = files::unfinished(self.server.home());
        if unfinished > UNFINISHED_MAX {
            signs.push(format!("{unfinished} unfinished files are left lying about"));
        }
        signs
    }

    fn go_on(&mut self, round: &Round, sound: Sound) {
        for ((slot, world), done) in self.slots.iter_mut().zip(sound.worlds).zip(&round.slots) {
            slot.world = world;
            slot.sessions.clone_from(&done.sessions);
        }
        self.base = sound.base;
    }
}

/// Makes what all rounds build on.
fn prepare(server: &ServerProcess, writers: usize) -> Result<(), String> {
    let mut client = RawClient::open(server.addr()).map_err(|error| format!("connecting: {error}"))?;
    shake_hands(&mut client, None)?;
    let mut paths = vec![ROOT.to_owned(), QUEUE.to_owned(), COUNTER.to_owned()];
    paths.extend((0..writers).map(home));
    let creates = paths.iter().map(|path| RawRequest::create(path, b"", 0));
    for request in creates.chain([RawRequest::bare(OpCode::CloseSession)]) {
        let reply = client.call(&request).map_err(|error| format!("preparing: {error}"))?;
        if reply.err != 0 {
            return Err(format!("preparing: {reply:?}"));
        }
    }
    Ok(())
}

/// Writes down everything about a failed round, beside the server's files.
fn write_history(home: &Path, round: &Round, observed: Option<&Observed>, faults: &[String]) {
    let mut text = faults.join("\n");
    let _ = writeln!(text, "\n\nkilled after {:?}, base {:?}\n", round.ended, round.base);
    for slot in &round.slots {
        let _ = writeln!(text, "{slot}");
    }
    if let Some(observed) = observed {
        let _ = writeln!(text, "last zxid 0x{:x}, renewed {:?}", observed.zxid, observed.renewed);
        for (path, seen) in &observed.nodes {
            let _ = writeln!(text, "{path} \"{}\" {:?}", crate::action::tag(&seen.data), seen.stat);
        }
    }
    // The faults are told in any case.
    let _ = fs::write(home.join("history.txt"), text);
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
