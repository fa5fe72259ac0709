//! A whole ensemble with its clients on one thread, from one seed.
//!
//! Servers are the real [`zabra_zab::Peer`], preparer, tree, log and recovery, over disks that lose what was not synced
//! and a network that keeps TCP's promises and no others. Time is virtual, and every choice comes from the seed, so that
//! the same seed is the same run, to the last bit. Faults come first; then all is healed and progress is demanded.
//! `properties` are checked at every step.
//!
//! Start with [`run`]; then `world`, `server`, `nemesis`.

mod client;
mod ensemble;
mod env;
mod ledger;
mod messages;
mod model;
mod nemesis;
mod network;
mod properties;
mod sabotage;
mod scenario;
mod schedule;
mod server;
mod time;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use env::{Counts, Violation};
pub use sabotage::Sabotage;
pub use time::Time;
use world::World;
pub use world::{Outcome, Settings};

/// Runs the world of a seed to its end or to the first violation. A panic of the core is one.
pub fn run(seed: u64, settings: Settings) -> Outcome {
    let mut world = World::new(seed, settings);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = match result {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(violation),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Some(Violation { property: "assertion", what: text.unwrap_or_default() })
        }
    };
    let env = &mut world.env;
    Outcome {
        seed,
        violation: violation.map(|violation| (env.schedule.now(), violation)),
        fingerprint: env.fingerprint(),
        counts: env.counts,
        trace: env.take_lines(),
    }
}
