//! Operations on one node.

use std::time::Duration;
use zabra_client::{Acl, Client, CreateMode, Error, KeeperError, Outcome, Perms};

pub(crate) async fn create_makes_every_kind_of_node(client: Client) {
    let session = client.session_id().raw();
    let made = client.create("/p", b"data").await.unwrap();
    assert_eq!((made.path.as_str(), made.stat.ephemeral_owner, made.stat.data_length), ("/p", 0, 4));
    let made = client.create("/e", []).ephemeral().await.unwrap();
    assert_eq!((made.path.as_str(), made.stat.ephemeral_owner), ("/e", session));
    let made = client.create("/c", []).container().await.unwrap();
    assert_eq!((made.path.as_str(), made.stat.ephemeral_owner), ("/c", 0));
    let made = client.create("/t", []).ttl(Duration::from_secs(600)).await.unwrap();
    assert_eq!(made.path, "/t");
    let made = client.create("/c/es-", []).mode(CreateMode::EphemeralSequential).await.unwrap();
    assert_eq!((made.path.as_str(), made.stat.ephemeral_owner), ("/c/es-0000000000", session));
    let made = client.create("/c/ps-", []).sequential().await.unwrap();
    assert_eq!(made.path, "/c/ps-0000000001");
    let made = client.create("/c/", []).sequential().ttl(Duration::from_secs(600)).await.unwrap();
    assert_eq!(made.path, "/c/0000000002");
    assert_eq!(client.exists(&made.path).await.unwrap(), Some(made.stat));

    assert!(client.create("/p", []).await.unwrap_err().is_node_exists());
    assert!(client.create("/none/a", []).await.unwrap_err().is_no_node());
    let error = client.create("/e/a", []).await.unwrap_err();
    assert_eq!(error.keeper(), Some(KeeperError::NoChildrenForEphemerals));
    assert_eq!(error.to_string(), "create /e/a: NoChildrenForEphemerals (-108)");
}

pub(crate) async fn null_is_not_empty(client: Client) {
    client.create("/null", []).null().await.unwrap();
    client.create("/empty", []).await.unwrap();
    let of = async |path: &str| client.get(path).or_null().await.unwrap().0;
    assert_eq!((of("/null").await, of("/empty").await), (None, Some("".into())));
    assert_eq!(client.get("/null").await.unwrap().0, "");
    client.set("/empty", []).null().await.unwrap();
    client.set("/null", []).await.unwrap();
    assert_eq!((of("/null").await, of("/empty").await), (Some("".into()), None));
}

pub(crate) async fn versions_are_checked(client: Client) {
    client.create("/a", "0").await.unwrap();
    let stat = client.set("/a", "1").version(0).await.unwrap();
    assert_eq!(stat.version, 1);
    assert!(client.set("/a", "x").version(0).await.unwrap_err().is_bad_version());
    assert_eq!(client.set("/a", "2").await.unwrap().version, 2);
    let (data, stat) = client.get("/a").await.unwrap();
    assert_eq!((&*data, stat.version, stat.data_length), (&b"2"[..], 2, 1));
    assert!(client.delete("/a").version(1).await.unwrap_err().is_bad_version());
    client.delete("/a").version(2).await.unwrap();
    assert_eq!(client.exists("/a").await.unwrap(), None);
    assert!(client.get("/a").await.unwrap_err().is_no_node());
    assert!(client.set("/a", "").await.unwrap_err().is_no_node());
}

pub(crate) async fn children_are_listed_sorted(client: Client) {
    for name in ["c", "a", "b"] {
        client.create(format!("/{name}"), []).await.unwrap();
    }
    assert_eq!(client.children("/").await.unwrap(), ["a", "b", "c"]);
    let (names, stat) = client.children_stat("/").await.unwrap();
    assert_eq!((names.len(), stat.num_children, stat.cversion), (3, 3, 3));
    assert_eq!(client.children("/a").await.unwrap(), [""; 0]);
    assert!(client.children("/none").await.unwrap_err().is_no_node());
}

pub(crate) async fn deleting_needs_an_empty_node(client: Client) {
    client.create("/a", []).await.unwrap();
    client.create("/a/b", []).await.unwrap();
    assert!(client.delete("/a").await.unwrap_err().is_not_empty());
    client.delete("/a/b").await.unwrap();
    client.delete("/a").await.unwrap();
    assert!(client.delete("/a").await.unwrap_err().is_no_node());
    assert!(client.delete("/a").idempotent().await.unwrap_err().is_no_node(), "nothing was in doubt");
}

