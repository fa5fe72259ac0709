//! What holds requests back: `request_throttle_*`, `throttled_op_wait_time`, `largeRequest*`,
//! `globalOutstandingLimit`.

use std::sync::Arc;

use zabra_proto::OpCode;
use zabra_testkit::{RawClient, RawRequest, Shape};

use crate::capture;
use crate::disk::{HangingDisk, Hung};
use crate::running::*;

/// A server on which one write is under way and stays so: the client that waits for it, and the disk that hangs.
struct Busy {
    writer: RawClient,
    /// Another client, and one that waits for nothing.
    zk: RawClient,
    /// Before the server, so that it can stop.
    hung: Option<Hung>,
    server: Running,
}

impl Busy {
    fn start(lines: &str) -> Self {
        let disk = HangingDisk::default();
        let server = Running::start_on(lines, Arc::new(disk.clone()));
        let (mut writer, mut zk) = (server.client(), server.client());
        assert_eq!(err(&mut zk, &RawRequest::create("/its-own", b"", 1)), 0);
        assert_eq!(create(&mut writer, "/a", b"").err, 0);
        let hung = Some(disk.hang());
        writer.send(&set("/a", &[1; 2000])).expect("sent");
        server.wait_for_metric("outstanding_requests", 1);
        Self { writer, zk, hung, server }
    }

    /// Lets the disk go on; the write succeeds.
    fn release(&mut self) {
        self.hung = None;
        assert_eq!(self.writer.receive_reply(Shape::Stat).expect("a reply").err, 0);
    }
}

const ONE_AT_A_TIME: &str = "request_throttle_max_requests=1\nrequest_throttle_stall_time=5\n";

#[test]
fn request_throttle_max_requests_lets_others_wait() {
    let mut busy = Busy::start("requestThrottleLimit=1\nrequestThrottleStallTime=5\n");
    let xid = busy.zk.send(&get("/a")).expect("sent");
    busy.server.wait_for_metric("request_throttle_wait_count", 2);
    busy.release();
    let reply = busy.zk.receive_reply(Shape::DataStat).expect("a reply");
    assert_eq!((reply.xid, reply.err), (xid, 0));
}

#[test]
fn who_waits_goes_on_before_the_stall_time_is_over() {
    // Longer than the client waits.
    let lines = "request_throttle_max_requests=1\nrequest_throttle_stall_time=600000\n";
    let mut busy = Busy::start(lines);
    busy.zk.send(&get("/a")).expect("sent");
    busy.server.wait_for_metric("request_throttle_wait_count", 1);
    busy.release();
    assert_eq!(busy.zk.receive_reply(Shape::DataStat).expect("a reply").err, 0);
}

#[test]
fn the_throttle_counts_single_requests() {
    let server = Running::start(ONE_AT_A_TIME);
    let mut zk = server.client();
    create(&mut zk, "/a", b"");
    let write = set("/a", b"x");
    zk.send_all((1..=50).map(|xid| (xid, &write))).expect("sent");
    for xid in 1..=50 {
        assert_eq!(zk.receive_reply(Shape::Stat).expect("a reply").xid, xid);
    }
    assert!(server.metric("request_throttle_wait_count") > 0);
}

#[test]
fn throttled_op_wait_time_refuses_what_waited_longer() {
    let mut busy = Busy::start(&format!("{ONE_AT_A_TIME}throttled_op_wait_time=1\n"));
    busy.zk.send(&get("/a")).expect("sent");
    // The second wait begins only after the first of five milliseconds.
    busy.server.wait_for_metric("request_throttle_wait_count", 3);
    busy.release();
    assert_eq!(busy.zk.receive_reply(Shape::DataStat).expect("a reply").err, -127);
    assert_eq!(err(&mut busy.zk, &get("/a")), 0);
    assert_eq!(busy.server.metric("throttled_ops"), 1);
}

/// What becomes of a request that waits when its client goes.
fn of_a_client_that_goes(
    lines: &str,
    request: &RawRequest,
    dropped: bool,
    is_done: impl Fn(&mut RawClient) -> bool,
) {
    let mut busy = Busy::start(&format!("{ONE_AT_A_TIME}{lines}"));
    busy.zk.send(request).expect("sent");
    busy.server.wait_for_metric("request_throttle_wait_count", 1);
    busy.zk.shutdown_write().expect("gone");
    if dropped {
        busy.server.wait_for_metric("stale_requests_dropped", 1);
        busy.release();
        let mut witness = busy.server.client();
        assert!(closes(&mut busy.zk));
        assert!(!is_done(&mut witness), "{lines}");
    } else {
        busy.release();
        let mut witness = busy.server.client();
        eventually("the request is carried out", || is_done(&mut witness));
        assert_eq!(busy.server.metric("stale_requests_dropped"), 0);
    }
}

