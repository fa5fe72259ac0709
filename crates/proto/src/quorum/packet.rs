//! The envelope of everything said on the quorum port.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use zabra_types::{Epoch, Identity, Zxid};

use super::{AckEpochData, LearnerInfo, PROTOCOL_VERSION};
use crate::{DecodeError, DecodeReason, FieldLimit, Put, Reader};

macro_rules! packet_kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $wire:literal;)*) => {
        /// What a packet of the quorum port is (`Leader.REQUEST` and so on). Shown by its name on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum PacketKind { $($(#[$doc])* $name,)* }

        impl PacketKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// From the number on the wire.
            pub const fn from_code(code: i32) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The number on the wire.
            pub const fn code(self) -> i32 {
                match self { $(Self::$name => $code,)* }
            }
        }

        impl fmt::Display for PacketKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $wire,)* })
            }
        }
    };
}

packet_kinds! {
    /// A learner's client wants something: session, xid, operation and body; the client's identities with it.
    Request = 1, "REQUEST";
    /// A transaction to log and acknowledge.
    Proposal = 2, "PROPOSAL";
    /// The proposal of this zxid is on the sender's disk; or the sender has accepted NEWLEADER.
    Ack = 3, "ACK";
    /// The proposal of this zxid is decided.
    Commit = 4, "COMMIT";
    /// Are you there; the answer tells which sessions were heard of.
    Ping = 5, "PING";
    /// Does this session live, and may it move to me.
    Revalidate = 6, "REVALIDATE";
    /// The oldest pending `sync` of the receiver is answered.
    Sync = 7, "SYNC";
    /// A decided transaction, for observers.
    Inform = 8, "INFORM";
    /// As [`Self::Commit`], and a new membership becomes active.
    CommitAndActivate = 9, "COMMITANDACTIVATE";
    /// The history up to here is complete: make it durable and promise this epoch.
    NewLeader = 10, "NEWLEADER";
    /// A follower introduces itself.
    FollowerInfo = 11, "FOLLOWERINFO";
    /// The learner may serve clients.
    UpToDate = 12, "UPTODATE";
    /// What follows continues the learner's history.
    Diff = 13, "DIFF";
    /// The learner's history beyond this zxid was never decided; what follows continues from it.
    Trunc = 14, "TRUNC";
    /// A whole database follows.
    Snap = 15, "SNAP";
    /// An observer introduces itself.
    ObserverInfo = 16, "OBSERVERINFO";
    /// The epoch that the leader proposes.
    LeaderInfo = 17, "LEADERINFO";
    /// The learner promises the epoch.
    AckEpoch = 18, "ACKEPOCH";
    /// As [`Self::Inform`], and a new membership becomes active.
    InformAndActivate = 19, "INFORMANDACTIVATE";
}

/// A packet of the quorum port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumPacket {
    /// What it is.
    pub kind: PacketKind,
    /// A zxid, or whatever `kind` makes of the 64 bits.
    pub zxid: Zxid,
    /// The body; null and empty are different.
    pub data: Option<Bytes>,
    /// What a client has proved, with [`PacketKind::Request`] only.
    pub identities: Option<Vec<Identity>>,
}

/// What came over the quorum port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceivedPacket {
    /// A packet of a kind there is.
    Known(QuorumPacket),
    /// A well-formed packet of some other kind: to be logged and otherwise ignored, as genuine servers do.
    Unknown {
        /// The number of the kind.
        code: i32,
    },
}

impl QuorumPacket {
    /// A packet without a body.
    pub const fn bare(kind: PacketKind, zxid: Zxid) -> Self {
        Self { kind, zxid, data: None, identities: None }
    }

    /// A packet with a body.
    pub const fn with_data(kind: PacketKind, zxid: Zxid, data: Bytes) -> Self {
        Self { kind, zxid, data: Some(data), identities: None }
    }

