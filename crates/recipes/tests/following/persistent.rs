//! Nodes that are kept in place.

use std::time::Duration;

use zabra_client::{Acl, Client, CreateMode, Perms, RetryPolicy};
use zabra_embedded::Server;
use zabra_recipes::Error;
use zabra_recipes::discovery::{Discovery, ServiceInstance, ServiceType};
use zabra_recipes::persistent::{NodeState, PersistentNode, PersistentTtlNode};

use crate::support::{Wire, World, soon, until};

async fn text(client: &Client, path: &str) -> Option<String> {
    let data = client.get(path).await.ok().map(|(data, _)| data);
    data.map(|data| String::from_utf8_lossy(&data).into_owned())
}

pub(crate) async fn a_node_comes_back_in_every_mode(world: &World) {
    let client = world.client().await;
    for (mode, protected) in [
        (CreateMode::Persistent, false),
        (CreateMode::Ephemeral, false),
        (CreateMode::Ephemeral, true),
        (CreateMode::PersistentSequential, false),
        (CreateMode::EphemeralSequential, true),
        (CreateMode::Container, false),
        (CreateMode::PersistentWithTtl, false),
        (CreateMode::PersistentSequentialWithTtl, false),
    ] {
        let mut node = PersistentNode::builder(&client, "/deep/down/node", "data").mode(mode);
        if mode.is_ttl() {
            node = node.ttl(Duration::from_secs(100));
        }
        if protected {
            node = node.protected();
        }
        let node = soon("the node", node.create()).await.unwrap();
        let path = node.path().unwrap();
        let name = path.strip_prefix("/deep/down/").unwrap();
        assert_eq!(
            (name.starts_with("_c_"), name.ends_with("node")),
            (protected, !mode.is_sequential()),
            "{mode:?}"
        );
        let NodeState::InPlace { czxid, .. } = node.state() else { panic!("{:?}", node.state()) };

        let mut states = node.states();
        client.delete(&path).await.unwrap();
        soon("another node", async {
            while !matches!(states.next().await, NodeState::InPlace { czxid: another, .. } if another != czxid) {}
        })
        .await;
        assert_eq!(node.path().as_deref(), Some(&*path), "{mode:?}");
        let (data, stat) = client.get(&path).await.unwrap();
        assert_eq!((&*data, stat.ephemeral_owner != 0), (&b"data"[..], mode.is_ephemeral()), "{mode:?}");
        soon("the end", node.close()).await.unwrap();
        assert_eq!(client.exists(&path).await.unwrap(), None, "{mode:?}");
    }
    assert!(client.children("/deep/down").await.unwrap().is_empty());
}

