//! Caches of the same nodes.

use zabra_recipes::cache::Cache;

use crate::peer::Meeting;
use crate::support::{soon, told};

#[tokio::test]
async fn caches_tell_the_same_story() {
    let Some(meeting) = Meeting::with_curator_or_skip("caches beside CuratorCache").await else { return };
    let Meeting { server: _server, client, peer: mut curator } = meeting;
    for kind in ["tree", "single"] {
        let root = format!("/{kind}");
        let at = |path: &str| format!("{root}{path}");
        for (path, data) in [("", "0"), ("/a", "1"), ("/a/x", "2"), ("/b", "3")] {
            client.create(at(path), data).await.unwrap();
        }
        curator.tell(&["cache", &root, kind]).await;
        let builder =
            if kind == "single" { Cache::node(&client, &root) } else { Cache::tree(&client, &root) };
        let cache = builder.load().await.unwrap();
        let mut events = cache.events();
        let first = cache.len() + 1;
        let sorted = |mut events: Vec<String>| {
            events.sort();
            events
        };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..first {
            ours.push(told(&events.next().await.unwrap()));
            theirs.push(curator.hear().await);
        }
        assert_eq!(sorted(ours), sorted(theirs), "{kind}");

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
            let ours = told(&soon("an event", events.next()).await.unwrap());
            assert_eq!(ours, curator.hear().await, "{kind}: after {path} {data:?}");
            changes += 1;
        }
        assert_eq!(changes, if kind == "single" { 2 } else { 9 });
    }
}
