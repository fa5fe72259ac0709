//! What a znode of a queue holds: Curator's message format.
//!
//! | Bytes | What |
//! |---|---|
//! | 4 | version, `0x00010001`, big-endian like every number here |
//! | 1 | `1`: an item follows; `2`: the end |
//! | 4, n | length and bytes of the item, then the next opcode |
//!
//! A message may hold any number of items. What stands after the end is ignored, as Curator ignores it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// The one version there is.
pub const MESSAGE_VERSION: u32 = 0x0001_0001;

const OPCODE_ITEM: u8 = 1;
const OPCODE_END: u8 = 2;

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The bytes end before the end of the message.
    #[error("the message is cut off")]
    CutOff,
    /// Another version than [`MESSAGE_VERSION`].
    #[error("version {0:#010x} of the message format is unknown")]
    Version(u32),
    /// Neither an item nor the end.
    #[error("opcode {0} is unknown")]
    Opcode(u8),
    /// An item with a negative length.
    #[error("an item of {0} bytes")]
    Length(i32),
}

/// A message of these items.
#[must_use]
pub fn encode_message<I: AsRef<[u8]>>(items: impl IntoIterator<Item = I>) -> Bytes {
    let mut message = BytesMut::with_capacity(64);
    message.put_u32(MESSAGE_VERSION);
    for item in items {
        let item = item.as_ref();
        message.put_u8(OPCODE_ITEM);
        // Far beyond what a znode holds: the server refuses such a message long before the length wraps.
        message.put_u32(item.len() as u32);
        message.put_slice(item);
    }
    message.put_u8(OPCODE_END);
    message.freeze()
}

/// The items of a message. They share its memory.
///
/// # Errors
/// When the bytes are no message.
pub fn decode_message(mut message: Bytes) -> Result<Vec<Bytes>, MessageError> {
    let version = message.try_get_u32().map_err(|_| MessageError::CutOff)?;
    if version != MESSAGE_VERSION {
        return Err(MessageError::Version(version));
    }
    let mut items = Vec::new();
    loop {
        match message.try_get_u8().map_err(|_| MessageError::CutOff)? {
            OPCODE_END => return Ok(items),
            OPCODE_ITEM => {
                let length = message.try_get_i32().map_err(|_| MessageError::CutOff)?;
                let length = usize::try_from(length).map_err(|_| MessageError::Length(length))?;
                if length > message.len() {
                    return Err(MessageError::CutOff);
                }
                items.push(message.split_to(length));
            }
            opcode => return Err(MessageError::Opcode(opcode)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cut_anywhere_is_refused() {
        let message = encode_message(["one", "", "three"]);
        for end in 0..message.len() {
            assert_eq!(decode_message(message.slice(..end)), Err(MessageError::CutOff), "{end} bytes");
        }
        assert_eq!(decode_message(message).expect("whole"), ["one", "", "three"]);
    }

    #[test]
    fn what_follows_the_end_is_ignored() {
        let mut message = encode_message(["one"]).to_vec();
        message.extend_from_slice(b"more");
        assert_eq!(decode_message(message.into()).expect("a message"), ["one"]);
    }

    #[test]
    fn strange_bytes_are_named() {
        let cases: [(&[u8], MessageError); 3] = [
            (&[0, 1, 0, 2, 2], MessageError::Version(0x0001_0002)),
            (&[0, 1, 0, 1, 3], MessageError::Opcode(3)),
            (&[0, 1, 0, 1, 1, 0xff, 0xff, 0xff, 0xff], MessageError::Length(-1)),
        ];
        for (bytes, error) in cases {
            assert_eq!(decode_message(Bytes::from_static(bytes)), Err(error));
        }
    }
}
