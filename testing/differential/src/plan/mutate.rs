//! Spoiling a body that was well formed.

use zabra_testkit::Rng;

/// What happens to a request's body before it is sent.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    /// Nothing.
    None,
    /// Only this many thousandths of it are sent.
    Cut(usize),
    /// Bytes follow it.
    Trailing(Vec<u8>),
    /// A 32-bit number is written over it, this many thousandths into it.
    Number(usize, i32),
    /// Zeroes follow it until the frame has this length.
    Pad(usize),
}

/// Lengths and counts that decoders trip over.
const AWKWARD: &[i32] =
    &[-1, -2, 0, 1, 5, 7, 127, 255, 65_536, 1_048_575, 2_097_150, 2_097_151, i32::MAX, i32::MIN];

impl Mutation {
    /// One of them.
    pub(crate) fn choose(rng: &mut Rng) -> Self {
        match rng.below(3) {
            0 => Self::Cut(rng.below(1000)),
            1 => {
                let len = 1 + rng.below(9);
                Self::Trailing(rng.bytes(len))
            }
            _ => Self::Number(rng.below(1000), *rng.pick(AWKWARD)),
        }
    }

    /// Spoils a body.
    pub(crate) fn apply(&self, body: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Cut(thousandths) => body.truncate(body.len() * thousandths / 1000),
            Self::Trailing(bytes) => body.extend_from_slice(bytes),
            Self::Number(thousandths, number) => {
                if let Some(last) = body.len().checked_sub(4) {
                    let at = last * thousandths / 999;
                    body[at..at + 4].copy_from_slice(&number.to_be_bytes());
                }
            }
            Self::Pad(frame_len) => body.resize(frame_len.saturating_sub(8).max(body.len()), 0),
        }
    }
}
