//! What the four-letter words answer, letter for letter as the genuine server prints it.

use std::fmt::{Display, Write};
use std::sync::atomic::Ordering::Relaxed;

use zabra_node::ConnId;
use zabra_types::SessionId;

use super::Word;
use crate::core::Core;
use crate::observe::clients::{ClientView, clients};
use crate::observe::metrics::{self, Flat};
use crate::observe::sessions::{Global, Tracked};
use crate::observe::{self, NOT_SERVING, date, environment, sessions, sizes, version};
use crate::stats::Span;

/// The answer to a word that is allowed. `behind` is what came after the word.
pub(super) fn of(core: &Core, word: Word, behind: &[u8]) -> String {
    let mut out = Text::default();
    match word {
        Word::Ruok => out.put("imok"),
        Word::Gtmk => out.put(core.trace_mask.load(Relaxed)),
        Word::Stmk => set_trace_mask(core, behind, &mut out),
        Word::Envi => environment(&mut out),
        // Closed without a word.
        Word::TelnetClose => {}
        Word::Isro if !core.is_running() => out.put("null"),
        Word::Isro => out.put(if core.is_read_only() { "ro" } else { "rw" }),
        Word::Hash if !core.is_running() => out.put(NOT_SERVING),
        _ if !core.is_running() => out.line(NOT_SERVING),
        Word::Hash => digests(core, &mut out),
        Word::Conf => configuration(core, &mut out),
        Word::Cons => {
            for client in clients(core) {
                full_connection(&client, &mut out);
            }
            out.line("");
        }
        Word::Crst => {
            observe::reset_connections(core);
            out.line("Connection stats reset.");
        }
        Word::Srst => {
            observe::reset_statistics(core);
            out.line("Server stats reset.");
        }
        Word::Dirs => {
            let sizes = sizes::directories(core);
            out.line(format_args!("datadir_size: {}", sizes.data_size));
            out.line(format_args!("logdir_size: {}", sizes.log_size));
        }
        Word::Dump => dump(core, &mut out),
        Word::Srvr => state(core, false, &mut out),
        Word::Stat => state(core, true, &mut out),
        Word::Wchs => {
            let summary = core.watches.lock().summary();
            out.line(format_args!(
                "{} connections watching {} paths\nTotal watches:{}",
                summary.connections, summary.paths, summary.watches
            ));
        }
        Word::Wchc => watches_by_session(core, &mut out),
        Word::Wchp => watches_by_path(core, &mut out),
        Word::Mntr => monitor(core, &mut out),
    }
    out.0
}

/// The only one there is.
const ELECTION_ALGORITHM: i32 = 3;

/// Text that grows.
#[derive(Debug, Default)]
struct Text(String);

impl Text {
    fn put(&mut self, what: impl Display) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "{what}");
    }

    fn line(&mut self, what: impl Display) {
        self.put(what);
        self.0.push('\n');
    }

    fn pair(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key}={value}"));
    }
}

fn set_trace_mask(core: &Core, behind: &[u8], out: &mut Text) {
    let Some(&mask) = behind.first_chunk::<8>() else { return };
    let mask = i64::from_be_bytes(mask);
    core.trace_mask.store(mask, Relaxed);
    out.put(mask);
}

fn environment(out: &mut Text) {
    out.line("Environment:");
    for (key, value) in environment::list() {
        out.pair(key, value);
    }
}

fn configuration(core: &Core, out: &mut Text) {
    let view = observe::configuration::read(core);
    let sizes = sizes::directories(core);
    out.pair("clientPort", view.client_port);
    out.pair("secureClientPort", view.secure_client_port);
    out.pair("dataDir", sizes.data.display());
    out.pair("dataDirSize", sizes.data_size);
    out.pair("dataLogDir", sizes.log.display());
    out.pair("dataLogSize", sizes.log_size);
    out.pair("tickTime", view.tick_ms);
    out.pair("maxClientCnxns", view.max_client_cnxns);
    out.pair("minSessionTimeout", view.min_session_timeout_ms);
    out.pair("maxSessionTimeout", view.max_session_timeout_ms);
    out.pair("clientPortListenBacklog", view.listen_backlog);
    out.pair("serverId", view.server_id);
    if let Some(member) = observe::configuration::read_member(core) {
        out.pair("initLimit", member.init_limit);
        out.pair("syncLimit", member.sync_limit);
        out.pair("electionAlg", ELECTION_ALGORITHM);
        out.pair("electionPort", member.election_ports);
        out.pair("quorumPort", member.quorum_ports);
        out.pair("peerType", i32::from(member.is_observer));
        out.line("membership: ");
        out.put(&member.membership);
    }
}

fn digests(core: &Core, out: &mut Text) {
    for record in core.tree.read().digest_history() {
        // Java has no unsigned numbers.
        out.line(format_args!("{:x}: {}", record.zxid.raw(), record.digest.cast_signed()));
    }
}

fn brief_connection(client: &ClientView, out: &mut Text) {
    let stats = &client.stats;
    out.put(format_args!(
        " /{}[{:x}](queued={},recved={},sent={}",
        client.remote, client.interest_ops, client.outstanding, stats.received, stats.sent
    ));
}

