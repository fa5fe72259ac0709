//! Who the servers of an ensemble are, and how they deal with each other.

use super::Parse::{Bool, Choice, Family, Int, Long, Path, Port, Special, Text, YesNo};
use super::{Bound, Class, Key, Wrong};
use crate::config::draft::{Draft, count, limit, limit_ms, millis};
use crate::config::membership;
use crate::config::settings::PeerRole;

/// A key that matters to members of an ensemble, parsed by name from the file.
const fn named(name: &'static str, parse: super::Parse) -> Key {
    Key::new(name, parse).file().class(Class::Ensemble)
}

/// The same for one that is a property.
const fn property(name: &'static str, parse: super::Parse) -> Key {
    Key::new(name, parse).class(Class::Ensemble)
}

fn election_algorithm(_: &mut Draft, value: &str) -> Result<(), Wrong> {
    match super::super::java::parse_integer(value) {
        Some(3) => Ok(()),
        _ => Err(Wrong::expected("expected 3: ZooKeeper 3.6 dropped the other election algorithms")),
    }
}

pub(super) static KEYS: &[Key] = &[
    named("server.", Family(membership::server))
        .default("none")
        .unit("host:port:port[:role][;[host:]port]")
        .about("A member: its host, quorum port, election port, role and client port. Further addresses follow after `|`."),
    named("group.", Family(membership::group))
        .default("none")
        .unit("ids, `:` between")
        .about("The members of a group of a hierarchical quorum."),
    named("weight.", Family(membership::weight))
        .default("1")
        .unit("votes")
        .about("The votes of a member of a hierarchical quorum; 0 never counts."),
    named("version", Special(membership::version))
        .default("0")
        .unit("hexadecimal")
        .about("The version of the list of members."),
    named("dynamicConfigFile", Path(|d, path| d.dynamic_file = Some(path)))
        .default("none")
        .unit("path")
        .about("The file that holds `server.N`, `group.N` and `weight.N` instead of this one."),
    named("initLimit", Int(|d, n| d.init_limit_ticks = Some(count(n))))
        .bound(Bound::Min(0))
        .default("required in an ensemble")
        .unit("ticks")
        .about("How long a learner may take to connect and synchronize."),
    named("syncLimit", Int(|d, n| d.sync_limit_ticks = Some(count(n))))
        .bound(Bound::Min(0))
        .default("required in an ensemble")
        .unit("ticks")
        .about("How far a learner may fall behind."),
    named("connectToLearnerMasterLimit", Int(|d, n| d.connect_limit_ticks = limit(n)))
        .bound(Bound::Min(0))
        .default("0, `initLimit`")
        .unit("ticks")
        .about("How long a learner may take to connect."),
    named("electionAlg", Special(election_algorithm))
        .default("3")
        .about("Fast leader election over TCP; there is no other."),
    named(
        "peerType",
        Choice(&[
            ("participant", |d| d.peer_role = Some(PeerRole::Participant)),
            ("observer", |d| d.peer_role = Some(PeerRole::Observer)),
        ]),
    )
    .default("participant")
    .unit("participant, observer")
    .about("The role of this server; its `server.N` line has the last word."),
    named("standaloneEnabled", Bool(|d, on| d.config.quorum.standalone_enabled = on))
        .default("true")
        .about("A single `server.N` line means a standalone server, not an ensemble of one."),
    named("quorumListenOnAllIPs", Bool(|d, on| d.config.quorum.listen_on_all_ips = on))
        .default("false")
        .about("Quorum and election ports take every address of the machine."),
    named("syncEnabled", Bool(|d, on| d.config.quorum.observer_sync = on))
        .class(Class::JavaOnly("observers always do, and need not copy the database when they start"))
        .default("true")
        .about("Observers write log and snapshots too."),
    property("observer.syncEnabled", Bool(|d, on| d.observer_sync = Some(on)))
        .class(Class::JavaOnly("observers always do, and need not copy the database when they start"))
        .default("`syncEnabled`")
        .about("The same as `syncEnabled`, and stronger."),
    named("observerMasterPort", Int(|d, n| d.config.quorum.observer_master_port = u16::try_from(n).ok().filter(|port| *port > 0)))
        .class(Class::NotYet)
        .default("0, off")
        .unit("port")
        .about("Followers serve observers on this port."),
    named("multiAddress.enabled", Bool(|d, on| d.config.quorum.multi_address.enabled = on))
        .reach(super::Reach::Property)
        .strict()
        .default("false")
        .about("A member may have several addresses."),
    named("multiAddress.reachabilityCheckEnabled", Bool(|d, on| d.config.quorum.multi_address.reachability_check = on))
        .reach(super::Reach::Property)
        .strict()
        .class(Class::JavaOnly("all addresses are tried at the same time"))
        .default("true")
        .about("Addresses are probed before use."),
    named(
        "multiAddress.reachabilityCheckTimeoutMs",
        Int(|d, n| d.config.quorum.multi_address.reachability_timeout = millis(n)),
    )
    .reach(super::Reach::Property)
    .strict()
    .class(Class::JavaOnly("all addresses are tried at the same time"))
    .default("1000")
    .unit("ms")
    .about("How long a probe may take."),
    named("oraclePath", Path(|d, path| d.config.quorum.oracle = Some(path)))
        .class(Class::Refused)
        .default("none")
        .unit("path")
        .about("A file that breaks the tie of two servers."),
    property("leaderServes", YesNo(|d, on| d.config.quorum.leader_serves = on))
        .default("yes")
        .unit("yes, no")
        .about("The leader serves clients."),
    property("cnxTimeout", Int(|d, n| d.config.quorum.connect_timeout = millis(n)))
        .strict()
        .default("5000")
        .unit("ms")
        .about("Connect time-out of election sockets."),
    property("quorumCnxnTimeoutMs", Int(|d, n| d.config.quorum.read_timeout = limit_ms(n)))
        .default("-1, `syncLimit`")
        .unit("ms")
        .about("Read time-out of election sockets."),
    property("electionPortBindRetry", Int(|d, n| d.config.quorum.bind_tries = limit(n)))
        .bound(Bound::Min(0))
        .default("3")
        .unit("tries")
        .about("How often the election port is tried; 0 is for ever."),
    property("tcpKeepAlive", Bool(|d, on| d.config.quorum.tcp_keep_alive = on))
        .class(Class::JavaOnly("connections between servers always have it"))
        .default("false")
        .about("TCP keep-alive on election sockets."),
    property(
        "fastleader.minNotificationInterval",
        Int(|d, n| d.config.quorum.notification_interval_min = millis(n)),
    )
    .default("200")
    .unit("ms")
    .about("The first wait before a vote is sent again."),
    property(
        "fastleader.maxNotificationInterval",
        Int(|d, n| d.config.quorum.notification_interval_max = millis(n)),
    )
    .default("60000")
    .unit("ms")
    .about("The longest such wait."),
    property("leaderConnectDelayDuringRetryMs", Int(|d, n| d.config.quorum.leader_connect_delay = millis(n)))
        .default("100")
        .unit("ms")
        .about("The pause between attempts to reach the leader."),
    property("leader.maxTimeToWaitForEpoch", Int(|d, n| d.config.quorum.epoch_wait_max = limit_ms(n)))
        .also(&["maxTimeToWaitForEpoch"])
        .class(Class::JavaOnly("a leader gives up as soon as voters that it needs have turned away"))
        .default("-1, off")
        .unit("ms")
        .about("A leader gives up sooner when voters went missing."),
    property("leader.maxConcurrentSnapSyncs", Int(|d, n| d.config.quorum.snap_syncs_max = count(n)))
        .also(&["maxConcurrentSnapSyncs"])
        .default("10")
        .unit("learners")
        .about("Snapshots sent to learners at once."),
    property("leader.maxConcurrentDiffSyncs", Int(|d, n| d.config.quorum.diff_syncs_max = count(n)))
        .also(&["maxConcurrentDiffSyncs"])
        .default("100")
        .unit("learners")
        .about("Differences sent to learners at once."),
    property("observer.reconnectDelayMs", Long(|d, n| d.config.quorum.observer_reconnect_delay = millis(n)))
        .class(Class::NotYet)
        .default("0")
        .unit("ms")
        .about("How long an observer waits after it lost its leader."),
    property("observer.election.DelayMs", Long(|d, n| d.config.quorum.observer_election_delay = millis(n)))
        .default("200")
        .unit("ms")
        .about("How long an observer waits before it looks for a leader."),
    property("observerMaster.sizeLimit", Int(|d, n| d.config.quorum.observer_master_bytes_max = count(n)))
        .class(Class::NotYet)
        .default("33554432")
        .unit("bytes")
        .about("Recent packets that a follower keeps for observers."),
    named("sslQuorum", Bool(|d, on| d.config.quorum.tls = on)).class(Class::Refused).default("false").about("Servers talk TLS."),
    named("portUnification", Bool(|d, on| d.config.quorum.port_unification = on))
        .class(Class::Refused)
        .default("false")
        .about("The quorum port takes TLS and plain at once."),
    named("sslQuorumReloadCertFiles", Bool(|d, on| d.config.quorum_tls.reload = on))
        .default("false")
        .about("Changed key and trust stores are read again."),
    named("quorum.auth.enableSasl", Bool(|d, on| d.quorum_sasl = on))
        .class(Class::Refused)
        .default("false")
        .about("SASL between servers."),
    named("quorum.auth.serverRequireSasl", Bool(|d, on| d.quorum_auth.server_required = on))
        .default("false")
        .about("A leader refuses learners without SASL."),
    named("quorum.auth.learnerRequireSasl", Bool(|d, on| d.quorum_auth.learner_required = on))
        .default("false")
        .about("A learner refuses leaders without SASL."),
    named("quorum.auth.learner.saslLoginContext", Text(|d, name| d.quorum_auth.learner_section = name.to_owned()))
        .default("QuorumLearner")
        .unit("name")
        .about("The JAAS section of the learner side."),
    named("quorum.auth.server.saslLoginContext", Text(|d, name| d.quorum_auth.server_section = name.to_owned()))
        .default("QuorumServer")
        .unit("name")
        .about("The JAAS section of the server side."),
    named("quorum.auth.kerberos.servicePrincipal", Text(|d, name| d.quorum_auth.service_principal = name.to_owned()))
        .default("zkquorum/localhost")
        .unit("principal")
        .about("The principal of servers; `_HOST` stands for the server's host."),
    property("test.allowDiscontinuousProposals", Bool(|_, _| ()))
        .class(Class::JavaOnly("it weakens a check for tests, and the check stays"))
        .default("false")
        .about(""),
    property("controllerPort", Port(|_, _| ()))
        .class(Class::JavaOnly("the fault-injection controller is a program of its own"))
        .about(""),
];
