//! The commands that only tell something or reset a statistic.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Map, Value, json};
use zabra_node::ConnId;
use zabra_storage::{DataDirs, list_snapshots};
use zabra_types::SessionId;

use super::json::Fields;
use super::members;
use super::request::Parameters;
use crate::core::Core;
use crate::observe::clients::{ClientView, clients};
use crate::observe::metrics::{self, Flat};
use crate::observe::sessions::{Global, Tracked};
use crate::observe::{self, configuration, environment, sessions, sizes, version};
use crate::stats::{SizesReading, Span};

/// What answers to a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    /// The primary name, and behind it the others.
    pub(super) names: &'static [&'static str],
    /// Whether it is refused while clients are not served.
    pub(super) needs_serving: bool,
    /// What it does.
    pub(super) action: Action,
}

/// What a command does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// Tells something. A field `error` takes the place of the usual one.
    Tell(fn(&Core, &Parameters) -> Fields),
    /// Takes a snapshot; needs authorisation.
    Snapshot,
    /// Replaces the database by a snapshot; needs authorisation, and POST.
    Restore,
}

const fn tell(names: &'static [&'static str], run: fn(&Core, &Parameters) -> Fields) -> Command {
    Command { names, needs_serving: true, action: Action::Tell(run) }
}

const fn always(names: &'static [&'static str], run: fn(&Core, &Parameters) -> Fields) -> Command {
    Command { names, needs_serving: false, action: Action::Tell(run) }
}

/// All commands, sorted by primary name.
pub(super) static COMMANDS: &[Command] = &[
    tell(&["configuration", "conf", "config"], configuration),
    tell(&["connection_stat_reset", "crst"], |core, _| {
        observe::reset_connections(core);
        Fields::new()
    }),
    tell(&["connections", "cons"], |core, _| {
        fields([("connections", connections(core, full)), ("secure_connections", json!([]))])
    }),
    tell(&["dirs"], |core, _| {
        let sizes = sizes::directories(core);
        fields([("datadir_size", sizes.data_size.into()), ("logdir_size", sizes.log_size.into())])
    }),
    tell(&["dump"], dump),
    always(&["environment", "env", "envi"], |_, _| {
        environment::list().into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
    }),
    always(&["get_trace_mask", "gtmk"], |core, _| {
        fields([("tracemask", core.trace_mask.load(Relaxed).into())])
    }),
    tell(&["hash"], digests),
    tell(&["initial_configuration", "icfg"], |core, _| {
        fields([("initial_configuration", configuration::initial(core).into())])
    }),
    tell(&["is_read_only", "isro"], |core, _| fields([("read_only", core.is_read_only().into())])),
    tell(&["last_snapshot", "lsnp"], last_snapshot),
    tell(&["leader", "lead"], members::leader),
    always(&["monitor", "mntr"], monitor),
    tell(&["observer_connection_stat_reset", "orst"], |_, _| Fields::new()),
    tell(&["observers", "obsr"], members::observers),
    Command { names: &["restore", "rest"], needs_serving: true, action: Action::Restore },
    tell(&["ruok"], |_, _| Fields::new()),
    tell(&["server_stats", "srvr"], |core, _| server_stats(core)),
    always(&["set_trace_mask", "stmk"], set_trace_mask),
    Command { names: &["snapshot", "snap"], needs_serving: true, action: Action::Snapshot },
    tell(&["stat_reset", "srst"], |core, _| {
        observe::reset_statistics(core);
        Fields::new()
    }),
    tell(&["stats", "stat"], |core, _| {
        let mut fields = server_stats(core);
        fields.insert("connections".to_owned(), connections(core, brief));
        fields.insert("secure_connections".to_owned(), json!([]));
        fields
    }),
    always(&["system_properties", "sysp"], system_properties),
    tell(&["voting_view"], members::voting_view),
    tell(&["watch_summary", "wchs"], |core, _| {
        let summary = core.watches.lock().summary();
        fields([
            ("num_connections", summary.connections.into()),
            ("num_paths", summary.paths.into()),
            ("num_total_watches", summary.watches.into()),
        ])
    }),
    tell(&["watches", "wchc"], watches_by_session),
    tell(&["watches_by_path", "wchp"], watches_by_path),
    always(&["zabstate"], members::zab_state),
];

/// The command with this name, primary or not.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.names.contains(&name))
}

