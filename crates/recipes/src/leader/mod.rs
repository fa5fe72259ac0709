//! Leader election: [`LeaderLatch`] for programs that ask whether they lead, [`LeaderElection`] for work that is done
//! while leading.
//!
//! # What they have in common
//!
//! Each participant makes an ephemeral sequential node and watches the one before it. The first leads. There is no
//! herd: when a leader goes, one participant learns of it.
//!
//! *At most one leader, as far as the servers know.* A leader that is cut off is a leader until its session expires; it
//! learns of it later than its successor. Both recipes therefore treat leadership in doubt as lost unless told
//! otherwise, and the successor can only appear after the session time-out, so there are no two leaders while the clocks
//! of client and servers run at the same speed and the process is not paused. Where that is not enough, send the
//! [`Fence`](crate::Fence) to what the leader acts on.

mod election;
mod latch;

use crate::common::retry::Backoff;
use crate::common::{Guard, Result};
use crate::lock::{Lock, Mutex};
pub(crate) use election::Ending;
pub use election::{Candidate, LeaderElection, Leadership};
pub use latch::{LatchChange, LatchChanges, LatchOptions, LeaderLatch};

/// Stands for election until it is won, through everything that may pass: a participant that gave up because nobody
/// answered for a while would be missing later without anyone's noticing.
async fn win(lock: &Mutex) -> Result<Guard> {
    let mut backoff = Backoff::default();
    loop {
        match lock.acquire().await {
            Err(error) if !error.is_final() => {
                tracing::warn!(path = lock.path(), %error, "cannot stand for election, and will try again");
                backoff.pause().await;
            }
            won => return won,
        }
    }
}
