//! Proving who one is by SASL: a conversation at the beginning of each connection, before anything else is asked.
//!
//! [`DigestMd5`] is there. Others, such as GSSAPI, can be brought along by implementing [`SaslMechanism`]; the servers
//! decide which one they speak, and clients have to know.

mod digest_md5;

pub use digest_md5::DigestMd5;

use std::fmt;

/// A way to prove an identity: makes a conversation for each connection. Give it to `ClientBuilder::sasl`.
pub trait SaslMechanism: fmt::Debug + Send + Sync + 'static {
    /// Begins a conversation.
    fn begin(&self) -> Box<dyn SaslConversation>;
}

/// One conversation with one server.
pub trait SaslConversation: fmt::Debug + Send {
    /// What is said first; empty when the server begins.
    fn first(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Answers the server.
    ///
    /// # Errors
    /// The server cannot be answered or is not who it should be; the text says why. It ends the client as a refusal by the
    /// server does.
    fn answer(&mut self, challenge: &[u8]) -> Result<SaslStep, String>;
}

/// What follows a server's word.
#[derive(Clone, PartialEq, Eq)]
pub enum SaslStep {
    /// This answer.
    Answer(Vec<u8>),
    /// Nothing: the identity is proved.
    Done,
}

impl fmt::Debug for SaslStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What proves an identity must not end in a log.
        f.write_str(if matches!(self, Self::Done) { "Done" } else { "Answer(..)" })
    }
}
