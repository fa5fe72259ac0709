//! With Curator.

use std::time::Duration;

use zabra_client::CreateMode;
use zabra_recipes::cache::{Cache, CacheEvent};
use zabra_recipes::discovery::{Discovery, ServiceInstance, ServiceType, UriSpec};
use zabra_recipes::membership::GroupMember;
use zabra_recipes::persistent::{PersistentNode, PersistentTtlNode};
use zabra_testkit::Genuine;

use crate::peer::{Peer, server, until};

#[tokio::test(flavor = "multi_thread")]
async fn services_are_found_both_ways() {
    let Some(genuine) = Genuine::find_or_skip("services shared with Curator") else { return };
    let (server, client) = server().await;
    let mut curator = Peer::curator(&genuine, &server);
    curator.tell(&["discovery", "/services"]);
    curator.tell(&["register", "web", "j", "10.0.0.1", "80", "from \u{e4} \"Java\"", "DYNAMIC"]);
    curator.tell(&["follow", "web"]);

    let discovery = Discovery::new(&client, "/services").unwrap();
    let provider = discovery.provider("web").load().await.unwrap();
    let theirs = provider.instance().unwrap().shared();
    assert_eq!((theirs.id.as_str(), theirs.uri().as_str()), ("j", "http://10.0.0.1:80"));
    assert_eq!(theirs.payload.as_ref().unwrap().text(), Some("from \u{e4} \"Java\""));
    assert_eq!((theirs.registration_time_utc, theirs.service_type), (7, ServiceType::Dynamic));
    // What Curator wrote, byte for byte.
    let (json, _) = client.get("/services/web/j").await.unwrap();
    assert_eq!(theirs.to_json(), json);

    let template = UriSpec::parse("{scheme}://{address}:{port}").unwrap();
    let mut ours =
        ServiceInstance::new("web").id("r").address("10.0.0.2").port(81).ssl_port(82).payload("from Rust");
    ours.registration_time_utc = 8;
    let ours = ours.uri_spec(template);
    let registration = discovery.register(ours.clone()).await.unwrap();
    let java = "j=http://10.0.0.1:80 null from \u{e4} \"Java\" 7 DYNAMIC";
    curator.ask_until(&["up"], &format!("{{{java}, r=https://10.0.0.2:81 82 from Rust 8 DYNAMIC}}"));
    assert_eq!(curator.ask(&["instances", "web"]), curator.ask(&["up"]));
    assert_eq!(curator.ask(&["names"]), "web");
    // Changed, disabled (which Curator reads), and of a new session.
    registration.update(ours.port(83).payload("changed")).await.unwrap();
    curator.ask_until(&["up"], &format!("{{{java}, r=https://10.0.0.2:83 82 changed 8 DYNAMIC}}"));
    registration.update(registration.instance().enabled(false)).await.unwrap();
    curator.ask_until(&["up"], &format!("{{{java}}}"));
    registration.update(registration.instance().enabled(true)).await.unwrap();
    server.expire(client.session_id()).await.unwrap();
    curator.ask_until(&["up"], &format!("{{{java}, r=https://10.0.0.2:83 82 changed 8 DYNAMIC}}"));

    curator.tell(&["unregister"]);
    until("Java's is gone", || provider.instances().len() == 1).await;
    registration.unregister().await.unwrap();
    curator.ask_until(&["up"], "{}");
    curator.tell(&["register", "web", "n", "a", "1", "p", "DYNAMIC_SEQUENTIAL"]);
    until("a numbered one", || provider.instances().iter().any(|instance| instance.id == "n")).await;
    let names = client.children("/services/web").await.unwrap();
    assert!(names.len() == 1 && names[0].len() == 11, "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_nodes_are_shared() {
    let Some(genuine) = Genuine::find_or_skip("groups shared with Curator") else { return };
    let (server, client) = server().await;
    let mut curator = Peer::curator(&genuine, &server);
    let ours = GroupMember::join(&client, "/group", "rust", "1").await.unwrap();
    curator.tell(&["join", "/group", "java", "2"]);
    curator.ask_until(&["members"], "{java=2, rust=1}");
    until("both", || ours.members().current().len() == 2).await;
    assert_eq!(ours.members().current()["java"], "2");
    ours.set_payload("3").await.unwrap();
    curator.ask_until(&["members"], "{java=2, rust=3}");
    ours.leave().await.unwrap();
    curator.ask_until(&["members"], "{java=2}");
    curator.tell(&["leave"]);

    // The same names and kinds of nodes.
    for (mode, name, protected) in [
        (CreateMode::Ephemeral, "EPHEMERAL", false),
        (CreateMode::EphemeralSequential, "EPHEMERAL_SEQUENTIAL", true),
        (CreateMode::PersistentSequential, "PERSISTENT_SEQUENTIAL", false),
    ] {
        let parent = format!("/nodes/{name}");
        let protection = if protected { "protected" } else { "" };
        let theirs = curator.ask(&["node", name, protection, &format!("{parent}/j-"), "data"]);
        let mut builder = PersistentNode::builder(&client, format!("{parent}/r-"), "data").mode(mode);
        if protected {
            builder = builder.protected();
        }
        let node = builder.create().await.unwrap();
        let shape = |path: &str| {
            let name = path.strip_prefix(&parent).unwrap().replace("j-", "r-");
            let (letters, digits) = (|c: char| c.is_ascii_hexdigit(), name.len());
            (name.replace(letters, "x"), digits)
        };
        assert_eq!(shape(&node.path().unwrap()), shape(&theirs), "{theirs}");
        let stats = [client.get(&theirs).await.unwrap(), client.get(node.path().unwrap()).await.unwrap()];
        assert_eq!(stats[0].0, stats[1].0);
        assert_eq!(stats[0].1.ephemeral_owner != 0, stats[1].1.ephemeral_owner != 0);
        // Created as containers by both, so gone soon after the last child.
        node.close().await.unwrap();
    }

    // Two keepers of one node with a time to live.
    curator.tell(&["ttl", "/ttl", "800", "theirs"]);
    let ours = PersistentTtlNode::builder(&client, "/ttl", Duration::from_millis(800), "ours")
        .create()
        .await
        .unwrap();
    until("touching", || ours.data() == "ours").await;
    let began = std::time::Instant::now();
    loop {
        let stat = client.exists("/ttl/touch").await.unwrap();
        if stat.is_some_and(|stat| stat.version > 2) {
            break;
        }
        assert!(began.elapsed() < crate::peer::PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(client.children("/ttl").await.unwrap(), ["touch"]);
}

fn told(event: &CacheEvent) -> String {
    let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
    match event {
        CacheEvent::Created(node) => format!("+{}={}", node.path, text(&node.data)),
        CacheEvent::Changed { old, new } => format!("{}={}->{}", new.path, text(&old.data), text(&new.data)),
        CacheEvent::Deleted(old) => format!("-{}={}", old.path, text(&old.data)),
        other => format!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_tell_the_same_story() {
    let Some(genuine) = Genuine::find_or_skip("caches beside CuratorCache") else { return };
    let (server, client) = server().await;
    for kind in ["tree", "single"] {
        let root = format!("/{kind}");
        let at = |path: &str| format!("{root}{path}");
        for (path, data) in [("", "0"), ("/a", "1"), ("/a/x", "2"), ("/b", "3")] {
            client.create(at(path), data).await.unwrap();
        }
        let mut curator = Peer::curator(&genuine, &server);
        curator.tell(&["cache", &root, kind]);
        let builder =
            if kind == "single" { Cache::node(&client, &root) } else { Cache::tree(&client, &root) };
        let cache = builder.load().await.unwrap();
        let mut events = cache.events();
        let first = cache.len() + 1;
        let sorted = |mut events: Vec<String>| {
            events.sort();
            events
        };
        let theirs = curator.ask(&["events", &first.to_string()]);
        let mut ours = Vec::new();
        for _ in 0..first {
            ours.push(told(&events.next().await.unwrap()));
        }
        assert_eq!(sorted(ours), sorted(theirs.split(' ').map(str::to_owned).collect()), "{kind}");

        // One after another, so that none is conflated.
        let mut changes = 0;
        for (path, data) in [
            ("/a", Some("4")),
            ("/c", Some("5")),
            ("/c/deep", Some("6")),
            ("", Some("7")),
            ("/c/deep", None),
            ("/c", None),
            ("/a/x", None),
            ("/a/x", Some("8")),
            ("", Some("7")),
        ] {
            match data {
                None => client.delete(at(path)).await.unwrap(),
                Some(data) if client.exists(at(path)).await.unwrap().is_some() => {
                    client.set(at(path), data).await.map(drop).unwrap();
                }
                Some(data) => client.create(at(path), data).await.map(drop).unwrap(),
            }
            if kind == "single" && !path.is_empty() {
                continue;
            }
            let ours =
                told(&tokio::time::timeout(crate::peer::PATIENCE, events.next()).await.unwrap().unwrap());
            assert_eq!(ours, curator.ask(&["events", "1"]), "{kind}: after {path} {data:?}");
            changes += 1;
        }
        assert_eq!(changes, if kind == "single" { 2 } else { 9 });
    }
}
