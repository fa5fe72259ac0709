//! Votes, as servers tell them each other on the election port.

use alloc::string::String;
use alloc::vec::Vec;

use zabra_types::{ServerId, Zxid};

use crate::{DecodeError, DecodeReason, Put, Reader, SplitFrame, begin_frame, end_frame, split_frame};

/// The longest notification (`QuorumCnxManager.PACKETMAXSIZE`), in bytes.
pub const NOTIFICATION_LEN_MAX: usize = 512 * 1024;

/// The shortest: before 3.4, without the epoch of the history.
const LEN_BEFORE_PEER_EPOCH: usize = 28;
/// The length in 3.4, when there was no version yet.
const LEN_BEFORE_VERSION: usize = 40;

/// The state of a server, as notifications tell it (`QuorumPeer.ServerState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum ServerState {
    /// It takes part in an election.
    #[default]
    Looking = 0,
    /// It follows.
    Following = 1,
    /// It leads.
    Leading = 2,
    /// It observes.
    Observing = 3,
}

impl ServerState {
    /// From the number on the wire.
    pub const fn from_code(code: i32) -> Option<Self> {
        match code {
            0 => Some(Self::Looking),
            1 => Some(Self::Following),
            2 => Some(Self::Leading),
            3 => Some(Self::Observing),
            _ => None,
        }
    }

    /// The number on the wire.
    pub const fn code(self) -> i32 {
        self as i32
    }
}

/// A vote as servers tell it each other on the election port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The state of the sender.
    pub state: ServerState,
    /// Whom it votes for, or follows. An observer that looks votes for [`Notification::NOBODY`].
    pub leader: ServerId,
    /// The last transaction of that server.
    pub zxid: Zxid,
    /// The round of the sender's election.
    pub election_epoch: i64,
    /// The epoch in which that server's history ends, its current epoch. The 64 bits of the wire.
    pub peer_epoch: i64,
    /// The layout it came in: 2 since 3.5, less before.
    pub version: i32,
    /// The membership the sender knows, as text; null in older layouts.
    pub config: Option<String>,
}

impl Notification {
    /// Whom a server votes for that may not vote.
    pub const NOBODY: ServerId = ServerId::new(i64::MIN);
    /// The layout that is sent.
    pub const VERSION: i32 = 2;

    /// Reads the payload of a frame, in whatever layout it is. One that cannot be read is to be passed over: genuine
    /// servers keep the connection.
    pub fn decode(frame: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(frame);
        let state = reader.i32("state")?;
        let state = ServerState::from_code(state)
            .ok_or(DecodeError { field: "state", reason: DecodeReason::Unknown(state) })?;
        let leader = ServerId::new(reader.i64("leader")?);
        let zxid = Zxid::from_raw(reader.i64("zxid")?);
        let election_epoch = reader.i64("electionEpoch")?;
        let peer_epoch = match frame.len() {
            LEN_BEFORE_PEER_EPOCH => zxid.raw() >> 32,
            _ => reader.i64("peerEpoch")?,
        };
        let version = match frame.len() {
            LEN_BEFORE_PEER_EPOCH | LEN_BEFORE_VERSION => 0,
            _ => reader.i32("version")?,
        };
        let config = match version {
            ..=1 => None,
            _ => Some(Self::read_config(&mut reader)?),
        };
        Ok(Self { state, leader, zxid, election_epoch, peer_epoch, version, config })
    }

    fn read_config(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
        let field = "config";
        let len = reader.i32(field)?;
        let text = match usize::try_from(len) {
            Ok(n) => reader.take(field, n)?,
            Err(_) => return Err(DecodeError { field, reason: DecodeReason::UnreasonableLength(len) }),
        };
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// Appends the frame, always in the layout [`Self::VERSION`], which everybody since 3.5 understands.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let frame = begin_frame(out);
        out.put_i32(self.state.code());
        out.put_i64(self.leader.get());
        out.put_i64(self.zxid.raw());
        out.put_i64(self.election_epoch);
        out.put_i64(self.peer_epoch);
        out.put_i32(Self::VERSION);
        out.put_text(self.config.as_deref().unwrap_or_default());
        end_frame(out, frame);
    }
}

