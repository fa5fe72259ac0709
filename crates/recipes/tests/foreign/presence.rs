//! Who and what is there as long as somebody keeps it.

use std::time::Duration;

use zabra_client::CreateMode;
use zabra_recipes::membership::{GroupMember, Party, PartyStyle};
use zabra_recipes::persistent::{PersistentNode, PersistentTtlNode};

use crate::peer::Meeting;
use crate::support::{soon, until};

#[tokio::test]
async fn groups_and_nodes_are_shared() {
    let Some(meeting) = Meeting::with_curator_or_skip("groups shared with Curator").await else { return };
    let Meeting { server: _server, client, peer: mut curator } = meeting;
    let ours = GroupMember::join(&client, "/group", "rust", "1").await.unwrap();
    curator.tell(&["join", "/group", "java", "2"]).await;
    curator.ask_until(&["members"], "{java=2, rust=1}").await;
    until("both", || ours.members().current().len() == 2).await;
    assert_eq!(ours.members().current()["java"], "2");
    ours.set_payload("3").await.unwrap();
    curator.ask_until(&["members"], "{java=2, rust=3}").await;
    ours.leave().await.unwrap();
    curator.ask_until(&["members"], "{java=2}").await;
    curator.tell(&["leave"]).await;

    // The same names and kinds of nodes.
    for (mode, name, protected) in [
        (CreateMode::Ephemeral, "EPHEMERAL", false),
        (CreateMode::EphemeralSequential, "EPHEMERAL_SEQUENTIAL", true),
        (CreateMode::PersistentSequential, "PERSISTENT_SEQUENTIAL", false),
    ] {
        let parent = format!("/nodes/{name}");
        let protection = if protected { "protected" } else { "" };
        let theirs = curator.ask(&["node", name, protection, &format!("{parent}/j-"), "data"]).await;
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
    curator.tell(&["ttl", "/ttl", "800", "theirs"]).await;
    let ours = PersistentTtlNode::builder(&client, "/ttl", Duration::from_millis(800), "ours")
        .create()
        .await
        .unwrap();
    until("touching", || ours.data() == "ours").await;
    soon("touches by both", async {
        while client.exists("/ttl/touch").await.unwrap().is_none_or(|stat| stat.version <= 2) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(client.children("/ttl").await.unwrap(), ["touch"]);
}

#[tokio::test]
async fn parties_are_shared() {
    let Some(meeting) = Meeting::with_kazoo_or_skip("parties shared with kazoo").await else { return };
    let Meeting { server: _server, client, peer: mut kazoo } = meeting;
    for (style, word) in [(PartyStyle::Data, "party"), (PartyStyle::Shallow, "shallow")] {
        let path = format!("/{word}");
        let party = Party::new(&client, &path, style);
        kazoo.tell(&[word, &path, "python-1"]).await;
        kazoo.tell(&["join"]).await;
        assert_eq!(party.members().await.unwrap(), ["python-1"]);
        let ours = party.join("rust-1").await.unwrap();
        assert_eq!(kazoo.ask(&["members"]).await, "python-1,rust-1");
        kazoo.tell(&["leave"]).await;
        assert_eq!(party.members().await.unwrap(), ["rust-1"]);
        assert_eq!(kazoo.ask(&["members"]).await, "rust-1");
        ours.leave().await.unwrap();
        assert_eq!(kazoo.ask(&["members"]).await, "");
    }
}