    /// The first words of a learner: FOLLOWERINFO or OBSERVERINFO. The epoch is the one it has promised, not that of its
    /// last transaction.
    pub fn introduction(kind: PacketKind, accepted: Epoch, info: &LearnerInfo) -> Self {
        Self { kind, zxid: Zxid::new(accepted, 0), data: info.to_bytes(), identities: None }
    }

    /// LEADERINFO: the epoch a leader proposes.
    pub const fn leader_info(epoch: Epoch) -> Self {
        const VERSION: &[u8] = &PROTOCOL_VERSION.to_be_bytes();
        Self::with_data(PacketKind::LeaderInfo, Zxid::new(epoch, 0), Bytes::from_static(VERSION))
    }

    /// ACKEPOCH: the end of the learner's history, and whether it promises.
    pub fn ack_epoch(last: Zxid, promise: AckEpochData) -> Self {
        Self::with_data(PacketKind::AckEpoch, last, promise.to_bytes())
    }

    /// NEWLEADER, with the membership as text.
    pub const fn new_leader(epoch: Epoch, membership: Bytes) -> Self {
        Self::with_data(PacketKind::NewLeader, Zxid::new(epoch, 0), membership)
    }

    /// The acknowledgement of NEWLEADER, said again after UPTODATE.
    pub const fn ack_new_leader(epoch: Epoch) -> Self {
        Self::bare(PacketKind::Ack, Zxid::new(epoch, 0))
    }

    /// UPTODATE, which carries no zxid.
    pub const fn up_to_date() -> Self {
        Self::bare(PacketKind::UpToDate, Zxid::NONE)
    }

    /// Reads one packet, as [`split_packet`] cut it from the stream. The body shares the memory of `bytes` and keeps it
    /// alive.
    pub fn decode(bytes: &Bytes, limit: FieldLimit) -> Result<ReceivedPacket, DecodeError> {
        let mut reader = Reader::with_limit(bytes, limit);
        let code = reader.i32("type")?;
        let zxid = Zxid::from_raw(reader.i64("zxid")?);
        let data = reader.buffer("data")?.map(|data| bytes.slice_ref(data));
        let mut identities = Vec::new();
        let listed = each_identity(&mut reader, |scheme, id| {
            identities.push(Identity { scheme: scheme.into_owned(), id: id.into_owned() });
        })?;
        reader.finish("packet")?;
        Ok(match PacketKind::from_code(code) {
            Some(kind) => {
                ReceivedPacket::Known(Self { kind, zxid, data, identities: listed.then_some(identities) })
            }
            None => ReceivedPacket::Unknown { code },
        })
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(20 + self.data.as_ref().map_or(0, Bytes::len));
        out.put_i32(self.kind.code());
        out.put_i64(self.zxid.raw());
        out.put_buffer(self.data.as_deref());
        let Some(identities) = &self.identities else { return out.put_i32(-1) };
        out.put_count(identities.len());
        for identity in identities {
            out.put_text(&identity.scheme);
            out.put_text(&identity.id);
        }
    }
}