/// The payload of the first notification's frame in `bytes` and what follows it; `None` while more bytes are needed. A
/// length that cannot be ends the connection.
pub fn split_notification(bytes: &[u8]) -> Result<Option<SplitFrame<'_>>, DecodeError> {
    let refused = |len| DecodeError { field: "notification", reason: DecodeReason::UnreasonableLength(len) };
    match split_frame(bytes, NOTIFICATION_LEN_MAX) {
        Ok(Some(([], _))) => Err(refused(0)),
        Ok(split) => Ok(split),
        Err(error) => Err(refused(error.len)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification() -> Notification {
        Notification {
            state: ServerState::Following,
            leader: ServerId::new(2),
            zxid: Zxid::from_raw(0x3_0000_0007),
            election_epoch: 4,
            peer_epoch: 5,
            version: 2,
            config: Some("version=0".into()),
        }
    }

    /// A payload of the given length whose version is `version`.
    fn layout(len: usize, version: u8) -> Vec<u8> {
        let mut frame = Vec::new();
        notification().encode(&mut frame);
        frame[4 + 39] = version;
        frame.drain(..4);
        frame.resize(len, 0);
        frame
    }

    #[test]
    fn each_layout_is_read_by_its_length() {
        let full = notification();
        let bare =
            |version, peer_epoch| Ok(Notification { version, peer_epoch, config: None, ..notification() });
        let config_len = "version=0".len();
        assert_eq!(Notification::decode(&layout(44 + config_len, 2)), Ok(full));
        assert_eq!(Notification::decode(&layout(28, 2)), bare(0, 3), "before 3.4");
        assert_eq!(Notification::decode(&layout(40, 2)), bare(0, 5), "3.4");
        assert_eq!(Notification::decode(&layout(44, 1)), bare(1, 5), "the first with a version");
        assert_eq!(Notification::decode(&layout(41, 0)), bare(0, 5));
        for len in (0..28).chain(29..40) {
            assert!(Notification::decode(&layout(len, 1)).is_err(), "{len}");
        }
        for len in (0..28).chain(29..40).chain(41..44 + config_len) {
            assert!(Notification::decode(&layout(len, 2)).is_err(), "{len}");
        }
    }

    #[test]
    fn what_follows_the_membership_is_ignored() {
        assert_eq!(Notification::decode(&layout(99, 3)), Ok(Notification { version: 3, ..notification() }));
    }

    #[test]
    fn states_and_lengths_that_cannot_be_are_refused() {
        let mut frame = layout(53, 2);
        frame[40] = 0xff;
        assert!(matches!(
            Notification::decode(&frame),
            Err(DecodeError { field: "config", reason: DecodeReason::UnreasonableLength(_) })
        ));
        frame[3] = 4;
        let refused = DecodeError { field: "state", reason: DecodeReason::Unknown(4) };
        assert_eq!(Notification::decode(&frame), Err(refused));
        assert_eq!((-1..5).filter_map(ServerState::from_code).map(ServerState::code).sum::<i32>(), 6);
    }

    #[test]
    fn frames_are_cut_at_their_length() {
        let mut bytes = Vec::new();
        notification().encode(&mut bytes);
        for len in 0..bytes.len() {
            assert_eq!(split_notification(&bytes[..len]), Ok(None), "{len}");
        }
        bytes.push(7);
        let (frame, rest) = split_notification(&bytes).unwrap().unwrap();
        assert_eq!((Notification::decode(frame), rest), (Ok(notification()), &[7][..]));
        for len in [0, -1, 512 * 1024 + 1] {
            assert!(split_notification(&i32::to_be_bytes(len)).is_err(), "{len}");
        }
        assert_eq!(split_notification(&i32::to_be_bytes(512 * 1024)), Ok(None));
    }
}
