//! Four-letter words: the operator's commands on the client port (`server/command` in the genuine server).
//!
//! A word is the first thing on a connection, where a client's frame length would be; no length that is allowed reads
//! like one. The answer is text, and the end of the connection is the end of the answer.

mod text;

use tracing::debug;

use crate::conn::Conn;
use crate::core::Core;

/// A word this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The configuration in force.
    Conf,
    /// The connections in full.
    Cons,
    /// Start the statistics of connections again.
    Crst,
    /// How much the data takes on disk.
    Dirs,
    /// Sessions and ephemeral nodes.
    Dump,
    /// What the server runs on.
    Envi,
    /// The trace mask.
    Gtmk,
    /// The history of digests.
    Hash,
    /// Read-only?
    Isro,
    /// The metrics.
    Mntr,
    /// Are you OK?
    Ruok,
    /// Start the statistics of the server again.
    Srst,
    /// The server's state.
    Srvr,
    /// The server's state and the connections in brief.
    Stat,
    /// Set the trace mask.
    Stmk,
    /// Watches by session.
    Wchc,
    /// Watches by path.
    Wchp,
    /// How many watches there are.
    Wchs,
    /// What the program telnet sends when it is told to close.
    TelnetClose,
}

impl Word {
    const ALL: [Self; 19] = [
        Self::Conf,
        Self::Cons,
        Self::Crst,
        Self::Dirs,
        Self::Dump,
        Self::Envi,
        Self::Gtmk,
        Self::Hash,
        Self::Isro,
        Self::Mntr,
        Self::Ruok,
        Self::Srst,
        Self::Srvr,
        Self::Stat,
        Self::Stmk,
        Self::Wchc,
        Self::Wchp,
        Self::Wchs,
        Self::TelnetClose,
    ];

    const fn bytes(self) -> [u8; 4] {
        match self {
            Self::Conf => *b"conf",
            Self::Cons => *b"cons",
            Self::Crst => *b"crst",
            Self::Dirs => *b"dirs",
            Self::Dump => *b"dump",
            Self::Envi => *b"envi",
            Self::Gtmk => *b"gtmk",
            Self::Hash => *b"hash",
            Self::Isro => *b"isro",
            Self::Mntr => *b"mntr",
            Self::Ruok => *b"ruok",
            Self::Srst => *b"srst",
            Self::Srvr => *b"srvr",
            Self::Stat => *b"stat",
            Self::Stmk => *b"stmk",
            Self::Wchc => *b"wchc",
            Self::Wchp => *b"wchp",
            Self::Wchs => *b"wchs",
            Self::TelnetClose => [0xff, 0xf4, 0xff, 0xfd],
        }
    }

    /// What the whitelist calls it.
    fn name(self) -> String {
        match self {
            Self::TelnetClose => "telnet close".to_owned(),
            word => String::from_utf8_lossy(&word.bytes()).into_owned(),
        }
    }

    fn is_allowed(self, core: &Core) -> bool {
        match self {
            // The start script needs it.
            Self::Srvr => true,
            // Clients that look for a server that takes writes need it.
            Self::Isro if core.config.read_only_mode => true,
            word => core.config.four_letter_words.allows(&word.name()),
        }
    }
}

/// The word at the start of a connection's first bytes, if there is one.
pub(crate) fn recognize(bytes: &[u8]) -> Option<Word> {
    let head = bytes.first_chunk::<4>()?;
    Word::ALL.into_iter().find(|word| word.bytes() == *head)
}

/// Answers a word; the connection closes afterwards. False when more has to come first: the argument of `stmk`.
pub(crate) fn answer(core: &Core, conn: &Conn, word: Word, behind: &[u8]) -> bool {
    let allowed = word.is_allowed(core);
    if allowed && word == Word::Stmk && behind.len() < size_of::<i64>() {
        return false;
    }
    debug!(client = %conn.remote(), word = word.name(), allowed, "a four-letter word");
    core.stats.packets_received.increment();
    {
        let mut outbox = conn.outbox();
        outbox.closing = true;
        // Before the answer is made: `cons` and `stat` show this connection too.
        outbox.stats.received += 1;
    }
    let text = if allowed {
        text::of(core, word, behind)
    } else {
        format!("{} is not executed because it is not in the whitelist.\n", word.name())
    };
    let mut outbox = conn.outbox();
    outbox.bytes.extend_from_slice(text.as_bytes());
    outbox.stats.sent += 1;
    core.stats.packets_sent.increment();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_recognized_by_four_bytes() {
        for (bytes, word) in [
            (&b"ruok"[..], Some(Word::Ruok)),
            (b"ruok\r\n", Some(Word::Ruok)),
            (b"stmk\0\0\0\0\0\0\0\x01", Some(Word::Stmk)),
            (b"\xff\xf4\xff\xfd", Some(Word::TelnetClose)),
            (b"ruo", None),
            (b"RUOK", None),
            (b"lead", None),
            (b"\0\0\0\x2c", None),
            (b"", None),
        ] {
            assert_eq!(recognize(bytes), word, "{bytes:?}");
        }
    }
}
