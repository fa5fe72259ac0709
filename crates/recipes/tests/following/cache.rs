//! Caches that follow.

use std::sync::mpsc;

use zabra_client::{Client, Error, WatcherType};
use zabra_recipes::cache::{Cache, CacheEvents, CacheState};

use zabra_recipes::persistent::{NodeState, PersistentNode};

use crate::support::{World, soon, told, until};

async fn next(events: &mut CacheEvents, count: usize) -> Vec<String> {
    let mut heard = Vec::new();
    for _ in 0..count {
        let event = soon(&format!("an event after {heard:?}"), events.next()).await;
        heard.push(event.as_ref().map_or("end".to_owned(), told));
    }
    heard
}

fn contents(cache: &Cache) -> Vec<String> {
    cache
        .nodes()
        .iter()
        .map(|node| format!("{}={}", node.path, String::from_utf8_lossy(&node.data)))
        .collect()
}

async fn create_all(client: &Client, nodes: &[(&str, &str)]) {
    for (path, data) in nodes {
        client.create(*path, data).await.unwrap();
    }
}

pub(crate) async fn a_tree_is_filled_and_followed(world: &World) {
    let client = world.client().await;
    create_all(&client, &[("/t", "root"), ("/t/a", "1"), ("/t/a/x", "2"), ("/t/b", "3"), ("/other", "")])
        .await;
    let cache = soon("the cache", Cache::tree(&client, "/t").load()).await.unwrap();
    assert_eq!(contents(&cache), ["/t=root", "/t/a=1", "/t/a/x=2", "/t/b=3"]);
    let names: Vec<_> = cache.children_of("/t").iter().map(|node| node.path.clone()).collect();
    assert_eq!(names, ["/t/a", "/t/b"]);

    let mut events = cache.events();
    assert_eq!(next(&mut events, 5).await, ["+/t=root", "+/t/a=1", "+/t/a/x=2", "+/t/b=3", "Initialized"]);
    client.set("/t/b", "4").await.unwrap();
    assert_eq!(next(&mut events, 1).await, ["/t/b=3->4"]);
    create_all(&client, &[("/t/a/x/deep", "5"), ("/tt", "not below")]).await;
    assert_eq!(next(&mut events, 1).await, ["+/t/a/x/deep=5"]);
    client.delete("/t/a/x/deep").await.unwrap();
    client.delete("/t/a/x").await.unwrap();
    assert_eq!(next(&mut events, 2).await, ["-/t/a/x/deep=5", "-/t/a/x=2"]);
    assert_eq!(contents(&cache), ["/t=root", "/t/a=1", "/t/b=4"]);
    assert_eq!(cache.get("/t/b").unwrap().stat.version, 1);

    cache.close();
    assert_eq!(next(&mut events, 1).await, ["end"]);
    assert!(matches!(cache.state(), CacheState::Closed(None)));
    assert_eq!(cache.len(), 3);
}

pub(crate) async fn one_node_and_children_see_no_more_than_that(world: &World) {
    let client = world.client().await;
    let node = soon("the node", Cache::node(&client, "/n").load()).await.unwrap();
    let children = soon("the children", Cache::children(&client, "/n").load()).await.unwrap();
    assert!(node.is_empty() && children.is_empty());
    let (mut of_node, mut of_children) = (node.events(), children.events());
    create_all(&client, &[("/n", "0"), ("/n/c", "1"), ("/n/c/deep", "2"), ("/n/d", "3")]).await;
    client.set("/n", "4").await.unwrap();
    client.delete("/n/d").await.unwrap();
    assert_eq!(next(&mut of_node, 3).await, ["Initialized", "+/n=0", "/n=0->4"]);
    assert_eq!(next(&mut of_children, 4).await, ["Initialized", "+/n/c=1", "+/n/d=3", "-/n/d=3"]);
    assert_eq!((contents(&node), contents(&children)), (vec!["/n=4".to_owned()], vec!["/n/c=1".to_owned()]));
}

pub(crate) async fn what_was_missed_is_told_after_the_connection_is_back(world: &World) {
    let follower = world.client().await;
    let writer = world.client().await;
    create_all(&writer, &[("/t", "0"), ("/t/a", "1"), ("/t/b", "2"), ("/t/c", "3")]).await;
    let cache = soon("the cache", Cache::tree(&follower, "/t").load()).await.unwrap();
    let mut events = cache.events();
    next(&mut events, 5).await;

    world.kill().await;
    assert_eq!(next(&mut events, 1).await, ["Suspended"]);
    assert_eq!(cache.len(), 4);
    world.restart().await;
    // Who is back first is left open; in either case nothing may be missed.
    soon("the writer", writer.set("/t/a", "4").idempotent().send()).await.unwrap();
    writer.delete("/t/b").await.unwrap();
    create_all(&writer, &[("/t/d", "5"), ("/t/d/x", "6")]).await;
    until("the changes", || contents(&cache) == ["/t=0", "/t/a=4", "/t/c=3", "/t/d=5", "/t/d/x=6"]).await;
    soon("in step", cache.in_step()).await.unwrap();
    let mut heard = next(&mut events, 5).await;
    heard.sort();
    assert_eq!(heard, ["+/t/d/x=6", "+/t/d=5", "-/t/b=2", "/t/a=1->4", "Resumed"]);
}

