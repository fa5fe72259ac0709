//! Proving who one is, by digest and by SASL.

use crate::{connect, zabra_server};
use std::time::Duration;
use zabra_client::sasl::DigestMd5;
use zabra_client::{Acl, Client, ClientBuilder, Error, Perms, SessionState};
use zabra_testkit::{Genuine, JvmOptions, ServerProcess, ServerSpec};

pub(crate) async fn digests_open_what_they_should(client: Client) {
    client.add_auth("digest", b"ann:secret").await.unwrap();
    client.create("/hers", "x").acl([Acl::new(Perms::ALL, "auth", "")]).await.unwrap();
    let (acl, _) = client.acl("/hers").await.unwrap();
    assert_eq!(acl.len(), 1);
    assert!(acl[0].scheme == "digest" && acl[0].id.starts_with("ann:"), "{acl:?}");
    let who = client.whoami().await.unwrap();
    assert!(who.iter().any(|who| who.scheme == "digest" && who.user == "ann"), "{who:?}");
    client.set("/hers", "y").await.unwrap();

    // Others do not get in, whatever they say.
    let server = client.server().unwrap().to_string();
    let path = "/digests_open_what_they_should/hers";
    let stranger = connect(&server).await;
    assert!(stranger.get(path).await.unwrap_err().is_no_auth());
    stranger.add_auth("digest", b"ann:wrong").await.unwrap();
    assert!(stranger.get(path).await.unwrap_err().is_no_auth());
    stranger.add_auth("digest", b"ann:secret").await.unwrap();
    assert_eq!(stranger.get(path).await.unwrap().0, "y");
    stranger.close().await.unwrap();
    let known = limited().auth("digest", "ann:secret").connect(&server).await.unwrap();
    assert_eq!(known.get(path).await.unwrap().0, "y");
    known.close().await.unwrap();

    let liar = connect(&server).await;
    let refused = liar.add_auth("no such scheme", b"x").await;
    assert!(matches!(refused, Err(Error::AuthFailed { .. })), "{refused:?}");
    assert_eq!(liar.state(), SessionState::AuthFailed);
    assert!(matches!(liar.get("/").await, Err(Error::AuthFailed { .. })));
}

fn limited() -> ClientBuilder {
    Client::builder().session_timeout(Duration::from_secs(10)).connect_within(Duration::from_secs(20))
}

/// A genuine server that knows two users, and demands that clients are one of them.
fn server_with_users(genuine: &Genuine, folder: &std::path::Path) -> ServerProcess {
    let login = folder.join("jaas.conf");
    let users = "Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_ann=\"se\\\"cret\" \
                 user_bob=\"other\"; };\n";
    std::fs::write(&login, users).unwrap();
    ServerSpec::new(genuine.program(&JvmOptions::small()))
        .with("authProvider.1", "org.apache.zookeeper.server.auth.SASLAuthenticationProvider")
        .with("sessionRequireClientSASLAuth", "true")
        .with_property("java.security.auth.login.config", login.to_str().unwrap())
        .start()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn digest_md5_with_a_genuine_server() {
    let Some(genuine) = Genuine::find_or_skip("digest_md5_with_a_genuine_server") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut server = tokio::task::block_in_place(|| server_with_users(&genuine, folder.path()));
    let hosts = server.addr().to_string();

    let client = limited().sasl(DigestMd5::new("ann", "se\"cret")).connect(&hosts).await.unwrap();
    let mut states = client.states();
    client.create("/hers", "x").acl([Acl::new(Perms::ALL, "sasl", "ann")]).await.unwrap();
    assert_eq!(client.get("/hers").await.unwrap().0, "x");
    let who = client.whoami().await.unwrap();
    assert!(who.iter().any(|who| who.scheme == "sasl" && who.user == "ann"), "{who:?}");

    let other = limited().sasl(DigestMd5::new("bob", "other")).connect(&hosts).await.unwrap();
    assert!(other.get("/hers").await.unwrap_err().is_no_auth());
    let liar = limited().sasl(DigestMd5::new("ann", "guess")).connect(&hosts).await;
    assert!(matches!(&liar, Err(Error::AuthFailed { reason, .. }) if reason.contains("(-124)")), "{liar:?}");

    // It is proved again on each connection, before anything that waits.
    let (_, watch) = client.get("/hers").watch().await.unwrap();
    tokio::task::block_in_place(|| {
        server.kill().unwrap();
        server.start().unwrap();
    });
    client.set("/hers", "y").version(0).idempotent().await.unwrap();
    assert_eq!(watch.await.path, "/hers");
    let mut seen = Vec::new();
    while seen.last() != Some(&SessionState::SaslAuthenticated) {
        seen.push(states.next().await.unwrap());
    }
    while let Some(state) = states.try_next() {
        seen.push(state);
    }
    let tail = seen.split_last_chunk::<3>().map(|(_, tail)| *tail);
    let again = [SessionState::Disconnected, SessionState::Connected, SessionState::SaslAuthenticated];
    assert_eq!(tail, Some(again), "{seen:?}");
    client.close().await.unwrap();
}

#[tokio::test]
async fn a_server_without_sasl_is_no_proof() {
    let server = zabra_server().await;
    let client = limited().sasl(DigestMd5::new("ann", "secret")).connect(&server.connect_string()).await;
    let error = client.unwrap_err().to_string();
    assert!(error.contains("SASL: the server offers no DIGEST-MD5"), "{error}");
}
