//! Operations on several nodes, and the order of requests.

use zabra_client::{Client, CreateMode, Error, KeeperError, MultiResult, Pending, ReadResult};

pub(crate) async fn a_transaction_happens_at_once(client: Client) {
    client.create("/a", "0").await.unwrap();
    let results = client
        .transaction()
        .check("/a", 0)
        .create("/a/b", "new")
        .create_with("/a/s-", [], CreateMode::EphemeralSequential, client.acl("/a").await.unwrap().0)
        .create_with("/box", [], CreateMode::Container, client.acl("/a").await.unwrap().0)
        .create_ttl("/ttl", [], std::time::Duration::from_secs(60), client.acl("/a").await.unwrap().0)
        .set("/a", "1", 0)
        .delete("/a/b", 0)
        .commit()
        .await
        .unwrap();
    let shown: Vec<String> = results
        .iter()
        .map(|result| match result {
            MultiResult::Checked => "checked".to_owned(),
            MultiResult::Created(made) => format!("created {}", made.path),
            MultiResult::Set(stat) => format!("set to version {}", stat.version),
            MultiResult::Deleted => "deleted".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        "checked",
        "created /a/b",
        "created /a/s-0000000001",
        "created /box",
        "created /ttl",
        "set to version 1",
        "deleted",
    ];
    assert_eq!(shown, expected);
    let one = client.exists("/box").await.unwrap().unwrap();
    let other = client.exists("/a/s-0000000001").await.unwrap().unwrap();
    assert_eq!(one.czxid, other.czxid, "one transaction made both");
    assert_eq!(client.transaction().commit().await.unwrap(), []);
}

pub(crate) async fn a_refused_transaction_names_the_culprit(client: Client) {
    client.create("/a", []).await.unwrap();
    let error =
        client.transaction().set("/a", "x", 0).delete("/none", -1).check("/a", 7).commit().await.unwrap_err();
    let Error::Multi(multi) = &error else { panic!("{error}") };
    assert_eq!(
        (multi.index, multi.error, multi.op, multi.path.as_str()),
        (1, KeeperError::NoNode, "delete", "/none")
    );
    assert!(error.is_no_node());
    assert_eq!(error.to_string(), "operation 1 of a transaction, delete /none: NoNode (-101)");
    assert_eq!(client.get("/a").await.unwrap().1.version, 0, "nothing was done");
}

pub(crate) async fn many_reads_answer_each_for_itself(client: Client) {
    client.create("/a", "x").await.unwrap();
    client.create("/a/c", []).await.unwrap();
    client.create("/a/b", []).await.unwrap();
    let mut results = client.read_many().get("/a").children("/a").get("/none").await.unwrap().into_iter();
    let Some(Ok(ReadResult::Data(data, stat))) = results.next() else { panic!("no data") };
    assert_eq!((&*data, stat.num_children), (&b"x"[..], 2));
    assert_eq!(results.next().unwrap().unwrap(), ReadResult::Children(vec!["b".to_owned(), "c".to_owned()]));
    let error = results.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "get /none: NoNode (-101)");
    assert!(results.next().is_none());
}

pub(crate) async fn subtrees_are_deleted(client: Client) {
    for n in 0..30 {
        client.ensure_path(format!("/top/{}/{n}/leaf", n % 4)).await.unwrap();
    }
    client.create("/topper", []).await.unwrap();
    assert_eq!(client.delete_recursive("/top").await.unwrap(), 1 + 4 + 30 + 30);
    assert_eq!(client.children("/").await.unwrap(), ["topper"]);
    assert_eq!(client.delete_recursive("/top").await.unwrap(), 0);
}

pub(crate) async fn requests_are_executed_in_the_order_they_are_sent(client: Client) {
    client.create("/n", []).await.unwrap();
    let sets: Vec<Pending<_>> = (0..500).map(|n| client.set("/n", n.to_string()).version(n).send()).collect();
    let read = client.get("/n").send();
    // Awaited the other way round: waiting has nothing to do with the order.
    assert_eq!(read.await.unwrap().0, "499");
    for (n, set) in (0..).zip(sets).collect::<Vec<_>>().into_iter().rev() {
        assert_eq!(set.await.unwrap().version, n + 1);
    }
    drop(client.set("/n", "dropped").send());
    assert_eq!(client.get("/n").await.unwrap().0, "dropped", "dropping a request does not take it back");
}

pub(crate) async fn chroots_nest(client: Client) {
    client.ensure_path("/app/x").await.unwrap();
    let inner = client.chroot("/app").unwrap().chroot("/x").unwrap();
    let made = inner.create("/a", "1").await.unwrap();
    assert_eq!(made.path, "/a");
    assert_eq!(client.get("/app/x/a").await.unwrap().0, "1");
    assert_eq!(inner.children("/").await.unwrap(), ["a"]);
    let results = inner.transaction().create("/b", []).commit().await.unwrap();
    assert!(matches!(&results[..], [MultiResult::Created(made)] if made.path == "/b"), "{results:?}");
    assert!(inner.get("/none").await.unwrap_err().to_string().starts_with("get /none: "));
    assert!(client.chroot("bad").is_err());
}
