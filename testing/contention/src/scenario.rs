//! What is fought for, by whom, under which faults.

use std::time::Duration;

use crate::crew::Library;
use crate::faults::Faults;

/// One fight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// The name, which contenders know, too.
    pub(crate) name: &'static str,
    /// Which libraries have the recipe in a form that the others understand.
    pub(crate) libraries: &'static [Library],
    /// What happens meanwhile.
    pub(crate) faults: Faults,
    /// Whether the connections of libraries that are not ours are spared the cuts, because their recipe cannot tell what
    /// became of a request.
    pub(crate) spares_others: bool,
    /// How long a session lasts.
    pub(crate) session: Duration,
    /// How long a contender stays inside, at most, in milliseconds.
    pub(crate) stay_ms: u32,
    /// How many rounds there are; 0 is as many as the time allows.
    pub(crate) rounds: u32,
    /// Whether a release may wake one contender only.
    pub(crate) wakes_one: bool,
    /// How many may be inside at once, of those that count that.
    pub(crate) leases: u32,
}

use Library::{Curator, Kazoo, Rust};

const CALM: Faults = Faults { cuts: false, kills: false, freezes: false };
const CUTS: Faults = Faults { cuts: true, ..CALM };
const CUTS_AND_KILLS: Faults = Faults { cuts: true, kills: true, ..CALM };
const FREEZES: Faults = Faults { freezes: true, ..CALM };

const BASE: Scenario = Scenario {
    name: "lock",
    libraries: &Library::ALL,
    faults: CALM,
    spares_others: false,
    session: Duration::from_secs(20),
    stay_ms: 2,
    rounds: 0,
    wakes_one: false,
    leases: 0,
};

const DOUBLE_BARRIER: Scenario =
    Scenario { name: "double-barrier", faults: CUTS, spares_others: true, rounds: 15, ..BASE };

/// All of them, in order.
pub(crate) const ALL: &[Scenario] = &[
    // Each release wakes the next in the queue and nobody else.
    Scenario { wakes_one: true, ..BASE },
    Scenario { faults: CUTS_AND_KILLS, ..BASE },
    Scenario { faults: FREEZES, session: Duration::from_secs(2), stay_ms: 20, ..BASE },
    Scenario { name: "rwlock", faults: CUTS_AND_KILLS, ..BASE },
    Scenario { name: "latch", wakes_one: true, ..BASE },
    Scenario { name: "semaphore", libraries: &[Rust, Curator], faults: CUTS_AND_KILLS, leases: 3, ..BASE },
    Scenario { name: "election", faults: CUTS_AND_KILLS, ..BASE },
    Scenario { name: "latch", faults: CUTS_AND_KILLS, ..BASE },
    Scenario { name: "queue", faults: CUTS, spares_others: true, ..BASE },
    Scenario { name: "queue", faults: CUTS_AND_KILLS, ..BASE },
    Scenario { name: "work-queue", libraries: &[Rust, Curator], faults: CUTS, spares_others: true, ..BASE },
    Scenario { name: "counter", faults: CUTS, spares_others: true, ..BASE },
    Scenario { name: "counter", faults: CUTS_AND_KILLS, ..BASE },
    Scenario { name: "barrier", faults: CUTS, spares_others: true, rounds: 15, ..BASE },
    // Not those two together: kazoo's waits for the end of a node that Curator removes only when all have left.
    Scenario { libraries: &[Rust, Curator], ..DOUBLE_BARRIER },
    // And kazoo's has no place for a member who has no connection when the last one comes, nor for one who looks whether all
    // have come when the first have left already, and the node that says so with them: it waits for ever, with genuine
    // servers, too. So they stay long enough for everybody to have looked, on a busy machine as well.
    Scenario { libraries: &[Rust, Kazoo], faults: CALM, stay_ms: 300, ..DOUBLE_BARRIER },
];

impl Scenario {
    /// Its name and what happens meanwhile.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.name, self.faults.name())
    }

    /// Whether a library takes part.
    pub(crate) fn has(&self, library: Library) -> bool {
        self.libraries.contains(&library)
    }

    /// Whether it fights about something that only one can have at a time, in turns.
    pub(crate) fn is_fair(&self) -> bool {
        matches!(self.name, "lock" | "rwlock" | "election" | "latch" | "semaphore")
    }
}

/// The library that closes and opens the barriers for the others.
pub(crate) const SETS_BARRIERS: Library = Kazoo;
