//! With kazoo.

use zabra_recipes::membership::{Party, PartyStyle};
use zabra_testkit::Genuine;

use crate::peer::{Peer, server};

#[tokio::test(flavor = "multi_thread")]
async fn parties_are_shared() {
    let Some(genuine) = Genuine::find_or_skip("parties shared with kazoo") else { return };
    let (server, client) = server().await;
    let Some(mut kazoo) = Peer::kazoo_or_skip(&genuine, &server) else { return };
    for (style, word) in [(PartyStyle::Data, "party"), (PartyStyle::Shallow, "shallow")] {
        let path = format!("/{word}");
        let party = Party::new(&client, &path, style);
        kazoo.tell(&[word, &path, "python-1"]);
        kazoo.tell(&["join"]);
        assert_eq!(party.members().await.unwrap(), ["python-1"]);
        let ours = party.join("rust-1").await.unwrap();
        assert_eq!(kazoo.ask(&["members"]), "python-1,rust-1");
        kazoo.tell(&["leave"]);
        assert_eq!(party.members().await.unwrap(), ["rust-1"]);
        assert_eq!(kazoo.ask(&["members"]), "rust-1");
        ours.leave().await.unwrap();
        assert_eq!(kazoo.ask(&["members"]), "");
    }
}
