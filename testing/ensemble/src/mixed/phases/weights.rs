//! Votes that do not count the same.

use std::thread;
use std::time::Duration;

use super::super::stage::Stage;
use super::{write, write_everywhere};
use crate::Failure;
use crate::client::expect;

/// Longer than servers that may agree take to do so.
const SILENCE: Duration = Duration::from_secs(4);

/// 3 has the weight of three: it goes on alone, and the others cannot without it.
pub(super) fn one_outweighs_two(stage: &mut Stage) -> Result<(), Failure> {
    stage.kill(&[1, 2])?;
    write(stage, 3, "/alone", 20)?;
    stage.revive(&[1, 2])?;
    for id in [1, 2] {
        stage.expect_sync(id, "DIFF")?;
    }
    stage.kill(&[3])?;
    thread::sleep(SILENCE);
    for id in [1, 2, 4] {
        let mode = stage.tapped.ensemble.server(id).mode();
        expect(mode.is_none(), || format!("{} serves as {mode:?} without a quorum", stage.name(id)))?;
    }
    stage.revive(&[3])?;
    stage.wait_serving(&[1, 2, 4])?;
    stage.expect_leader(3)?;
    write_everywhere(stage, "/after-weights")
}
