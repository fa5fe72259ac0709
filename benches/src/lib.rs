//! A server without sockets, threads and clocks, to measure what a request costs.
//!
//! Start with [`Served`]: bytes of a connection go in, replies come out, over the same functions that a server calls. What a
//! server has beyond them is not measured here: locks, wake-ups, system calls, statistics.

mod disk;
mod requests;
mod served;

pub use disk::Sink;
pub use requests::{create, delete, exists, frame, get, get_children, multi_of_sets, set};
pub use served::Served;
