//! Writes down what genuine servers say to each other, for the tests of the codec.

mod learner;
mod scenarios;

use std::fs;
use std::path::Path;

use crate::Failure;
use crate::tap::Port;
use crate::transcript;

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
