//! What others use meanwhile.

use std::io;
use std::time::{Duration, Instant};
use zabra_load::{Process, busy};

/// The clocks of processor time tick so often that this much of it may be no more than rounding.
const ROUNDING: Duration = Duration::from_millis(30);

/// Tells what programs beside the servers and this one use, when a measurement has none of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    begun: Instant,
    own: Duration,
    all: Duration,
}

impl Meter {
    /// Begins.
    pub(crate) fn start() -> io::Result<Self> {
        Ok(Self { begun: Instant::now(), own: Process::own().cpu()?, all: busy()? })
    }

    /// Processors that others have kept busy since, if the servers used `servers`.
    pub(crate) fn foreign_cpus(&self, servers: Duration) -> io::Result<f64> {
        let own = Process::own().cpu()?.saturating_sub(self.own);
        let all = busy()?.saturating_sub(self.all);
        let foreign = all.saturating_sub(own + servers + ROUNDING);
        Ok(foreign.as_secs_f64() / self.begun.elapsed().as_secs_f64())
    }
}
