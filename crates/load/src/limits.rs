//! How many connections one process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};
use std::io;

/// Files a program has open beside its connections.
const OTHER_FILES: u64 = 200;

/// How many connections this process, and each server it starts afterwards, may have at a time. The limit of open files is
/// raised as far as the system lets anybody.
pub fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // What stays forbidden shows in the limit read below.
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        let _ = setrlimit(Resource::Nofile, raised);
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX)
}

/// Makes sure that so many connections are possible.
///
/// # Errors
/// They are not; the error says what an operator has to change.
pub fn require_connections(count: usize) -> io::Result<()> {
    let most = connections_max();
    if count <= most {
        return Ok(());
    }
    let files = count as u64 + OTHER_FILES;
    Err(io::Error::other(format!(
        "{count} connections need {files} open files, and only {most} are allowed: raise `ulimit -Hn` to {files}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_allowed_and_no_more() {
        let most = connections_max();
        require_connections(most).unwrap();
        if let Some(more) = most.checked_add(1) {
            let error = require_connections(more).unwrap_err().to_string();
            assert!(error.contains("ulimit -Hn"), "{error}");
        }
    }
}
