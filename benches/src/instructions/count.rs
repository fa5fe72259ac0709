//! Running an operation under callgrind.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::operations::{COUNT_MAX, COUNT_MIN, Operation};

/// What one operation takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Instructions.
    pub(crate) instructions: u64,
    /// Allocations and reallocations.
    pub(crate) allocations: f64,
}

impl Cost {
    /// Whether this is more than a known cost by more than `tolerance` percent. Of allocations, a twentieth of one is
    /// tolerated: tables grow now and then.
    pub(crate) fn exceeds(self, known: Self, tolerance: f64) -> bool {
        self.instructions as f64 > known.instructions as f64 * (1.0 + tolerance / 100.0)
            || self.allocations > known.allocations + 0.05
    }
}

/// Counts with callgrind.
#[derive(Debug)]
pub(crate) struct Counter {
    program: PathBuf,
    dir: PathBuf,
    /// Removes what nobody wants to keep.
    _temp: Option<TempDir>,
}

/// What two runs differ in.
struct Run {
    instructions: u64,
    allocations: u64,
}

impl Counter {
    /// Fails where there is no valgrind. Profiles are left in `keep`.
    pub(crate) fn new(keep: Option<&Path>) -> Result<Self, String> {
        let found = Command::new("valgrind").arg("--version").output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Err("VALGRIND IS MISSING, NOTHING WAS COUNTED OR CHECKED: \
                        install it (apt-get install valgrind) and try again"
                .to_owned());
        }
        let program = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
        let (dir, temp) = match keep {
            Some(dir) => {
                std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
                (dir.to_owned(), None)
            }
            None => {
                let temp = tempfile::tempdir().map_err(|error| format!("no place for profiles: {error}"))?;
                (temp.path().to_owned(), Some(temp))
            }
        };
        Ok(Self { program, dir, _temp: temp })
    }

    /// The difference between a long and a short run, for one operation.
    pub(crate) fn count(&self, operation: &Operation) -> Result<Cost, String> {
        let (short, long) = (self.run(operation, COUNT_MIN)?, self.run(operation, COUNT_MAX)?);
        let count = u64::from(COUNT_MAX - COUNT_MIN);
        Ok(Cost {
            instructions: long.instructions.saturating_sub(short.instructions) / count,
            allocations: long.allocations.saturating_sub(short.allocations) as f64 / count as f64,
        })
    }

    fn run(&self, operation: &Operation, count: u32) -> Result<Run, String> {
        let profile = self.dir.join(format!("{}-{count}.callgrind", operation.name));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let output = Command::new("valgrind")
            .args(["--quiet", "--tool=callgrind"])
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(&self.program)
            .args(["drive", operation.name, &count.to_string()])
            // The environment lies on the stack: with another one, memory is laid out otherwise.
            .env_clear()
            .env("PATH", path)
            .output()
            .map_err(|error| format!("valgrind does not start: {error}"))?;
        let told = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} failed under valgrind: {complaint}", operation.name));
        }
        let text = std::fs::read_to_string(&profile)
            .map_err(|error| format!("the profile {} cannot be read: {error}", profile.display()))?;
        let instructions = total(&text).ok_or_else(|| format!("{} tells no total", profile.display()))?;
        let allocations =
            told.trim().parse().map_err(|error| format!("{} told no number: {error}", operation.name))?;
        Ok(Run { instructions, allocations })
    }
}

/// The instructions of a whole profile.
fn total(profile: &str) -> Option<u64> {
    let of = |key| profile.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    of("totals:").or_else(|| of("summary:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found() {
        let profile =
            "# callgrind format\nversion: 1\nevents: Ir\nsummary: 12\n\nfn=(1) main\n3 4\n\ntotals: 34\n";
        assert_eq!(total(profile), Some(34));
        assert_eq!(total("summary: 12\n"), Some(12));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn more_is_more() {
        let known = Cost { instructions: 1000, allocations: 2.0 };
        for (instructions, allocations, exceeds) in
            [(1000, 2.0, false), (1030, 2.04, false), (1031, 2.0, true), (1000, 2.06, true), (10, 0.0, false)]
        {
            assert_eq!(Cost { instructions, allocations }.exceeds(known, 3.0), exceeds, "{instructions}");
        }
    }
}
