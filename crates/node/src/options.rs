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
}

impl Default for NodeOptions {
    /// The genuine server's defaults.
    fn default() -> Self {
        Self {
            skip_acl: false,
            enforce_quota: false,
            owner_rules: OwnerRules::default(),
            close_session_txn: true,
            digest: true,
            reconfig_enabled: false,
        }
    }
}