pub(crate) async fn cuts_in_the_middle_of_everything_end_in_the_right_contents(world: &World) {
    let follower = world.client().await;
    let writer = world.client().await;
    create_all(&writer, &[("/t", "")]).await;
    let cache = Cache::tree(&follower, "/t").start().unwrap();
    let mut rng = fastrand::Rng::with_seed(7);
    for round in 0..400 {
        let path = format!("/t/{}", rng.u8(..20));
        let data = round.to_string();
        let written = match rng.u8(..3) {
            0 => writer.create(&path, &data).send().await.map(drop),
            1 => writer.set(&path, &data).send().await.map(drop),
            _ => writer.delete(&path).send().await,
        };
        assert!(written.is_ok() || written.is_err_and(|error| error.keeper().is_some()));
        if round % 40 == 20 {
            world.cut(follower.session_id()).await;
        }
    }
    let names = writer.children("/t").await.unwrap();
    let mut expected = vec!["/t=".to_owned()];
    for name in names {
        let path = format!("/t/{name}");
        let (data, _) = writer.get(&path).await.unwrap();
        expected.push(format!("{path}={}", String::from_utf8_lossy(&data)));
    }
    until("the contents", || contents(&cache) == expected).await;
}

pub(crate) async fn a_cache_goes_on_in_the_next_session(world: &World) {
    let follower = world.client().await;
    let writer = world.client().await;
    create_all(&writer, &[("/t", "0")]).await;
    let cache = soon("the cache", Cache::tree(&follower, "/t").load()).await.unwrap();
    let expired = follower.session_id();
    world.expire(expired).await;
    create_all(&writer, &[("/t/a", "1")]).await;
    until("the node", || cache.get("/t/a").is_some()).await;
    assert_ne!(follower.session_id(), expired);
    writer.set("/t/a", "2").await.unwrap();
    until("the watch of the new session", || contents(&cache) == ["/t=0", "/t/a=2"]).await;
}

pub(crate) async fn requests_that_do_not_wait_are_no_hindrance(world: &World) {
    let impatient = world.impatient_client().await;
    let writer = world.client().await;
    create_all(&writer, &[("/t", "0")]).await;
    let cache = soon("the cache", Cache::tree(&impatient, "/t").load()).await.unwrap();
    let node = PersistentNode::builder(&impatient, "/t/n", "1");
    let node = soon("the node", node.create()).await.unwrap();
    world.kill().await;
    until("doubt", || matches!(node.state(), NodeState::InDoubt { .. })).await;
    let set = tokio::spawn(async move { (node.set_data("2").await, node) });
    while !impatient.get("/t").await.is_err_and(|error| matches!(error, Error::NotConnected { .. })) {}
    world.restart().await;
    let (set, _node) = soon("the data", set).await.unwrap();
    set.unwrap();
    until("the contents", || contents(&cache) == ["/t=0", "/t/n=2"]).await;
}

pub(crate) async fn a_cache_ends_with_its_client(world: &World) {
    let client = world.client().await;
    let cache = soon("the cache", Cache::tree(&client, "/").load()).await.unwrap();
    let mut events = cache.events();
    client.close().await.unwrap();
    while soon("the end", events.next()).await.is_some() {}
    assert!(cache.in_step().await.is_err());
    assert!(cache.get("/").is_some());
}

pub(crate) async fn a_dropped_cache_leaves_no_watch_behind(world: &World) {
    let client = world.client().await;
    let cache = soon("the cache", Cache::tree(&client, "/t").load()).await.unwrap();
    let watched = || async { client.check_watches("/t", WatcherType::PersistentRecursive).await.unwrap() };
    assert!(watched().await);
    drop(cache);
    soon("the removal", async {
        while watched().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub(crate) async fn unreadable_nodes_are_told_and_the_rest_is_followed(world: &World) {
    use zabra_client::{Acl, Perms};
    let client = world.client().await;
    let no_read = [Acl::world(Perms::from_raw(Perms::ALL.raw() & !Perms::READ.raw()))];
    create_all(&client, &[("/t", "0"), ("/t/a", "1")]).await;
    client.create("/t/secret", "2").acl(no_read).await.unwrap();
    let (sender, heard) = mpsc::channel();
    let cache = Cache::tree(&client, "/t").listen(move |event| sender.send(told(&event)).unwrap()).load();
    let cache = soon("the cache", cache).await.unwrap();
    assert_eq!(contents(&cache), ["/t=0", "/t/a=1"]);
    cache.close();
    let mut heard: Vec<_> =
        soon("the listener", tokio::task::spawn_blocking(move || heard.iter().collect())).await.unwrap();
    heard.sort();
    assert_eq!(heard, ["!/t/secret Some(NoAuth)", "+/t/a=1", "+/t=0", "Initialized"]);
}

pub(crate) async fn many_nodes_are_read_in_a_pipeline(world: &World) {
    let client = world.client().await;
    client.create("/t", "").await.unwrap();
    let created: Vec<_> =
        (0..2_000).map(|n| client.create(format!("/t/{n}"), n.to_string()).send()).collect();
    for create in created {
        create.await.unwrap();
    }
    let cache =
        soon("the cache", Cache::tree(&client, "/t").without_data().depth_max(1).load()).await.unwrap();
    assert_eq!(cache.len(), 2_001);
    assert!(cache.get("/t/7").unwrap().data.is_empty());
}
