//! What is no frame, no record and no request costs its own connection and nothing else.

use super::*;

/// Sends `bytes` on a fresh connection with a session; the connection must close and the server go on.
fn costs_its_own_connection(bytes: &[u8]) {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut bystander = client(server.addr());
    let mut zk = client(server.addr());
    zk.send_bytes(bytes).expect("sent");
    let rest = zk.receive_to_end(PATIENCE).expect("closed");
    assert!(rest.len() <= 20, "{rest:?}");
    assert_eq!(create(&mut bystander, "/still-here", b"").err, 0);
    server.stop().expect("stops in good order");
}

#[test]
fn lengths_that_cannot_be() {
    costs_its_own_connection(&[0xff; 4]);
    costs_its_own_connection(&[0x7f, 0xff, 0xff, 0xff]);
    costs_its_own_connection(&1_048_576_i32.to_be_bytes());
    costs_its_own_connection(&[0, 0, 0, 0]);
}

#[test]
fn headers_that_end_early() {
    costs_its_own_connection(&[0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0]);
}

#[test]
fn operations_that_do_not_exist_or_are_the_servers_own() {
    for op in [0, -1, 10, 13, 20, 23, -10, 99, i32::MIN] {
        let mut frame = vec![0, 0, 0, 8, 0, 0, 0, 5];
        frame.extend_from_slice(&i32::to_be_bytes(op));
        let dir = tempfile::tempdir().expect("a directory");
        let server = Running::start(config(dir.path()));
        let mut zk = client(server.addr());
        zk.send_bytes(&frame).expect("sent");
        let bytes = zk.receive_to_end(PATIENCE).expect("closed");
        let expected = [0, 0, 0, 16, 0, 0, 0, 5, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 250];
        assert_eq!(bytes, expected, "operation {op}");
    }
}

#[test]
fn a_frame_of_exactly_the_limit_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = client(server.addr());
    create(&mut zk, "/x", b"");
    let around = 8 + 4 + 2 + 4 + 4;
    let reply = zk.call(&set("/x", &vec![7; 1_048_575 - around])).expect("a reply");
    assert_eq!(reply.err, 0);
}

#[test]
fn garbage_before_a_session_closes_the_connection() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 3, 1, 2, 3], &[0xff; 64]] {
        let mut zk = RawClient::open(server.addr()).expect("open");
        zk.send_bytes(bytes).expect("sent");
        assert_eq!(zk.receive_to_end(PATIENCE).expect("closed"), b"");
    }
    client(server.addr());
}

#[test]
fn a_reader_that_never_reads_holds_up_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = client(server.addr());
    create(&mut zk, "/big", &vec![1; 500_000]);
    let mut stuck = client(server.addr());
    let request = get("/big", false);
    stuck.send_all((0..200).map(|xid| (xid, &request))).expect("sent");
    for n in 0..50 {
        assert_eq!(create(&mut zk, &format!("/n{n}"), b"").err, 0);
    }
}
