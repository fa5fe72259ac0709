//! The recipes of kazoo whose znodes differ from Curator's.
//!
//! kazoo's `Barrier` and `DoubleBarrier` are [the same](crate::barrier) as Curator's, and its `Counter` with
//! `support_curator=True` is an [`AtomicInteger`](crate::atomic::AtomicInteger).

mod locking;
mod queue;

pub use locking::LockingQueue;
pub use queue::Queue;

use crate::atomic::{AtomicNumber, DecimalFloat, DecimalInt};

/// kazoo's `Counter`: a whole number as decimal text. A number that is not there counts as zero.
pub type Counter = AtomicNumber<DecimalInt>;

/// kazoo's `Counter` with a float as its default: a fraction as decimal text.
pub type FloatCounter = AtomicNumber<DecimalFloat>;

/// The priority of what is put without one.
pub const PRIORITY_DEFAULT: u16 = 100;

/// The lowest priority, which has the highest number.
pub const PRIORITY_MAX: u16 = 999;
