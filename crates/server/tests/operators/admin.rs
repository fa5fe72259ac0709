//! The admin server, in the form of client-protocol §13.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use zabra_proto::OpCode;
use zabra_server::config::{BusyPort, Config, Endpoint, SnapshotCompression};
use zabra_server::{Server, StartError};
use zabra_testkit::{Body, RawRequest};
use zabra_types::Perms;

use crate::common::{Running, succeed, without_numbers};
use crate::http::{Answer, get, request};

/// Says who asks.
const SOMEBODY: (&str, &str) = ("Authorization", "digest somebody:secret");

fn with_admin(config: &mut Config) {
    config.admin.enabled = true;
    config.admin.listen = Endpoint::loopback(0);
    config.admin.rate_limiter_interval = Duration::ZERO;
}

fn start() -> (Running, SocketAddr) {
    start_with(|_| {})
}

fn start_with(change: impl FnOnce(&mut Config)) -> (Running, SocketAddr) {
    let running = Running::start_with(|config| {
        with_admin(config);
        change(config);
    });
    let admin = running.server().admin_address().unwrap();
    (running, admin)
}

fn command(admin: SocketAddr, name: &str) -> Answer {
    get(admin, &format!("/commands/{name}"))
}

#[test]
fn answers_look_as_the_genuine_server_prints_them() {
    let (running, admin) = start();
    let (mut client, connected) = running.client();
    succeed(&mut client, &RawRequest::create("/a", b"x", 0));
    succeed(&mut client, &RawRequest::create("/a/e", b"y", 1));
    succeed(&mut client, &RawRequest::read(OpCode::GetData, "/a", true));
    let session = connected.session;
    for (name, expected) in [
        ("ruok", "{\n  \"command\" : \"ruok\",\n  \"error\" : null\n}".to_owned()),
        ("isro", "{\n  \"read_only\" : false,\n  \"command\" : \"is_read_only\",\n  \"error\" : null\n}".to_owned()),
        (
            "lead",
            "{\n  \"error\" : \"server is not initialized\",\n  \"command\" : \"leader\"\n}".to_owned(),
        ),
        (
            "zabstate",
            "{\n  \"voting\" : false,\n  \"zabstate\" : \"\",\n  \"command\" : \"zabstate\",\n  \"error\" : null\n}"
                .to_owned(),
        ),
        (
            "voting_view",
            "{\n  \"current_config\" : { },\n  \"command\" : \"voting_view\",\n  \"error\" : null\n}".to_owned(),
        ),
        (
            "obsr",
            "{\n  \"synced_observers\" : 0,\n  \"observers\" : [ ],\n  \"command\" : \"observers\",\n  \
             \"error\" : null\n}"
                .to_owned(),
        ),
        (
            "wchs",
            "{\n  \"num_connections\" : 1,\n  \"num_paths\" : 1,\n  \"num_total_watches\" : 1,\n  \
             \"command\" : \"watch_summary\",\n  \"error\" : null\n}"
                .to_owned(),
        ),
        (
            "wchc",
            format!(
                "{{\n  \"session_id_to_watched_paths\" : {{\n    \"{session}\" : [ \"/a\" ]\n  }},\n  \
                 \"command\" : \"watches\",\n  \"error\" : null\n}}"
            ),
        ),
        (
            "wchp",
            format!(
                "{{\n  \"path_to_session_ids\" : {{\n    \"/a\" : [ {session} ]\n  }},\n  \
                 \"command\" : \"watches_by_path\",\n  \"error\" : null\n}}"
            ),
        ),
        (
            "nosuch",
            "{\n  \"command\" : \"nosuch\",\n  \"error\" : \"Unknown command: nosuch\"\n}".to_owned(),
        ),
        (
            "set_trace_mask?traceMask=7&traceMask=8",
            "{\n  \"tracemask\" : 7,\n  \"command\" : \"set_trace_mask\",\n  \"error\" : null\n}".to_owned(),
        ),
        (
            "stmk?traceMask=x",
            "{\n  \"error\" : \"setTraceMask requires long traceMask argument, got x\",\n  \
             \"command\" : \"set_trace_mask\"\n}"
                .to_owned(),
        ),
    ] {
        let answer = command(admin, name);
        assert_eq!((answer.status, answer.text()), (200, expected), "{name}");
        assert_eq!(answer.header("content-type").as_deref(), Some("application/json"), "{name}");
    }
    assert_eq!(running.word("gtmk"), "7");
    let dump = command(admin, "dump").text();
    assert_eq!(
        without_numbers(&dump),
        "{\n  \"expiry_time_to_session_ids\" : {\n    \"N\" : [ N ]\n  },\n  \"session_id_to_ephemeral_paths\" : {\n    \
         \"N\" : [ \"/a/e\" ]\n  },\n  \"command\" : \"dump\",\n  \"error\" : null\n}"
    );
}

