//! `audit.enable`.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};

use tracing::Level;
use zabra_proto::{AclEntry, OpCode};
use zabra_testkit::{Genuine, JvmOptions, MultiBuilder, RawClient, RawRequest, ServerSpec, Shape};
use zabra_types::{Perms, SessionId};

use crate::capture;
use crate::running::*;

/// Lines about a server's start and stop do not tell which server: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    capture::start();
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The audit lines with all of these words, the session's number replaced.
fn lines(from: usize, session: &str) -> Vec<(Level, String)> {
    capture::logged()
        .into_iter()
        .filter(|line| line.audit)
        .skip(from)
        .map(|line| (line.level, line.text.replace(session, "0xS").replace('\t', " ")))
        .collect()
}

fn audit_lines_so_far() -> usize {
    capture::logged().iter().filter(|line| line.audit).count()
}

fn ok(line: &str) -> (Level, String) {
    (Level::INFO, line.to_owned())
}

fn failed(line: &str) -> (Level, String) {
    (Level::ERROR, line.to_owned())
}

/// The lines about the server itself name the account that runs it.
fn without_user(lines: Vec<(Level, String)>) -> Vec<(Level, String)> {
    let mask = |text: String| match text.split_once("user=") {
        Some((before, rest)) if text.contains("=server") || text.contains("=ephemeralZNode") => {
            let (user, after) = rest.split_once(' ').expect("more fields");
            assert!(!user.is_empty());
            format!("{before}user=U {after}")
        }
        _ => text,
    };
    lines.into_iter().map(|(level, text)| (level, mask(text))).collect()
}

fn acl() -> Vec<AclEntry<'static>> {
    vec![entry(Perms::ALL, "world", "anyone"), entry(Perms::READ, "ip", "127.0.0.1")]
}

/// Changes of every kind by one session, which it ends; its number.
fn conversation(addr: SocketAddr) -> String {
    let (mut zk, connected) = RawClient::connect(addr, 10_000).expect("connected");
    let create_as = |op, flags| {
        RawRequest::create_with(op, "/n", Some(b""), Some(&zabra_testkit::open_acl()), flags, 60_000)
    };
    let mut multi = MultiBuilder::new();
    multi
        .push(&RawRequest::create("/m", b"", 0))
        .push(&RawRequest::create("/seq-", b"", 2))
        .push(&set("/m", b"x"))
        .push(&RawRequest::path_and_number(OpCode::Check, "/m", 1))
        .push(&RawRequest::delete("/m", -1));
    let mut failing = MultiBuilder::new();
    failing.push(&RawRequest::create("/m", b"", 0)).push(&RawRequest::delete("/nowhere", -1));
    let requests = [
        RawRequest::create("/a", b"", 0),
        RawRequest::create("/a", b"", 0),
        create_as(OpCode::Create2, 2),
        create_as(OpCode::CreateContainer, 4),
        RawRequest::delete("/n", -1),
        create_as(OpCode::CreateTtl, 5),
        set("/a", b"x"),
        set("/nowhere", b"x"),
        RawRequest::set_acl("/a", Some(&acl()), -1),
        RawRequest::set_acl("/nowhere", Some(&acl()), -1),
        RawRequest::delete("/a", 7),
        RawRequest::delete("/a", -1),
        multi.finish(OpCode::Multi),
        failing.finish(OpCode::Multi),
        multi.unfinished(OpCode::Multi),
        RawRequest::reconfig(None, None, None, -1),
        RawRequest::auth("digest", Some(b"ben:secret")),
        RawRequest::create("/e", b"", 1),
        // Reads have no line, but a change that cannot be read has.
        get("/e"),
        RawRequest::new(OpCode::SetData.code(), vec![0, 0]),
        RawRequest::bare(OpCode::CloseSession),
    ];
    for request in &requests {
        if request.op == OpCode::Auth.code() {
            // Its reply has a number of its own.
            zk.send_all([(-4, request)]).expect("sent");
            assert_eq!(zk.receive_reply(Shape::Nothing).expect("a reply").err, 0);
        } else {
            zk.call(request).expect("a reply");
        }
    }
    SessionId::from_raw(connected.session).to_string()
}

/// What is told about it, from the server's start to its end.
fn told() -> Vec<(Level, String)> {
    let mine = |rest: &str| format!("session=0xS user=127.0.0.1 ip=127.0.0.1 operation={rest}");
    let bens = |rest: &str| format!("session=0xS user=127.0.0.1,ben ip=127.0.0.1 operation={rest}");
    let acl = "acl=world:anyone:cdrwaip:127.0.0.1:r";
    vec![
        ok("user=U operation=serverStart result=success"),
        ok(&mine("create znode=/a znode_type=persistent result=success")),
        failed(&mine("create znode=/a znode_type=persistent result=failure")),
        ok(&mine("create znode=/n0000000001 znode_type=persistent_sequential result=success")),
        ok(&mine("create znode=/n znode_type=container result=success")),
        ok(&mine("delete znode=/n result=success")),
        ok(&mine("create znode=/n znode_type=persistent_with_ttl result=success")),
        ok(&mine("setData znode=/a result=success")),
        failed(&mine("setData znode=/nowhere result=failure")),
        ok(&mine(&format!("setAcl znode=/a {acl} result=success"))),
        failed(&mine(&format!("setAcl znode=/nowhere {acl} result=failure"))),
        failed(&mine("delete znode=/a result=failure")),
        ok(&mine("delete znode=/a result=success")),
        ok(&mine("create znode=/m znode_type=persistent result=success")),
        ok(&mine("create znode=/seq-0000000005 result=success")),
        ok(&mine("setData znode=/m result=success")),
        ok(&mine("delete znode=/m result=success")),
        failed(&mine("multiOperation result=failure")),
        failed(&mine("multiOperation result=failure")),
        failed(&mine("reconfig result=failure")),
        ok(&bens("create znode=/e znode_type=ephemeral result=success")),
        failed(&bens("setData result=failure")),
        ok(
            "session=0xS user=U operation=ephemeralZNodeDeletionOnSessionCloseOrExpire znode=/e result=success",
        ),
        ok("user=U operation=serverStop result=invoked"),
    ]
}

