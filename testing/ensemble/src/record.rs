//! Writes down what genuine servers say to each other, for the tests of the codec.

mod learner;
mod scenarios;
mod tap;
mod transcript;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tap::{Capture, Port};
use transcript::Line;

use crate::Failure;

/// How long something may take to be said.
const HEAR_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs every scenario and replaces what is in `folder`, but for its README.
pub(crate) fn run(folder: &Path) -> Result<(), Failure> {
    for scenario in scenarios::ALL {
        let captures = (scenario.play)()?;
        let place = folder.join(scenario.name);
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::create_dir_all(&place)?;
        for (number, capture) in captures.iter().enumerate() {
            let lines = transcript::lines(capture)?;
            let port = if capture.port == Port::Quorum { "quorum" } else { "election" };
            let name = format!("{:02}-{port}-{}-{}.txt", number + 1, capture.dialler, capture.acceptor);
            fs::write(place.join(name), transcript::text(capture, &lines))?;
        }
    }
    Ok(())
}

/// Waits until something has been said.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let deadline = Instant::now() + HEAR_TIMEOUT;
    while Instant::now() < deadline {
        if let Some(found) = look() {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("waited {HEAR_TIMEOUT:?} for {what}").into())
}

/// Whether a line of this kind, and for which `test` holds, has been said on a capture.
fn said(capture: &Capture, what: &str, test: impl Fn(&Line) -> bool) -> bool {
    transcript::lines(capture).is_ok_and(|lines| lines.iter().any(|line| line.what == what && test(line)))
}