#[test]
fn commands_have_the_genuine_fields() {
    let (running, admin) = start();
    let (mut client, _) = running.client();
    succeed(&mut client, &RawRequest::read(OpCode::GetData, "/", false));
    for (name, expected) in [
        (
            "configuration",
            "client_port data_dir data_log_dir tick_time max_client_cnxns min_session_timeout max_session_timeout \
             server_id client_port_listen_backlog command error",
        ),
        (
            "connections",
            "connections remote_socket_address interest_ops outstanding_requests packets_received packets_sent \
             session_id last_operation established session_timeout last_cxid last_zxid last_response_time \
             last_latency min_latency avg_latency max_latency secure_connections command error",
        ),
        ("dirs", "datadir_size logdir_size command error"),
        ("hash", "digests command error"),
        ("last_snapshot", "zxid timestamp command error"),
        (
            "stats",
            "version read_only server_stats packets_sent packets_received fsync_threshold_exceed_count \
             client_response_stats last_buffer_size min_buffer_size max_buffer_size data_dir_size log_dir_size \
             provider_null last_processed_zxid outstanding_requests server_state avg_latency max_latency min_latency \
             num_alive_client_connections uptime auth_failed_count non_mtlsremote_conn_count \
             non_mtlslocal_conn_count client_response last_buffer_size min_buffer_size max_buffer_size node_count \
             connections remote_socket_address interest_ops outstanding_requests packets_received packets_sent \
             secure_connections command error",
        ),
    ] {
        let text = command(admin, name).text();
        let field = |line: &str| Some(line.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned());
        let fields: Vec<String> = text.lines().filter_map(field).collect();
        assert_eq!(fields.join(" "), expected, "{name}");
    }
    let monitor = command(admin, "monitor").text();
    for line in running.word("mntr").lines() {
        let key = line.split_once('\t').unwrap().0.strip_prefix("zk_").unwrap();
        assert!(monitor.contains(&format!("\n  \"{key}\" : ")), "{key}");
    }
}

#[test]
fn pages_methods_and_statuses_are_the_genuine_ones() {
    let (_running, admin) = start();
    for url in ["/commands", "/commands/"] {
        let list = get(admin, url);
        assert_eq!(list.status, 200);
        let text = list.text();
        assert!(text.starts_with("<a href=\"/commands/configuration\">configuration</a>\n<br/>\n"), "{text}");
        assert_eq!(text.matches("<br/>\n").count(), 28);
    }
    for (method, target, status) in [
        ("GET", "/", 404),
        ("GET", "/commandsx", 404),
        ("POST", "/commands", 200),
        ("POST", "/commands/ruok", 500),
        ("POST", "/commands/nosuch", 200),
        ("POST", "/commands/restore", 401),
        ("GET", "/commands/snapshot", 401),
        ("GET", "/commands/restore", 401),
        ("TRACE", "/commands/ruok", 403),
        ("TRACE", "/", 403),
        ("PUT", "/commands/ruok", 405),
        ("DELETE", "/commands/ruok", 405),
        ("HEAD", "/commands/ruok", 200),
        ("OPTIONS", "/commands/ruok", 200),
    ] {
        let answer = request(admin, method, target, &[], b"");
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(
            answer.body.is_empty(),
            !matches!(method, "GET" | "POST") || status == 404,
            "{method} {target}"
        );
    }
    assert_eq!(request(admin, "GET", "/commands/restore", &[SOMEBODY], b"").status, 500);
    assert_eq!(request(admin, "POST", "/commands/snapshot", &[SOMEBODY], b"").status, 500);
}

#[test]
fn another_url_can_be_configured() {
    let (_running, admin) = start_with(|config| config.admin.command_url = "/zk".to_owned());
    assert_eq!(get(admin, "/zk/ruok").status, 200);
    assert_eq!(get(admin, "/commands/ruok").status, 404);
    assert!(get(admin, "/zk").text().contains("<a href=\"/zk/ruok\">ruok</a>"));
}

