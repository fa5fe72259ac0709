//! How thoroughly is measured.

use crate::side::Side;
use std::path::PathBuf;
use std::time::Duration;

/// How thoroughly is measured, and where.
#[derive(Clone, Debug)]
pub(crate) struct Effort {
    /// Whether a first impression will do.
    pub(crate) quick: bool,
    /// Rounds of each case.
    pub(crate) rounds: usize,
    /// Time at the beginning of each measurement that does not count.
    pub(crate) settle: Duration,
    /// Time that counts.
    pub(crate) measure: Duration,
    /// How long a genuine server is warmed with each operation before its first round: its code is compiled as it runs.
    pub(crate) warm_up: Duration,
    /// Nodes where the list of targets says a million.
    pub(crate) nodes: usize,
    /// Sessions where it says 5,000.
    pub(crate) sessions: usize,
    /// Where servers keep their data.
    pub(crate) data_root: PathBuf,
}

impl Effort {
    /// What `--quick` and `--rounds` stand for.
    pub(crate) fn of(quick: bool, rounds: Option<u32>, data_root: PathBuf) -> Self {
        let ms = Duration::from_millis;
        let usual = if quick {
            Self {
                quick,
                rounds: 2,
                settle: ms(200),
                measure: ms(800),
                warm_up: ms(2000),
                nodes: 100_000,
                sessions: 1000,
                data_root,
            }
        } else {
            Self {
                quick,
                rounds: 5,
                settle: ms(300),
                measure: ms(1500),
                warm_up: ms(15_000),
                nodes: 1_000_000,
                sessions: 5000,
                data_root,
            }
        };
        Self { rounds: rounds.map_or(usual.rounds, |rounds| rounds as usize), ..usual }
    }

    /// How long a server of this side is warmed with an operation.
    pub(crate) fn warm_up_of(&self, side: Side) -> Duration {
        if side == Side::Genuine { self.warm_up } else { self.settle }
    }

    /// About how long so many contests take, each measured in all rounds on so many sides.
    pub(crate) fn contests(&self, contests: u32, sides: u32) -> Duration {
        // Connecting, making the workload, and taking what is still on its way.
        let beside = Duration::from_millis(100);
        (self.settle + self.measure + beside) * contests * sides * self.rounds as u32
    }
}
