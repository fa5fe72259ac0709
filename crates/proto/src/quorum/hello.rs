//! The first bytes on a connection of the election port.

use alloc::string::String;
use alloc::vec::Vec;

use zabra_types::ServerId;

use crate::{DecodeError, DecodeReason, Put, Reader};

/// One address (`QuorumCnxManager.PROTOCOL_VERSION_V1`).
const V1: i64 = -0x1_0000;
/// Any number of addresses (`PROTOCOL_VERSION_V2`).
const V2: i64 = -0xffff;

/// The most bytes the addresses may take.
pub const ELECTION_HELLO_ADDRESSES_LEN_MAX: usize = 2048;

/// The first bytes on a connection of the election port, by the side that dials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectionHello {
    /// Who dials.
    pub server: ServerId,
    /// Where it can be dialled itself, `host:port` each, with brackets around an IPv6 address; empty from peers before
    /// 3.5. The port, behind the last colon, has been checked to be one.
    pub addresses: Vec<String>,
}

impl ElectionHello {
    /// Reads the greeting at the beginning of `bytes` and tells its length; `None` while it is not there completely.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let mut reader = Reader::new(bytes);
        match Self::read(&mut reader) {
            Ok(hello) => Ok(Some((hello, bytes.len() - reader.rest().len()))),
            Err(DecodeError { reason: DecodeReason::Ended { .. }, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = reader.i64("protocolVersion")?;
        if version >= 0 {
            return Ok(Self { server: ServerId::new(version), addresses: Vec::new() });
        }
        if version != V1 && version != V2 {
            let shown = i32::try_from(version).unwrap_or(i32::MIN);
            return Err(DecodeError { field: "protocolVersion", reason: DecodeReason::Unknown(shown) });
        }
        let server = ServerId::new(reader.i64("sid")?);
        let field = "election addresses";
        let len = reader.i32(field)?;
        let addresses = match usize::try_from(len) {
            Ok(n) if (1..=ELECTION_HELLO_ADDRESSES_LEN_MAX).contains(&n) => reader.take(field, n)?,
            _ => return Err(DecodeError { field, reason: DecodeReason::UnreasonableLength(len) }),
        };
        let addresses = String::from_utf8_lossy(addresses);
        let addresses = addresses.split('|').map(|address| match is_address(address) {
            true => Ok(address.into()),
            false => Err(DecodeError { field, reason: DecodeReason::Malformed }),
        });
        Ok(Self { server, addresses: addresses.collect::<Result<_, _>>()? })
    }

    /// Appends the greeting: the old form when there is one address, which everybody since 3.5 understands.
    ///
    /// To be sent in one write: genuine servers take the addresses to be complete when their first byte is there.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_i64(if self.addresses.len() == 1 { V1 } else { V2 });
        out.put_i64(self.server.get());
        out.put_text(&self.addresses.join("|"));
    }
}

/// Whether this is `host:port` or `[address]:port`.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|inner| !inner.is_empty()),
        None => !host.is_empty() && !host.contains(':'),
    };
    bare && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn hello(addresses: &[&str]) -> ElectionHello {
        ElectionHello { server: ServerId::new(3), addresses: addresses.iter().map(|&a| a.into()).collect() }
    }

    #[test]
    fn one_address_is_said_in_the_old_form_and_several_in_the_new() {
        for (addresses, version) in [(&["localhost:3888"][..], 0), (&["a:1", "[::1]:65535"][..], 1)] {
            let mut bytes = Vec::new();
            hello(addresses).encode(&mut bytes);
            assert_eq!(bytes[..8], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, version]);
            let len = bytes.len();
            for cut in 0..len {
                assert_eq!(ElectionHello::decode(&bytes[..cut]), Ok(None), "{cut}");
            }
            bytes.extend_from_slice(b"what follows");
            assert_eq!(ElectionHello::decode(&bytes), Ok(Some((hello(addresses), len))));
        }
    }

    #[test]
    fn before_3_5_there_was_only_an_id() {
        let bytes = [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 40];
        assert_eq!(ElectionHello::decode(&bytes), Ok(Some((hello(&[]), 8))));
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for good in ["h:1", "h:0", "10.0.0.1:3888", "[fe80::1%2]:7", "ünicode:3"] {
            assert!(is_address(good), "{good}");
        }
        for bad in
            ["", ":", "h", "h:", ":1", "h:x", "h:1:2", "h:-1", "h:+1", "h:65536", "[]:1", "[::1]", "[::1:1"]
        {
            let mut bytes = Vec::new();
            hello(&["a:1", bad]).encode(&mut bytes);
            let malformed = DecodeError { field: "election addresses", reason: DecodeReason::Malformed };
            assert_eq!(ElectionHello::decode(&bytes), Err(malformed), "{bad}");
        }
    }

    #[test]
    fn versions_and_lengths_are_judged_before_the_addresses_come() {
        let greet = |version: i64, len: i32| {
            let mut bytes = Vec::new();
            bytes.put_i64(version);
            bytes.put_i64(1);
            bytes.put_i32(len);
            ElectionHello::decode(&bytes)
        };
        assert_eq!(greet(V1, 2048), Ok(None));
        for len in [0, -1, 2049, i32::MAX, i32::MIN] {
            assert_eq!(greet(V2, len).unwrap_err().reason, DecodeReason::UnreasonableLength(len));
        }
        for (version, shown) in [(-1, -1), (-65534, -65534), (i64::MIN, i32::MIN)] {
            assert_eq!(greet(version, 3).unwrap_err().reason, DecodeReason::Unknown(shown));
        }
    }

    #[test]
    fn text_that_is_not_utf8_does_no_harm() {
        let mut bytes = Vec::new();
        hello(&["a:1"]).encode(&mut bytes);
        let at = bytes.len() - 3;
        bytes[at] = 0xff;
        let (read, _) = ElectionHello::decode(&bytes).unwrap().unwrap();
        assert_eq!(read.addresses, vec!["\u{fffd}:1"]);
    }
}
