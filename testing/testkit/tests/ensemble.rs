//! The harness with a genuine ensemble, when it is installed.

use zabra_proto::OpCode;
use zabra_testkit::{Body, EnsembleSpec, Genuine, JvmOptions, RawClient, RawRequest, ServerSpec};

#[test]
fn an_ensemble_outlives_its_leader() {
    let Some(genuine) = Genuine::find_or_skip("an_ensemble_outlives_its_leader") else { return };
    let server = ServerSpec::new(genuine.program(&JvmOptions::small()));
    let mut ensemble = EnsembleSpec::new(server, 3).with_observers(1).start().unwrap();
    let leader = ensemble.wait_leader().unwrap();
    assert_eq!(ensemble.server(4).mode().as_deref(), Some("observer"));

    let (mut client, _) = RawClient::connect(ensemble.server(4).addr(), 30_000).unwrap();
    assert_eq!(client.call(&RawRequest::create("/a", b"data", 0)).unwrap().err, 0);
    ensemble.server_mut(leader).kill().unwrap();
    let next = ensemble.wait_leader().unwrap();
    assert_ne!(next, leader);
    ensemble.server_mut(leader).start().unwrap();
    assert_eq!(ensemble.server(leader).mode().as_deref(), Some("follower"));

    let (mut client, _) = RawClient::connect(ensemble.server(leader).addr(), 30_000).unwrap();
    let got = client.call(&RawRequest::read(OpCode::GetData, "/a", false)).unwrap();
    let Body::DataStat(data, _) = got.body else { panic!("{got:?}") };
    assert_eq!(data.0.as_deref(), Some(&b"data"[..]));
}
