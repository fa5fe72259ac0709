//! The handshake.

use crate::{DecodeError, DecodeReason, Put, Reader};
use alloc::vec::Vec;
use zabra_types::{SESSION_PASSWORD_LEN, SessionId, SessionPassword, Zxid};

/// The first frame of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectRequest<'a> {
    /// Always 0; ignored.
    pub protocol_version: i32,
    /// The highest zxid the client has seen; a server behind it does not answer.
    pub last_zxid_seen: Zxid,
    /// The session timeout the client wishes, in milliseconds.
    pub timeout_ms: i32,
    /// 0 for a new session.
    pub session: SessionId,
    /// The password of the session to renew.
    pub password: Option<&'a [u8]>,
    /// Whether a read-only server will do; `None` from clients of 3.3 and older, which do not know the field and must
    /// not receive it either.
    pub read_only: Option<bool>,
}

impl<'a> ConnectRequest<'a> {
    /// Reads the record; whatever follows is ignored, as clients may one day send more.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            protocol_version: reader.i32("protocolVersion")?,
            last_zxid_seen: Zxid::from_raw(reader.i64("lastZxidSeen")?),
            timeout_ms: reader.i32("timeOut")?,
            session: SessionId::from_raw(reader.i64("sessionId")?),
            password: reader.buffer("passwd")?,
            read_only: if reader.rest().is_empty() { None } else { Some(reader.bool("readOnly")?) },
        })
    }

    /// Appends the record, without a frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_i32(self.protocol_version);
        out.put_i64(self.last_zxid_seen.raw());
        out.put_i32(self.timeout_ms);
        out.put_i64(self.session.raw());
        out.put_buffer(self.password);
        if let Some(read_only) = self.read_only {
            out.put_bool(read_only);
        }
    }
}

/// The answer to the first frame: 36 bytes, or 37 when the client knows the read-only field. The C client counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectResponse {
    /// The negotiated timeout in milliseconds; 0 refuses.
    pub timeout_ms: i32,
    /// The session; 0 refuses.
    pub session: SessionId,
    /// Its password.
    pub password: SessionPassword,
    /// Whether this server is read-only; `None` when the client did not send the field.
    pub read_only: Option<bool>,
}

impl ConnectResponse {
    /// The answer to a session that cannot be renewed.
    pub const fn refused(read_only: Option<bool>) -> Self {
        Self { timeout_ms: 0, session: SessionId::NONE, password: SessionPassword::ZERO, read_only }
    }

    /// Reads the record; whatever follows is ignored.
    ///
    /// # Errors
    /// Also when the password is not [`SESSION_PASSWORD_LEN`] bytes long.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.i32("protocolVersion")?;
        let timeout_ms = reader.i32("timeOut")?;
        let session = SessionId::from_raw(reader.i64("sessionId")?);
        let field = "passwd";
        let password = reader.buffer(field)?.ok_or(DecodeError { field, reason: DecodeReason::Null })?;
        let password = <[u8; SESSION_PASSWORD_LEN]>::try_from(password)
            .map_err(|_| DecodeError { field, reason: DecodeReason::Malformed })?;
        let read_only = if reader.rest().is_empty() { None } else { Some(reader.bool("readOnly")?) };
        Ok(Self { timeout_ms, session, password: SessionPassword::from_bytes(password), read_only })
    }

    /// Appends the record, without a frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_i32(0);
        out.put_i32(self.timeout_ms);
        out.put_i64(self.session.raw());
        out.put_buffer(Some(self.password.as_bytes()));
        if let Some(read_only) = self.read_only {
            out.put_bool(read_only);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: [u8; 45] = [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x17, 0x70, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    #[test]
    fn request_with_and_without_the_read_only_byte() {
        let request = ConnectRequest::decode(&mut Reader::new(&GOLDEN)).unwrap();
        assert_eq!((request.timeout_ms, request.read_only), (6000, Some(false)));
        let mut again = Vec::new();
        request.encode(&mut again);
        assert_eq!(again, GOLDEN);
        let old = ConnectRequest::decode(&mut Reader::new(&GOLDEN[..44])).unwrap();
        assert_eq!(old.read_only, None);
        for len in 0..44 {
            assert!(ConnectRequest::decode(&mut Reader::new(&GOLDEN[..len])).is_err(), "{len}");
        }
    }

    #[test]
    fn response_is_36_or_37_bytes() {
        for (read_only, len) in [(None, 36), (Some(false), 37)] {
            let mut out = Vec::new();
            ConnectResponse::refused(read_only).encode(&mut out);
            assert_eq!(out.len(), len);
        }
    }

    #[test]
    fn responses_are_read_back_and_no_part_of_one_is() {
        let session = SessionId::from_raw(0x0100_001b_2ebd_0000);
        for read_only in [None, Some(false), Some(true)] {
            let password = SessionPassword::of(session);
            let response = ConnectResponse { timeout_ms: 6000, session, password, read_only };
            let mut out = Vec::new();
            response.encode(&mut out);
            assert_eq!(ConnectResponse::decode(&mut Reader::new(&out)), Ok(response));
            for len in 0..36 {
                assert!(ConnectResponse::decode(&mut Reader::new(&out[..len])).is_err(), "{len}");
            }
        }
    }
}
