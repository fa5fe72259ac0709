//! Barriers: a gate that many wait at, and one that a group passes together.
//!
//! Both keep their state as Curator and kazoo do, so that programs of all three meet at the same barrier.

mod double;
mod single;

pub use double::{DoubleBarrier, Entered};
pub use single::Barrier;
