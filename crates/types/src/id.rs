//! Identifiers and counters.

use core::fmt;

/// A transaction id: the epoch of the leader that made it in the high 32 bits, a counter in the low 32.
///
/// Ordered by epoch, then counter. Shown in hexadecimal, as every ZooKeeper tool does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zxid(i64);

impl Zxid {
    /// Before the first transaction.
    pub const ZERO: Self = Self(0);
    /// The marker used on the wire where no transaction applies (synthesised events, refused opcodes).
    pub const NONE: Self = Self(-1);

    /// From the 64 bits on the wire or on disk.
    pub const fn from_raw(raw: i64) -> Self {
        Self(raw)
    }

    /// The transaction `counter` of `epoch`.
    pub const fn new(epoch: Epoch, counter: u32) -> Self {
        Self(((epoch.get() as i64) << 32) | counter as i64)
    }

    /// The 64 bits on the wire or on disk.
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// The epoch in the high 32 bits.
    pub const fn epoch(self) -> Epoch {
        Epoch::new((self.0 >> 32) as u32)
    }

    /// The counter in the low 32 bits.
    pub const fn counter(self) -> u32 {
        self.0 as u32
    }

    /// The next transaction of the same epoch; `None` when the counter is used up, which ends the leader's epoch.
    pub const fn next(self) -> Option<Self> {
        if self.counter() == u32::MAX { None } else { Some(Self(self.0 + 1)) }
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

/// The number of a leader's reign, the high half of a [`Zxid`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

impl Epoch {
    /// From its number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A client session. The top byte is the id of the server that made it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(i64);

impl SessionId {
    /// What a client sends to ask for a new session, and what a refusal carries.
    pub const NONE: Self = Self(0);

    /// From the 64 bits on the wire or on disk.
    pub const fn from_raw(raw: i64) -> Self {
        Self(raw)
    }

    /// The 64 bits on the wire or on disk.
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// The first session id of a server started at `millis` of a monotonic clock.
    ///
    /// Mirrors `SessionTrackerImpl.initializeNextSessionId`: server id in the top byte, the low 40 bits of the
    /// clock below it, 16 zero bits. The value that marks container nodes is skipped.
    pub const fn first(server: ServerId, millis: u64) -> Self {
        let clock = ((millis << 24) >> 8) as i64;
        let raw = clock | (server.get() << 56);
        if raw == i64::MIN { Self(raw + 1) } else { Self(raw) }
    }

    /// The id after this one.
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The server that made the session, as its top byte tells.
    pub const fn server_hint(self) -> u8 {
        (self.0 >> 56) as u8
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

/// A member of the ensemble (`myid`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(i64);

impl ServerId {
    /// From its number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A client's request number, echoed in the reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xid(i32);

impl Xid {
    /// A watch event, server to client.
    pub const NOTIFICATION: Self = Self(-1);
    /// A ping; its reply always carries this, whatever the request carried.
    pub const PING: Self = Self(-2);
    /// An auth packet, as clients send it.
    pub const AUTH: Self = Self(-4);
    /// SetWatches from the C client and most third-party clients.
    pub const SET_WATCHES: Self = Self(-8);

    /// From the 32 bits on the wire.
    pub const fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    /// The 32 bits on the wire.
    pub const fn raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn zxid_is_epoch_then_counter() {
        let zxid = Zxid::new(Epoch::new(3), 7);
        assert_eq!(zxid.to_string(), "0x300000007");
        assert_eq!((zxid.epoch(), zxid.counter()), (Epoch::new(3), 7));
        assert!(zxid < Zxid::new(Epoch::new(4), 0));
        assert_eq!(Zxid::new(Epoch::new(3), u32::MAX).next(), None);
    }

    #[test]
    fn session_ids_are_shown_unsigned() {
        assert_eq!(SessionId::from_raw(-1).to_string(), "0xffffffffffffffff");
    }

    #[test]
    fn first_session_id_has_the_server_in_its_top_byte() {
        let id = SessionId::first(ServerId::new(1), 0x1b_2ebd);
        assert_eq!(id.raw(), 0x0100_001b_2ebd_0000);
        assert_eq!(id.server_hint(), 1);
        // Server 128 at clock zero would be the container marker.
        assert_eq!(SessionId::first(ServerId::new(128), 0).raw(), i64::MIN + 1);
    }
}
