//! What kind of node it is: the create modes, and the stored `ephemeralOwner` that tells them apart.

use crate::SessionId;

/// The longest time to live of a TTL node, in milliseconds (40 bits).
pub const TTL_MS_MAX: i64 = 0xFF_FFFF_FFFF;

/// How a node is created. On the wire an enumeration, not a bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CreateMode {
    /// Stays until deleted.
    Persistent,
    /// Goes with its session.
    Ephemeral,
    /// Persistent, its name completed by the parent's creation counter.
    PersistentSequential,
    /// Ephemeral, its name completed by the parent's creation counter.
    EphemeralSequential,
    /// Removed by the server some time after its last child went.
    Container,
    /// Removed by the server when unmodified and childless for its time to live.
    PersistentWithTtl,
    /// The same, its name completed by the parent's creation counter.
    PersistentSequentialWithTtl,
}

impl CreateMode {
    /// From the `flags` of a create request; `None` for a number that is no mode.
    pub const fn from_flags(flags: i32) -> Option<Self> {
        Some(match flags {
            0 => Self::Persistent,
            1 => Self::Ephemeral,
            2 => Self::PersistentSequential,
            3 => Self::EphemeralSequential,
            4 => Self::Container,
            5 => Self::PersistentWithTtl,
            6 => Self::PersistentSequentialWithTtl,
            _ => return None,
        })
    }

    /// The `flags` of a create request.
    pub const fn flags(self) -> i32 {
        match self {
            Self::Persistent => 0,
            Self::Ephemeral => 1,
            Self::PersistentSequential => 2,
            Self::EphemeralSequential => 3,
            Self::Container => 4,
            Self::PersistentWithTtl => 5,
            Self::PersistentSequentialWithTtl => 6,
        }
    }

    /// Whether the node goes with its session.
    pub const fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }

    /// Whether the server completes the name.
    pub const fn is_sequential(self) -> bool {
        matches!(
            self,
            Self::PersistentSequential | Self::EphemeralSequential | Self::PersistentSequentialWithTtl
        )
    }

    /// Whether the mode carries a time to live.
    pub const fn is_ttl(self) -> bool {
        matches!(self, Self::PersistentWithTtl | Self::PersistentSequentialWithTtl)
    }
}

/// How this server reads a stored `ephemeralOwner` (`EphemeralType` in the genuine server).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerRules {
    /// `zookeeper.extendedTypesEnabled`: owners with the top byte 0xFF are TTL nodes.
    pub extended_types: bool,
    /// `zookeeper.emulate353TTLNodes`: other negative owners are TTL nodes too, as 3.5.3 wrote them.
    pub emulate_353_ttl: bool,
}

/// The kind of a node, as its stored `ephemeralOwner` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EphemeralOwner {
    /// Nobody: a persistent node.
    Persistent,
    /// A session.
    Session(SessionId),
    /// A container node.
    Container,
    /// A node with a time to live, in milliseconds.
    Ttl(i64),
}

const CONTAINER: i64 = i64::MIN;
const EXTENDED_MASK: i64 = 0xFF00_0000_0000_0000_u64 as i64;

impl EphemeralOwner {
    /// Reads the stored 64 bits under the server's rules.
    pub const fn from_raw(raw: i64, rules: OwnerRules) -> Self {
        if raw == 0 {
            return Self::Persistent;
        }
        if raw == CONTAINER {
            return Self::Container;
        }
        if rules.extended_types {
            if rules.emulate_353_ttl && raw < 0 {
                return Self::Ttl(raw & TTL_MS_MAX);
            }
            if raw & EXTENDED_MASK == EXTENDED_MASK {
                return Self::Ttl(raw & TTL_MS_MAX);
            }
        }
        Self::Session(SessionId::from_raw(raw))
    }

    /// The 64 bits as stored.
    pub const fn raw(self) -> i64 {
        match self {
            Self::Persistent => 0,
            Self::Session(session) => session.raw(),
            Self::Container => CONTAINER,
            Self::Ttl(ttl_ms) => EXTENDED_MASK | (ttl_ms & TTL_MS_MAX),
        }
    }

    /// The session that owns the node, if one does.
    pub const fn session(self) -> Option<SessionId> {
        match self {
            Self::Session(session) => Some(session),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_round_trip_and_nothing_else_is_one() {
        for flags in -3..12 {
            match CreateMode::from_flags(flags) {
                Some(mode) => assert_eq!(mode.flags(), flags),
                None => assert!(!(0..=6).contains(&flags)),
            }
        }
    }

    #[test]
    fn owners_as_the_reference_lists_them() {
        let plain = OwnerRules::default();
        let extended = OwnerRules { extended_types: true, emulate_353_ttl: false };
        let old = OwnerRules { extended_types: true, emulate_353_ttl: true };
        let ttl = 0xFF00_0000_0000_EA60_u64 as i64;
        assert_eq!(EphemeralOwner::Ttl(60_000).raw(), ttl);
        assert_eq!(EphemeralOwner::from_raw(ttl, extended), EphemeralOwner::Ttl(60_000));
        assert_eq!(EphemeralOwner::from_raw(ttl, plain), EphemeralOwner::Session(SessionId::from_raw(ttl)));
        assert_eq!(EphemeralOwner::from_raw(i64::MIN | 500, old), EphemeralOwner::Ttl(500));
        assert_eq!(EphemeralOwner::from_raw(i64::MIN, old), EphemeralOwner::Container);
        assert_eq!(EphemeralOwner::from_raw(0, old), EphemeralOwner::Persistent);
    }
}
