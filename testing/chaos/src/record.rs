//! What the clients did and were told, in one clock.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Time since the beginning of the run.
pub(crate) type At = Duration;

/// What was done to a register, a node whose data is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// setData, whatever the version.
    Write(i64),
    /// setData if the version still is this one.
    Swap {
        /// The version.
        version: i32,
        /// The new value.
        value: i64,
    },
    /// sync, then getData.
    Read,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was done; the register's value and version then.
    Done {
        /// The value, read or written.
        value: i64,
        /// The version.
        version: i32,
    },
    /// The version was another.
    Refused,
    /// Nobody told: it happened, happens later, or never does.
    Unknown,
}

/// One operation on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    /// Who.
    pub(crate) client: usize,
    /// On which register.
    pub(crate) key: usize,
    /// What.
    pub(crate) action: Action,
    /// When it was sent.
    pub(crate) call: At,
    /// When the answer was there, or given up.
    pub(crate) back: At,
    /// The answer.
    pub(crate) outcome: Outcome,
}

/// The life of a session as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionLife {
    /// Its id.
    pub(crate) id: i64,
    /// Since when its ephemeral node certainly is there.
    pub(crate) ephemeral: Option<At>,
    /// The latest time at which something was sent that the server then accepted from this session.
    pub(crate) alive: At,
    /// Since when it may be over because the client asked for it.
    pub(crate) closing: Option<At>,
    /// Since when it certainly is over: closed and told so, or told expired.
    pub(crate) over: Option<At>,
}

/// The sessions' nodes as seen at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Before the sync was sent.
    pub(crate) call: At,
    /// When the list was there.
    pub(crate) back: At,
    /// The sessions that have a node.
    pub(crate) sessions: BTreeSet<i64>,
}

/// Everything of a run.
#[derive(Debug)]
pub(crate) struct Record {
    begun: Instant,
    inner: Mutex<Inner>,
}

/// What was recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inner {
    /// Operations on registers, in the order of their ends.
    pub(crate) ops: Vec<Op>,
    /// Sessions that are over for their client.
    pub(crate) sessions: Vec<SessionLife>,
    /// Listings of ephemeral nodes.
    pub(crate) listings: Vec<Listing>,
    /// What a client saw that it must not see.
    pub(crate) violations: Vec<String>,
    /// Events that came for watches.
    pub(crate) events: u64,
}

impl Record {
    /// An empty record whose clock begins now.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), inner: Mutex::default() }
    }

    /// The time.
    pub(crate) fn now(&self) -> At {
        self.begun.elapsed()
    }

    /// Changes or reads what is recorded.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&mut Inner) -> R) -> R {
        // A client that panicked has recorded whole things only.
        look(&mut self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Inner {
    /// The longest time in which no write was acknowledged, between `from` and `to`.
    pub(crate) fn longest_silence(&self, from: At, to: At) -> Duration {
        let mut times: Vec<At> = self
            .ops
            .iter()
            .filter(|op| op.action != Action::Read && matches!(op.outcome, Outcome::Done { .. }))
            .map(|op| op.back)
            .filter(|&back| (from..to).contains(&back))
            .collect();
        times.push(to);
        times.sort_unstable();
        let mut last = from;
        let mut longest = Duration::ZERO;
        for time in times {
            longest = longest.max(time.saturating_sub(last));
            last = time;
        }
        longest
    }
}