#[test]
fn protected_commands_want_all_permissions_on_the_root() {
    let (running, admin) = start();
    let ask = |proof: &str| {
        let answer =
            request(admin, "GET", "/commands/snap?streaming=false", &[("Authorization", proof)], b"");
        let text = answer.text();
        let error = text.lines().find(|line| line.contains("\"error\"")).unwrap_or_default().to_owned();
        (answer.status, error.trim().to_owned())
    };
    let refused = (401, "\"error\" : \"Not authenticated\"".to_owned());
    for proof in ["", "digest", "nosuch x", "digest a b", "digest  a:b", "world anyone"] {
        assert_eq!(ask(proof), refused, "{proof}");
    }
    for proof in ["digest a:b", "ip", "ip "] {
        assert_eq!(ask(proof).0, 200, "{proof}");
    }
    // Only one who proves to be `a` may do everything; anybody may read.
    let (mut client, _) = running.client();
    succeed(&mut client, &RawRequest::auth("digest", Some(b"a:b")));
    let entry = |perms, scheme: &'static str, id: &'static str| zabra_proto::AclEntry {
        perms,
        scheme: Some(scheme.into()),
        id: Some(id.into()),
    };
    let acl = [entry(Perms::ALL, "auth", ""), entry(Perms::READ, "world", "anyone")];
    succeed(&mut client, &RawRequest::set_acl("/", Some(&acl), -1));
    assert_eq!(ask("digest a:b").0, 200);
    assert_eq!(ask("digest a:c"), (403, "\"error\" : \"Not authorized\"".to_owned()));
    assert_eq!(ask("ip").0, 403);
}

#[test]
fn snapshots_are_limited_and_can_be_switched_off() {
    let ask = |admin| request(admin, "GET", "/commands/snapshot", &[SOMEBODY], b"").status;
    let (running, admin) =
        start_with(|config| config.admin.rate_limiter_interval = Duration::from_secs(86_400));
    assert_eq!((ask(admin), ask(admin)), (200, 429));
    assert!(running.word("mntr").contains("\nzk_snapshot_rate_limited_count\t1\n"));
    let (_running, admin) = start_with(|config| config.admin.snapshot_enabled = false);
    assert_eq!(ask(admin), 503);
    let (_running, admin) = start_with(|config| config.storage.serialize_last_zxid = false);
    assert_eq!(ask(admin), 500);
    let restore = |admin| request(admin, "POST", "/commands/restore", &[SOMEBODY], b"no snapshot").status;
    let (running, admin) =
        start_with(|config| config.admin.rate_limiter_interval = Duration::from_secs(86_400));
    assert_eq!((restore(admin), restore(admin)), (500, 429));
    let monitor = running.word("mntr");
    assert!(monitor.contains("\nzk_restore_rate_limited_count\t1\n"), "{monitor}");
    assert!(monitor.contains("\nzk_restore_error_count\t1\n"), "{monitor}");
    let (_running, admin) = start_with(|config| config.admin.restore_enabled = false);
    assert_eq!(restore(admin), 503);
}

#[test]
fn a_snapshot_can_be_taken_away_and_restored() {
    let (running, admin) = start();
    let (mut client, _) = running.client();
    succeed(&mut client, &RawRequest::create("/kept", b"before", 0));
    let taken = request(admin, "GET", "/commands/snapshot", &[SOMEBODY], b"");
    assert_eq!((taken.status, &taken.body[..4]), (200, &b"ZKSN"[..]));
    assert_eq!(taken.header("content-type").as_deref(), Some("application/octet-stream"));
    assert_eq!(taken.header("last_zxid").as_deref(), Some("0x2"));
    assert_eq!(taken.header("snapshot_size"), Some(taken.body.len().to_string()));
    let last = command(admin, "lsnp").text();
    assert!(last.starts_with("{\n  \"zxid\" : \"2\",\n  \"timestamp\" : 1"), "{last}");

    succeed(&mut client, &RawRequest::set_data("/kept", Some(b"after"), -1));
    succeed(&mut client, &RawRequest::create("/lost", b"", 0));
    for damaged in [&taken.body[..taken.body.len() - 20], b"ZKSN"] {
        assert_eq!(request(admin, "POST", "/commands/rest", &[SOMEBODY], damaged).status, 500);
    }
    succeed(&mut client, &RawRequest::read(OpCode::GetData, "/lost", false));
    let restored = request(admin, "POST", "/commands/restore", &[SOMEBODY], &taken.body);
    // After the transactions that were logged here, so that no restart brings them back.
    assert_eq!(
        (restored.status, restored.text()),
        (200, "{\n  \"last_zxid\" : 5,\n  \"command\" : \"restore\",\n  \"error\" : null\n}".to_owned())
    );
    assert!(client.call(&RawRequest::read(OpCode::GetData, "/lost", false)).is_err(), "clients are cut");

    let running = check_restored(running);
    let running = check_restored(running.restart());
    drop(running);
}

