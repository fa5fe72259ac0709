//! How many connections, how long a packet: `maxClientCnxns`, `maxCnxns`, `jute.maxbuffer`, `connection_throttle_*`.

use std::sync::Arc;

use zabra_proto::OpCode;
use zabra_server::StartError;
use zabra_storage::RealDisk;
use zabra_testkit::{RawClient, RawRequest};
use zabra_types::SessionId;

use crate::running::*;

#[test]
fn max_client_cnxns_counts_those_of_one_address() {
    let server = Running::start("maxClientCnxns=2\n");
    let (first, _second) = (server.client(), server.client());
    assert!(!is_let_in(&server));
    drop(first);
    eventually("there is room again", || is_let_in(&server));
    assert!(server.metric("connection_rejected") > 0);
}

#[test]
fn max_client_cnxns_0_is_no_limit() {
    let server = Running::start("maxClientCnxns=0\n");
    let clients: Vec<_> = (0..70).map(|_| server.client()).collect();
    assert_eq!(server.metric("num_alive_connections"), clients.len() as u64 + 1);
}

#[test]
fn max_cnxns_counts_all() {
    let server = Running::start("maxCnxns=2\n");
    let (first, _second) = (server.client(), server.client());
    assert!(!is_let_in(&server));
    drop(first);
    eventually("there is room again", || is_let_in(&server));
}

#[test]
fn jute_maxbuffer_bounds_a_packet() {
    let server = Running::start("jute.maxbuffer=2000\n");
    let mut zk = server.client();
    assert_eq!(create(&mut zk, "/a", &[1; 1000]).err, 0);
    zk.send(&set("/a", &[1; 3000])).expect("sent");
    assert!(closes(&mut zk));
}

#[test]
fn jute_maxbuffer_can_be_larger_than_the_default() {
    let dir = tempfile::tempdir().expect("a directory");
    let lines = "jute.maxbuffer=4000000\n";
    let server = Running::start_in(dir.path(), lines);
    assert_eq!(create(&mut server.client(), "/big", &vec![7; 3_000_000]).err, 0);
    server.stop().expect("stops in good order");
    let server = Running::start_in(dir.path(), lines);
    let stat = RawRequest::read(OpCode::Exists, "/big", false);
    let reply = server.client().call(&stat).expect("a reply");
    assert_eq!(reply.stat().map(|stat| stat.data_length), Some(3_000_000));
    assert_eq!(err(&mut server.client(), &get("/big")), 0);
}

#[test]
fn jute_maxbuffer_extrasize_lets_old_data_be_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start_in(dir.path(), "");
    assert_eq!(create(&mut server.client(), "/a", &[1; 5000]).err, 0);
    server.stop().expect("stops in good order");

    let small = "jute.maxbuffer=1000\njute.maxbuffer.extrasize=";
    let disk = || Arc::new(RealDisk);
    let refused = Running::try_start(dir.path(), &format!("{small}2000\n"), disk());
    assert!(matches!(refused.err(), Some(StartError::Data { .. })));
    let server = Running::try_start(dir.path(), &format!("{small}9000\n"), disk()).expect("starts");
    assert_eq!(data(&mut server.client(), "/a").map(|data| data.len()), Some(5000));
}

/// Practically never.
const SLOW_REFILL: &str = "connection_throttle_fill_time=3600000\n";

#[test]
fn connection_throttle_tokens_bound_new_connections() {
    let server = Running::start(&format!("connection_throttle_tokens=2\n{SLOW_REFILL}"));
    let _clients = [server.client(), server.client()];
    assert!(!is_let_in(&server));
    assert_eq!(server.metric("connection_rejected"), 1);
}

#[test]
fn connection_throttle_fill_brings_tokens_back() {
    let server =
        Running::start("connectionMaxTokens=1\nconnectionTokenFillTime=1\nconnectionTokenFillCount=1\n");
    let _first = server.client();
    eventually("a token comes", || is_let_in(&server));
}

#[test]
fn connection_throttle_weights_make_a_renewal_cheaper() {
    // Two tokens are six with a weight of three: one session for three, one renewal for two, and one is left.
    let server = Running::start(&format!(
        "connection_throttle_tokens=2\n{SLOW_REFILL}connection_throttle_weight_enabled=true\n\
         connection_throttle_global_session_weight=3\nconnection_throttle_renew_session_weight=2\n"
    ));
    let (_zk, connected) = RawClient::connect(server.addr(), 10_000).expect("connected");
    let session = SessionId::from_raw(connected.session);
    let renew = || RawClient::renew(server.addr(), 10_000, session, &connected.password);
    let _renewed = renew().expect("renewed");
    assert!(renew().is_err());
    assert!(!is_let_in(&server));
}

#[test]
fn connection_throttle_freeze_time_begins_to_drop_at_random() {
    // One token for ever, and after the first look at the empty bucket everybody is dropped.
    let server = Running::start(&format!(
        "connection_throttle_tokens=1\n{SLOW_REFILL}connection_throttle_freeze_time=1\n\
         connection_throttle_drop_increase=1.0\n"
    ));
    let _first = server.client();
    eventually("the chance rises", || {
        assert!(!is_let_in(&server));
        server.told("connection_drop_probability") == "1.0"
    });
}
