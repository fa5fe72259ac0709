//! What there is to do, and what comes of it.

use std::time::Duration;

/// The operation that is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Read a node of 100 bytes.
    Get,
    /// Write 100 bytes to a node.
    Set,
    /// Connect, and nothing more.
    Idle,
}

impl Op {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Idle => "idle",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        [Self::Get, Self::Set, Self::Idle]
            .into_iter()
            .find(|op| op.name() == text)
            .ok_or_else(|| format!("no operation {text}: get, set, idle"))
    }
}

/// A load, as every program gets it: `hosts op sessions depth warm-up-ms measured-ms nodes`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) op: Op,
    pub(crate) sessions: usize,
    /// Requests in flight for each session.
    pub(crate) depth: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// The nodes that are read and written.
pub(crate) const NODES: usize = 1000;
/// Where they are.
pub(crate) const ROOT: &str = "/clients";
/// What is in them.
pub(crate) const DATA: [u8; 100] = [b'x'; 100];

/// The path of a node.
pub(crate) fn node(number: usize) -> String {
    format!("{ROOT}/{}", number % NODES)
}

/// What a program measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) ops: f64,
    pub(crate) seconds: f64,
    /// User and system time of the program, in seconds.
    pub(crate) cpu: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Memory of the program with one session and with all of them, in KiB.
    pub(crate) rss: [f64; 2],
}

impl Figures {
    /// From the JSON that a program prints.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let json: serde_json::Value = serde_json::from_str(line).ok()?;
        let number = |key: &str| json.get(key).and_then(serde_json::Value::as_f64);
        Some(Self {
            ops: number("ops")?,
            seconds: number("seconds")?,
            cpu: number("cpu")?,
            p50: number("p50")?,
            p99: number("p99")?,
            rss: [number("rss_one")?, number("rss_all")?],
        })
    }
}
