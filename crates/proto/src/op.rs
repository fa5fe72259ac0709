//! The operations.

macro_rules! op_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $tag:literal, $class:ident;)*) => {
        /// The `type` of a request or transaction, as numbered in `ZooDefs.OpCode`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum OpCode { $($(#[$doc])* $name,)* }

        impl OpCode {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// From the number on the wire.
            pub const fn from_code(code: i32) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The number on the wire.
            pub const fn code(self) -> i32 {
                match self { $(Self::$name => $code,)* }
            }

            /// The four-letter tag `cons` shows as the last operation.
            pub const fn tag(self) -> &'static str {
                match self { $(Self::$name => $tag,)* }
            }

            /// How the operation travels.
            pub const fn class(self) -> OpClass {
                match self { $(Self::$name => OpClass::$class,)* }
            }
        }
    };
}

/// How an operation travels through the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpClass {
    /// Answered from this server's tree.
    Read,
    /// Becomes a transaction.
    Write,
    /// Handled on receipt, outside the order of the session.
    Immediate,
    /// Never legal as a request from a client.
    Internal,
}

op_codes! {
    /// Create a node; answers its path.
    Create = 1, "CREA", Write;
    /// Delete a node.
    Delete = 2, "DELE", Write;
    /// Stat of a node, watching even one that is missing.
    Exists = 3, "EXIS", Read;
    /// Data and Stat of a node.
    GetData = 4, "GETD", Read;
    /// Set the data of a node.
    SetData = 5, "SETD", Write;
    /// Access control list of a node.
    GetAcl = 6, "GETA", Read;
    /// Set the access control list of a node.
    SetAcl = 7, "SETA", Write;
    /// Names of the children.
    GetChildren = 8, "GETC", Read;
    /// Wait for what the leader has committed; on one server a read.
    Sync = 9, "SYNC", Read;
    /// Keep the session alive.
    Ping = 11, "PING", Read;
    /// Names of the children, and Stat.
    GetChildren2 = 12, "GETC", Read;
    /// Check a version, inside multi only.
    Check = 13, "CHEC", Internal;
    /// Several writes, all or none.
    Multi = 14, "MULT", Write;
    /// Create a node; answers path and Stat.
    Create2 = 15, "CREA", Write;
    /// Change the membership.
    Reconfig = 16, "RECO", Write;
    /// Ask whether a watch is set.
    CheckWatches = 17, "CHKW", Read;
    /// Remove a watch.
    RemoveWatches = 18, "REMW", Read;
    /// Create a container node.
    CreateContainer = 19, "CREA", Write;
    /// Remove an empty container or expired TTL node; the server's own.
    DeleteContainer = 20, "DELE", Internal;
    /// Create a node with a time to live.
    CreateTtl = 21, "CREA", Write;
    /// Several reads in one request.
    MultiRead = 22, "MLTR", Read;
    /// Authenticate the connection.
    Auth = 100, "NA", Immediate;
    /// Set the watches again after a reconnect.
    SetWatches = 101, "SETW", Read;
    /// One step of a SASL handshake.
    Sasl = 102, "NA", Immediate;
    /// The session's own ephemeral nodes.
    GetEphemerals = 103, "GETE", Read;
    /// Number of all descendants.
    GetAllChildrenNumber = 104, "GETACN", Read;
    /// Set the watches again, persistent ones included.
    SetWatches2 = 105, "STW2", Read;
    /// Set a persistent watch.
    AddWatch = 106, "ADDW", Read;
    /// The identities of this connection.
    WhoAmI = 107, "HOMI", Read;
    /// Begin a session; the server's own.
    CreateSession = -10, "SESS", Internal;
    /// End the session.
    CloseSession = -11, "CLOS", Write;
    /// A refused write in the log, or a failed result in a multi.
    Error = -1, "NA", Internal;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip() {
        for &op in OpCode::ALL {
            assert_eq!(OpCode::from_code(op.code()), Some(op));
        }
        for refused in [0, 10, 23, 99, 108, -2, -12] {
            assert_eq!(OpCode::from_code(refused), None, "{refused}");
        }
    }
}