#[test]
fn compressed_snapshots_are_restored_too() {
    for (compression, magic) in
        [(SnapshotCompression::Gzip, &b"\x1f\x8b"[..]), (SnapshotCompression::Snappy, b"\x82SNAPPY")]
    {
        let (_running, admin) = start_with(|config| config.storage.snapshot_compression = compression);
        let taken = request(admin, "GET", "/commands/snapshot", &[SOMEBODY], b"");
        assert!(taken.body.starts_with(magic), "{compression:?}");
        let restored = request(admin, "POST", "/commands/restore", &[SOMEBODY], &taken.body);
        assert_eq!(restored.status, 200, "{}", restored.text());
    }
}

/// The data is as before the snapshot, and can be changed.
fn check_restored(running: Running) -> Running {
    let (mut client, _) = running.client();
    let kept = client.call(&RawRequest::read(OpCode::GetData, "/kept", false)).unwrap();
    assert!(
        matches!(&kept.body, Body::DataStat(data, _) if data.0.as_deref() == Some(b"before")),
        "{kept:?}"
    );
    assert_ne!(client.call(&RawRequest::read(OpCode::Exists, "/lost", false)).unwrap().err, 0);
    let name = format!("/new-{}", running.server().recovery().last_zxid);
    succeed(&mut client, &RawRequest::create(&name, b"", 0));
    running
}

#[test]
fn a_busy_port_stops_only_a_server_that_was_told_to_use_it() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = Endpoint::loopback(other.local_addr().unwrap().port());
    let running = Running::start_with(|config| {
        with_admin(config);
        config.admin.listen = taken.clone();
        config.admin.busy_port = BusyPort::GoOnWithout;
    });
    assert_eq!(running.server().admin_address(), None);
    let dir = tempfile::TempDir::new().unwrap();
    let mut config = Config::default();
    config.listen.client = Some(Endpoint::loopback(0));
    config.storage.data_dir = dir.path().to_owned();
    config.storage.data_log_dir = dir.path().to_owned();
    config.admin.listen = taken;
    config.admin.busy_port = BusyPort::Fatal;
    let failed = running.runtime.block_on(Server::start(config));
    assert!(matches!(failed, Err(StartError::Admin { .. })), "{failed:?}");
}

#[test]
fn behind_a_proxy_the_address_is_the_one_it_tells() {
    let ask = |admin, from: &str| {
        let headers = [("Authorization", "ip"), ("X-Forwarded-For", from)];
        request(admin, "GET", "/commands/snapshot?streaming=false", &headers, b"").status
    };
    for (believed, allowed) in [(false, 403), (true, 200)] {
        let (running, admin) = start_with(|config| config.access.use_x_forwarded_for = believed);
        let (mut client, _) = running.client();
        let entry = |perms, scheme: &'static str, id: &'static str| zabra_proto::AclEntry {
            perms,
            scheme: Some(scheme.into()),
            id: Some(id.into()),
        };
        let acl = [entry(Perms::ALL, "ip", "10.1.2.3")];
        succeed(&mut client, &RawRequest::set_acl("/", Some(&acl), -1));
        assert_eq!(ask(admin, "10.1.2.3, 10.9.9.9"), allowed);
        assert_eq!(ask(admin, "10.9.9.9, 10.1.2.3"), 403);
        assert_eq!(ask(admin, "nobody"), if believed { 401 } else { 403 });
    }
}

#[test]
fn an_upload_that_stalls_is_given_up() {
    use std::io::{Read, Write};
    let (_running, admin) = start_with(|config| config.admin.idle_timeout = Duration::from_millis(20));
    let mut stream = std::net::TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(crate::common::PATIENCE)).unwrap();
    let head = "POST /commands/restore HTTP/1.1\r\nHost: test\r\nAuthorization: ip\r\nContent-Length: 100\r\n\r\nZKSN";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("the client sends no more"), "{answer}");
}

#[test]
fn a_silent_connection_is_closed() {
    use std::io::Read;
    let (_running, admin) = start_with(|config| config.admin.idle_timeout = Duration::from_millis(1));
    let mut stream = std::net::TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(crate::common::PATIENCE)).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}
