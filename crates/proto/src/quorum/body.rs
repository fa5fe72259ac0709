//! The bodies of packets. Bytes behind the known fields are ignored, as genuine servers do: later releases may add some.

use alloc::vec::Vec;

use bytes::Bytes;
use zabra_types::{Epoch, Identity, ServerId, SessionId, Xid, Zxid};

use super::{PacketKind, QuorumPacket};
use crate::{DecodeError, DecodeReason, Put, Reader};

/// The protocol of the quorum port since 3.4.
pub const PROTOCOL_VERSION: i32 = 0x1_0000;

/// What a learner speaks for whom a snapshot takes the place of its log. A genuine learner keeps the log and replays what is
/// behind the snapshot when it starts again, so a leader has to take care. Genuine leaders see no difference: they ask
/// whether it is at least [`PROTOCOL_VERSION`].
pub const PROTOCOL_VERSION_SNAPSHOT_REPLACES_LOG: i32 = 0x1_0001;

/// How a learner introduces itself, in FOLLOWERINFO and OBSERVERINFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LearnerInfo {
    /// Who it is; none for an observer without an id.
    pub server: Option<ServerId>,
    /// What it speaks; [`PROTOCOL_VERSION`] since 3.4.
    pub protocol_version: i32,
    /// The version of the membership it knows; 0 when it says none.
    pub config_version: i64,
}

impl LearnerInfo {
    /// Reads the body by its length: older learners say less, down to nothing.
    pub fn decode(data: Option<&[u8]>) -> Result<Self, DecodeError> {
        let mut info = Self { server: None, protocol_version: 1, config_version: 0 };
        let Some(data) = data else { return Ok(info) };
        let mut reader = Reader::new(data);
        info.server = Some(ServerId::new(reader.i64("serverid")?));
        if data.len() >= 12 {
            info.protocol_version = reader.i32("protocolVersion")?;
        }
        if data.len() >= 20 {
            info.config_version = reader.i64("configVersion")?;
        }
        Ok(info)
    }

    /// The body; null from a learner without an id.
    pub fn to_bytes(&self) -> Option<Bytes> {
        let server = self.server?;
        let mut out = Vec::with_capacity(20);
        out.put_i64(server.get());
        out.put_i32(self.protocol_version);
        out.put_i64(self.config_version);
        Some(out.into())
    }
}

/// What the leader speaks, from the body of LEADERINFO.
pub fn read_protocol_version(data: Option<&[u8]>) -> Result<i32, DecodeError> {
    body("protocolVersion", data)?.i32("protocolVersion")
}

/// The data of an ACKEPOCH: the epoch of the last NEWLEADER that the learner accepted; none when it had promised the
/// epoch before and must not be counted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckEpochData(pub Option<Epoch>);

impl AckEpochData {
    /// Reads the body.
    pub fn decode(data: Option<&[u8]>) -> Result<Self, DecodeError> {
        let field = "currentEpoch";
        match body(field, data)?.i32(field)? {
            -1 => Ok(Self(None)),
            epoch => match u32::try_from(epoch) {
                Ok(epoch) => Ok(Self(Some(Epoch::new(epoch)))),
                Err(_) => Err(DecodeError { field, reason: DecodeReason::Unknown(epoch) }),
            },
        }
    }

    /// The body.
    pub fn to_bytes(self) -> Bytes {
        let epoch = self.0.map_or(-1, |epoch| epoch.get().cast_signed());
        Bytes::copy_from_slice(&epoch.to_be_bytes())
    }
}

/// What a learner passes on to the leader for a client: the body of REQUEST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardedRequest<'a> {
    /// The client's session.
    pub session: SessionId,
    /// The client's number for the request; 0 for the beginning of a session.
    pub cxid: Xid,
    /// The operation, as sent.
    pub op: i32,
    /// The request's record exactly as the client sent it.
    pub body: &'a [u8],
}

