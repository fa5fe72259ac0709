//! Who may do what: `skipACL`, `DigestAuthenticationProvider.*`, `enforce.auth.*`, `ensembleAuthName`.

use zabra_proto::OpCode;
use zabra_server::StartError;
use zabra_storage::RealDisk;
use zabra_testkit::{Body, RawClient, RawRequest, Shape};
use zabra_types::Perms;

use crate::running::*;

/// Proves an identity; the error code.
fn auth(zk: &mut RawClient, scheme: &str, proof: &[u8]) -> i32 {
    zk.send_all([(-4, &RawRequest::auth(scheme, Some(proof)))]).expect("sent");
    zk.receive_reply(Shape::Nothing).expect("a reply").err
}

/// The ids in the list of a node that was made with the word `auth` by a user of digest.
fn ids_of(zk: &mut RawClient, path: &str) -> Vec<Vec<u8>> {
    let list = [entry(Perms::ALL, "auth", "")];
    assert_eq!(create_with(zk, path, &list).err, 0);
    match zk.call(&RawRequest::path(OpCode::GetAcl, path)).expect("a reply").body {
        Body::AclStat(Some(rows), _) => rows.into_iter().filter_map(|row| row.id.0).collect(),
        other => panic!("no list: {other:?}"),
    }
}

#[test]
fn skip_acl_lets_everybody_do_everything() {
    for (lines, expected) in [("", -102), ("skipACL=yes\n", 0)] {
        let server = Running::start(lines);
        let mut zk = server.client();
        assert_eq!(create_with(&mut zk, "/mine", &[entry(Perms::READ, "ip", "10.9.8.7")]).err, 0);
        assert_eq!(err(&mut zk, &get("/mine")), expected, "{lines}");
        assert_eq!(err(&mut zk, &set("/mine", b"x")), expected, "{lines}");
    }
}

#[test]
fn digest_can_be_switched_off() {
    let list = [entry(Perms::ALL, "digest", "ben:hash")];
    let server = Running::start("");
    let mut zk = server.client();
    assert_eq!(create_with(&mut zk, "/a", &list).err, 0);
    assert_eq!(auth(&mut zk, "digest", b"ben:secret"), 0);

    let server = Running::start("DigestAuthenticationProvider.enabled=false\n");
    let mut zk = server.client();
    assert_eq!(create_with(&mut zk, "/a", &list).err, -114);
    assert_eq!(auth(&mut zk, "digest", b"ben:secret"), -115);
    assert!(closes(&mut zk));
}

#[test]
fn digest_alg_chooses_the_hash() {
    for (lines, id) in [
        ("", "ben:PC0ZklqkbevtIFBcBaL/OQ9DLeA="),
        (
            "DigestAuthenticationProvider.digestAlg=SHA-256\n",
            "ben:PSGk+8S26vw56RDChMsNKLJIJd3NZMZZtIz37wLW7Vk=",
        ),
    ] {
        let server = Running::start(lines);
        let mut zk = server.client();
        assert_eq!(auth(&mut zk, "digest", b"ben:secret"), 0);
        let ids = ids_of(&mut zk, "/a");
        assert_eq!(ids, [id.as_bytes()], "{}", String::from_utf8_lossy(&ids[0]));
    }
}

#[test]
fn super_digest_passes_every_list() {
    // The hash of super:admin.
    let server =
        Running::start("DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=\n");
    let mut zk = server.client();
    assert_eq!(create_with(&mut zk, "/locked", &[entry(Perms::READ, "ip", "10.9.8.7")]).err, 0);
    assert_eq!(auth(&mut zk, "digest", b"super:wrong"), 0);
    assert_eq!(err(&mut zk, &get("/locked")), -102);
    assert_eq!(auth(&mut zk, "digest", b"super:admin"), 0);
    assert_eq!(err(&mut zk, &get("/locked")), 0);
}

#[test]
fn enforce_auth_refuses_those_without_a_scheme() {
    let server = Running::start("enforce.auth.enabled=true\nenforce.auth.schemes=digest\n");
    let mut zk = server.client();
    assert_eq!(err(&mut zk, &get("/")), -124);
    assert!(closes(&mut zk));
    let mut zk = server.client();
    assert_eq!(auth(&mut zk, "digest", b"ben:secret"), 0);
    assert_eq!(err(&mut zk, &get("/")), 0);
    // An address is proved by connecting.
    let server = Running::start("enforce.auth.enabled=true\nenforce.auth.schemes=digest,ip\n");
    assert_eq!(err(&mut server.client(), &get("/")), 0);
}

#[test]
fn ensemble_auth_name_refuses_clients_of_another_ensemble() {
    let provider = "authProvider.1=org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider\n";
    let server = Running::start(&format!("{provider}ensembleAuthName=blue,green\n"));
    let mut zk = server.client();
    assert_eq!(auth(&mut zk, "ensemble", b"green"), 0);
    assert_eq!(err(&mut zk, &get("/")), 0);
    zk.send_all([(-4, &RawRequest::auth("ensemble", Some(b"red")))]).expect("sent");
    assert!(closes(&mut zk));
    // Without a name every name is right.
    let server = Running::start(provider);
    assert_eq!(auth(&mut server.client(), "ensemble", b"red"), 0);
    // Without the provider the scheme is not there.
    let server = Running::start("");
    assert_eq!(auth(&mut server.client(), "ensemble", b"green"), -115);
}

#[test]
fn what_would_leave_a_server_open_or_closed_is_refused() {
    for (lines, key) in [
        ("secureClientPort=0\n", "secureClientPort"),
        ("client.portUnification=true\n", "client.portUnification"),
        (
            "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\nsessionRequireClientSASLAuth=true\n",
            "enforce.auth.schemes",
        ),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let refused = Running::try_start(dir.path(), lines, std::sync::Arc::new(RealDisk));
        let Err(StartError::Refused(refusals)) = refused else { panic!("{lines} is let pass") };
        assert!(refusals.iter().any(|refusal| refusal.key == key), "{refusals:?}");
        assert!(!dir.path().join("version-2").exists(), "and nothing was touched");
    }
}
