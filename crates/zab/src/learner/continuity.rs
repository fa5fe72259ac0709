//! Whether transactions follow each other.

use zabra_types::{Epoch, Zxid};

use crate::CloseReason;

/// What a transaction from the leader is to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The next one.
    Next,
    /// It came before. Around the point of synchronization that is normal, and a genuine leader uses a zxid again for
    /// a request that it cannot read; even (epoch, 0), which no transaction has.
    Again,
}

/// Judges a transaction from a leader of `epoch`, when `last` is the one before. A gap inside an epoch, or at its
/// beginning, is data lost (ZOOKEEPER-4925).
pub(super) fn place(epoch: Epoch, last: Zxid, next: Zxid) -> Result<Place, CloseReason> {
    if next <= last || next.counter() == 0 {
        return Ok(Place::Again);
    }
    if next.epoch() > epoch {
        return Err(CloseReason::Malformed("a transaction of an epoch to come"));
    }
    let first_of_epoch = next.epoch() > last.epoch() && next.counter() == 1;
    if last.next() == Some(next) || first_of_epoch {
        Ok(Place::Next)
    } else {
        Err(CloseReason::Gap { last, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn z(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(Epoch::new(epoch), counter)
    }

    #[test]
    fn only_the_next_transaction_follows() {
        for (last, next, expected) in [
            (z(3, 7), z(3, 8), Ok(Place::Next)),
            (z(3, 7), z(4, 1), Ok(Place::Next)),
            (z(1, 7), z(4, 1), Ok(Place::Next)),
            (z(4, 0), z(4, 1), Ok(Place::Next)),
            (z(0, 0), z(0, 1), Ok(Place::Next)),
            (z(3, 7), z(3, 7), Ok(Place::Again)),
            (z(3, 7), z(2, 9), Ok(Place::Again)),
            (z(3, 7), z(4, 0), Ok(Place::Again)),
            (z(3, 7), z(3, 9), Err(CloseReason::Gap { last: z(3, 7), next: z(3, 9) })),
            (z(3, 7), z(4, 2), Err(CloseReason::Gap { last: z(3, 7), next: z(4, 2) })),
            (z(3, 7), z(5, 1), Err(CloseReason::Malformed("a transaction of an epoch to come"))),
            (z(3, u32::MAX), z(4, 1), Ok(Place::Next)),
            (z(3, 7), Zxid::from_raw(i64::MIN + 1), Ok(Place::Again)),
        ] {
            assert_eq!(place(Epoch::new(4), last, next), expected, "{next} after {last}");
        }
    }
}
