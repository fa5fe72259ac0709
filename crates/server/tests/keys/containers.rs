//! The sweep: `znode.container.*`.

use zabra_proto::OpCode;
use zabra_testkit::{RawClient, RawRequest, open_acl};

use crate::running::*;

fn create_as(op: OpCode, path: &str, flags: i32, ttl_ms: i64) -> RawRequest {
    RawRequest::create_with(op, path, Some(b""), Some(&open_acl()), flags, ttl_ms)
}

fn container(zk: &mut RawClient, path: &str) {
    assert_eq!(err(zk, &create_as(OpCode::CreateContainer, path, 4, 0)), 0);
}

/// A container that had a child and has none.
fn used_container(zk: &mut RawClient, path: &str) {
    container(zk, path);
    let child = format!("{path}/child");
    assert_eq!(create(zk, &child, b"").err, 0);
    assert_eq!(err(zk, &RawRequest::delete(&child, -1)), 0);
}

fn is_gone(zk: &mut RawClient, path: &str) -> bool {
    err(zk, &get(path)) == -101
}

#[test]
fn check_interval_sweeps_used_containers_and_expired_nodes() {
    for ttl_keys in
        ["", "extendedTypesEnabled=true\n", "extendedTypesEnabled=true\nemulate353TTLNodes=true\n"]
    {
        let server = Running::start(&format!("znode.container.checkIntervalMs=20\n{ttl_keys}"));
        let mut zk = server.client();
        container(&mut zk, "/new");
        used_container(&mut zk, "/used");
        if !ttl_keys.is_empty() {
            assert_eq!(err(&mut zk, &create_as(OpCode::CreateTtl, "/brief", 5, 1)), 0);
            assert_eq!(err(&mut zk, &create_as(OpCode::CreateTtl, "/long", 5, 10_000_000)), 0);
            eventually("the node expires", || is_gone(&mut zk, "/brief"));
            assert!(!is_gone(&mut zk, "/long"));
        }
        eventually("the container goes", || is_gone(&mut zk, "/used"));
        assert!(!is_gone(&mut zk, "/new"), "one that was never used stays");
    }
}

#[test]
fn max_never_used_interval_sweeps_the_others() {
    let server =
        Running::start("znode.container.checkIntervalMs=20\nznode.container.maxNeverUsedIntervalMs=1\n");
    let mut zk = server.client();
    container(&mut zk, "/new");
    eventually("the container goes", || is_gone(&mut zk, "/new"));
}

#[test]
fn max_per_minute_paces_the_sweep() {
    let server = Running::start("znode.container.checkIntervalMs=20\nznode.container.maxPerMinute=1\n");
    let mut zk = server.client();
    used_container(&mut zk, "/a");
    used_container(&mut zk, "/b");
    eventually("one goes", || is_gone(&mut zk, "/a") || is_gone(&mut zk, "/b"));
    // The other is due in a minute.
    assert!(!is_gone(&mut zk, "/a") || !is_gone(&mut zk, "/b"));
}
