//! The processes that contend.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use zabra_testkit::Genuine;

use crate::Failure;

/// How long a process may take to start.
const START_MAX: Duration = Duration::from_secs(180);

/// Which client library and recipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Library {
    /// zabra-recipes.
    Rust,
    /// Curator.
    Curator,
    /// kazoo.
    Kazoo,
}

impl Library {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Rust, Self::Curator, Self::Kazoo];

    /// Its name, and the beginning of the names of its processes.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Curator => "curator",
            Self::Kazoo => "kazoo",
        }
    }

    fn command(self, genuine: &Genuine) -> Result<Command, Failure> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("workers");
        Ok(match self {
            Self::Rust => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("contend");
                command
            }
            Self::Curator => {
                let mut command = genuine.java(128);
                command.arg(folder.join("Contender.java"));
                command
            }
            Self::Kazoo => {
                let mut command = Command::new(genuine.kazoo_python());
                command.arg(folder.join("contender.py"));
                command
            }
        })
    }
}

/// A process with several clients.
#[derive(Debug)]
pub(crate) struct Worker {
    /// The library.
    pub(crate) library: Library,
    /// Its name.
    pub(crate) name: String,
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
    log: PathBuf,
}

/// What a process says after a scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    values: BTreeMap<String, u64>,
}

impl Done {
    /// A number that it told; 0 when it did not.
    pub(crate) fn number(&self, key: &str) -> u64 {
        self.values.get(key).copied().unwrap_or(0)
    }
}

impl Worker {
    /// Starts a process; [`Worker::wait_ready`] tells when it can be used. What it says on its standard error goes to a
    /// file in `logs`.
    pub(crate) fn start(
        (library, number): (Library, usize),
        genuine: &Genuine,
        witness: SocketAddr,
        logs: &Path,
    ) -> Result<Self, Failure> {
        let name = format!("{}-{number}", library.name());
        let log = logs.join(format!("{name}.log"));
        let mut child = library
            .command(genuine)?
            .args([&name, &witness.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|error| format!("starting {name}: {error}"))?;
        let orders = child.stdin.take().ok_or("there is a pipe to the process")?;
        let stdout = child.stdout.take().ok_or("there is a pipe from the process")?;
        let (answer, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if answer.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { library, name, child, orders, answers, log })
    }

    /// Waits until it has started.
    pub(crate) fn wait_ready(&self) -> Result<(), Failure> {
        match self.answers.recv_timeout(START_MAX) {
            Ok(line) if line == "ready" => Ok(()),
            other => Err(format!("{} did not start: {other:?}\n{}", self.name, self.log_tail()).into()),
        }
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells it what to do.
    pub(crate) fn order(&mut self, order: &str) -> Result<(), Failure> {
        Ok(writeln!(self.orders, "{order}")?)
    }

    /// Waits until it has done that; the error says why not.
    pub(crate) fn wait_done(&self, deadline: Instant) -> Result<Done, String> {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = match self.answers.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Err(format!("{} is stuck", self.name)),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(format!("{} died\n{}", self.name, self.log_tail()));
            }
        };
        let words = line.strip_prefix("done").ok_or_else(|| format!("{}: {line}", self.name))?;
        let pairs = words.split_whitespace().filter_map(|word| word.split_once('='));
        let values = pairs.filter_map(|(key, value)| Some((key.to_owned(), value.parse().ok()?)));
        Ok(Done { values: values.collect() })
    }

    /// The end of what it said on its standard error.
    pub(crate) fn log_tail(&self) -> String {
        const LINES: usize = 15;
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
