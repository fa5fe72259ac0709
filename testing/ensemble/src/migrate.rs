//! Replaces the servers of an ensemble one by one, on the same directories, while clients write.

mod load;
mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use zabra_testkit::{Ensemble, EnsembleSpec, Genuine, Member, RawRequest, ServerSpec};

use crate::kind::{Kind, Programs};
use crate::{Failure, agree, chain};
use load::{Library, Load};
use verdict::Step;

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Clients of each library.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Writes a second of each client.
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Between two replacements, in seconds.
    #[arg(long, default_value_t = 3)]
    rest: u64,
    /// End servers with SIGKILL rather than SIGTERM.
    #[arg(long)]
    kill: bool,
    /// How often to go there and back.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Genuine servers in the place of ours: what do clients feel of these?
    #[arg(long)]
    rehearse: bool,
}

const VOTERS: u8 = 3;
/// What a genuine server logs when its leader sends it a snapshot.
const SENT_ALL: &str = "Getting a snapshot from leader";

/// Runs it; whether nothing was lost.
pub(crate) fn run(args: &Args) -> Result<bool, Failure> {
    let programs = Programs::find(args.rehearse)?;
    let server = ServerSpec::new(programs.of(Kind::Genuine)).with_property("interop.log", "INFO");
    let mut migration =
        Migration { ensemble: EnsembleSpec::new(server, VOTERS).start()?, programs, steps: Vec::new() };
    let mut out = io::stdout();
    match migration.play(args, &mut out) {
        Ok(()) => {
            writeln!(out, "passed")?;
            Ok(true)
        }
        Err(error) => {
            writeln!(out, "FAILED: {}", chain(&*error))?;
            for member in migration.ensemble.members_mut() {
                writeln!(out, "       {}", member.server_mut().keep_home().display())?;
            }
            Ok(false)
        }
    }
}

struct Migration {
    ensemble: Ensemble,
    programs: Programs,
    steps: Vec<Step>,
}

impl Migration {
    fn play(&mut self, args: &Args, out: &mut impl Write) -> Result<(), Failure> {
        let genuine = Genuine::find()?;
        let servers: Vec<_> = self.ensemble.members().map(|member| member.server().addr()).collect();
        let mut loads = Vec::new();
        for library in [Library::Kazoo, Library::Java] {
            let mut client = crate::client::Client::connect(servers[0], 1, 10_000)?;
            client.ok(&RawRequest::create(library.root(), b"", 0))?;
            client.close()?;
            loads.push(Load::start(library, &genuine, &servers, args.clients, args.rate)?);
        }
        self.step("nothing happens", args, |_| Ok(()))?;
        for _ in 0..args.rounds {
            for kind in [Kind::Zabra, Kind::Genuine] {
                self.replace_all(kind, args)?;
            }
        }
        let alive = loads.iter().map(|load| verdict::owners(load, servers[0], args.clients));
        let alive = alive.collect::<Result<Vec<_>, _>>()?;
        let mut outcomes = Vec::new();
        for load in loads {
            outcomes.push((load.library(), load.finish()?));
        }
        verdict::tell(&self.steps, &outcomes, out)?;
        let explained = self.explained_mismatches()?;
        agree::expect_agreement(&self.ensemble, |id| id.to_string(), |id| explained[&id])?;
        verdict::judge(&outcomes, &alive, servers[0], out)
    }

    /// The digests that have not fitted at each server and need not have. A genuine server that was sent a database while it
    /// changed finds that nothing fits until it has caught up with what it was given ahead of time, whoever sent it.
    fn explained_mismatches(&self) -> Result<BTreeMap<u8, u64>, Failure> {
        let mismatches = |member: &Member| {
            let log = fs::read(member.server().home().join("server.log"))?;
            let was_sent_all = String::from_utf8_lossy(&log).contains(SENT_ALL);
            let count = if was_sent_all { agree::digest_mismatches(&self.ensemble, member.id())? } else { 0 };
            Ok((member.id(), count))
        };
        self.ensemble.members().map(mismatches).collect()
    }

    /// Replaces the followers, then the leader.
    fn replace_all(&mut self, kind: Kind, args: &Args) -> Result<(), Failure> {
        let mut left: Vec<u8> = (1..=VOTERS).collect();
        while !left.is_empty() {
            let leader = self.ensemble.wait_leader()?;
            let at = left.iter().position(|id| *id != leader).unwrap_or(0);
            let id = left.remove(at);
            let role = if id == leader { "the leader" } else { "a follower" };
            self.step(&format!("{id}, {role}, becomes {kind:?}"), args, |it| {
                it.replace(id, kind, args.kill)
            })?;
        }
        Ok(())
    }

    fn replace(&mut self, id: u8, kind: Kind, kill: bool) -> Result<(), Failure> {
        let program = self.programs.of(kind);
        let member = self.ensemble.member_mut(id);
        if kill {
            member.server_mut().kill()?
        } else {
            member.server_mut().stop()?
        }
        member.set_program(program);
        member.server_mut().start()?;
        Ok(())
    }

    fn step(
        &mut self,
        name: &str,
        args: &Args,
        act: impl FnOnce(&mut Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let from = now_ms();
        let begun = Instant::now();
        act(self).map_err(|error| format!("{name}: {}", chain(&*error)))?;
        let took = begun.elapsed();
        thread::sleep(Duration::from_secs(args.rest));
        self.steps.push(Step { name: name.to_owned(), from, to: now_ms(), took });
        Ok(())
    }
}

/// Milliseconds since 1970, as the clients tell them.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}
