//! Who the servers of an ensemble are.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use zabra_types::ServerId;

use super::{Endpoint, Host};

/// Alone or a member of an ensemble. Mirrors `QuorumPeerConfig.isDistributed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Alone: no `server.N`, or a single one with `standaloneEnabled`.
    Standalone,
    /// A member of an ensemble.
    Ensemble(Box<Ensemble>),
}

/// What a member of an ensemble knows about it at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ensemble {
    /// Which member this server is (`myid`); it is in `membership`.
    pub id: ServerId,
    /// Its role according to `membership`, which overrides `peerType`.
    pub role: PeerRole,
    /// Ticks that a learner may take to connect and synchronize (`initLimit`); never 0.
    pub init_limit_ticks: u32,
    /// Ticks that a learner may fall behind (`syncLimit`); never 0.
    pub sync_limit_ticks: u32,
    /// Ticks that a learner may take to connect (`connectToLearnerMasterLimit`); `None` is `init_limit_ticks`.
    pub connect_limit_ticks: Option<u32>,
    /// The members.
    pub membership: Membership,
    /// The members of a change that was under way when the server stopped (`<config>.dynamic.next`).
    pub next_membership: Option<Membership>,
    /// The file the members came from, when it is not the main one (`dynamicConfigFile`).
    pub dynamic_file: Option<PathBuf>,
}

/// The members of an ensemble and how their votes count. Mirrors `QuorumMaj` and `QuorumHierarchical`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// The members.
    pub servers: BTreeMap<ServerId, ServerSpec>,
    /// Groups of a hierarchical quorum (`group.N`); empty means simple majority. Then every participant is in
    /// exactly one.
    pub groups: BTreeMap<i64, Vec<ServerId>>,
    /// Votes of servers of a hierarchical quorum (`weight.N`); 1 for those that are missing.
    pub weights: BTreeMap<ServerId, i64>,
    /// The version of this configuration; it counts up with every change.
    pub version: i64,
}

impl Membership {
    /// The members with `role`.
    pub fn with_role(&self, role: PeerRole) -> impl Iterator<Item = &ServerSpec> {
        self.servers.values().filter(move |server| server.role == role)
    }
}

/// What a member does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerRole {
    /// It votes.
    #[default]
    Participant,
    /// It only follows.
    Observer,
}

impl fmt::Display for PeerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Participant => "participant",
            Self::Observer => "observer",
        })
    }
}

/// One `server.N` line. Mirrors `QuorumPeer.QuorumServer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// N.
    pub id: ServerId,
    /// Where other servers reach it; never empty, more than one only with `multiAddress.enabled`.
    pub addresses: Vec<PeerAddress>,
    /// Whether it votes.
    pub role: PeerRole,
    /// Where clients reach it, if the line says so.
    pub client: Option<Endpoint>,
}

/// One address of a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerAddress {
    /// The host.
    pub host: Host,
    /// Where it listens for learners while it leads.
    pub quorum_port: u16,
    /// Where it listens for votes; differs from `quorum_port`.
    pub election_port: u16,
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", InFull(&self.host), self.quorum_port, self.election_port)
    }
}

impl fmt::Display for ServerSpec {
    /// The value of the line as servers write it, in `/zookeeper/config` too: addresses sorted by host, the role
    /// spelt out. Mirrors `QuorumServer.toString`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut addresses: Vec<_> = self.addresses.iter().collect();
        addresses.sort_by_key(|address| InFull(&address.host).to_string());
        for (index, address) in addresses.into_iter().enumerate() {
            write!(f, "{}{address}", if index == 0 { "" } else { "|" })?;
        }
        write!(f, ":{}", self.role)?;
        let Some(client) = &self.client else { return Ok(()) };
        write!(f, ";{}:{}", InFull(&client.host), client.port)
    }
}

/// A host as Java writes it: all eight groups of an IPv6 address.
struct InFull<'a>(&'a Host);

impl fmt::Display for InFull<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Host::Ip(IpAddr::V6(ip)) = self.0 else { return self.0.fmt(f) };
        for (index, group) in ip.segments().into_iter().enumerate() {
            write!(f, "{}{group:x}", if index == 0 { "[" } else { ":" })?;
        }
        f.write_str("]")
    }
}