impl<'a> ForwardedRequest<'a> {
    /// Reads the body of the packet. The identities are beside it, in the packet.
    pub fn decode(data: Option<&'a [u8]>) -> Result<Self, DecodeError> {
        let mut reader = body("request", data)?;
        Ok(Self {
            session: SessionId::from_raw(reader.i64("sessionId")?),
            cxid: Xid::from_raw(reader.i32("cxid")?),
            op: reader.i32("type")?,
            body: reader.rest(),
        })
    }

    /// The packet. Without the identities the leader would refuse whatever a list of access control restricts; only the
    /// beginning of a session has none.
    pub fn to_packet(&self, identities: Option<Vec<Identity>>) -> QuorumPacket {
        let mut data = Vec::with_capacity(16 + self.body.len());
        data.put_i64(self.session.raw());
        data.put_i32(self.cxid.raw());
        data.put_i32(self.op);
        data.extend_from_slice(self.body);
        QuorumPacket { kind: PacketKind::Request, zxid: Zxid::NONE, data: Some(data.into()), identities }
    }
}

/// A learner asks for a session that came to it: the body of REVALIDATE, up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevalidateAsk {
    /// The session.
    pub session: SessionId,
    /// The timeout it shall have, in milliseconds.
    pub timeout_ms: i32,
}

impl RevalidateAsk {
    /// Reads the body.
    pub fn decode(data: Option<&[u8]>) -> Result<Self, DecodeError> {
        let mut reader = body("revalidate", data)?;
        Ok(Self {
            session: SessionId::from_raw(reader.i64("sessionId")?),
            timeout_ms: reader.i32("timeout")?,
        })
    }

    /// The packet.
    pub fn to_packet(self) -> QuorumPacket {
        let mut data = Vec::with_capacity(12);
        data.put_i64(self.session.raw());
        data.put_i32(self.timeout_ms);
        QuorumPacket::with_data(PacketKind::Revalidate, Zxid::NONE, data.into())
    }
}

/// The leader's answer: the body of REVALIDATE, down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevalidateReply {
    /// The session.
    pub session: SessionId,
    /// Whether it lives, and is the asking learner's now.
    pub valid: bool,
}

impl RevalidateReply {
    /// Reads the body.
    pub fn decode(data: Option<&[u8]>) -> Result<Self, DecodeError> {
        let mut reader = body("revalidate", data)?;
        Ok(Self { session: SessionId::from_raw(reader.i64("sessionId")?), valid: reader.bool("valid")? })
    }

    /// The packet that answers `ask`, whose zxid it echoes.
    pub fn to_packet(self, ask: Zxid) -> QuorumPacket {
        let mut data = Vec::with_capacity(9);
        data.put_i64(self.session.raw());
        data.put_bool(self.valid);
        QuorumPacket::with_data(PacketKind::Revalidate, ask, data.into())
    }
}

/// A session that was heard of since the last PING, and its timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTouch {
    /// The session.
    pub session: SessionId,
    /// Its timeout in milliseconds.
    pub timeout_ms: i32,
}

impl SessionTouch {
    /// The packet that answers the PING with `zxid`.
    pub fn ping_reply(zxid: Zxid, touches: impl IntoIterator<Item = Self>) -> QuorumPacket {
        let mut data = Vec::new();
        for touch in touches {
            data.put_i64(touch.session.raw());
            data.put_i32(touch.timeout_ms);
        }
        QuorumPacket::with_data(PacketKind::Ping, zxid, data.into())
    }
}

/// The touches in the body of a PING's reply. Bytes that are no whole touch end the list with an error.
pub fn read_touches(data: Option<&[u8]>) -> impl Iterator<Item = Result<SessionTouch, DecodeError>> {
    let mut reader = Reader::new(data.unwrap_or_default());
    core::iter::from_fn(move || {
        if reader.rest().is_empty() {
            return None;
        }
        let touch = read_touch(&mut reader);
        if touch.is_err() {
            reader = Reader::new(&[]);
        }
        Some(touch)
    })
}

