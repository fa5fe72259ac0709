//! Programs that put load on an ensemble, see `load/README.md`.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use zabra_testkit::Genuine;

use crate::Failure;
use crate::tapped::wait_for;

/// Which client library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Library {
    Kazoo,
    Java,
}

impl Library {
    /// The node below which it writes.
    pub(super) const fn root(self) -> &'static str {
        match self {
            Self::Kazoo => "/load-kazoo",
            Self::Java => "/load-java",
        }
    }

    fn command(self, genuine: &Genuine) -> Command {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("load");
        match self {
            Self::Kazoo => {
                let mut command = Command::new(genuine.kazoo_python());
                command.arg(folder.join("load.py"));
                command
            }
            Self::Java => {
                let mut command = genuine.java(128);
                command.arg(folder.join("Load.java"));
                command
            }
        }
    }
}

/// Something a program said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// All its clients have sessions.
    Ready,
    /// Nothing was acknowledged to one client in between, in milliseconds since 1970.
    Gap { client: usize, from: u64, to: u64 },
    /// The fate of a write is unknown.
    Error { at: u64, what: String },
    /// A promise was broken.
    Broken(String),
    /// A client is done.
    Done(Done),
}

/// What a client did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) client: usize,
    /// Its session at first and at last.
    pub(super) sessions: [String; 2],
    pub(super) acknowledged: Vec<RangeInclusive<u32>>,
    pub(super) unknown: Vec<RangeInclusive<u32>>,
}

impl Report {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let kind = words.next()?;
        if kind == "ready" {
            return Some(Self::Ready);
        }
        let client: usize = words.next()?.parse().ok()?;
        Some(match kind {
            "gap" => Self::Gap { client, from: words.next()?.parse().ok()?, to: words.next()?.parse().ok()? },
            "error" => Self::Error { at: words.next()?.parse().ok()?, what: words.collect() },
            "broken" => Self::Broken(line.to_owned()),
            "done" => Self::Done(Done {
                client,
                sessions: [words.next()?.to_owned(), words.next()?.to_owned()],
                acknowledged: ranges(words.next()?)?,
                unknown: ranges(words.next()?)?,
            }),
            _ => return None,
        })
    }
}

fn ranges(text: &str) -> Option<Vec<RangeInclusive<u32>>> {
    if text == "-" {
        return Some(Vec::new());
    }
    let range = |span: &str| {
        let (first, last) = span.split_once('-')?;
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.split(',').map(range).collect()
}

/// A program that runs. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Load {
    library: Library,
    child: Child,
    reports: Arc<Mutex<Vec<Report>>>,
    reader: Option<JoinHandle<()>>,
}

impl Load {
    /// Starts clients of these servers, each writing so often a second, and waits until they have sessions.
    pub(super) fn start(
        library: Library,
        genuine: &Genuine,
        servers: &[SocketAddr],
        clients: usize,
        rate: u32,
    ) -> Result<Self, Failure> {
        let hosts: Vec<String> = servers.iter().map(SocketAddr::to_string).collect();
        let mut child = library
            .command(genuine)
            .arg(hosts.join(","))
            .arg(library.root())
            .args([clients.to_string(), rate.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("starting the clients of {library:?}: {error}"))?;
        let reports = Arc::new(Mutex::new(Vec::new()));
        let stdout = child.stdout.take().ok_or("there is a pipe from the clients")?;
        let heard = Arc::clone(&reports);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let report =
                    Report::parse(&line).unwrap_or_else(|| Report::Broken(format!("nonsense: {line}")));
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(report);
            }
        });
        let load = Self { library, child, reports, reader: Some(reader) };
        wait_for("the sessions of the clients", || load.reports().contains(&Report::Ready).then_some(()))?;
        Ok(load)
    }

    pub(super) const fn library(&self) -> Library {
        self.library
    }

    /// What it has said so far.
    pub(super) fn reports(&self) -> Vec<Report> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the clients come to an end, and tells all that was said.
    pub(super) fn finish(mut self) -> Result<Vec<Report>, Failure> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if let Some(reader) = self.reader.take() {
            reader.join().map_err(|_| "reading what clients said")?;
        }
        if !status.success() {
            return Err(format!("the clients of {:?} ended with {status}", self.library).into());
        }
        Ok(self.reports())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read() {
        for (line, want) in [
            ("ready", Some(Report::Ready)),
            ("gap 1 20 30", Some(Report::Gap { client: 1, from: 20, to: 30 })),
            ("error 0 7 CONNECTIONLOSS", Some(Report::Error { at: 7, what: "CONNECTIONLOSS".into() })),
            ("broken 0 7 lost", Some(Report::Broken("broken 0 7 lost".into()))),
            (
                "done 2 ab ab 0-3,5-5 -",
                Some(Report::Done(Done {
                    client: 2,
                    sessions: ["ab".into(), "ab".into()],
                    acknowledged: vec![0..=3, 5..=5],
                    unknown: Vec::new(),
                })),
            ),
            ("gap 1 20", None),
            ("done 2 ab ab 0-x -", None),
            ("", None),
        ] {
            assert_eq!(Report::parse(line), want, "{line}");
        }
    }
}
