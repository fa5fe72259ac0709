//! Replies come in the order of requests, and events before what shows their change.

use zabra_testkit::Shape;

use super::*;

/// Sends requests in one write and returns their replies in the order they come; events are left out.
fn pipelined(zk: &mut RawClient, requests: &[RawRequest]) -> Vec<Reply> {
    zk.send_all((1..).zip(requests)).expect("sent");
    let mut replies = Vec::new();
    while replies.len() < requests.len() {
        let shape = Shape::of(requests[replies.len()].op);
        let reply = zk.receive_reply(shape).expect("a reply");
        if reply.event().is_none() {
            replies.push(reply);
        }
    }
    replies
}

#[test]
fn a_pipelined_read_sees_the_writes_before_it_and_not_those_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = client(server.addr());
    create(&mut zk, "/x", b"");
    let mut requests = Vec::new();
    for n in 0..200 {
        requests.push(set("/x", n.to_string().as_bytes()));
        requests.push(get("/x", false));
        requests.push(RawRequest::bare(OpCode::Ping));
        requests.push(get("/x", false));
    }
    let replies = pipelined(&mut zk, &requests);
    for (n, group) in replies.chunks(4).enumerate() {
        let expected = Some(n.to_string().into_bytes());
        assert_eq!(data(&group[1]), expected, "write {n}");
        assert_eq!(group[2].xid, -2);
        assert_eq!(data(&group[3]), expected, "write {n}");
        assert!(group.windows(2).all(|pair| pair[0].zxid <= pair[1].zxid), "zxids never go back");
    }
}

#[test]
fn refusals_keep_their_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = client(server.addr());
    create(&mut zk, "/x", b"");
    let cut_short = RawRequest::new(OpCode::SetData.code(), vec![0, 0]);
    let requests = [
        set("/x", b"1"),
        cut_short,
        get("/x", false),
        RawRequest::delete("/missing", -1),
        set("/x", b"2"),
        get("/missing", false),
    ];
    let replies = pipelined(&mut zk, &requests);
    let errors: Vec<i32> = replies.iter().map(|reply| reply.err).collect();
    assert_eq!(errors, [0, -5, 0, -101, 0, -101]);
    assert!(replies.windows(2).all(|pair| pair[0].xid < pair[1].xid));
}

#[test]
fn an_event_comes_before_the_reply_that_shows_its_change() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut watcher = client(server.addr());
    let mut writer = client(server.addr());
    create(&mut writer, "/x", b"0");
    for n in 1..100 {
        let before = watcher.call(&get("/x", true)).expect("a reply");
        assert_eq!(data(&before), Some((n - 1).to_string().into_bytes()));
        let written = writer.call(&set("/x", n.to_string().as_bytes())).expect("a reply");
        watcher.send(&get("/x", false)).expect("sent");
        let first = watcher.receive_reply(Shape::DataStat).expect("a frame");
        let event = first.event().expect("the event comes first");
        assert_eq!((first.zxid, event.kind), (written.zxid, 3));
        let second = watcher.receive_reply(Shape::DataStat).expect("a frame");
        assert_eq!(data(&second), Some(n.to_string().into_bytes()));
    }
}

#[test]
fn the_writer_gets_its_own_event_before_its_reply() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = client(server.addr());
    zk.call(&RawRequest::read(OpCode::Exists, "/new", true)).expect("a reply");
    zk.send(&RawRequest::create("/new", b"", 0)).expect("sent");
    let first = zk.receive_reply(Shape::Path).expect("a frame");
    assert_eq!(first.event().map(|event| event.kind), Some(1));
    assert_eq!(zk.receive_reply(Shape::Path).expect("a frame").err, 0);
}
