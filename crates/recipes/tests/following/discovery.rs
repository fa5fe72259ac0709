//! Services that are registered, found and balanced.

use std::collections::BTreeSet;
use std::time::Duration;

use zabra_client::Client;
use zabra_recipes::Error;
use zabra_recipes::discovery::{
    Discovery, DownPolicy, LeastLoaded, RoundRobin, ServiceInstance, ServiceType, Sticky,
};

use crate::support::{World, soon, until};

fn discovery(client: &Client) -> Discovery {
    Discovery::new(client, "/services").unwrap()
}

fn instance(id: &str) -> ServiceInstance {
    ServiceInstance::new("web").id(id).address("10.0.0.1").port(80)
}

pub(crate) async fn instances_are_nodes_with_json(world: &World) {
    let client = world.client().await;
    let discovery = discovery(&client);
    assert!(discovery.services().await.unwrap().is_empty());
    let web = soon("a", discovery.register(instance("a"))).await.unwrap();
    let (json, stat) = client.get("/services/web/a").await.unwrap();
    assert_eq!(json, web.instance().to_json());
    assert_eq!(stat.ephemeral_owner, client.session_id().raw());

    let kept = instance("b").service_type(ServiceType::Static);
    let kept = soon("b", discovery.register(kept)).await.unwrap();
    let numbered = instance("c").service_type(ServiceType::DynamicSequential);
    let numbered = soon("c", discovery.register(numbered)).await.unwrap();
    let names = client.children("/services/web").await.unwrap();
    assert_eq!((names.len(), &*names[0], &*names[1]), (3, "a", "b"));
    assert!(names[2].starts_with('c') && names[2].len() == 11);
    assert_eq!(discovery.services().await.unwrap(), ["web"]);
    client.create("/services/web/not-an-instance", "no json").await.unwrap();
    let ids: BTreeSet<_> =
        discovery.instances("web").await.unwrap().into_iter().map(|found| found.id).collect();
    assert_eq!(ids, ["a", "b", "c"].map(String::from).into());
    assert_eq!(discovery.instance("web", "a").await.unwrap().unwrap(), web.instance());
    assert_eq!(discovery.instance("web", "zz").await.unwrap(), None);
    let malformed = discovery.instance("web", "not-an-instance").await;
    assert!(matches!(malformed, Err(Error::Malformed { .. })));

    soon("the update", web.update(instance("a").port(81))).await.unwrap();
    assert_eq!(discovery.instance("web", "a").await.unwrap().unwrap().port, Some(81));
    assert!(web.update(instance("other")).await.is_err());
    for registration in [web, kept, numbered] {
        soon("the end", registration.unregister()).await.unwrap();
    }
    assert_eq!(client.children("/services/web").await.unwrap(), ["not-an-instance"]);
    assert!(discovery.register(ServiceInstance::new("a/b")).await.is_err());
}

pub(crate) async fn registrations_survive_expiry_and_a_restart(world: &World) {
    let (serving, asking) = (world.client().await, world.client().await);
    let registration = soon("a", discovery(&serving).register(instance("a"))).await.unwrap();
    let cache = soon("the cache", discovery(&asking).cache("web")).await.unwrap();
    assert_eq!(cache.instances().len(), 1);
    let mut changes = cache.changes();
    soon("the update", registration.update(instance("a").port(81))).await.unwrap();
    let changed = soon("the change", changes.next()).await.unwrap();
    assert_eq!(changed[0].port, Some(81));

    let expired = serving.session_id();
    world.expire(expired).await;
    until("a new node", || serving.session_id() != expired && cache.instances().len() == 1).await;
    world.kill().await;
    assert_eq!(cache.instances().len(), 1);
    world.restart().await;
    // The sessions of both have time to come back; nothing is lost on the way.
    soon("another instance", discovery(&asking).register(instance("b"))).await.map(std::mem::forget).unwrap();
    until("both", || cache.instances().len() == 2).await;
    assert_eq!(cache.instances()[0].port, Some(81));
}

pub(crate) async fn a_process_that_starts_again_replaces_its_old_node(world: &World) {
    let (before, after) = (world.client().await, world.client().await);
    let old = soon("the old one", discovery(&before).register(instance("a"))).await.unwrap();
    old.leave().await;
    let new = soon("the new one", discovery(&after).register(instance("a").port(90))).await.unwrap();
    let (_, stat) = after.get("/services/web/a").await.unwrap();
    assert_eq!(stat.ephemeral_owner, after.session_id().raw());
    assert_eq!(discovery(&before).instance("web", "a").await.unwrap().unwrap(), new.instance());
}

pub(crate) async fn a_provider_balances_over_what_is_up(world: &World) {
    let client = world.client().await;
    let discovery = discovery(&client);
    let provider = discovery
        .provider("web")
        .strategy(LeastLoaded::new())
        .filter(|instance| instance.port != Some(1))
        .down_policy(DownPolicy { window: Duration::from_secs(3600), errors: 2 })
        .load();
    let provider = soon("the provider", provider).await.unwrap();
    assert!(provider.instance().is_none());
    let mut registrations = Vec::new();
    for instance in [
        instance("a"),
        instance("b"),
        instance("c"),
        instance("off").enabled(false),
        instance("filtered").port(1),
    ] {
        registrations.push(soon("an instance", discovery.register(instance)).await.unwrap());
    }
    until("the instances", || provider.instances().len() == 3).await;

    let chosen: Vec<_> = (0..6).map(|_| provider.instance().unwrap()).collect();
    for id in ["a", "b", "c"] {
        assert_eq!(chosen.iter().filter(|chosen| chosen.id == id).count(), 2, "{id}");
    }
    let mut chosen: Vec<_> = chosen.into_iter().filter(|chosen| chosen.id != "b").collect();
    assert_eq!(provider.instance().unwrap().id, "b");

    let b = discovery.instance("web", "b").await.unwrap().unwrap();
    provider.note_error(&b);
    assert_eq!(provider.instance().unwrap().id, "b");
    provider.note_error(&b);
    for _ in 0..20 {
        chosen.push(provider.instance().unwrap());
    }
    assert!(chosen.iter().all(|chosen| chosen.id != "b"));

    soon("leaving", registrations.swap_remove(0).unregister()).await.unwrap();
    until("one is left", || provider.instances().len() == 1).await;
    assert_eq!(provider.instance().unwrap().id, "c");
}

pub(crate) async fn sticky_and_round_robin_follow_the_instances(world: &World) {
    let client = world.client().await;
    let discovery = discovery(&client);
    let a = soon("a", discovery.register(instance("a"))).await.unwrap();
    let _b = soon("b", discovery.register(instance("b"))).await.unwrap();
    let robin = soon("a provider", discovery.provider("web").load()).await.unwrap();
    let chosen: Vec<_> = (0..4).map(|_| robin.instance().unwrap().id.clone()).collect();
    assert_eq!(chosen, ["a", "b", "a", "b"]);
    let sticky = discovery.provider("web").strategy(Sticky::new(RoundRobin::new())).load();
    let sticky = soon("a provider", sticky).await.unwrap();
    assert_eq!((sticky.instance().unwrap().id.as_str(), sticky.instance().unwrap().id.as_str()), ("a", "a"));
    soon("the end", a.unregister()).await.unwrap();
    until("b", || sticky.instance().unwrap().id == "b").await;
}
