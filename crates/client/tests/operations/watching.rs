//! Watches of every kind.

use zabra_client::{AddWatchMode, Client, EventType, KeeperError, WatchEvent, WatchStream, WatcherType};

fn what(event: &WatchEvent) -> (EventType, &str) {
    (event.kind, &event.path)
}

pub(crate) async fn a_watch_fires_once(client: Client) {
    client.create("/a", "0").await.unwrap();
    let ((data, _), mut watch) = client.get("/a").watch().await.unwrap();
    assert_eq!((&*data, watch.path()), (&b"0"[..], "/a"));
    assert_eq!(watch.try_now(), None);
    let stat = client.set("/a", "1").await.unwrap();
    let event = watch.await;
    assert_eq!(what(&event), (EventType::NodeDataChanged, "/a"));
    assert_eq!(event.zxid.map(zabra_client::Zxid::raw), Some(stat.mzxid));
    let (_, data) = client.get("/a").watch().await.unwrap();
    let (_, children) = client.children("/a").watch().await.unwrap();
    client.delete("/a").await.unwrap();
    for event in [data.await, children.await] {
        assert_eq!(what(&event), (EventType::NodeDeleted, "/a"));
    }
    assert!(client.get("/a").watch().await.unwrap_err().is_no_node());
}

pub(crate) async fn a_watch_waits_for_a_node_to_come(client: Client) {
    let (stat, watch) = client.exists("/a").watch().await.unwrap();
    assert_eq!(stat, None);
    client.create("/a", []).await.unwrap();
    assert_eq!(what(&watch.await), (EventType::NodeCreated, "/a"));
    let (stat, watch) = client.exists("/a").watch().await.unwrap();
    assert!(stat.is_some());
    client.delete("/a").await.unwrap();
    assert_eq!(what(&watch.await), (EventType::NodeDeleted, "/a"));
}

pub(crate) async fn children_are_watched(client: Client) {
    let (names, watch) = client.children("/").watch().await.unwrap();
    assert_eq!(names, [""; 0]);
    client.create("/a", []).await.unwrap();
    assert_eq!(what(&watch.await), (EventType::NodeChildrenChanged, "/"));
    let ((names, stat), watch) = client.children_stat("/").watch().await.unwrap();
    assert_eq!((names, stat.num_children), (vec!["a".to_owned()], 1));
    client.set("/a", []).await.unwrap();
    client.delete("/a").await.unwrap();
    assert_eq!(what(&watch.await), (EventType::NodeChildrenChanged, "/"));
}

pub(crate) async fn an_event_comes_before_what_it_announces(client: Client) {
    client.create("/a", []).await.unwrap();
    for n in 0..50 {
        let (_, mut watch) = client.get("/a").watch().await.unwrap();
        client.set("/a", n.to_string()).await.unwrap();
        let event = watch.try_now().expect("the event is there when the reply is");
        assert_eq!(what(&event), (EventType::NodeDataChanged, "/a"));
    }
}

pub(crate) async fn persistent_watches_stay(client: Client) {
    let mut stream = client.add_watch("/a", AddWatchMode::Persistent).await.unwrap();
    client.create("/a", []).await.unwrap();
    client.set("/a", "1").await.unwrap();
    client.create("/a/b", []).await.unwrap();
    client.set("/a/b", "not told").await.unwrap();
    client.delete("/a/b").await.unwrap();
    client.delete("/a").await.unwrap();
    let mut seen = Vec::new();
    while let Some(event) = stream.try_next() {
        seen.push((event.kind, event.path));
    }
    use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
    let expected = [NodeCreated, NodeDataChanged, NodeChildrenChanged, NodeChildrenChanged, NodeDeleted];
    assert_eq!(seen, expected.map(|kind| (kind, "/a".to_owned())));
}

pub(crate) async fn recursive_watches_see_everything_below(client: Client) {
    let mut stream = client.add_watch("/", AddWatchMode::PersistentRecursive).await.unwrap();
    client.create("/a", []).await.unwrap();
    client.create("/a/b", []).await.unwrap();
    client.set("/a/b", "1").await.unwrap();
    client.delete("/a/b").await.unwrap();
    use EventType::{NodeCreated, NodeDataChanged, NodeDeleted};
    for expected in
        [(NodeCreated, "/a"), (NodeCreated, "/a/b"), (NodeDataChanged, "/a/b"), (NodeDeleted, "/a/b")]
    {
        assert_eq!(what(&stream.next().await.unwrap()), expected);
    }
}

pub(crate) async fn a_dropped_stream_is_removed_at_the_server(client: Client) {
    let set = |mode| client.add_watch("/a", mode);
    let is_set = async |kind| client.check_watches("/a", kind).await.unwrap();
    assert!(!is_set(WatcherType::Any).await);
    let first = set(AddWatchMode::Persistent).await.unwrap();
    let second = set(AddWatchMode::Persistent).await.unwrap();
    let recursive = set(AddWatchMode::PersistentRecursive).await.unwrap();
    assert!(is_set(WatcherType::Persistent).await && is_set(WatcherType::PersistentRecursive).await);
    drop(first);
    assert!(is_set(WatcherType::Persistent).await, "another one is left");
    drop(second);
    assert!(!is_set(WatcherType::Persistent).await);
    assert!(is_set(WatcherType::PersistentRecursive).await, "of another kind");
    drop(recursive);
    assert!(!is_set(WatcherType::Any).await);
}

pub(crate) async fn removed_watches_are_told_so(client: Client) {
    client.create("/a", []).await.unwrap();
    let (_, watch) = client.get("/a").watch().await.unwrap();
    let (_, children) = client.children("/a").watch().await.unwrap();
    let mut stream: WatchStream = client.add_watch("/a", AddWatchMode::Persistent).await.unwrap();
    client.remove_watches("/a", WatcherType::Data).await.unwrap();
    assert_eq!(what(&watch.await), (EventType::Removed, "/a"));
    client.remove_watches("/a", WatcherType::Any).await.unwrap();
    assert_eq!(what(&children.await), (EventType::Removed, "/a"));
    assert_eq!(what(&stream.next().await.unwrap()), (EventType::Removed, "/a"));
    assert_eq!(stream.next().await, None);
    let error = client.remove_watches("/a", WatcherType::Any).await.unwrap_err();
    assert_eq!(error.keeper(), Some(KeeperError::NoWatcher));
}
