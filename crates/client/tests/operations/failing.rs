//! What operations do when the connection breaks at the worst moment.

use crate::proxy::Proxy;
use crate::{connect, zabra_server};
use std::time::Duration;
use zabra_client::{Client, Error, Outcome, RetryPolicy};
use zabra_embedded::Server;

struct Broken {
    /// Behind a wire that breaks.
    client: Client,
    /// Straight to the server.
    other: Client,
    proxy: Proxy,
    server: Server,
}

async fn setup() -> Broken {
    let server = zabra_server().await;
    let proxy = Proxy::to(server.address()).await;
    let client = connect(&proxy.connect_string()).await;
    let other = connect(&server.connect_string()).await;
    // Nothing the client sends by itself is to be taken for an answer that is lost.
    client.create("/n", "0").await.unwrap();
    Broken { client, other, proxy, server }
}

#[tokio::test]
async fn an_answer_lost_leaves_a_write_unknown_and_a_read_undone() {
    let Broken { client, other, proxy, server: _server } = setup().await;
    proxy.swallow_an_answer();
    let error = client.set("/n", "1").await.unwrap_err();
    assert!(matches!(error, Error::ConnectionLost { outcome: Outcome::Unknown, .. }), "{error:?}");
    assert_eq!(other.get("/n").await.unwrap().0, "1", "it had happened");
    client.sync("/").await.unwrap();
    proxy.swallow_an_answer();
    let error = client.get("/n").await.unwrap_err();
    assert!(matches!(error, Error::ConnectionLost { outcome: Outcome::DidNotHappen, .. }), "{error:?}");
    client.sync("/").await.unwrap();
    proxy.swallow_a_request();
    let error = client.set("/n", "2").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "nobody can tell");
    assert_eq!(other.get("/n").await.unwrap().0, "1", "it had not happened");
    assert_eq!(proxy.swallowed(), 3);
}

#[tokio::test]
async fn a_protected_create_finds_its_node() {
    let Broken { client, other, proxy, server: _server } = setup().await;
    for lose_answer in [true, false] {
        if lose_answer {
            proxy.swallow_an_answer()
        } else {
            proxy.swallow_a_request()
        }
        let made = client.create("/q-", "x").ephemeral().sequential().protected().await.unwrap();
        let names = other.children("/").await.unwrap();
        let own: Vec<&String> = names.iter().filter(|name| name.contains("-q-")).collect();
        assert_eq!(own, [made.path.trim_start_matches('/')], "one node only, lost answer: {lose_answer}");
        assert_eq!(made.stat.ephemeral_owner, client.session_id().raw());
        other.delete(&made.path).await.unwrap();
    }
    assert_eq!(proxy.swallowed(), 2);
}

#[tokio::test]
async fn a_protected_create_survives_its_session() {
    let Broken { client, other, proxy, server } = setup().await;
    for pinned in [false, true] {
        client.sync("/").await.unwrap();
        let (lost, session) = (proxy.swallowed(), client.session_id());
        let view = if pinned { client.pinned() } else { client.clone() };
        proxy.swallow_an_answer();
        let create = view.create("/q-", []).ephemeral().sequential().protected().send();
        while proxy.swallowed() == lost {
            tokio::task::yield_now().await;
        }
        server.expire(session).await.unwrap();
        let result = create.await;
        let names = other.children("/").await.unwrap();
        let own: Vec<&String> = names.iter().filter(|name| name.contains("-q-")).collect();
        if pinned {
            assert_eq!(result.unwrap_err().outcome(), Outcome::Unknown);
            assert_eq!(own, [""; 0]);
        } else {
            let made = result.unwrap();
            assert_ne!(made.stat.ephemeral_owner, session.raw());
            assert_eq!(own, [made.path.trim_start_matches('/')]);
            client.delete(&made.path).await.unwrap();
        }
    }
}

