//! The server as a program runs it: listeners, connections, the pipeline to the log, background work, admin HTTP and
//! metrics, around the pure crates that decide.
//!
//! Start with [`Server`]. Nothing below this crate knows tokio, and nothing here decides about the protocol.

mod admin;
mod audit;
mod background;
mod clock;
mod commit;
pub mod config;
mod conn;
mod core;
mod ensemble;
mod events;
mod four_letter;
mod http;
mod intervene;
mod listener;
mod observe;
mod options;
mod pipeline;
mod prometheus;
mod reads;
mod restore;
mod server;
mod snapshots;
mod stats;
mod throttler;

pub use intervene::Standing;
pub use observe::version::{full as full_version, release};
pub use pipeline::chain;
pub use server::{Recovery, Server, StartError, Stopped};