fn read_touch(reader: &mut Reader<'_>) -> Result<SessionTouch, DecodeError> {
    Ok(SessionTouch {
        session: SessionId::from_raw(reader.i64("sessionId")?),
        timeout_ms: reader.i32("timeout")?,
    })
}

fn body<'a>(field: &'static str, data: Option<&'a [u8]>) -> Result<Reader<'a>, DecodeError> {
    data.map(Reader::new).ok_or(DecodeError { field, reason: DecodeReason::Null })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learners_say_as_much_as_their_release_knows() {
        let full =
            LearnerInfo { server: Some(ServerId::new(2)), protocol_version: 0x1_0000, config_version: 7 };
        let bytes = full.to_bytes().unwrap();
        let without_config = LearnerInfo { config_version: 0, ..full };
        let only_id = LearnerInfo { protocol_version: 1, ..without_config };
        for (len, want) in
            [(20, full), (19, without_config), (12, without_config), (11, only_id), (8, only_id)]
        {
            assert_eq!(LearnerInfo::decode(Some(&bytes[..len])), Ok(want), "{len}");
        }
        for len in 0..8 {
            assert!(LearnerInfo::decode(Some(&bytes[..len])).is_err(), "{len}");
        }
        let nobody = LearnerInfo::decode(None).unwrap();
        assert_eq!((nobody.server, nobody.to_bytes()), (None, None));
    }

    #[test]
    fn a_promise_is_an_epoch_or_none() {
        for promise in [None, Some(0), Some(5), Some(0x7fff_ffff)] {
            let data = AckEpochData(promise.map(Epoch::new));
            assert_eq!(AckEpochData::decode(Some(&data.to_bytes())), Ok(data));
        }
        for wrong in [None, Some(&[0, 0, 0][..]), Some(&[0xff, 0xff, 0xff, 0xfe][..])] {
            assert!(AckEpochData::decode(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn bodies_cut_short_or_absent_are_refused() {
        let session = SessionId::from_raw(0x0100_001b_45e5_0000);
        let request = ForwardedRequest { session, cxid: Xid::from_raw(3), op: 1, body: b"abc" };
        let data = request.to_packet(None).data.unwrap();
        assert_eq!(ForwardedRequest::decode(Some(&data)), Ok(request));
        assert!((0..16).all(|len| ForwardedRequest::decode(Some(&data[..len])).is_err()));

        let ask = RevalidateAsk { session, timeout_ms: 30_000 };
        let data = ask.to_packet().data.unwrap();
        assert_eq!(RevalidateAsk::decode(Some(&data)), Ok(ask));
        assert!((0..12).all(|len| RevalidateAsk::decode(Some(&data[..len])).is_err()));

        let reply = RevalidateReply { session, valid: true };
        let data = reply.to_packet(Zxid::NONE).data.unwrap();
        assert_eq!(RevalidateReply::decode(Some(&data)), Ok(reply));
        assert!((0..9).all(|len| RevalidateReply::decode(Some(&data[..len])).is_err()));

        assert!(ForwardedRequest::decode(None).is_err());
        assert!(RevalidateAsk::decode(None).is_err());
        assert!(RevalidateReply::decode(None).is_err());
        assert!(read_protocol_version(None).is_err());
    }

    #[test]
    fn touches_are_read_up_to_the_first_that_is_cut_short() {
        let touches =
            [1, 2].map(|n| SessionTouch { session: SessionId::from_raw(n), timeout_ms: 1000 * n as i32 });
        let data = SessionTouch::ping_reply(Zxid::ZERO, touches).data.unwrap();
        let read: Vec<_> = read_touches(Some(&data)).map(Result::unwrap).collect();
        assert_eq!(read, touches);
        let cut: Vec<_> = read_touches(Some(&data[..23])).collect();
        assert_eq!((cut.len(), cut[0]), (2, Ok(touches[0])));
        assert!(cut[1].is_err());
        assert_eq!(read_touches(None).count(), 0);
    }
}
