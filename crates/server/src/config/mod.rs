//! Reading the configuration of a server: `zoo.cfg`, the `-D` flags of the Java server, the command line.
//!
//! [`Config::load`] does it all. What it returns is data: a [`Config`], and [`Notice`]s for the operator, or a
//! [`ConfigError`] with everything that is wrong. [`Config::refusals`] tells whether this server can do what the
//! configuration asks for.
//!
//! The way of a value: [`properties`] splits a file into keys and values, [`flags`] does so for the environment;
//! `read` picks the source that counts and reads the value as its row in `keys` says, into a `draft`; `finish` and
//! `membership` bring together what depends on each other; [`Config`] is the result. Mirrors `QuorumPeerConfig`
//! and the system properties that the Java server reads all over its code.

mod clashes;
mod draft;
mod finish;
pub mod flags;
mod java;
mod keys;
mod load;
mod membership;
pub mod properties;
mod read;
mod reference;
mod refuse;
mod report;
mod settings;
mod suggest;

pub use flags::Flags;
pub use load::Loaded;
pub use reference::reference;
pub use report::{ConfigError, Notice, NoticeKind, Place, Problem, Refusal, Subject};
pub use settings::*;
