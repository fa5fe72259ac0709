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

pub(crate) use election::Ending;
pub use election::{Candidate, LeaderElection, Leadership};
pub use latch::{LatchChange, LatchChanges, LatchOptions, LeaderLatch};
