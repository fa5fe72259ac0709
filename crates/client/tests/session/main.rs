//! Sessions with real servers: Zabra, and Apache ZooKeeper where it is installed.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod against;
mod breaking;
mod endings;
mod life;
mod servers;