pub(super) fn fields<const N: usize>(fields: [(&str, Value); N]) -> Fields {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn configuration(core: &Core, _: &Parameters) -> Fields {
    let view = configuration::read(core);
    let sizes = sizes::directories(core);
    fields([
        ("client_port", view.client_port.into()),
        ("data_dir", sizes.data.display().to_string().into()),
        ("data_log_dir", sizes.log.display().to_string().into()),
        ("tick_time", view.tick_ms.into()),
        ("max_client_cnxns", view.max_client_cnxns.into()),
        ("min_session_timeout", view.min_session_timeout_ms.into()),
        ("max_session_timeout", view.max_session_timeout_ms.into()),
        ("server_id", view.server_id.into()),
        ("client_port_listen_backlog", view.listen_backlog.into()),
    ])
}

fn connections(core: &Core, show: fn(&ClientView) -> Fields) -> Value {
    clients(core).iter().map(|client| Value::Object(show(client))).collect()
}

fn brief(client: &ClientView) -> Fields {
    fields([
        ("remote_socket_address", client.remote.to_string().into()),
        ("interest_ops", client.interest_ops.into()),
        ("outstanding_requests", client.outstanding.into()),
        ("packets_received", client.stats.received.into()),
        ("packets_sent", client.stats.sent.into()),
    ])
}

fn full(client: &ClientView) -> Fields {
    let stats = &client.stats;
    let mut shown = brief(client);
    shown.extend(fields([
        ("session_id", client.session.raw().into()),
        ("last_operation", stats.last_op.into()),
        ("established", stats.established_ms.into()),
        ("session_timeout", client.timeout_ms.into()),
        ("last_cxid", stats.last_cxid.into()),
        ("last_zxid", stats.last_zxid.into()),
        ("last_response_time", stats.last_response_ms.into()),
        ("last_latency", stats.last_latency_ms.into()),
        ("min_latency", client.min_latency_ms().into()),
        ("avg_latency", client.avg_latency_ms().into()),
        ("max_latency", stats.max_latency_ms.into()),
    ]));
    shown
}

fn dump(core: &Core, _: &Parameters) -> Fields {
    let ids = |sessions: Vec<SessionId>| sessions.into_iter().map(|session| session.raw()).collect::<Value>();
    let Tracked { local, global } = sessions::tracked(core);
    // Global ones take the place of local ones that end at the same time, as in the genuine server; a learner names local
    // ones nowhere.
    let by_expiry = match global {
        Global::Judged(by_expiry) => local.into_iter().flatten().chain(by_expiry).collect(),
        Global::Known(_) => sessions::Expiry::new(),
    };
    let by_expiry: Map<_, _> =
        by_expiry.into_iter().map(|(at, sessions)| (at.millis().to_string(), ids(sessions))).collect();
    let ephemerals: Map<_, _> = sessions::ephemerals(core)
        .into_iter()
        .map(|(session, paths)| (session.raw().to_string(), paths.into()))
        .collect();
    fields([
        ("expiry_time_to_session_ids", by_expiry.into()),
        ("session_id_to_ephemeral_paths", ephemerals.into()),
    ])
}

fn digests(core: &Core, _: &Parameters) -> Fields {
    let tree = core.tree.read();
    let digests: Value = tree
        .digest_history()
        .map(|record| {
            json!({
                "zxid": record.zxid.raw(),
                // Java has no unsigned numbers.
                "digest": record.digest.cast_signed(),
                "digest_version": zabra_proto::TxnDigest::VERSION,
            })
        })
        .collect();
    fields([("digests", digests)])
}

fn last_snapshot(core: &Core, _: &Parameters) -> Fields {
    let (zxid, timestamp) = match newest_snapshot(core) {
        Some((zxid, timestamp)) => (format!("{zxid:x}"), timestamp),
        None => ("-1".to_owned(), -1),
    };
    fields([("zxid", zxid.into()), ("timestamp", timestamp.into())])
}

/// The zxid of the newest snapshot, and when it was written, in seconds since 1970.
fn newest_snapshot(core: &Core) -> Option<(i64, i64)> {
    if let Some((info, written_ms)) = core.last_snapshot.get() {
        return Some((info.zxid.raw(), written_ms / 1000));
    }
    let storage = &core.config.storage;
    let dirs = DataDirs::new(&storage.data_dir, &storage.data_log_dir);
    let newest =
        list_snapshots(&*core.disk, &dirs.snapshots).ok()?.into_iter().max_by_key(|file| file.zxid)?;
    let written = std::fs::metadata(&newest.path).and_then(|metadata| metadata.modified()).ok()?;
    let since_1970 = written.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some((newest.zxid.raw(), i64::try_from(since_1970.as_secs()).ok()?))
}

fn monitor(core: &Core, _: &Parameters) -> Fields {
    let mut shown =
        fields([("version", version::full().into()), ("server_state", observe::mode(core).into())]);
    if let Some(state) = observe::ensemble::peer_state(core) {
        shown.insert("peer_state".to_owned(), state.into());
    }
    if let Some(leader) = observe::ensemble::observed(core) {
        shown.insert("observer_master_id".to_owned(), leader.get().into());
    }
    for metric in metrics::read(core, Span::All) {
        metrics::flatten(&metric, |key, value| {
            let value = match value {
                Flat::Integer(value) => value.into(),
                Flat::Real(value) => value.into(),
            };
            shown.insert(key, value);
        });
    }
    shown
}

fn server_stats(core: &Core) -> Fields {
    let stats = &core.stats;
    let latency = stats.request_latency.read();
    let sizes = sizes::directories(core);
    let (zxid, nodes) = {
        let tree = core.tree.read();
        (core.shown_zxid(&tree).raw(), tree.node_count())
    };
    let mode = observe::mode(core);
    let sizes_of = |sizes: SizesReading| {
        json!({
            "last_buffer_size": sizes.last,
            "min_buffer_size": sizes.min,
            "max_buffer_size": sizes.max,
        })
    };
    let responses = sizes_of(stats.reply_sizes.read());
    let server_stats = fields([
        ("packets_sent", stats.packets_sent.get().into()),
        ("packets_received", stats.packets_received.get().into()),
        ("fsync_threshold_exceed_count", stats.fsync_threshold_exceed_count.get().into()),
        ("client_response_stats", responses.clone()),
        ("data_dir_size", sizes.data_size.into()),
        ("log_dir_size", sizes.log_size.into()),
        ("provider_null", false.into()),
        ("last_processed_zxid", zxid.into()),
        ("outstanding_requests", stats.outstanding.load(Relaxed).into()),
        ("server_state", mode.into()),
        ("avg_latency", latency.average().into()),
        ("max_latency", latency.max.into()),
        ("min_latency", latency.min.into()),
        ("num_alive_client_connections", core.conns.len().into()),
        ("uptime", crate::stats::millis(core.clock.uptime()).into()),
        ("auth_failed_count", stats.auth_failed_count.get().into()),
        ("non_mtlsremote_conn_count", 0.into()),
        ("non_mtlslocal_conn_count", 0.into()),
    ]);
    let mut shown = fields([
        ("version", version::full().into()),
        ("read_only", core.is_read_only().into()),
        ("server_stats", server_stats.into()),
        ("client_response", responses),
        ("node_count", nodes.into()),
    ]);
    if mode == "leader" {
        shown.insert("proposal_stats".to_owned(), sizes_of(stats.proposal_sizes.read()));
    }
    shown
}

fn set_trace_mask(core: &Core, parameters: &Parameters) -> Fields {
    const WANTED: &str = "setTraceMask requires long traceMask argument";
    let Some(text) = parameters.get("traceMask") else { return fields([("error", WANTED.into())]) };
    match text.parse::<i64>() {
        Ok(mask) => {
            core.trace_mask.store(mask, Relaxed);
            fields([("tracemask", mask.into())])
        }
        Err(_) => fields([("error", format!("{WANTED}, got {text}").into())]),
    }
}

/// The properties that flags and configuration amount to, and those of Java's own that are not about Java.
fn system_properties(core: &Core, _: &Parameters) -> Fields {
    let own = environment::list().into_iter().filter(|(key, _)| {
        (key.starts_with("os.") && !key.starts_with("os.memory.")) || key.starts_with("user.")
    });
    let mut all: BTreeMap<String, String> = own.map(|(key, value)| (key.to_owned(), value)).collect();
    all.extend(core.config.system_properties.clone());
    all.into_iter().map(|(key, value)| (key, value.into())).collect()
}

fn watches_by_session(core: &Core, _: &Parameters) -> Fields {
    let watches = core.watches.lock();
    let by_session: Map<_, _> = watches
        .by_conn()
        .map(|(conn, paths)| (session_of(core, conn).to_string(), paths.collect::<Value>()))
        .collect();
    fields([("session_id_to_watched_paths", by_session.into())])
}

fn watches_by_path(core: &Core, _: &Parameters) -> Fields {
    let watches = core.watches.lock();
    let by_path: Map<_, _> = watches
        .by_path()
        .map(|(path, conns)| (path.to_owned(), conns.map(|conn| session_of(core, conn)).collect::<Value>()))
        .collect();
    fields([("path_to_session_ids", by_path.into())])
}

fn session_of(core: &Core, conn: ConnId) -> i64 {
    core.conns.get(conn).map_or(0, |conn| conn.session().raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_sorted_and_names_are_unique() {
        assert!(COMMANDS.is_sorted_by_key(|command| command.names[0]));
        let mut names: Vec<_> = COMMANDS.iter().flat_map(|command| command.names).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(find("mntr").map(|command| command.names[0]), Some("monitor"));
        assert!(find("Monitor").is_none());
    }
}
