//! Contention between processes in several languages.
//!
//! ```text
//! cargo run --release -p zabra-contention -- --quick
//! ```

mod book;
mod contend;
mod counter;
mod crew;
mod faults;
mod fight;
mod gate;
mod line;
mod rehearse;
mod report;
mod scenario;
mod witness;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use zabra_testkit::{Ensemble, EnsembleSpec, Genuine, JvmOptions, Rng, ServerSpec, zabra_program};

use crate::crew::{Library, Worker};
use crate::fight::Arena;
use crate::gate::Gates;
use crate::report::Report;
use crate::witness::Witness;

/// Rust, Curator and kazoo processes fight for the same locks, elections, queues, barriers and counters on an ensemble
/// of three servers. Fails when anything that the recipes promise is broken.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that what is wrong is found: contenders cheat, and every kind of cheating must be noticed.
    Rehearse(RunArgs),
    /// A process of our own recipes, as the others start it.
    #[command(hide = true)]
    Contend {
        /// What it is called.
        name: String,
        /// The port of the witness.
        witness: String,
    },
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Whose servers.
    #[arg(long, value_enum, default_value_t = Servers::Both)]
    servers: Servers,
    /// How many seconds each scenario lasts.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Short: a few seconds each, and nothing frozen on the genuine servers.
    #[arg(long)]
    quick: bool,
    /// Only scenarios whose title begins with this, such as "lock" or "queue cuts".
    #[arg(long)]
    only: Option<String>,
    /// Only these libraries.
    #[arg(long, value_delimiter = ',')]
    libraries: Vec<String>,
    /// Clients in each process.
    #[arg(long, default_value_t = 3)]
    clients: usize,
    /// Processes of each library.
    #[arg(long, default_value_t = 1)]
    processes: usize,
    /// Chooses when which fault happens.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Servers {
    Zabra,
    Genuine,
    Both,
}

/// How long a scenario lasts when all of them are to take less than three minutes.
const QUICK: Duration = Duration::from_millis(3500);

/// How often a scenario may end with nothing learned, because a client that is not ours held up everybody.
const ATTEMPTS: usize = 3;

/// What ends a run.
pub(crate) type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.command {
        None => run(&args.run),
        Some(Command::Rehearse(args)) => rehearse::run(args),
        Some(Command::Contend { name, witness }) => {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::WARN)
                .with_ansi(false)
                .with_writer(io::stderr)
                .init();
            contend::run(name, witness)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "contention: {}", chain(&*error));
            ExitCode::from(2)
        }
    }
}

/// An error with everything that caused it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn run(args: &RunArgs) -> Result<bool, Failure> {
    let mut report = Report::default();
    for servers in [Servers::Zabra, Servers::Genuine] {
        if args.servers == servers || args.servers == Servers::Both {
            let mut stage = Stage::set(args, servers)?;
            for (number, scenario) in args.scenarios(servers).iter().enumerate() {
                for attempt in 1.. {
                    let outcome = stage.arena(args, None).fight(scenario, 100 * attempt + number)?;
                    if outcome.is_stuck {
                        // What has not finished would disturb the next.
                        stage.restart_workers(args)?;
                    }
                    if attempt < ATTEMPTS
                        && let Some(who) = &outcome.forgotten
                    {
                        report.again(servers.name(), scenario, who)?;
                        continue;
                    }
                    report.add(servers.name(), scenario, outcome)?;
                    break;
                }
            }
        }
    }
    report.finish()
}

impl Servers {
    fn name(self) -> &'static str {
        match self {
            Self::Zabra => "zabra",
            Self::Genuine => "genuine",
            Self::Both => "both",
        }
    }
}

impl RunArgs {
    fn scenarios(&self, servers: Servers) -> Vec<scenario::Scenario> {
        let few = self.quick && servers == Servers::Genuine;
        let wanted = |scenario: &&scenario::Scenario| {
            self.only.as_ref().is_none_or(|only| scenario.title().starts_with(only))
                && !(few && scenario.faults.freezes)
        };
        scenario::ALL.iter().filter(wanted).copied().collect()
    }

    fn time(&self) -> Duration {
        if self.quick { QUICK } else { Duration::from_secs(self.seconds) }
    }

    fn has(&self, library: Library) -> bool {
        self.libraries.is_empty() || self.libraries.iter().any(|name| name == library.name())
    }
}

/// Servers, gates and contenders.
pub(crate) struct Stage {
    ensemble: Ensemble,
    rough: Gates,
    smooth: Gates,
    witness: Witness,
    genuine: Genuine,
    workers: Vec<Worker>,
    fights: u64,
}

impl Stage {
    fn set(args: &RunArgs, servers: Servers) -> Result<Self, Failure> {
        let genuine = Genuine::find()?;
        let program = match servers {
            Servers::Genuine => genuine.program(&JvmOptions::small()),
            _ => zabra_program()?,
        };
        let ensemble = EnsembleSpec::new(ServerSpec::new(program), 3)
            .with("tickTime", "500")
            .with("maxSessionTimeout", "60000")
            .start()?;
        let addresses: Vec<_> = ensemble.members().map(|member| member.server().addr()).collect();
        let (rough, smooth) = (Gates::open(&addresses)?, Gates::open(&addresses)?);
        let witness = Witness::start()?;
        let workers = start_workers(args, &genuine, &witness, ensemble.server(1).home())?;
        Ok(Self { ensemble, rough, smooth, witness, genuine, workers, fights: 0 })
    }

    /// Where logs go.
    fn home(&self) -> &std::path::Path {
        self.ensemble.server(1).home()
    }

    /// Replaces all contenders.
    pub(crate) fn restart_workers(&mut self, args: &RunArgs) -> Result<(), Failure> {
        self.workers = start_workers(args, &self.genuine, &self.witness, self.home())?;
        Ok(())
    }

    fn arena(&mut self, args: &RunArgs, sabotage: Option<(String, String)>) -> Arena<'_> {
        self.fights += 1;
        Arena {
            ensemble: &mut self.ensemble,
            rough: &self.rough,
            smooth: &self.smooth,
            witness: &self.witness,
            workers: &mut self.workers,
            clients: args.clients,
            time: args.time(),
            rng: Rng::new(args.seed.wrapping_add(self.fights)),
            sabotage,
        }
    }
}

fn start_workers(
    args: &RunArgs,
    genuine: &Genuine,
    witness: &Witness,
    logs: &std::path::Path,
) -> Result<Vec<Worker>, Failure> {
    let libraries = Library::ALL.into_iter().filter(|&library| args.has(library));
    let wanted = libraries.flat_map(|library| (1..=args.processes).map(move |number| (library, number)));
    let started = wanted.map(|which| Worker::start(which, genuine, witness.address(), logs));
    let workers = started.collect::<Result<Vec<_>, _>>()?;
    workers.iter().try_for_each(Worker::wait_ready)?;
    Ok(workers)
}