/// The length of the packet at the beginning of `bytes`; `None` while it is not there completely.
///
/// Lengths are judged as soon as they have come, so that nothing is buffered which would be refused in the end. No field
/// may be longer than `limit`, nor all identities together.
pub fn split_packet(bytes: &[u8], limit: FieldLimit) -> Result<Option<usize>, DecodeError> {
    let mut reader = Reader::with_limit(bytes, limit);
    match skip_packet(&mut reader) {
        Ok(()) => Ok(Some(bytes.len() - reader.rest().len())),
        Err(DecodeError { reason: DecodeReason::Ended { .. }, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn skip_packet(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    reader.i32("type")?;
    reader.i64("zxid")?;
    reader.buffer("data")?;
    each_identity(reader, |_, _| ())?;
    Ok(())
}

/// Reads the identities at the end of a packet; whether there is a list, even an empty one.
fn each_identity<'a>(
    reader: &mut Reader<'a>,
    mut found: impl FnMut(Cow<'a, str>, Cow<'a, str>),
) -> Result<bool, DecodeError> {
    let Some(count) = reader.count("authinfo")? else { return Ok(false) };
    let limit = reader.limit().0;
    let unreasonable = DecodeError {
        field: "authinfo",
        reason: DecodeReason::UnreasonableLength(i32::try_from(count).unwrap_or(i32::MAX)),
    };
    let mut len = 0;
    for _ in 0..count {
        let before = reader.rest().len();
        found(reader.some_text("authinfo scheme")?, reader.some_text("authinfo id")?);
        len += before - reader.rest().len();
        if len > limit {
            return Err(unreasonable);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_round_trip() {
        for &kind in PacketKind::ALL {
            assert_eq!(PacketKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(PacketKind::ALL.len(), 19);
        assert_eq!((PacketKind::from_code(0), PacketKind::from_code(20)), (None, None));
        assert_eq!(alloc::format!("{}", PacketKind::InformAndActivate), "INFORMANDACTIVATE");
    }

    #[test]
    fn lengths_are_judged_before_the_bytes_come() {
        let head = |data_len: i32| {
            let mut bytes = Vec::new();
            bytes.put_i32(2);
            bytes.put_i64(1);
            bytes.put_i32(data_len);
            bytes
        };
        let limit = FieldLimit(100);
        assert_eq!(split_packet(&head(100), limit), Ok(None));
        for len in [101, i32::MAX, -2, i32::MIN] {
            let refused = DecodeError { field: "data", reason: DecodeReason::UnreasonableLength(len) };
            assert_eq!(split_packet(&head(len), limit), Err(refused), "{len}");
        }
    }

    #[test]
    fn identities_are_bounded_together() {
        let identities = (0..8).map(|n| Identity::new("ip", &alloc::format!("10.0.0.{n}"))).collect();
        let mut packet = QuorumPacket::bare(PacketKind::Request, Zxid::NONE);
        packet.identities = Some(identities);
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        let len = bytes.len() - 20;
        assert_eq!(split_packet(&bytes, FieldLimit(len)), Ok(Some(bytes.len())));
        let refused = DecodeError { field: "authinfo", reason: DecodeReason::UnreasonableLength(8) };
        assert_eq!(split_packet(&bytes, FieldLimit(len - 1)), Err(refused));
        assert_eq!(QuorumPacket::decode(&bytes.into(), FieldLimit(len - 1)), Err(refused));
    }

    #[test]
    fn the_body_is_not_copied_and_null_is_not_empty() {
        for data in [None, Some(Bytes::new()), Some(Bytes::from_static(b"body"))] {
            let packet = QuorumPacket { data, ..QuorumPacket::bare(PacketKind::Ping, Zxid::ZERO) };
            let mut bytes = Vec::new();
            packet.encode(&mut bytes);
            let bytes = Bytes::from(bytes);
            let received = QuorumPacket::decode(&bytes, FieldLimit::default()).unwrap();
            let ReceivedPacket::Known(again) = received else { panic!("{received:?}") };
            assert_eq!(again, packet);
            if let Some(body) = again.data.filter(|body| !body.is_empty()) {
                assert_eq!(body.as_ptr(), bytes[16..].as_ptr());
            }
        }
    }

    #[test]
    fn a_kind_from_the_future_is_told_from_nonsense() {
        let mut bytes = Vec::new();
        QuorumPacket::up_to_date().encode(&mut bytes);
        bytes[3] = 99;
        let read = |bytes: &[u8]| QuorumPacket::decode(&Bytes::copy_from_slice(bytes), FieldLimit::default());
        assert_eq!(read(&bytes), Ok(ReceivedPacket::Unknown { code: 99 }));
        bytes.push(0);
        let trailing = DecodeError { field: "packet", reason: DecodeReason::Trailing(1) };
        assert_eq!(read(&bytes), Err(trailing));
    }
}
