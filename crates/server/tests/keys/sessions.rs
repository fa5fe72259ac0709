//! `tickTime`, `minSessionTimeout`, `maxSessionTimeout`, `nio.sessionlessCnxnTimeout`, `clientTcpKeepAlive`.

use zabra_testkit::RawClient;

use crate::running::*;

fn negotiated(server: &Running, asked_ms: i32) -> i32 {
    RawClient::connect(server.addr(), asked_ms).expect("connected").1.timeout_ms
}

#[test]
fn session_timeouts_keep_to_their_bounds() {
    let server = Running::start("minSessionTimeout=5000\nmaxSessionTimeout=7000\n");
    for (asked, given) in [(0, 5000), (1, 5000), (5000, 5000), (6001, 6001), (7001, 7000), (i32::MAX, 7000)] {
        assert_eq!(negotiated(&server, asked), given, "{asked}");
    }
}

#[test]
fn without_bounds_the_tick_sets_them() {
    let server = Running::start("tickTime=1000\nminSessionTimeout=-1\nmaxSessionTimeout=-1\n");
    assert_eq!(negotiated(&server, 1), 2000);
    assert_eq!(negotiated(&server, 1_000_000), 20_000);
}

#[test]
fn who_never_says_hello_is_shown_out() {
    let server = Running::start("nio.sessionlessCnxnTimeout=50\n");
    let mut silent = RawClient::open(server.addr()).expect("open");
    let mut halfway = RawClient::open(server.addr()).expect("open");
    halfway.send_bytes(&[0, 0, 0]).expect("sent");
    assert!(closes(&mut silent));
    assert!(closes(&mut halfway));
    assert_eq!(server.metric("sessionless_connections_expired"), 2);
    assert_eq!(err(&mut server.client(), &get("/")), 0);
}

/// Whether the kernel runs a timer on the server's side of the only connection, which is what keep-alive does to one
/// that is silent.
#[cfg(target_os = "linux")]
fn has_timer(server: &Running) -> bool {
    const ESTABLISHED: &str = "01";
    const KEEP_ALIVE: &str = "02:";
    let port = format!(":{:04X}", server.addr().port());
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the table of connections");
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|fields| {
        matches!(fields[..], [_, local, _, state, _, timer, ..]
            if local.ends_with(&port) && state == ESTABLISHED && timer.starts_with(KEEP_ALIVE))
    })
}

#[test]
#[cfg(target_os = "linux")]
fn client_tcp_keep_alive_is_set_on_connections() {
    for on in [false, true] {
        let server = Running::start(&format!("clientTcpKeepAlive={on}\n"));
        let mut zk = server.client();
        assert_eq!(err(&mut zk, &get("/")), 0);
        if on {
            eventually("the timer runs", || has_timer(&server));
        } else {
            assert!(!has_timer(&server));
        }
    }
}
