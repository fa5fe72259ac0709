//! An ensemble whose members change.

use crate::connect;
use zabra_client::KeeperError;
use zabra_testkit::{EnsembleSpec, Genuine, JvmOptions, ServerSpec};

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_genuine_ensemble_come_and_go() {
    let Some(genuine) = Genuine::find_or_skip("members_of_a_genuine_ensemble_come_and_go") else { return };
    let spec = ServerSpec::new(genuine.program(&JvmOptions::small()))
        .with("reconfigEnabled", "true")
        .with_property("zookeeper.skipACL", "yes");
    let ensemble = tokio::task::block_in_place(|| EnsembleSpec::new(spec, 3).start()).unwrap();
    let leader = tokio::task::block_in_place(|| ensemble.wait_leader()).unwrap();
    let client = connect(&ensemble.server(leader).addr().to_string()).await.chroot("/no/such/node").unwrap();

    let ((before, _), changed) = client.config().watch().await.unwrap();
    let before = String::from_utf8(before.to_vec()).unwrap();
    let (leaving, line) = before
        .lines()
        .filter_map(|line| Some((line.strip_prefix("server.")?.split_once('=')?.0, line)))
        .find(|(id, _)| *id != leader.to_string())
        .unwrap();
    let version = before.lines().find_map(|line| line.strip_prefix("version=")).unwrap();
    let version = i64::from_str_radix(version, 16).unwrap();

    let other = client.reconfig().leaving(leaving).version(version + 1).await.unwrap_err();
    assert_eq!(other.keeper(), Some(KeeperError::BadVersion), "{other}");
    let (after, _) = client.reconfig().leaving(leaving).version(version).await.unwrap();
    let after = String::from_utf8(after.to_vec()).unwrap();
    assert!(!after.contains(line) && after.lines().count() < before.lines().count(), "{after}");
    assert_eq!(changed.await.path, "/zookeeper/config", "as servers name it, whatever the chroot");
    // A server that joins has to say where its clients come.
    let joining = format!("{line};{}", ensemble.server(leaving.parse().unwrap()).addr());
    let (again, _) = client.reconfig().joining(&joining).await.unwrap();
    assert!(String::from_utf8(again.to_vec()).unwrap().contains(&joining));
    let members: Vec<&str> = before.lines().filter(|line| line.starts_with("server.")).collect();
    let (now, _) = client.reconfig().members(members.join("\n")).await.unwrap();
    assert_eq!(client.config().await.unwrap().0, now);
    client.close().await.unwrap();
}
