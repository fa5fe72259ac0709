//! A restore on a disk that fails at every step: either it happened or it did not, and nothing acknowledged is lost.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zabra_proto::OpCode;
use zabra_server::config::Endpoint;
use zabra_storage::{Fault, FaultDisk, Loss};
use zabra_testkit::{Body, RawClient, RawRequest};

use crate::common::{Running, succeed};
use crate::http::request;

const SOMEBODY: (&str, &str) = ("Authorization", "digest somebody:secret");

fn start(disk: &FaultDisk) -> Running {
    Running::start_on(Arc::new(disk.clone()), |config| {
        config.storage.data_dir = PathBuf::from("/data");
        config.admin.enabled = true;
        config.admin.listen = Endpoint::loopback(0);
        config.admin.rate_limiter_interval = Duration::ZERO;
    })
}

fn value(client: &mut RawClient) -> Option<Vec<u8>> {
    let reply = client.call(&RawRequest::read(OpCode::GetData, "/n", false)).ok()?;
    match reply.body {
        Body::DataStat(data, _) => data.0,
        body => panic!("{body:?}"),
    }
}

/// Restores with a fault at the `nth` change of the disk; whether the fault came.
fn restore_with(nth: u64, fault: Fault, loss: Loss) -> bool {
    let disk = FaultDisk::new();
    let running = start(&disk);
    let admin = running.server().admin_address().unwrap();
    let (mut client, _) = running.client();
    succeed(&mut client, &RawRequest::create("/n", b"saved", 0));
    let snapshot = request(admin, "GET", "/commands/snapshot", &[SOMEBODY], b"").body;
    succeed(&mut client, &RawRequest::set_data("/n", Some(b"later"), -1));
    let before = disk.calls();
    disk.fail_at(nth, fault);
    let answer = request(admin, "POST", "/commands/restore", &[SOMEBODY], &snapshot);
    let reached = disk.calls() >= before + nth;

    // What is written and acknowledged now must be there in the end.
    let written = RawClient::connect(running.address(), 10_000).is_ok_and(|(mut client, _)| {
        client.call(&RawRequest::create("/written", b"", 0)).is_ok_and(|reply| reply.err == 0)
    });
    drop(client);
    running.abandon();
    disk.crash(loss, nth);
    let running = start(&disk);
    let (mut client, _) = running.client();
    let found = value(&mut client).unwrap();
    match answer.status {
        200 => assert_eq!(found, b"saved", "call {nth}"),
        // The server went on with the data before, or ended without a promise.
        500 if written => assert_eq!(found, b"later", "call {nth}"),
        500 => assert!(found == b"saved" || found == b"later", "call {nth}"),
        status => panic!("{status}"),
    }
    let there = client.call(&RawRequest::read(OpCode::Exists, "/written", false)).unwrap();
    assert!(there.err == 0 || !written, "call {nth}: an acknowledged write is lost");
    reached
}

#[test]
fn a_restore_happens_wholly_or_not_at_all() {
    for (fault, loss) in [
        (Fault::Io, Loss::Unsynced),
        (Fault::Io, Loss::Prefix),
        (Fault::NoSpace, Loss::Nothing),
        (Fault::ShortWrite, Loss::Unsynced),
        (Fault::PowerLoss, Loss::Unsynced),
        (Fault::PowerLoss, Loss::Scattered),
    ] {
        let reached = (1..60).take_while(|&nth| restore_with(nth, fault, loss)).count();
        assert!((5..59).contains(&reached), "{reached} calls change the disk");
    }
}