#[tokio::test]
async fn futures_may_be_dropped_at_any_time() {
    let Broken { client, proxy, server: _server, .. } = setup().await;
    let mut stream = client.add_watch("/n", zabra_client::AddWatchMode::Persistent).await.unwrap();
    for n in 0..20 {
        // Given up before, while and after it is sent.
        let set = client.set("/n", n.to_string()).send();
        tokio::select! {
            biased;
            _ = stream.next() => {}
            () = std::future::ready(()) => {}
        }
        if n % 2 == 0 {
            drop(set);
        } else {
            let _ = tokio::time::timeout(Duration::ZERO, set).await;
        }
        drop(client.get("/n").watch().send());
    }
    assert_eq!(client.get("/n").await.unwrap().1.version, 20, "all of them happened");
    let mut last = None;
    while let Some(event) = stream.try_next() {
        assert!(event.zxid > last, "in order");
        last = event.zxid;
    }
    proxy.swallow_an_answer();
    drop(client.create("/n/p-", []).sequential().protected().send());
    client.retrying(soon()).sync("/").await.unwrap();
    assert_eq!(client.children("/n").await.unwrap().len(), 1, "given up, and done all the same");
}

#[tokio::test]
async fn idempotent_writes_settle_by_themselves() {
    let Broken { client, other, proxy, server: _server } = setup().await;
    proxy.swallow_an_answer();
    assert_eq!(client.set("/n", "1").version(0).idempotent().await.unwrap().version, 1);
    proxy.swallow_a_request();
    assert_eq!(client.set("/n", "2").version(1).idempotent().await.unwrap().version, 2);
    proxy.swallow_an_answer();
    let made = client.create("/made", "x").idempotent().await.unwrap();
    assert_eq!((made.path.as_str(), made.stat.version), ("/made", 0));
    proxy.swallow_an_answer();
    client.delete("/made").idempotent().await.unwrap();
    assert_eq!(other.exists("/made").await.unwrap(), None);
    proxy.swallow_an_answer();
    client.ensure_path("/n/a/b").await.unwrap();
    proxy.swallow_an_answer();
    assert_eq!(
        client.delete_recursive("/n").await.unwrap_err().outcome(),
        Outcome::DidNotHappen,
        "a listing was lost"
    );
    assert_eq!(client.retrying(soon()).delete_recursive("/n").await.unwrap(), 3);
    assert_eq!(proxy.swallowed(), 6);
}

#[tokio::test]
async fn somebody_elses_change_is_not_taken_for_ones_own() {
    let Broken { client, other, proxy, server: _server } = setup().await;
    proxy.swallow_a_request();
    let set = client.set("/n", "mine").version(0).idempotent().send();
    other.set("/n", "theirs").version(0).await.unwrap();
    let error = set.await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(other.get("/n").await.unwrap().0, "theirs");
}

fn soon() -> RetryPolicy {
    RetryPolicy::forever(Duration::from_millis(1)).times(50)
}

#[tokio::test]
async fn a_retrying_view_repeats_what_is_safe() {
    let Broken { client, proxy, server: _server, .. } = setup().await;
    let retrying = client.retrying(soon());
    proxy.swallow_an_answer();
    assert_eq!(retrying.get("/n").await.unwrap().0, "0");
    proxy.swallow_an_answer();
    let error = retrying.set("/n", "1").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "a write that may have happened is the caller's to repeat");
    client.sync("/").await.unwrap();
    proxy.swallow_an_answer();
    assert_eq!(retrying.set("/n", "2").idempotent().await.unwrap().version, 3);
    assert!(retrying.get("/none").await.unwrap_err().is_no_node(), "a refusal is not repeated");
    proxy.swallow_an_answer();
    let never = client.retrying(RetryPolicy::none());
    assert!(never.get("/n").await.unwrap_err().is_connection_lost());
    assert_eq!(proxy.swallowed(), 4);
}

#[test]
fn blocking_clients_settle_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (server, proxy) = runtime.block_on(async {
        let server = zabra_server().await;
        let proxy = Proxy::to(server.address()).await;
        (server, proxy)
    });
    let client = zabra_client::blocking::Client::connect(&proxy.connect_string()).unwrap();
    client.create("/n", "0").wait().unwrap();
    proxy.swallow_an_answer();
    let made = client.create("/n/q-", []).sequential().protected().wait().unwrap();
    assert_eq!(client.children("/n").wait().unwrap(), [made.path.trim_start_matches("/n/")]);
    let inner = client.chroot("/n").unwrap();
    assert_eq!(inner.get("/").wait().unwrap().0, "0");
    let mut states = client.states();
    client.close().unwrap();
    assert_eq!(states.wait_next(), Some(zabra_client::SessionState::Closed));
    drop(server);
}
