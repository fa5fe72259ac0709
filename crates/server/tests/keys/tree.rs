//! What nodes may be made: `extendedTypesEnabled`, `emulate353TTLNodes`, `enforceQuota`.

use zabra_proto::OpCode;
use zabra_testkit::{RawRequest, open_acl};

use crate::running::*;

fn create_ttl(path: &str) -> RawRequest {
    RawRequest::create_with(OpCode::CreateTtl, path, Some(b""), Some(&open_acl()), 5, 600_000)
}

#[test]
fn extended_types_enabled_allows_ttl_nodes() {
    let server = Running::start("");
    assert_eq!(err(&mut server.client(), &create_ttl("/ttl")), -6);
    let server = Running::start("extendedTypesEnabled=true\n");
    assert_eq!(err(&mut server.client(), &create_ttl("/ttl")), 0);
}

#[test]
fn enforce_quota_refuses_what_goes_beyond() {
    for (lines, over) in [("", 0), ("enforceQuota=true\n", -125)] {
        let server = Running::start(lines);
        let mut zk = server.client();
        for (path, text) in [
            ("/app", ""),
            ("/zookeeper/quota/app", ""),
            ("/zookeeper/quota/app/zookeeper_limits", "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=2"),
            ("/zookeeper/quota/app/zookeeper_stats", "count=1,bytes=0"),
        ] {
            assert_eq!(create(&mut zk, path, text.as_bytes()).err, 0, "{path}");
        }
        assert_eq!(create(&mut zk, "/app/1", b"").err, 0);
        assert_eq!(create(&mut zk, "/app/2", b"").err, over, "{lines}");
        assert_eq!(err(&mut zk, &set("/app", &[1; 20])), over, "{lines}");
    }
}
