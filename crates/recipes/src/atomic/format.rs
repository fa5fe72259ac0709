//! How numbers are written.

use std::fmt::Debug;

use bytes::Bytes;

/// A way of writing a number into a node. Sealed: these are Curator's and kazoo's ways.
pub trait Format: sealed::Sealed + Send + Sync + 'static {
    /// The number.
    type Number: Copy + PartialEq + Debug + Send + Sync + 'static;

    /// What a node without data, or no node, counts as.
    const ZERO: Self::Number;

    /// The bytes of a number.
    fn encode(number: Self::Number) -> Bytes;

    /// The number in these bytes, `None` if there is none.
    fn decode(bytes: &[u8]) -> Option<Self::Number>;

    /// The sum. Whole numbers wrap around, as Java's do.
    fn add(a: Self::Number, b: Self::Number) -> Self::Number;

    /// The number with the other sign.
    fn negate(number: Self::Number) -> Self::Number;
}

mod sealed {
    pub trait Sealed {}
}

/// Four bytes, big-endian: Curator's `DistributedAtomicInteger` and `SharedCount`, kazoo's `Counter` with `support_curator`.
#[derive(Debug, Clone, Copy)]
pub struct Int32;

/// Eight bytes, big-endian: Curator's `DistributedAtomicLong`.
#[derive(Debug, Clone, Copy)]
pub struct Int64;

/// A whole number as decimal text: kazoo's `Counter`. Numbers beyond 64 bits, which Python has, are refused.
#[derive(Debug, Clone, Copy)]
pub struct DecimalInt;

/// A fraction as decimal text: kazoo's `Counter` with a float as its default.
#[derive(Debug, Clone, Copy)]
pub struct DecimalFloat;

impl sealed::Sealed for Int32 {}
impl Format for Int32 {
    type Number = i32;
    const ZERO: i32 = 0;

    fn encode(number: i32) -> Bytes {
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    fn decode(bytes: &[u8]) -> Option<i32> {
        // Curator reads the first four bytes of any number of them.
        if bytes.is_empty() { Some(0) } else { bytes.first_chunk().map(|bytes| i32::from_be_bytes(*bytes)) }
    }

    fn add(a: i32, b: i32) -> i32 {
        a.wrapping_add(b)
    }

    fn negate(number: i32) -> i32 {
        number.wrapping_neg()
    }
}

impl sealed::Sealed for Int64 {}
impl Format for Int64 {
    type Number = i64;
    const ZERO: i64 = 0;

    fn encode(number: i64) -> Bytes {
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    fn decode(bytes: &[u8]) -> Option<i64> {
        if bytes.is_empty() { Some(0) } else { bytes.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)) }
    }

    fn add(a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    fn negate(number: i64) -> i64 {
        number.wrapping_neg()
    }
}

impl sealed::Sealed for DecimalInt {}
impl Format for DecimalInt {
    type Number = i64;
    const ZERO: i64 = 0;

    fn encode(number: i64) -> Bytes {
        number.to_string().into()
    }

    fn decode(bytes: &[u8]) -> Option<i64> {
        decode_text(bytes)
    }

    fn add(a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    fn negate(number: i64) -> i64 {
        number.wrapping_neg()
    }
}

impl sealed::Sealed for DecimalFloat {}
impl Format for DecimalFloat {
    type Number = f64;
    const ZERO: f64 = 0.0;

    fn encode(number: f64) -> Bytes {
        // With a point, so that kazoo's other readers see a float; the shortest text that reads back the same, as repr.
        format!("{number:?}").into()
    }

    fn decode(bytes: &[u8]) -> Option<f64> {
        decode_text(bytes)
    }

    fn add(a: f64, b: f64) -> f64 {
        a + b
    }

    fn negate(number: f64) -> f64 {
        -number
    }
}

/// kazoo takes no data for its default, and allows spaces around the number, as Python does.
fn decode_text<N: std::str::FromStr + Default>(bytes: &[u8]) -> Option<N> {
    if bytes.is_empty() {
        return Some(N::default());
    }
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_curator_and_kazoo_write_them() {
        assert_eq!(Int32::encode(-2)[..], [0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(Int64::encode(0x0102_0304_0506_0708)[..], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(DecimalInt::encode(-12), "-12");
        assert_eq!(DecimalFloat::encode(3.0), "3.0");
        assert_eq!(DecimalFloat::encode(0.1), "0.1");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert_eq!(Int32::decode(&[1, 2, 3]), None);
        assert_eq!(Int32::decode(&[0, 0, 0, 7, 9]), Some(7));
        assert_eq!(Int64::decode(&[0; 7]), None);
        assert_eq!(DecimalInt::decode(b"1.5"), None);
        assert_eq!(DecimalFloat::decode(b"1e+21"), Some(1e21));
        assert_eq!([Int32::decode(b""), DecimalInt::decode(b"").map(|n| n as i32)], [Some(0), Some(0)]);
    }
}
