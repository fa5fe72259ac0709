//! Jute: big-endian numbers, length-prefixed text and buffers, counted vectors, fields in order and nothing else.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The longest single text or buffer a decoder accepts, in bytes: `jute.maxbuffer` plus
/// `zookeeper.jute.maxbuffer.extrasize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldLimit(pub usize);

impl Default for FieldLimit {
    fn default() -> Self {
        Self(2 * 1_048_575)
    }
}

/// Why bytes are not the record they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The field being read.
    pub field: &'static str,
    /// What was wrong with it.
    pub reason: DecodeReason,
}

/// What can be wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeReason {
    /// The bytes end before the field does.
    Ended {
        /// Bytes the field needs.
        needed: usize,
        /// Bytes there are.
        left: usize,
    },
    /// A length below -1 or above the limit.
    UnreasonableLength(i32),
    /// Null where a value is needed.
    Null,
    /// A number that stands for nothing here.
    Unknown(i32),
    /// Operations of two kinds that may not stand together.
    Mixed,
    /// A text that does not say what it should.
    Malformed,
    /// Bytes are left after the last field.
    Trailing(usize),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.field)?;
        match self.reason {
            DecodeReason::Ended { needed, left } => write!(f, "needs {needed} bytes, {left} are left"),
            DecodeReason::UnreasonableLength(len) => write!(f, "unreasonable length {len}"),
            DecodeReason::Null => f.write_str("is null"),
            DecodeReason::Unknown(value) => write!(f, "unknown value {value}"),
            DecodeReason::Mixed => f.write_str("mixes reads and writes"),
            DecodeReason::Malformed => f.write_str("is malformed"),
            DecodeReason::Trailing(len) => write!(f, "{len} bytes follow the last field"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// A bounds-checked reader over the bytes of one frame or record.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    limit: FieldLimit,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` with the default field limit.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::with_limit(bytes, FieldLimit::default())
    }

    /// Reads `bytes`, refusing texts and buffers longer than `limit`.
    pub fn with_limit(bytes: &'a [u8], limit: FieldLimit) -> Self {
        Self { rest: bytes, limit }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The field limit, for readers of nested records.
    pub fn limit(&self) -> FieldLimit {
        self.limit
    }

    /// Fails when anything is left.
    pub fn finish(&self, record: &'static str) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError { field: record, reason: DecodeReason::Trailing(left) }),
        }
    }

    /// The next `len` bytes.
    pub fn take(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(len) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => {
                Err(DecodeError { field, reason: DecodeReason::Ended { needed: len, left: self.rest.len() } })
            }
        }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(*head)
            }
            None => {
                Err(DecodeError { field, reason: DecodeReason::Ended { needed: N, left: self.rest.len() } })
            }
        }
    }

    /// A boolean: any byte but zero is true.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.array::<1>(field)? != [0])
    }

    /// A 32-bit number.
    pub fn i32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        self.array(field).map(i32::from_be_bytes)
    }

    /// A 64-bit number.
    pub fn i64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        self.array(field).map(i64::from_be_bytes)
    }

    /// A buffer; `None` is null, which is not the same as empty.
    pub fn buffer(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, DecodeError> {
        let len = self.i32(field)?;
        if len == -1 {
            return Ok(None);
        }
        match usize::try_from(len) {
            Ok(n) if n <= self.limit.0 => self.take(field, n).map(Some),
            _ => Err(DecodeError { field, reason: DecodeReason::UnreasonableLength(len) }),
        }
    }

    /// A text that may be null. Malformed UTF-8 becomes U+FFFD, as in the genuine server.
    pub fn text(&mut self, field: &'static str) -> Result<Option<Cow<'a, str>>, DecodeError> {
        // Checked first, because looking for what to replace takes several times as long and is seldom needed.
        let decode = |bytes| match str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(bytes),
        };
        Ok(self.buffer(field)?.map(decode))
    }

    /// A text that may not be null.
    pub fn some_text(&mut self, field: &'static str) -> Result<Cow<'a, str>, DecodeError> {
        self.text(field)?.ok_or(DecodeError { field, reason: DecodeReason::Null })
    }

    /// The count before a vector; `None` is null, other negatives are read as zero.
    pub fn count(&mut self, field: &'static str) -> Result<Option<usize>, DecodeError> {
        match self.i32(field)? {
            -1 => Ok(None),
            n => Ok(Some(usize::try_from(n).unwrap_or(0))),
        }
    }

    /// A vector of texts, `None` for null.
    pub fn texts(&mut self, field: &'static str) -> Result<Option<Vec<Cow<'a, str>>>, DecodeError> {
        let Some(count) = self.count(field)? else { return Ok(None) };
        // Four bytes is the least a text takes: a false count cannot make us reserve more than the frame holds.
        let mut texts = Vec::with_capacity(count.min(self.rest.len() / 4));
        for _ in 0..count {
            texts.push(self.some_text(field)?);
        }
        Ok(Some(texts))
    }
}

/// Appending jute values to a buffer.
pub trait Put {
    /// A boolean.
    fn put_bool(&mut self, value: bool);
    /// A 32-bit number.
    fn put_i32(&mut self, value: i32);
    /// A 64-bit number.
    fn put_i64(&mut self, value: i64);
    /// A buffer, `None` as null.
    fn put_buffer(&mut self, value: Option<&[u8]>);
    /// A text.
    fn put_text(&mut self, value: &str);
    /// The count before a vector.
    fn put_count(&mut self, count: usize);
}

impl Put for Vec<u8> {
    fn put_bool(&mut self, value: bool) {
        self.push(u8::from(value));
    }

    fn put_i32(&mut self, value: i32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_i64(&mut self, value: i64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_buffer(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.put_i32(-1),
            Some(bytes) => {
                self.put_count(bytes.len());
                self.extend_from_slice(bytes);
            }
        }
    }

    fn put_text(&mut self, value: &str) {
        self.put_buffer(Some(value.as_bytes()));
    }

    fn put_count(&mut self, count: usize) {
        // Nothing longer than a frame is ever encoded, and a frame's length is an i32.
        self.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
    }
}