pub(crate) async fn a_node_survives_expiry_cuts_and_restarts_with_its_last_data(world: &World) {
    let keeper = world.client().await;
    let other = world.client().await;
    let node = soon("the node", PersistentNode::builder(&keeper, "/n", "1").create()).await.unwrap();
    let first = keeper.session_id();

    world.expire(first).await;
    soon("the node of the next session", async {
        while other.exists("/n").await.unwrap().is_none_or(|stat| stat.ephemeral_owner == first.raw()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon("the data", node.set_data("2")).await.unwrap();
    assert_eq!((text(&other, "/n").await.as_deref(), &*node.data()), (Some("2"), &b"2"[..]));

    world.kill().await;
    until("doubt", || matches!(node.state(), NodeState::InDoubt { .. })).await;
    let set = node.set_data("3");
    let (written, ()) = soon("the restart", async { tokio::join!(set, world.restart()) }).await;
    written.unwrap();
    soon("in place", node.in_place()).await.unwrap();
    let reader = world.client().await;
    assert_eq!(text(&reader, "/n").await.as_deref(), Some("3"));
    assert_eq!(reader.exists("/n").await.unwrap().unwrap().ephemeral_owner, keeper.session_id().raw());
}

pub(crate) async fn another_session_is_waited_for_or_taken_over_from(world: &World) {
    let (one, two) = (world.client().await, world.client().await);
    let first = soon("the first", PersistentNode::builder(&one, "/n", "one").create()).await.unwrap();
    let second = PersistentNode::builder(&two, "/n", "two").start().unwrap();
    until("waiting", || matches!(second.state(), NodeState::Waiting { .. })).await;
    assert_eq!(text(&two, "/n").await.as_deref(), Some("one"));
    first.leave().await;
    one.close().await.unwrap();
    soon("the second", second.in_place()).await.unwrap();
    assert_eq!(text(&two, "/n").await.as_deref(), Some("two"));

    let three = world.client().await;
    let third = PersistentNode::builder(&three, "/n", "three").take_over();
    let third = soon("the third", third.create()).await.unwrap();
    assert_eq!(text(&three, "/n").await.as_deref(), Some("three"));
    until("the second waits", || matches!(second.state(), NodeState::Waiting { .. })).await;
    // Closing deletes one's own node only.
    soon("the end", second.close()).await.unwrap();
    assert!(three.exists("/n").await.unwrap().is_some());
    drop(third);
    soon("the deletion", async {
        while three.exists("/n").await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub(crate) async fn an_existing_persistent_node_is_given_the_data(world: &World) {
    let client = world.client().await;
    client.create("/n", "old").await.unwrap();
    let node = PersistentNode::builder(&client, "/n", "new").mode(CreateMode::Persistent);
    let node = soon("the node", node.create()).await.unwrap();
    assert_eq!(text(&client, "/n").await.as_deref(), Some("new"));
    node.leave().await;
    assert!(client.exists("/n").await.unwrap().is_some());
}

pub(crate) async fn refusals_are_told(world: &World) {
    let client = world.client().await;
    let read_only = [Acl::world(Perms::READ)];
    client.create("/closed", "").acl(read_only).await.unwrap();
    let refused = soon("the refusal", PersistentNode::builder(&client, "/closed/n", "").create()).await;
    assert!(matches!(refused, Err(Error::Client(error)) if error.is_no_auth()));
    let orphan = PersistentNode::builder(&client, "/no/parent", "").without_parents().create();
    assert!(matches!(soon("the refusal", orphan).await, Err(Error::Client(error)) if error.is_no_node()));
    assert!(matches!(PersistentNode::builder(&client, "no/path", "").start(), Err(Error::BadPath { .. })));
    let no_ttl = PersistentNode::builder(&client, "/n", "").mode(CreateMode::PersistentWithTtl).start();
    assert!(matches!(no_ttl, Err(Error::BadArgument(_))));
}

pub(crate) async fn a_node_ends_with_its_client(world: &World) {
    let client = world.client().await;
    let node = soon("the node", PersistentNode::builder(&client, "/n", "").create()).await.unwrap();
    let kept = PersistentNode::builder(&client, "/kept", "").mode(CreateMode::Persistent);
    let kept = soon("the node", kept.create()).await.unwrap();
    client.close().await.unwrap();
    until("the end", || node.state() == NodeState::Closed).await;
    assert!(matches!(soon("the end", kept.close()).await, Err(Error::Closed)), "it could not be deleted");
    assert!(matches!(node.set_data("").await, Err(Error::Closed)));
    soon("the end", node.close()).await.unwrap();
}

pub(crate) async fn a_ttl_node_is_there_while_it_is_refreshed_and_goes_afterwards(world: &World) {
    let client = world.client().await;
    let node = PersistentTtlNode::builder(&client, "/ttl/node", Duration::from_millis(400), "data");
    let node = soon("the node", node.create()).await.unwrap();
    // The child was set three times after it was created: longer than its time to live.
    soon("refreshing", async {
        while client.exists("/ttl/node/touch").await.unwrap().is_none_or(|stat| stat.version < 3) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let stat = client.exists("/ttl/node").await.unwrap().unwrap();
    assert_eq!((stat.version, stat.num_children), (0, 1));
    drop(node);
    soon("the end", async {
        while client.exists("/ttl/node").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub(crate) async fn a_node_of_the_next_session_is_deleted_at_the_end(world: &World) {
    let client = world.client().await;
    let node = soon("the node", PersistentNode::builder(&client, "/n", "").create()).await.unwrap();
    let expired = client.session_id();
    world.expire(expired).await;
    soon("the node of the next session", async {
        while client
            .exists("/n")
            .await
            .ok()
            .flatten()
            .is_none_or(|stat| stat.ephemeral_owner == expired.raw())
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon("the end", node.close()).await.unwrap();
    assert_eq!(client.exists("/n").await.unwrap(), None);
}

pub(crate) async fn whatever_happens_there_is_one_node_and_none_after_the_end(world: &World) {
    let (keeping, other) = (world.client().await, world.client().await);
    for (round, mode) in
        [CreateMode::Ephemeral, CreateMode::EphemeralSequential, CreateMode::EphemeralSequential]
            .into_iter()
            .cycle()
            .take(zabra_testkit::rounds(6))
            .enumerate()
    {
        // Every third is a registration, which is numbered without protection.
        let parent = format!("/round-{round}/web");
        other.ensure_path(&parent).await.unwrap();
        let node = PersistentNode::builder(&keeping, format!("{parent}/node-"), "data").mode(mode);
        let node = if mode.is_sequential() { node.protected() } else { node };
        let discovery = Discovery::new(&keeping, format!("/round-{round}")).unwrap();
        let instance = ServiceInstance::new("web").service_type(ServiceType::DynamicSequential);
        let mut rng = fastrand::Rng::with_seed(round as u64);
        let harm = async {
            for _ in 0..12 {
                match rng.u8(..6) {
                    0 => world.expire(keeping.session_id()).await,
                    1 => {
                        for name in other.children(&parent).await.unwrap_or_default() {
                            // It may be gone, or the connection.
                            let _ = other.delete(format!("{parent}/{name}")).send().await;
                        }
                    }
                    _ => world.cut(keeping.session_id()).await,
                }
                tokio::time::sleep(Duration::from_micros(rng.u64(..8_000))).await;
            }
        };
        let names = || async { soon("the names", other.children(&parent).send()).await.unwrap() };
        if round % 3 == 2 {
            let (registration, ()) = tokio::join!(discovery.register(instance), harm);
            let registration = registration.unwrap();
            soon("one node", async { while names().await.len() != 1 {} }).await;
            until("in place", || matches!(registration.state(), NodeState::InPlace { .. })).await;
            assert_eq!(names().await.len(), 1);
            soon("the end", registration.unregister()).await.unwrap();
        } else {
            let node = node.start().unwrap();
            harm.await;
            soon("one node", async { while names().await.len() != 1 {} }).await;
            until("in place", || matches!(node.state(), NodeState::InPlace { .. })).await;
            assert_eq!(names().await.len(), 1);
            soon("the end", node.close()).await.unwrap();
        }
        assert_eq!(names().await, [""; 0], "round {round}");
    }
}

/// How many answers there are between the beginning of a node and its place, at most.
const ANSWERS: u32 = 8;

#[tokio::test]
async fn a_lost_answer_doubles_no_node_and_leaves_none_behind() {
    let server = Server::start().await.unwrap();
    let wire = Wire::whole();
    let patient = soon("a session", wire.client(Client::builder(), &server)).await;
    // Whether the client repeats what may be repeated makes no difference.
    let hasty = patient.retrying(RetryPolicy::none());
    let hosts = server.connect_string();
    let other = soon("a session", Client::connect(&hosts)).await.unwrap();
    other.ensure_path("/base/nodes").await.unwrap();
    other.ensure_path("/base/web").await.unwrap();
    let mut lost = [0; 2];
    for (numbered, keeping) in [(false, &patient), (true, &patient), (false, &hasty), (true, &hasty)] {
        let discovery = Discovery::new(keeping, "/base").unwrap();
        for answers in 0..ANSWERS {
            let parent = if numbered { "/base/web" } else { "/base/nodes" };
            let names = || async { soon("the names", other.children(parent).send()).await.unwrap() };
            wire.lose_after(answers);
            if numbered {
                // Numbered without protection, and found again by its id.
                let instance = ServiceInstance::new("web").service_type(ServiceType::DynamicSequential);
                let registration = soon("a registration", discovery.register(instance)).await.unwrap();
                lost[0] += usize::from(wire.has_lost());
                until("in place", || matches!(registration.state(), NodeState::InPlace { .. })).await;
                assert_eq!(names().await.len(), 1, "after {answers} answers");
                wire.lose_after(answers);
                soon("the end", registration.unregister()).await.unwrap();
            } else {
                let node = PersistentNode::builder(keeping, format!("{parent}/n-"), "");
                let node = node.mode(CreateMode::PersistentSequential).protected().create();
                let node = soon("a node", node).await.unwrap();
                lost[0] += usize::from(wire.has_lost());
                until("in place", || matches!(node.state(), NodeState::InPlace { .. })).await;
                assert_eq!(names().await.len(), 1, "after {answers} answers");
                wire.lose_after(answers);
                soon("the end", node.close()).await.unwrap();
            }
            lost[1] += usize::from(wire.has_lost());
            assert_eq!(names().await, [""; 0], "after {answers} answers");
        }
    }
    assert!(lost[0] >= 4 && lost[1] >= 2, "only {lost:?} answers were lost: the test shows nothing");
}
