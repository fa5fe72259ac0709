//! The error codes a server puts into a reply.

use core::fmt;

macro_rules! keeper_errors {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// What a client is told when its request is refused: data that travels in a reply, not a failure of ours.
        ///
        /// Codes and names are those of `KeeperException.Code`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum KeeperError {
            $($(#[$doc])* $name,)*
        }

        impl KeeperError {
            /// The code on the wire, always negative.
            pub const fn code(self) -> i32 {
                match self { $(Self::$name => $code,)* }
            }

            /// The error with this code on the wire.
            pub const fn from_code(code: i32) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The name ZooKeeper's documentation uses.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

keeper_errors! {
    /// An operation of a multi that was not examined because an earlier one failed.
    RuntimeInconsistency = -2, "RuntimeInconsistency";
    /// The request body could not be read, or an enumeration in it has no such value.
    MarshallingError = -5, "MarshallingError";
    /// The operation does not exist or is switched off.
    Unimplemented = -6, "Unimplemented";
    /// A path, flag or number in the request is invalid.
    BadArguments = -8, "BadArguments";
    /// A reconfiguration whose new quorum is not connected and in sync.
    NewConfigNoQuorum = -13, "NewConfigNoQuorum";
    /// Another reconfiguration is under way.
    ReconfigInProgress = -14, "ReconfigInProgress";
    /// The node, or the parent of the node to create, does not exist.
    NoNode = -101, "NoNode";
    /// The access control list does not allow it.
    NoAuth = -102, "NoAuth";
    /// The version in the request is not the node's.
    BadVersion = -103, "BadVersion";
    /// Ephemeral nodes have no children.
    NoChildrenForEphemerals = -108, "NoChildrenForEphemerals";
    /// The node exists already.
    NodeExists = -110, "NodeExists";
    /// The node to delete has children.
    NotEmpty = -111, "NotEmpty";
    /// The session is closing or unknown.
    SessionExpired = -112, "SessionExpired";
    /// The access control list in the request is invalid.
    InvalidAcl = -114, "InvalidACL";
    /// Authentication was refused; the connection closes.
    AuthFailed = -115, "AuthFailed";
    /// The session is attached to another server; never sent, the connection closes instead.
    SessionMoved = -118, "SessionMoved";
    /// A write on a server that only reads.
    NotReadOnly = -119, "NotReadOnly";
    /// An ephemeral node on a local session that may not be upgraded.
    EphemeralOnLocalSession = -120, "EphemeralOnLocalSession";
    /// No such watch to check or remove.
    NoWatcher = -121, "NoWatcher";
    /// Reconfiguration is switched off.
    ReconfigDisabled = -123, "ReconfigDisabled";
    /// The server enforces authentication and this connection has none; it closes.
    SessionClosedRequireSaslAuth = -124, "SessionClosedRequireSaslAuth";
    /// A hard quota would be exceeded.
    QuotaExceeded = -125, "QuotaExceeded";
    /// The request waited too long in the throttler and was not executed.
    ThrottledOp = -127, "ThrottledOp";
}

impl fmt::Display for KeeperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code())
    }
}

impl core::error::Error for KeeperError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip() {
        for code in -130..0 {
            if let Some(error) = KeeperError::from_code(code) {
                assert_eq!(error.code(), code);
            }
        }
        assert_eq!(KeeperError::from_code(0), None);
        assert_eq!(KeeperError::from_code(-101), Some(KeeperError::NoNode));
    }
}
