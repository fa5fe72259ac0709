//! What an operator decides about preparing and answering requests.

use zabra_types::OwnerRules;

/// The settings that change what requests may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeOptions {
    /// `zookeeper.skipACL`: every access control check passes.
    pub skip_acl: bool,
    /// `zookeeper.enforceQuota`: hard quotas refuse creates and new data.
    pub enforce_quota: bool,
    /// How stored owners are read; TTL modes need `extended_types`.
    pub owner_rules: OwnerRules,
    /// `zookeeper.closeSessionTxn.enabled`: the end of a session lists the nodes it deletes.
    pub close_session_txn: bool,
    /// `zookeeper.digest.enabled`: transactions carry the digest of the tree after them.
    pub digest: bool,
    /// `reconfigEnabled`: the membership may be changed by requests.
    pub reconfig_enabled: bool,
    /// Whether the next epoch begins by itself when the numbers of one are used up, as on a standalone server. The
    /// leader of an ensemble steps down instead.
    pub rolls_epochs: bool,
    /// Key of the tables over paths, which clients choose. Random, so that nobody can choose paths that collide.
    pub hash_key: [u64; 2],
}

impl Default for NodeOptions {
    /// The genuine server's defaults, for the member of an ensemble.
    fn default() -> Self {
        Self {
            skip_acl: false,
            enforce_quota: false,
            owner_rules: OwnerRules::default(),
            close_session_txn: true,
            digest: true,
            reconfig_enabled: false,
            rolls_epochs: false,
            hash_key: [0; 2],
        }
    }
}