#[test]
fn every_change_has_its_line() {
    let _alone = alone();
    let from = audit_lines_so_far();
    let server = Running::start("audit.enable=true\nextendedTypesEnabled=true\n");
    let session = conversation(server.addr());
    server.stop().expect("stops in good order");
    assert_eq!(without_user(lines(from, &session)), told());
}

/// Has the genuine server write its audit log, and nothing else, as `level message`.
const LOGBACK: &str = r#"<configuration>
    <appender name="AUDIT" class="ch.qos.logback.core.ConsoleAppender">
        <encoder><pattern>AUDIT %p %m%n</pattern></encoder>
    </appender>
    <logger name="org.apache.zookeeper.audit.Slf4jAuditLogger" level="INFO"><appender-ref ref="AUDIT"/></logger>
</configuration>
"#;

#[test]
fn the_genuine_server_writes_the_same_lines() {
    let Some(genuine) = Genuine::find_or_skip("the_genuine_server_writes_the_same_lines") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let logback = dir.path().join("logback.xml");
    std::fs::write(&logback, LOGBACK).expect("written");
    let mut server = ServerSpec::new(genuine.program(&JvmOptions::small()))
        .with("audit.enable", "true")
        .with("extendedTypesEnabled", "true")
        .with_property("logback.configurationFile", &logback.display().to_string())
        .start()
        .expect("the genuine server starts");
    let session = conversation(server.addr());
    server.stop().expect("stops in good order");
    let log = server.log_tail(usize::MAX);
    let lines = log.lines().filter_map(|line| line.strip_prefix("AUDIT ")?.split_once(' '));
    let lines = lines.map(|(level, text)| {
        let level = level.parse().expect("a level");
        // Its identities are in no order.
        let text = text.replace("=ben,127.0.0.1\t", "=127.0.0.1,ben\t");
        (level, text.replace(&session, "0xS").replace('\t', " "))
    });
    assert_eq!(without_user(lines.collect()), told());
}

#[test]
fn what_a_client_chooses_cannot_pass_for_a_line_of_its_own() {
    let _alone = alone();
    let from = audit_lines_so_far();
    let server = Running::start("audit.enable=true\n");
    let (mut zk, connected) = RawClient::connect(server.addr(), 10_000).expect("connected");
    let session = SessionId::from_raw(connected.session).to_string();
    // The genuine server has no line for a mode that it does not know.
    let evil = RawRequest::create("/evil\nsession=0x1\tuser=root\u{85}\u{7f}", b"", 77);
    assert_ne!(err(&mut zk, &evil), 0);
    server.stop().expect("stops in good order");
    let line = "session=0xS user=127.0.0.1 ip=127.0.0.1 operation=create \
                znode=/evil\\nsession=0x1\\tuser=root\\u{85}\\u{7f} result=failure";
    assert_eq!(lines(from, &session)[1], failed(line));
}

#[test]
fn a_session_that_expires_and_one_closed_by_an_old_style_record_have_lines() {
    let _alone = alone();
    for lines_of_file in ["audit.enable=true\n", "audit.enable=true\ncloseSessionTxn.enabled=false\n"] {
        let from = audit_lines_so_far();
        let server = Running::start(lines_of_file);
        let (mut zk, connected) = RawClient::connect(server.addr(), 1000).expect("connected");
        let session = SessionId::from_raw(connected.session).to_string();
        assert_eq!(err(&mut zk, &RawRequest::create("/e", b"", 1)), 0);
        assert!(closes(&mut zk), "silent, so it expires");
        server.stop().expect("stops in good order");
        let told = without_user(lines(from, &session));
        let line = "session=0xS user=U operation=ephemeralZNodeDeletionOnSessionCloseOrExpire znode=/e result=success";
        assert!(told.contains(&ok(line)), "{told:?}");
    }
}

#[test]
fn a_server_that_does_not_start_says_so() {
    let _alone = alone();
    let from = audit_lines_so_far();
    let dir = tempfile::tempdir().expect("a directory");
    let started = Running::try_start(
        dir.path(),
        "audit.enable=true\ndb.autocreate=false\n",
        std::sync::Arc::new(zabra_storage::RealDisk),
    );
    assert!(started.is_err());
    assert_eq!(without_user(lines(from, "-")), [failed("user=U operation=serverStart result=failure")]);
}

#[test]
fn without_the_key_there_is_no_line() {
    let _alone = alone();
    let from = audit_lines_so_far();
    let server = Running::start("");
    create(&mut server.client(), "/a", b"");
    server.stop().expect("stops in good order");
    assert_eq!(lines(from, "-"), []);
}
