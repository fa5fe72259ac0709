//! What clients may expect of any ensemble, whatever its servers are.

pub(super) mod operators;
mod sessions;
mod watches;
mod writes;

use super::stage::Stage;
use crate::Failure;

/// A check and its name.
type Check = (&'static str, fn(&Stage, &str) -> Result<(), Failure>);

/// Every check works below a node of its own, whose path it is given.
const CHECKS: &[Check] = &[
    ("writes of every kind", writes::every_kind),
    ("refusals", writes::refusals),
    ("multi", writes::multi),
    ("sequence numbers", writes::sequences),
    ("access control", writes::access),
    ("large data", writes::large),
    ("own writes are read", writes::own_writes),
    ("synced reads", writes::synced_reads),
    ("nodes that go by themselves", writes::transient),
    ("events", watches::events),
    ("watches set again elsewhere", watches::set_again),
    ("sessions move", sessions::moving),
    ("sessions end", sessions::closing),
    ("sessions expire", sessions::expiring),
];

/// Runs all checks.
pub(super) fn run(stage: &Stage) -> Result<(), Failure> {
    for (number, (name, check)) in CHECKS.iter().enumerate() {
        let root = format!("/check-{number}");
        let mut client = stage.connect(3)?;
        client.ok(&zabra_testkit::RawRequest::create(root.as_str(), b"", 0))?;
        check(stage, &root).map_err(|error| format!("{name}: {error}"))?;
        client.close()?;
    }
    Ok(())
}
