//! What can go wrong.

use std::io;
use std::time::Duration;

use thiserror::Error;
use zabra_server::config::ConfigError;
use zabra_server::{Standing, StartError};
use zabra_types::SessionId;

/// Why a server could not be started or made to do something.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// No port could be had.
    #[error("cannot reserve a port on the loopback address")]
    Port(#[source] io::Error),
    /// The directory for the data could not be made or written.
    #[error("cannot make a directory for the data")]
    Directory(#[source] io::Error),
    /// The thread of the server could not be started.
    #[error("cannot start a thread for the server")]
    Thread(#[source] io::Error),
    /// A key of the configuration is wrong.
    #[error("the configuration is wrong")]
    Config(#[source] ConfigError),
    /// The server did not start.
    #[error("the server did not start")]
    Start(#[source] StartError),
    /// The server could not go on, as when the disk is full or a port between servers is taken.
    #[error("the server could not go on: {0}")]
    Failed(String),
    /// The server is not running: it was stopped or killed.
    #[error("the server is not running")]
    NotRunning,
    /// The server is running already.
    #[error("the server is running already")]
    Running,
    /// The session is not known, or is ending already.
    #[error("there is no session {0}")]
    NoSession(SessionId),
    /// The session was told to end and is still there.
    #[error("session {session} is still there after {waited:?}")]
    StillThere {
        /// The session.
        session: SessionId,
        /// For how long it was waited for.
        waited: Duration,
    },
    /// An ensemble must have at least two servers, and not more than 100.
    #[error("an ensemble has 2 to 100 servers, not {0}")]
    Servers(usize),
    /// An ensemble did not come to serve.
    #[error(
        "the ensemble has no leader, or not all of its running servers serve, after {waited:?}: {standings:?}"
    )]
    NoLeader {
        /// For how long it was waited for.
        waited: Duration,
        /// What each server is; none is one that does not run.
        standings: Vec<Option<Standing>>,
    },
}
