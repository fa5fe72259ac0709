//! The harness against the genuine server, when it is installed.

use std::time::Duration;
use zabra_proto::OpCode;
use zabra_testkit::{Body, Genuine, JvmOptions, RawClient, RawRequest, ServerSpec, four_letter};
use zabra_types::SessionId;

#[test]
fn a_session_outlives_kill_and_restart() {
    let Some(genuine) = Genuine::find_or_skip("a_session_outlives_kill_and_restart") else { return };
    let mut server = ServerSpec::new(genuine.program(&JvmOptions::small())).start().unwrap();
    let (mut client, connected) = RawClient::connect(server.addr(), 30_000).unwrap();
    let created = client.call(&RawRequest::create("/a", b"data", 1)).unwrap();
    assert_eq!(created.err, 0);
    server.kill().unwrap();
    server.start().unwrap();
    let (mut client, _) =
        RawClient::renew(server.addr(), 30_000, SessionId::from_raw(connected.session), &connected.password)
            .unwrap();
    let got = client.call(&RawRequest::read(OpCode::GetData, "/a", false)).unwrap();
    let Body::DataStat(data, stat) = got.body else { panic!("{got:?}") };
    assert_eq!(data.0.as_deref(), Some(&b"data"[..]));
    assert_eq!(stat.ephemeral_owner, connected.session);
    assert_eq!(four_letter(server.addr(), "ruok", Duration::from_secs(5)).unwrap(), "imok");
    server.stop().unwrap();
}
