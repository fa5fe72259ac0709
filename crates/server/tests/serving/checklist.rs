//! What is easy to get wrong and no other test of this repository shows; `testing/checklist.md` says where the rest is.

use std::borrow::Cow;

use zabra_proto::AclEntry;
use zabra_server::config::FourLetterWords;
use zabra_storage::{Fault, FaultDisk};
use zabra_testkit::{Shape, WatchLists, four_letter, new_session_request};
use zabra_types::Perms;

use super::*;

fn cversion(client: &mut RawClient, path: &str) -> i32 {
    let reply = client.call(&RawRequest::read(OpCode::Exists, path, false)).expect("a reply");
    reply.stat().expect("a stat").cversion
}

fn number(client: &mut RawClient, path: &str) -> Body {
    client.call(&RawRequest::path(OpCode::GetAllChildrenNumber, path)).expect("a reply").body
}

/// Points 13 and 26: what is built in has been created by nobody, but it counts.
#[test]
fn a_fresh_server_has_five_nodes_and_negative_cversions() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = client(server.addr());
    assert_eq!(cversion(&mut zk, "/"), -1);
    assert_eq!(cversion(&mut zk, "/zookeeper"), -2);
    assert_eq!(number(&mut zk, "/"), Body::Number(3));
    let srvr = four_letter(server.addr(), "srvr", PATIENCE).expect("an answer");
    assert!(srvr.ends_with("\nNode count: 5\n"), "{srvr}");
}

/// Point 6: what follows an authentication is judged by it, and everything else keeps its order around it.
#[test]
fn authentication_among_pipelined_requests_disturbs_no_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = client(server.addr());
    let requests = [
        (1, RawRequest::create("/a", b"", 0)),
        (-4, RawRequest::auth("digest", Some(b"u:p"))),
        (2, set("/a", b"1")),
        (3, RawRequest::bare(OpCode::WhoAmI)),
    ];
    zk.send_all(requests.iter().map(|(xid, request)| (*xid, request))).expect("sent");
    let mut others = Vec::new();
    for _ in &requests {
        // The shape is that of no reply but the last: the headers are what counts.
        let reply = zk.receive_reply(Shape::Identities).expect("a reply");
        assert_eq!(reply.err, 0);
        if reply.xid == -4 {
            assert_eq!(reply.zxid, 0);
        } else {
            others.push(reply);
        }
    }
    assert_eq!(others.iter().map(|reply| reply.xid).collect::<Vec<_>>(), [1, 2, 3]);
    let Some(Reply { body: Body::Identities(Some(identities)), .. }) = others.last() else {
        panic!("no identities: {others:?}")
    };
    assert_eq!(identities.len(), 2, "the address and the user");
}

/// Point 43, with the providers as a server has them.
#[test]
fn which_lists_are_taken() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = client(server.addr());
    create(&mut zk, "/x", b"");
    let rows = [
        (31, "world", "anyone", 0),
        (31, "world", "other", -114),
        (31, "super", "", -114),
        (31, "digest", ":x", 0),
        (31, "digest", "a:", -114),
        (31, "ip", "1.2.3.4/32", 0),
        (31, "ip", "1.2.3.4/33", -114),
        (31, "nosuch", "x", -114),
        (i32::MIN, "ip", "1.2.3.4", 0),
        (0, "ip", "1.2.3.4", 0),
    ];
    for (perms, scheme, id, err) in rows {
        // A second entry keeps the node within reach.
        let entries = [(perms, scheme, id), (31, "world", "anyone")].map(|(perms, scheme, id)| AclEntry {
            perms: Perms::from_raw(perms),
            scheme: Some(Cow::Borrowed(scheme)),
            id: Some(Cow::Borrowed(id)),
        });
        let reply = zk.call(&RawRequest::set_acl("/x", Some(&entries), -1)).expect("a reply");
        assert_eq!(reply.err, err, "{perms} {scheme} {id}");
    }
}

