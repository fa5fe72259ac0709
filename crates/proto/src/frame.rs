//! Frames: a four-byte length and that many bytes.

use alloc::vec::Vec;
use core::fmt;

/// `jute.maxbuffer` unless configured.
pub const FRAME_LEN_MAX_DEFAULT: usize = 0xF_FFFF;

/// The limits a server reads frames under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// `jute.maxbuffer`: the longest frame, in bytes.
    pub frame_len_max: usize,
    /// `jute.maxbuffer` plus extra size: the longest single field, in bytes.
    pub field_len_max: usize,
}

impl FrameLimits {
    /// The limits that follow from `jute.maxbuffer` and `zookeeper.jute.maxbuffer.extrasize`.
    pub fn new(max_buffer: usize, extra_size: Option<usize>) -> Self {
        let extra = extra_size.unwrap_or(max_buffer).max(1024);
        let field_len_max = max_buffer.saturating_add(extra).min(i32::MAX as usize);
        Self { frame_len_max: max_buffer, field_len_max }
    }
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self::new(FRAME_LEN_MAX_DEFAULT, None)
    }
}

/// A frame that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// The length word.
    pub len: i32,
    /// The longest allowed.
    pub max: usize,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frame of {} bytes; 0 to {} are allowed (jute.maxbuffer)", self.len, self.max)
    }
}

impl core::error::Error for FrameError {}

/// A frame's payload, and the bytes behind the frame.
pub type SplitFrame<'a> = (&'a [u8], &'a [u8]);

/// The first complete frame's payload in `bytes` and what follows it; `None` while more bytes are needed.
pub fn split_frame(bytes: &[u8], max: usize) -> Result<Option<SplitFrame<'_>>, FrameError> {
    let Some((word, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let len = i32::from_be_bytes(*word);
    match usize::try_from(len) {
        Ok(n) if n <= max => Ok(rest.split_at_checked(n)),
        _ => Err(FrameError { len, max }),
    }
}

/// Leaves room for the length of a frame that is about to be appended; pass the result to [`end_frame`].
pub fn begin_frame(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    at
}

/// Fills in the length of the frame begun at `at`.
pub fn end_frame(out: &mut [u8], at: usize) {
    let len = out.len() - at - 4;
    let word = i32::try_from(len).unwrap_or(i32::MAX);
    out[at..at + 4].copy_from_slice(&word.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_split_at_their_length() {
        assert_eq!(split_frame(&[0, 0, 0], 10), Ok(None));
        assert_eq!(split_frame(&[0, 0, 0, 2, 7], 10), Ok(None));
        assert_eq!(split_frame(&[0, 0, 0, 2, 7, 8, 9], 10), Ok(Some((&[7, 8][..], &[9][..]))));
        assert_eq!(split_frame(&[0, 0, 0, 0], 10), Ok(Some((&[][..], &[][..]))));
        assert_eq!(split_frame(&[0, 0, 0, 11], 10), Err(FrameError { len: 11, max: 10 }));
        assert_eq!(split_frame(&[255, 255, 255, 255], 10), Err(FrameError { len: -1, max: 10 }));
    }

    #[test]
    fn limits_follow_the_documented_rule() {
        assert_eq!(FrameLimits::default().field_len_max, 2_097_150);
        assert_eq!(FrameLimits::new(100, Some(5)).field_len_max, 1124);
        assert_eq!(FrameLimits::new(i32::MAX as usize, None).field_len_max, i32::MAX as usize);
    }
}
