//! Every operation, against a genuine server and against Zabra: the same bodies, which must not be able to tell them
//! apart.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod failing;
mod failover;
mod hostile;
mod members;
mod nodes;
mod proving;
mod proxy;
mod several;
mod watching;

use std::time::Duration;
use zabra_client::Client;
use zabra_testkit::{Genuine, JvmOptions, ServerSpec};

/// Runs one body after another, each below a node of its own.
macro_rules! bodies {
    ($($module:ident :: $body:ident),* $(,)?) => {
        mod zabra {
            $(
                #[tokio::test]
                async fn $body() {
                    let server = super::zabra_server().await;
                    let client = super::connect(&server.connect_string()).await;
                    super::$module::$body(super::own_place(&client, stringify!($body)).await).await;
                    client.close().await.unwrap();
                }
            )*
        }

        #[tokio::test]
        async fn genuine() {
            let Some(genuine) = Genuine::find_or_skip("every operation against a genuine server") else { return };
            let spec = ServerSpec::new(genuine.program(&JvmOptions::small()))
                .with("extendedTypesEnabled", "true")
                .with_property("zookeeper.extendedTypesEnabled", "true");
            let server = tokio::task::spawn_blocking(move || spec.start()).await.unwrap().unwrap();
            let client = connect(&server.addr().to_string()).await;
            $(
                // Shown when it fails.
                println!("{}", stringify!($body));
                $module::$body(own_place(&client, stringify!($body)).await).await;
            )*
            client.close().await.unwrap();
        }
    };
}

bodies! {
    nodes::create_makes_every_kind_of_node,
    nodes::null_is_not_empty,
    nodes::versions_are_checked,
    nodes::children_are_listed_sorted,
    nodes::deleting_needs_an_empty_node,
    nodes::bad_arguments_are_not_sent,
    nodes::acls_are_enforced,
    nodes::protected_nodes_carry_curators_mark,
    nodes::parents_are_made_on_demand,
    nodes::a_session_can_be_asked_about,
    several::a_transaction_happens_at_once,
    several::a_refused_transaction_names_the_culprit,
    several::many_reads_answer_each_for_itself,
    several::subtrees_are_deleted,
    several::requests_are_executed_in_the_order_they_are_sent,
    several::chroots_nest,
    watching::a_watch_fires_once,
    watching::a_watch_waits_for_a_node_to_come,
    watching::children_are_watched,
    watching::an_event_comes_before_what_it_announces,
    watching::persistent_watches_stay,
    watching::recursive_watches_see_everything_below,
    watching::a_dropped_stream_is_removed_at_the_server,
    watching::removed_watches_are_told_so,
    proving::digests_open_what_they_should,
}

/// A server that knows TTL nodes, as the genuine one is told to.
async fn zabra_server() -> zabra_embedded::Server {
    zabra_embedded::Server::builder().set("extendedTypesEnabled", "true").start().await.unwrap()
}

/// A client that does not wait for ever.
pub(crate) async fn connect(servers: &str) -> Client {
    Client::builder()
        .session_timeout(Duration::from_secs(10))
        .connect_within(Duration::from_secs(20))
        .connect(servers)
        .await
        .unwrap()
}

/// The view of a body's own node.
async fn own_place(client: &Client, name: &str) -> Client {
    let root = format!("/{name}");
    client.ensure_path(&root).await.unwrap();
    client.chroot(&root).unwrap()
}
