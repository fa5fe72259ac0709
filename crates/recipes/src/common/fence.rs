//! The fencing token.

use core::fmt;

use zabra_types::Zxid;

/// The number that orders the holders of a lock, a lease or an election, for the resource they protect.
///
/// No lock over a network can stop a holder that was paused for longer than its session: it wakes up and writes as if
/// it still held the lock. The resource can: let every request carry the token, let the resource remember the highest
/// one it has seen, and refuse any lower one.
///
/// The token is the `czxid` of the contender's own node. It grows with every grant: contenders are served in the order
/// of their sequence numbers, a node with a higher number was created by a later transaction, and zxids never repeat
/// nor go back, not even when the parent node is removed and its numbers start again. Tokens of different recipes and
/// paths of one ensemble may be compared too, but mean nothing then. An ensemble restored from a backup may hand out
/// old tokens again, as it hands out old zxids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(i64);

impl Fence {
    /// The token of the node that was created by this transaction.
    pub const fn from_czxid(czxid: i64) -> Self {
        Self(czxid)
    }

    /// The number to send to the resource.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The transaction that created the contender's node.
    pub const fn zxid(self) -> Zxid {
        Zxid::from_raw(self.0)
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