fn full_connection(client: &ClientView, out: &mut Text) {
    brief_connection(client, out);
    let stats = &client.stats;
    if client.session != SessionId::NONE {
        out.put(format_args!(
            ",sid={},lop={},est={},to={}",
            client.session, stats.last_op, stats.established_ms, client.timeout_ms
        ));
        if stats.last_cxid >= 0 {
            out.put(format_args!(",lcxid=0x{:x}", stats.last_cxid));
        }
        out.put(format_args!(
            ",lzxid=0x{:x},lresp={},llat={},minlat={},avglat={},maxlat={}",
            stats.last_zxid,
            stats.last_response_ms,
            stats.last_latency_ms,
            client.min_latency_ms(),
            client.avg_latency_ms(),
            stats.max_latency_ms,
        ));
    }
    out.line(")");
}

fn state(core: &Core, with_clients: bool, out: &mut Text) {
    out.line(format_args!("Zookeeper version: {}", version::full()));
    if core.is_read_only() {
        out.line("READ-ONLY mode; serving only read-only clients");
    }
    if with_clients {
        out.line("Clients:");
        for client in clients(core) {
            brief_connection(&client, out);
            out.line(")");
        }
        out.line("");
    }
    let stats = &core.stats;
    let latency = stats.request_latency.read();
    let (zxid, nodes) = {
        let tree = core.tree.read();
        (core.shown_zxid(&tree), tree.node_count())
    };
    out.line(format_args!(
        "Latency min/avg/max: {}/{}/{}",
        latency.min,
        metrics::java_double(latency.average()),
        latency.max
    ));
    out.line(format_args!("Received: {}", stats.packets_received.get()));
    out.line(format_args!("Sent: {}", stats.packets_sent.get()));
    out.line(format_args!("Connections: {}", core.conns.len()));
    out.line(format_args!("Outstanding: {}", stats.outstanding.load(Relaxed)));
    out.line(format_args!("Zxid: {zxid}"));
    let mode = observe::mode(core);
    out.line(format_args!("Mode: {mode}"));
    out.line(format_args!("Node count: {nodes}"));
    if mode == "leader" {
        let sizes = stats.proposal_sizes.read();
        out.line(format_args!("Proposal sizes last/min/max: {}/{}/{}", sizes.last, sizes.min, sizes.max));
    }
}

fn dump(core: &Core, out: &mut Text) {
    let expiry = |at| date::java(sessions::wall_time(core, at));
    let sets = |out: &mut Text, by_expiry: sessions::Expiry| {
        let count: usize = by_expiry.values().map(Vec::len).sum();
        out.line(format_args!("Session Sets ({})/({count}):", by_expiry.len()));
        for (at, sessions) in by_expiry {
            out.line(format_args!("{} expire at {}:", sessions.len(), expiry(at)));
            for session in sessions {
                out.line(format_args!("\t{session}"));
            }
        }
    };
    let Tracked { local, global } = sessions::tracked(core);
    let has_local = local.is_some();
    out.line("SessionTracker dump:");
    if let Some(local) = local {
        out.put("Local ");
        sets(out, local);
    }
    match global {
        Global::Judged(by_expiry) => {
            out.put(if has_local { "Global " } else { "" });
            sets(out, by_expiry);
        }
        Global::Known(sessions) => {
            out.line(format_args!("Global Sessions({}):", sessions.len()));
            for (session, timeout_ms) in sessions {
                out.line(format_args!("{session}\t{timeout_ms}ms"));
            }
        }
    }
    let ephemerals = sessions::ephemerals(core);
    out.line("ephemeral nodes dump:");
    out.line(format_args!("Sessions with Ephemerals ({}):", ephemerals.len()));
    for (session, paths) in ephemerals {
        out.line(format_args!("{session}:"));
        for path in paths {
            out.line(format_args!("\t{path}"));
        }
    }
    let connections = sessions::connections_by_expiry(core);
    let count: usize = connections.values().map(Vec::len).sum();
    out.line("Connections dump:");
    out.line(format_args!("Connections Sets ({})/({count}):", connections.len()));
    for (at, connections) in connections {
        out.line(format_args!("{} expire at {}:", connections.len(), expiry(at)));
        for (remote, session) in connections {
            out.line(format_args!("\tip: /{remote} sessionId: {session}"));
        }
    }
}

fn watches_by_session(core: &Core, out: &mut Text) {
    let watches = core.watches.lock();
    for (conn, paths) in watches.by_conn() {
        out.line(session_of(core, conn));
        for path in paths {
            out.line(format_args!("\t{path}"));
        }
    }
    out.line("");
}

fn watches_by_path(core: &Core, out: &mut Text) {
    let watches = core.watches.lock();
    for (path, conns) in watches.by_path() {
        out.line(path);
        for conn in conns {
            out.line(format_args!("\t{}", session_of(core, conn)));
        }
    }
    out.line("");
}

fn session_of(core: &Core, conn: ConnId) -> SessionId {
    core.conns.get(conn).map_or(SessionId::NONE, |conn| conn.session())
}

fn monitor(core: &Core, out: &mut Text) {
    let mut line = |key: &str, value: &dyn Display| out.line(format_args!("zk_{key}\t{value}"));
    line("version", &version::full());
    line("server_state", &observe::mode(core));
    if let Some(state) = observe::ensemble::peer_state(core) {
        line("peer_state", &state);
    }
    if let Some(leader) = observe::ensemble::observed(core) {
        line("observer_master_id", &leader);
    }
    for metric in metrics::read(core, Span::All) {
        metrics::flatten(&metric, |key, value| match value {
            Flat::Integer(value) => line(&key, &value),
            Flat::Real(value) => line(&key, &metrics::java_double(value)),
        });
    }
}
