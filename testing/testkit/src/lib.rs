//! What the tests of several crates share: a blocking client that can say anything on the wire, replies taken apart
//! field by field, servers (Zabra or the genuine Apache ZooKeeper) as child processes, alone or as
//! an ensemble, and a seeded generator.
//!
//! The client shares only the jute primitives with the server under test: requests are built and replies taken apart
//! here a second time, so that one mistake cannot hide in both. Start with [`RawClient`], [`ServerProcess`] and [`Ensemble`].

mod client;
mod ensemble;
mod four_letter;
mod genuine;
mod reply;
mod request;
mod rng;
mod rounds;
mod server;

pub use client::{RECEIVE_TIMEOUT, RawClient, Received, new_session_request};
pub use ensemble::{Ensemble, EnsembleSpec, Member};
pub use four_letter::four_letter;
pub use genuine::{Genuine, JvmOptions};
pub use reply::{AclRow, Blob, Body, ClientInfo, Connected, Event, MultiResult, Reply, Shape};
pub use request::{MultiBuilder, RawRequest, Text, WatchLists, open_acl, put_acl_vector};
pub use rng::Rng;
pub use rounds::rounds;
pub use server::{HarnessError, Program, ServerProcess, ServerSpec, free_port, zabra_program};
