//! The same without a runtime.

use std::sync::mpsc;

use zabra_client::blocking::Client;
use zabra_embedded::blocking::Server;
use zabra_recipes::blocking::{Cache, Configuration, Discovery, GroupMember, Members, Party, PersistentNode};
use zabra_recipes::cache::{self, CacheEvent};
use zabra_recipes::discovery::ServiceInstance;
use zabra_recipes::membership::PartyStyle;
use zabra_recipes::persistent::{self, NodeState};

#[test]
fn everything_that_follows_can_be_waited_for() {
    let server = Server::start().unwrap();
    let client = Client::connect(&server.connect_string()).unwrap();
    client.create("/t", "1").wait().unwrap();
    let cache = Cache::load(&client, cache::Cache::tree(&client, "/t")).unwrap();
    assert_eq!(cache.len(), 1);
    let (sender, heard) = mpsc::channel();
    cache.call_on_event(move |event| drop(sender.send(event)));
    client.set("/t", "2").wait().unwrap();
    let changed = |event: &CacheEvent| matches!(event, CacheEvent::Changed { new, .. } if &*new.data == b"2");
    assert!(cache.wait_events().any(|event| changed(&event) || matches!(event, CacheEvent::Created(node) if &*node.data == b"2")));
    assert!(heard.iter().any(|event| changed(&event)));
    cache.close();
    assert_eq!(heard.iter().count(), 0, "closing ends the call-backs");

    let config = Configuration::<String>::open(&client, "/config").unwrap();
    let changes = config.wait_changes();
    config.create(&"a".to_owned()).unwrap();
    assert_eq!(*config.update(|old| format!("{old}b")).unwrap().value, "ab");
    let mut seen = changes.filter_map(|state| state.in_force().map(|value| (*value.value).clone()));
    assert!(seen.any(|value| value == "ab"));
}

#[test]
fn everything_that_is_kept_can_be_kept_without_a_runtime() {
    let server = Server::start().unwrap();
    let client = Client::connect(&server.connect_string()).unwrap();
    let node =
        PersistentNode::create(&client, persistent::PersistentNode::builder(&client, "/n", "1")).unwrap();
    let (sender, heard) = mpsc::channel();
    node.call_on_change(move |state| drop(sender.send(state)));
    node.set_data("2").unwrap();
    assert_eq!(&*client.get("/n").wait().unwrap().0, b"2");
    node.close().unwrap();
    let heard: Vec<_> = heard.iter().collect();
    assert!(
        matches!(&heard[..], [NodeState::InPlace { path, .. }, .., NodeState::Closed] if path == "/n"),
        "{heard:?}"
    );
    assert_eq!(client.exists("/n").wait().unwrap(), None);

    let member = GroupMember::join(&client, "/group", "a", "x").unwrap();
    assert!(Members::follow(&client, "/group").unwrap().contains("a"));
    member.set_payload("y").unwrap();
    member.leave().unwrap();
    let party = Party::new(&client, "/party", PartyStyle::Data);
    let guest = party.join("me").unwrap();
    assert_eq!(party.members().unwrap(), ["me"]);
    guest.leave().unwrap();
    assert_eq!(party.size().unwrap(), 0);

    let discovery = Discovery::new(&client, "/services").unwrap();
    let cache = discovery.cache("web").unwrap();
    let mut changes = cache.wait_changes();
    let (sender, heard) = mpsc::channel();
    cache.call_on_change(move |instances| {
        let _ = sender.send(instances.len());
    });
    let web = discovery.register(ServiceInstance::new("web").id("a")).unwrap();
    assert_eq!(changes.next().unwrap().len(), 1);
    let provider = discovery.load(discovery.provider("web")).unwrap();
    assert_eq!(provider.instance().unwrap().id, "a");
    web.update(ServiceInstance::new("web").id("a").port(1)).unwrap();
    assert_eq!(discovery.instance("web", "a").unwrap().unwrap().port, Some(1));
    web.unregister().unwrap();
    assert!(discovery.instances("web").unwrap().is_empty());
    assert_eq!(discovery.services().unwrap(), ["web"]);
    drop((cache, changes));
    let heard: Vec<_> = heard.iter().collect();
    assert!(heard.contains(&1), "{heard:?}");
    client.close().unwrap();
}
