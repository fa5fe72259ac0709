//! Services that are found by each other's clients.

use zabra_recipes::discovery::{Discovery, ServiceInstance, ServiceType, UriSpec};

use crate::peer::Meeting;
use crate::support::until;

#[tokio::test]
async fn services_are_found_both_ways() {
    let Some(meeting) = Meeting::with_curator_or_skip("services shared with Curator").await else { return };
    let Meeting { server, client, peer: mut curator } = meeting;
    curator.tell(&["discovery", "/services"]).await;
    curator.tell(&["register", "web", "j", "10.0.0.1", "80", "from \u{e4} \"Java\"", "DYNAMIC"]).await;
    curator.tell(&["provide", "web"]).await;

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
    curator.ask_until(&["up"], &format!("{{{java}, r=https://10.0.0.2:81 82 from Rust 8 DYNAMIC}}")).await;
    assert_eq!(curator.ask(&["instances", "web"]).await, curator.ask(&["up"]).await);
    assert_eq!(curator.ask(&["names"]).await, "web");
    // Changed, disabled (which Curator reads), and of a new session.
    registration.update(ours.port(83).payload("changed")).await.unwrap();
    curator.ask_until(&["up"], &format!("{{{java}, r=https://10.0.0.2:83 82 changed 8 DYNAMIC}}")).await;
    registration.update(registration.instance().enabled(false)).await.unwrap();
    curator.ask_until(&["up"], &format!("{{{java}}}")).await;
    registration.update(registration.instance().enabled(true)).await.unwrap();
    server.expire(client.session_id()).await.unwrap();
    curator.ask_until(&["up"], &format!("{{{java}, r=https://10.0.0.2:83 82 changed 8 DYNAMIC}}")).await;

    curator.tell(&["unregister"]).await;
    until("Java's is gone", || provider.instances().len() == 1).await;
    registration.unregister().await.unwrap();
    curator.ask_until(&["up"], "{}").await;
    curator.tell(&["register", "web", "n", "a", "1", "p", "DYNAMIC_SEQUENTIAL"]).await;
    until("a numbered one", || provider.instances().iter().any(|instance| instance.id == "n")).await;
    let names = client.children("/services/web").await.unwrap();
    assert!(names.len() == 1 && names[0].len() == 11, "{names:?}");
}