/// Point 32, from the request to the event.
#[test]
fn a_missing_node_is_watched_by_exists_and_not_by_get_data() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut watcher = client(server.addr());
    let mut writer = client(server.addr());
    assert_eq!(watcher.call(&get("/got", true)).expect("a reply").err, -101);
    let exists = RawRequest::read(OpCode::Exists, "/asked", true);
    assert_eq!(watcher.call(&exists).expect("a reply").err, -101);
    for path in ["/got", "/asked"] {
        assert_eq!(create(&mut writer, path, b"").err, 0);
    }
    watcher.send(&RawRequest::bare(OpCode::Ping)).expect("sent");
    let first = watcher.receive_reply(Shape::Nothing).expect("a frame");
    let event = first.event().expect("the event comes before the ping's reply");
    assert_eq!((event.kind, event.path.0.as_deref()), (1, Some(&b"/asked"[..])));
    let second = watcher.receive_reply(Shape::Nothing).expect("a frame");
    assert_eq!((second.event(), second.xid), (None, -2));
}

/// Point 2: who comes too often is shown out without a byte.
#[test]
fn a_throttled_client_gets_no_answer_at_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = config(dir.path());
    config.requests.connection_throttle.tokens = Some(1);
    config.requests.connection_throttle.fill_time = Duration::from_secs(86_400);
    let server = Running::start(config);
    let _first = client(server.addr());
    let mut second = RawClient::open(server.addr()).expect("open");
    second.send_connect(&new_session_request(10_000)).expect("sent");
    assert_eq!(second.receive_to_end(PATIENCE).expect("closed"), b"");
}

/// Point 5: the reply to setWatches bears the number of the request, whatever it is; that to a ping does not.
#[test]
fn numbers_are_echoed_but_that_of_a_ping() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = client(server.addr());
    let watches = RawRequest::set_watches(
        OpCode::SetWatches,
        0,
        &WatchLists { lists: std::array::from_fn(|_| Some(Vec::new())) },
    );
    let ping = RawRequest::bare(OpCode::Ping);
    for (request, sent, answered) in [(&watches, -8, -8), (&watches, 77, 77), (&ping, -2, -2), (&ping, 5, -2)]
    {
        zk.send_all([(sent, request)]).expect("sent");
        assert_eq!(zk.receive_reply(Shape::Nothing).expect("a reply").xid, answered);
    }
}

/// Points 44 and 46: a server that has ended but not gone tells operators so, in words and over HTTP.
#[test]
fn a_server_that_does_not_serve_still_answers_operators() {
    let disk = FaultDisk::new();
    let mut config = config(Path::new("/data"));
    config.four_letter_words = FourLetterWords::All;
    config.admin.enabled = true;
    config.admin.listen = Endpoint::loopback(0);
    let running = Running::start_on(config, Arc::new(disk.clone())).expect("starts");
    let mut zk = client(running.addr());
    disk.fail_at(1, Fault::Io);
    zk.send(&RawRequest::create("/n", b"", 0)).expect("sent");
    assert!(closes(&mut zk), "the disk fails and the server ends");

    let rows = [
        ("ruok", "imok"),
        ("isro", "null"),
        ("hash", "This ZooKeeper instance is not currently serving requests"),
        ("srvr", "This ZooKeeper instance is not currently serving requests\n"),
        ("mntr", "This ZooKeeper instance is not currently serving requests\n"),
    ];
    for (word, answer) in rows {
        assert_eq!(four_letter(running.addr(), word, PATIENCE).expect("an answer"), answer, "{word}");
    }
    for (command, answer) in
        [("server_stats", "not currently serving requests"), ("nosuch", "Unknown command")]
    {
        let mut http =
            RawClient::open(running.server.admin_address().expect("an admin server")).expect("open");
        let request = format!("GET /commands/{command} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        http.send_bytes(request.as_bytes()).expect("sent");
        let bytes = http.receive_to_end(PATIENCE).expect("closed");
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains(answer), "{text}");
    }
    assert!(matches!(running.wait(), Err(Stopped::Failed(_))));
}