#[test]
fn request_throttle_drop_stale_drops_what_nobody_waits_for() {
    let create = RawRequest::create("/b", b"", 0);
    let exists = |zk: &mut RawClient| err(zk, &get("/b")) == 0;
    of_a_client_that_goes("", &create, true, exists);
    of_a_client_that_goes("request_throttle_drop_stale=false\n", &create, false, exists);
    of_a_client_that_goes("request_stale_connection_check=false\n", &create, false, exists);
}

#[test]
fn a_session_may_always_be_closed() {
    let goodbye = RawRequest::bare(OpCode::CloseSession);
    of_a_client_that_goes("", &goodbye, false, |zk| err(zk, &get("/its-own")) == -101);
}

#[test]
fn request_stale_latency_check_drops_what_waited_longer_than_its_session_lives() {
    let lines = format!("{ONE_AT_A_TIME}request_stale_latency_check=true\nmaxSessionTimeout=2000\n");
    let mut busy = Busy::start(&lines);
    busy.zk.send(&get("/a")).expect("sent");
    busy.server.wait_for_metric("stale_requests_dropped", 1);
    assert!(closes(&mut busy.zk));
}

#[test]
fn request_throttler_shutdown_timeout_lets_those_who_wait_go_on() {
    let mut busy = Busy::start(ONE_AT_A_TIME);
    busy.zk.send(&get("/a")).expect("sent");
    busy.server.wait_for_metric("request_throttle_wait_count", 1);
    let addr = busy.server.addr();
    let Busy { mut writer, mut zk, hung, server } = busy;
    let stopping = std::thread::spawn(move || server.stop());
    eventually("the port closes", || RawClient::open(addr).is_err());
    drop(hung);
    assert_eq!(writer.receive_reply(Shape::Stat).expect("a reply").err, 0);
    assert_eq!(zk.receive_reply(Shape::DataStat).expect("a reply").err, 0);
    stopping.join().expect("no panic").expect("stops in good order");
}

#[test]
fn request_throttler_shutdown_timeout_ends_their_waiting() {
    capture::start();
    let mut busy = Busy::start(&format!("{ONE_AT_A_TIME}request_throttler.shutdownTimeout=1\n"));
    busy.zk.send(&get("/a")).expect("sent");
    busy.server.wait_for_metric("request_throttle_wait_count", 1);
    let Busy { mut writer, mut zk, hung, server } = busy;
    let stopping = std::thread::spawn(move || server.stop());
    eventually("the waiting ends", || {
        capture::logged().iter().any(|line| line.text.contains("request_throttler.shutdownTimeout"))
    });
    drop(hung);
    assert_eq!(writer.receive_reply(Shape::Stat).expect("what was under way is answered").err, 0);
    assert!(closes(&mut zk));
    stopping.join().expect("no panic").expect("stops in good order");
}

#[test]
fn large_requests_share_a_limit() {
    let mut busy = Busy::start("largeRequestThreshold=1000\nlargeRequestMaxBytes=3000\n");
    assert_eq!(err(&mut busy.zk, &get("/a")), 0, "small ones pass");
    busy.zk.send(&set("/a", &[2; 2000])).expect("sent");
    assert!(closes(&mut busy.zk));
    assert_eq!(busy.server.metric("large_requests_rejected"), 1);
    busy.release();
    let mut zk = busy.server.client();
    assert_eq!(err(&mut zk, &set("/a", &[2; 2000])), 0, "once the first is done");
    zk.send(&set("/a", &[2; 4000])).expect("sent");
    assert!(closes(&mut zk), "larger than the limit by itself");
}

#[test]
fn without_a_threshold_no_request_is_large() {
    let mut busy = Busy::start("largeRequestMaxBytes=3000\n");
    busy.zk.send(&set("/a", &[2; 9000])).expect("sent");
    busy.server.wait_for_metric("outstanding_requests", 2);
    busy.release();
    assert_eq!(busy.zk.receive_reply(Shape::Stat).expect("a reply").err, 0);
}

#[test]
fn global_outstanding_limit_stops_reading_from_who_waits() {
    for (limit, under_way) in [(0, 1), (1000, 2)] {
        let mut busy = Busy::start(&format!("globalOutstandingLimit={limit}\n"));
        busy.writer.send(&set("/a", b"later")).expect("sent");
        if under_way == 2 {
            busy.server.wait_for_metric("outstanding_requests", 2);
        }
        for _ in 0..20 {
            assert_eq!(err(&mut busy.zk, &get("/a")), 0, "who waits for nothing is served");
            assert!(busy.server.metric("outstanding_requests") <= under_way);
        }
        busy.release();
        assert_eq!(busy.writer.receive_reply(Shape::Stat).expect("a reply").err, 0);
        assert_eq!(data(&mut busy.zk, "/a"), Some(b"later".to_vec()));
    }
}
