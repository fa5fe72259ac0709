//! What was said on a connection, as lines of text: who says it, what it is, its bytes.

use std::fmt::Write;

use bytes::Bytes;
use zabra_proto::{
    ElectionHello, FieldLimit, PacketKind, QuorumPacket, ReceivedPacket, split_notification, split_packet,
};

use crate::tap::{Capture, Port, Side};

/// The end of a database on the quorum port.
const SNAPSHOT_END: &[u8] = b"\0\0\0\x01/\0\0\0\x0aBenWasHere";

/// Something that was said, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) side: Side,
    /// The kind of a packet; HELLO, VOTE, or DATABASE for what follows SNAP.
    pub(crate) what: String,
    pub(crate) bytes: Vec<u8>,
}

/// All that was said on a connection, in the order in which it was complete. What is incomplete at the end is left out.
pub(crate) fn lines(capture: &Capture) -> Result<Vec<Line>, String> {
    let mut sides = [Half::default(), Half::default()];
    let mut lines = Vec::new();
    for (side, chunk) in &capture.chunks {
        let half = &mut sides[usize::from(*side == Side::Acceptor)];
        half.pending.extend_from_slice(chunk);
        while let Some((what, len)) = half.next(capture.port, *side)? {
            lines.push(Line { side: *side, what, bytes: half.pending.drain(..len).collect() });
        }
    }
    Ok(lines)
}

/// What one side has said and is not complete yet.
#[derive(Debug, Default)]
struct Half {
    pending: Vec<u8>,
    /// A database comes next.
    database: bool,
    /// Its end is not among so many bytes.
    searched: usize,
    /// The greeting has been said.
    greeted: bool,
}

impl Half {
    fn next(&mut self, port: Port, side: Side) -> Result<Option<(String, usize)>, String> {
        match port {
            Port::Quorum if self.database => Ok(self.next_database()),
            Port::Quorum => self.next_packet(),
            Port::Election => self.next_notification(side),
        }
    }

    fn next_database(&mut self) -> Option<(String, usize)> {
        let rest = &self.pending[self.searched..];
        match rest.windows(SNAPSHOT_END.len()).position(|window| window == SNAPSHOT_END) {
            Some(at) => {
                let len = self.searched + at + SNAPSHOT_END.len();
                (self.database, self.searched) = (false, 0);
                Some(("DATABASE".to_owned(), len))
            }
            None => {
                self.searched += rest.len().saturating_sub(SNAPSHOT_END.len() - 1);
                None
            }
        }
    }

    fn next_packet(&mut self) -> Result<Option<(String, usize)>, String> {
        let limit = FieldLimit::default();
        let Some(len) = split_packet(&self.pending, limit).map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let bytes = Bytes::copy_from_slice(&self.pending[..len]);
        match QuorumPacket::decode(&bytes, limit) {
            Ok(ReceivedPacket::Known(packet)) => {
                self.database = packet.kind == PacketKind::Snap;
                Ok(Some((packet.kind.to_string(), len)))
            }
            other => Err(format!("a packet that cannot be: {other:?}")),
        }
    }

    fn next_notification(&mut self, side: Side) -> Result<Option<(String, usize)>, String> {
        if side == Side::Dialler && !self.greeted {
            let greeting = ElectionHello::decode(&self.pending).map_err(|error| error.to_string())?;
            self.greeted = greeting.is_some();
            return Ok(greeting.map(|(_, len)| ("HELLO".to_owned(), len)));
        }
        let split = split_notification(&self.pending).map_err(|error| error.to_string())?;
        Ok(split.map(|(frame, _)| ("VOTE".to_owned(), frame.len() + 4)))
    }
}

/// The lines as a fixture holds them.
pub(crate) fn text(capture: &Capture, lines: &[Line]) -> String {
    let (dialler, acceptor) = (capture.dialler, capture.acceptor);
    let mut text = match capture.port {
        Port::Quorum => format!("# Quorum port: > learner {dialler}, < leader {acceptor}\n"),
        Port::Election => {
            format!("# Election port: > server {dialler}, which dialled, < server {acceptor}\n")
        }
    };
    for line in lines {
        text.push_str(if line.side == Side::Dialler { "> " } else { "< " });
        text.push_str(&line.what);
        text.push(' ');
        for byte in &line.bytes {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use zabra_types::Zxid;

    #[test]
    fn a_stream_in_pieces_is_the_same_lines() {
        let mut stream = Vec::new();
        QuorumPacket::bare(PacketKind::Snap, Zxid::ZERO).encode(&mut stream);
        stream.extend_from_slice(b"a database, BenWasHere not yet");
        stream.extend_from_slice(SNAPSHOT_END);
        QuorumPacket::up_to_date().encode(&mut stream);
        for piece in 1..=stream.len() {
            let chunks = stream.chunks(piece).map(|chunk| (Side::Acceptor, chunk.to_vec())).collect();
            let capture = Capture { port: Port::Quorum, dialler: 1, acceptor: 2, chunks };
            let lines = lines(&capture).unwrap();
            let what: Vec<&str> = lines.iter().map(|line| line.what.as_str()).collect();
            assert_eq!(what, ["SNAP", "DATABASE", "UPTODATE"], "in pieces of {piece}");
            let bytes: Vec<u8> = lines.into_iter().flat_map(|line| line.bytes).collect();
            assert_eq!(bytes, stream);
        }
    }
}
