//! How many files the server may have open. Each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

/// Below this a server for many clients may run out of files.
const FEW: u64 = 4096;

/// Raises the limit of open files as far as the system lets anybody, as Java does, and warns when that is not far.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            debug!(%error, "the limit of open files stays as it is");
        }
    }
    match getrlimit(Resource::Nofile).current {
        Some(files) if files < FEW => warn!(
            files,
            "few files may be open, and each connection is one: raise the hard limit (ulimit -Hn, LimitNOFILE=)"
        ),
        files => debug!(files, "the limit of open files"),
    }
}
