//! Access control entries.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

/// Permission bits of an access control entry. Unvalidated: any 32 bits are stored and returned as given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Perms(i32);

impl Perms {
    /// Read data, Stat and children.
    pub const READ: Self = Self(1);
    /// Set data.
    pub const WRITE: Self = Self(2);
    /// Create children.
    pub const CREATE: Self = Self(4);
    /// Delete children.
    pub const DELETE: Self = Self(8);
    /// Set the access control list.
    pub const ADMIN: Self = Self(16);
    /// All of the above.
    pub const ALL: Self = Self(31);

    /// From the bits on the wire.
    pub const fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    /// The bits on the wire.
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// Whether the two share a bit.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl core::ops::BitOr for Perms {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Perms {
    /// The letters the shell uses, in its order: `cdrwa`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [
            (Self::CREATE, "c"),
            (Self::DELETE, "d"),
            (Self::READ, "r"),
            (Self::WRITE, "w"),
            (Self::ADMIN, "a"),
        ] {
            if self.intersects(bit) {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// One access control entry: what `scheme:id` may do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acl {
    /// What is allowed.
    pub perms: Perms,
    /// How the identity was proved: `world`, `digest`, `ip`, `sasl`, `x509`, ...
    pub scheme: String,
    /// The identity, in the scheme's own form.
    pub id: String,
}

impl Acl {
    /// An entry from its parts.
    pub fn new(perms: Perms, scheme: &str, id: &str) -> Self {
        Self { perms, scheme: scheme.to_owned(), id: id.to_owned() }
    }

    /// `world:anyone` with these permissions.
    pub fn world(perms: Perms) -> Self {
        Self::new(perms, "world", "anyone")
    }

    /// Whether the entry speaks of everybody.
    pub fn is_world(&self) -> bool {
        self.scheme == "world" && self.id == "anyone"
    }
}

impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.scheme, self.id, self.perms)
    }
}
