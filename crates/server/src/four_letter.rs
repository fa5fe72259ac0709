//! Four-letter words: the operator's commands on the client port (`server/command` in the genuine server).

use std::sync::Arc;

use crate::conn::Conn;
use crate::core::Core;

/// A word this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Are you OK?
    Ruok,
    /// Read-only?
    Isro,
    /// The server's state.
    Srvr,
}

impl Word {
    const ALL: [Self; 3] = [Self::Ruok, Self::Isro, Self::Srvr];

    const fn text(self) -> &'static str {
        match self {
            Self::Ruok => "ruok",
            Self::Isro => "isro",
            Self::Srvr => "srvr",
        }
    }
}

/// The word at the start of a connection's first bytes, if there is one.
pub(crate) fn recognize(bytes: &[u8]) -> Option<Word> {
    let head = bytes.first_chunk::<4>()?;
    Word::ALL.into_iter().find(|word| word.text().as_bytes() == head)
}

/// Answers a word; the connection closes afterwards.
pub(crate) fn answer(core: &Arc<Core>, conn: &Arc<Conn>, word: Word, _behind: &[u8]) {
    let text = if core.config.four_letter_words.allows(word.text()) || word == Word::Srvr {
        match word {
            Word::Ruok => "imok".to_owned(),
            Word::Isro => "rw".to_owned(),
            Word::Srvr => srvr(core),
        }
    } else {
        format!("{} is not executed because it is not in the whitelist.\n", word.text())
    };
    let mut outbox = conn.outbox();
    outbox.bytes.extend_from_slice(text.as_bytes());
    outbox.closing = true;
}

fn srvr(core: &Core) -> String {
    let latency = core.stats.request_latency.read();
    let tree = core.tree.read();
    format!(
        "Zookeeper version: 3.9.5-zabra{}, built on 2026-11-21 00:00 UTC\nLatency min/avg/max: {}/{:?}/{}\nReceived: {}\nSent: {}\nConnections: {}\n\
         Outstanding: {}\nZxid: {}\nMode: standalone\nNode count: {}\n",
        env!("CARGO_PKG_VERSION"),
        latency.min,
        latency.average(),
        latency.max,
        core.stats.packets_received.get(),
        core.stats.packets_sent.get(),
        core.conns.len(),
        core.stats.outstanding.load(std::sync::atomic::Ordering::Relaxed),
        tree.last_zxid(),
        tree.node_count(),
    )
}
