//! Groups and parties.

use bytes::Bytes;
use zabra_recipes::membership::{GroupMember, Members, Party, PartyStyle};

use crate::support::{World, soon, until};

fn payload(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

pub(crate) async fn members_see_one_another_come_change_and_leave(world: &World) {
    let (one, two) = (world.client().await, world.client().await);
    let a = soon("a", GroupMember::join(&one, "/group", "a", "1")).await.unwrap();
    let b = soon("b", GroupMember::join(&two, "/group", "b", "2")).await.unwrap();
    let watcher = soon("the watcher", Members::of(&two, "/group")).await.unwrap();
    let both: Vec<_> = [("a", "1"), ("b", "2")].map(|(id, data)| (id.to_owned(), payload(data))).into();
    until("both at a", || a.members().current().into_iter().eq(both.clone())).await;
    assert!(watcher.current().into_iter().eq(both));

    soon("the payload", b.set_payload("3")).await.unwrap();
    until("the payload", || a.members().current().get("b") == Some(&payload("3"))).await;

    world.expire(one.session_id()).await;
    until("a is back", || a.members().contains("a") && a.members().contains("b")).await;
    soon("leaving", b.leave()).await.unwrap();
    until("b is gone", || !a.members().contains("b") && !watcher.contains("b")).await;
    assert!(a.with_self().contains_key("a"));
    assert!(GroupMember::start(&one, "/group", "no/id", "").is_err());
}

pub(crate) async fn parties_have_the_names_of_kazoo(world: &World) {
    let client = world.client().await;
    let party = Party::new(&client, "/party", PartyStyle::Data);
    assert_eq!(party.size().await.unwrap(), 0);
    let one = soon("one", party.join("first")).await.unwrap();
    let two = soon("two", party.join("second")).await.unwrap();
    client.create("/party/something-else", "").await.unwrap();
    let mut members = party.members().await.unwrap();
    members.sort();
    assert_eq!(members, ["first", "second"]);
    let names = client.children("/party").await.unwrap();
    let marked = names.iter().filter(|name| name.ends_with("__party__") && name.len() == 32 + 9);
    assert_eq!(marked.count(), 2);

    world.expire(client.session_id()).await;
    soon("they are back", async {
        while party.size().await.unwrap_or(0) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon("leaving", one.leave()).await.unwrap();
    assert_eq!(party.members().await.unwrap(), ["second"]);
    drop(two);

    let shallow = Party::new(&client, "/shallow", PartyStyle::Shallow);
    let member = soon("a member", shallow.join("host-1")).await.unwrap();
    assert_eq!(shallow.members().await.unwrap(), ["host-1"]);
    soon("leaving", member.leave()).await.unwrap();
    assert!(shallow.members().await.unwrap().is_empty());
    assert!(shallow.join("no/id").await.is_err());
}