pub(crate) async fn bad_arguments_are_not_sent(client: Client) {
    for path in ["", "a", "/a/", "//", "/a/../b", "/a\u{0}"] {
        let error = client.get(path).await.unwrap_err();
        assert!(matches!(&error, Error::BadPath { path: named, .. } if named == path), "{error}");
        assert_eq!(error.outcome(), Outcome::DidNotHappen);
        assert!(matches!(client.transaction().check(path, 0).commit().await, Err(Error::BadPath { .. })));
        assert!(matches!(client.read_many().get(path).await, Err(Error::BadPath { .. })));
        assert!(matches!(client.delete_recursive(path).await, Err(Error::BadPath { .. })));
        assert!(matches!(client.ensure_path(path).await, Err(Error::BadPath { .. })));
    }
    let mixed = client.create("/a", []).container().ephemeral().await;
    assert!(matches!(mixed, Err(Error::BadArgument(_))));
    let endless = client.create("/a", []).ttl(Duration::MAX).await;
    assert!(matches!(endless, Err(Error::BadArgument(_))));
    let long = client.create("/a", vec![0; 2 << 20]).await;
    assert!(matches!(long, Err(Error::TooLarge { .. })), "{long:?}");
    assert_eq!(client.children("/").await.unwrap(), [""; 0]);
}

pub(crate) async fn acls_are_enforced(client: Client) {
    client.create("/open", []).await.unwrap();
    let (acl, _) = client.acl("/open").await.unwrap();
    assert_eq!(acl, [Acl::world(Perms::ALL)]);
    client.create("/read", "x").acl([Acl::world(Perms::READ | Perms::ADMIN)]).await.unwrap();
    assert_eq!(client.get("/read").await.unwrap().0, "x");
    assert!(client.set("/read", "y").await.unwrap_err().is_no_auth());
    assert!(client.create("/read/a", []).await.unwrap_err().is_no_auth());
    let stat = client.set_acl("/read", [Acl::world(Perms::ALL)]).version(0).await.unwrap();
    assert_eq!((stat.aversion, stat.version), (1, 0));
    client.set("/read", "y").await.unwrap();
    let old = client.set_acl("/read", [Acl::world(Perms::READ)]).version(0).await;
    assert!(old.unwrap_err().is_bad_version());
    let none = client.set_acl("/read", []).await.unwrap_err();
    assert_eq!(none.keeper(), Some(KeeperError::InvalidAcl));
    assert!(client.acl("/none").await.unwrap_err().is_no_node());
}

pub(crate) async fn protected_nodes_carry_curators_mark(client: Client) {
    let first = client.create("/lock-", []).ephemeral().sequential().protected().await.unwrap();
    let second = client.create("/lock-", []).ephemeral().sequential().protected().await.unwrap();
    let names = client.children("/").await.unwrap();
    for (made, number) in [(first, "0000000000"), (second, "0000000001")] {
        let name = made.path.strip_prefix('/').unwrap();
        assert!(names.iter().any(|other| other == name), "{name}");
        let guid = name.strip_prefix("_c_").and_then(|rest| rest.strip_suffix(&format!("-lock-{number}")));
        assert_eq!(guid.map(str::len), Some(36), "{name}");
    }
}

pub(crate) async fn parents_are_made_on_demand(client: Client) {
    let made = client.create("/a/b/c", "x").parents().await.unwrap();
    assert_eq!(made.path, "/a/b/c");
    assert_eq!(client.get("/a/b").await.unwrap().0, "");
    assert!(client.create("/a/b/c", "x").parents().await.unwrap_err().is_node_exists());
    client.create("/q/r/", []).parents_as_containers().sequential().await.unwrap();
    client.ensure_path("/a/b/d/e/f").await.unwrap();
    client.ensure_path("/a/b/d/e/f").await.unwrap();
    client.ensure_path("/").await.unwrap();
    assert_eq!(client.all_children_number("/").await.unwrap(), 9);
    client.create("/shut", []).acl([Acl::world(Perms::READ)]).await.unwrap();
    client.ensure_path("/shut").await.unwrap();
    assert!(client.ensure_path("/shut/a/b").await.unwrap_err().is_no_auth());
}

pub(crate) async fn a_session_can_be_asked_about(client: Client) {
    client.sync("/").await.unwrap();
    for path in ["/b", "/a", "/a-not"] {
        let create = client.create(path, []);
        if path == "/a-not" { create } else { create.ephemeral() }.await.unwrap();
    }
    assert_eq!(client.ephemerals("/").await.unwrap(), ["/a", "/b"]);
    assert_eq!(client.ephemerals("/b").await.unwrap(), ["/b"]);
    client.create("/dir", []).await.unwrap();
    client.create("/dir/e", []).ephemeral().await.unwrap();
    client.create("/dir-e", []).ephemeral().await.unwrap();
    let below = client.chroot("/dir").unwrap();
    assert_eq!(below.ephemerals("/").await.unwrap(), ["/e"], "a view sees what is below its root");
    assert_eq!(client.ephemerals("/dir").await.unwrap(), ["/dir-e", "/dir/e"]);
    let identities = client.whoami().await.unwrap();
    assert!(identities.iter().any(|who| who.scheme == "ip" && who.user == "127.0.0.1"), "{identities:?}");
    let (config, stat) = client.config().await.unwrap();
    assert_eq!((&*config, stat.num_children), (&b""[..], 0), "one server has no members");
    let refused = client.reconfig().leaving("7").await.unwrap_err();
    assert_eq!(refused.keeper(), Some(KeeperError::ReconfigDisabled), "{refused}");
}
