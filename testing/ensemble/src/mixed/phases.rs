//! What a mixed ensemble goes through.

mod local;
mod weights;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use zabra_testkit::{Connected, RawRequest};

use super::checks;
use super::stage::{ALL, Stage};
use crate::Failure;
use crate::client::expect;
use crate::tapped::wait_for;

/// A phase, and what it is called.
pub(super) type Phase = (&'static str, fn(&mut Stage) -> Result<(), Failure>);

/// An ensemble's configuration and what it goes through. Each phase begins where the one before ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub(super) name: &'static str,
    /// Lines of everybody's zoo.cfg.
    pub(super) config: &'static [(&'static str, &'static str)],
    /// System properties of everybody.
    pub(super) properties: &'static [(&'static str, &'static str)],
    pub(super) phases: &'static [Phase],
}

/// What every mixture goes through.
pub(super) const WHOLE: Course = Course {
    name: "whole",
    config: &[],
    properties: &[],
    phases: &[
        ("clients", clients),
        ("DIFF from memory", short_diff),
        ("DIFF from the log", long_diff),
        ("DIFF amid writes", busy_diff),
        ("the leader dies", failover),
        ("TRUNC", trunc),
        ("SNAP", snap),
        ("SNAP amid writes", busy_snap),
        ("operators", operators),
    ],
};

/// What some mixtures go through, too.
pub(super) const OTHERS: [Course; 2] = [
    Course {
        name: "weights",
        config: &[("group.1", "1:2:3"), ("weight.1", "1"), ("weight.2", "1"), ("weight.3", "3")],
        properties: &[],
        phases: &[("clients", clients), ("one outweighs two", weights::one_outweighs_two)],
    },
    Course {
        name: "local",
        config: &[("localSessionsEnabled", "true"), ("localSessionsUpgradingEnabled", "true")],
        properties: &[("readonlymode.enabled", "true")],
        phases: &[("local sessions", local::sessions), ("read-only", local::read_only)],
    },
];

/// More transactions than a leader keeps in memory.
const BEYOND_MEMORY: usize = 700;

fn clients(stage: &mut Stage) -> Result<(), Failure> {
    checks::run(stage)?;
    [1, 2, 4].into_iter().try_for_each(|id| stage.expect_digests(id))
}

/// Writes nodes through a server, many at a time.
fn write(stage: &Stage, via: u8, root: &str, count: usize) -> Result<(), Failure> {
    let mut client = stage.connect(via)?;
    client.ok(&RawRequest::create(root, b"", 0))?;
    let creates: Vec<_> = (0..count)
        .map(|number| RawRequest::create(format!("{root}/{number}").as_str(), b"data", 0))
        .collect();
    for batch in creates.chunks(100) {
        for reply in client.call_all(batch)? {
            expect(reply.err == 0, || format!("a write while servers are missing: {reply:?}"))?;
        }
    }
    client.close()
}

/// Writes through a server without pause while `act` is being done.
fn write_meanwhile(
    stage: &mut Stage,
    via: u8,
    root: &str,
    act: impl FnOnce(&mut Stage) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut client = stage.connect(via)?;
    client.ok(&RawRequest::create(root, b"", 0))?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut batch = 0;
            while !over.load(Ordering::Relaxed) {
                let requests: Vec<_> = (0..20).map(|number| nth_write(root, 20 * batch + number)).collect();
                let replies = client.call_all(&requests).map_err(|error| error.to_string())?;
                if let Some(reply) = replies.iter().find(|reply| reply.err != 0) {
                    return Err(format!("a write meanwhile: {reply:?}"));
                }
                batch += 1;
            }
            Ok(batch)
        });
        let acted = act(stage);
        over.store(true, Ordering::Relaxed);
        let written = writer.join().map_err(|_| "the writer panicked")?;
        acted?;
        expect(written? > 0, || "nothing was written meanwhile".to_owned())
    })
}

/// Nodes, and then for ever other data in them.
fn nth_write(root: &str, number: usize) -> RawRequest {
    const NODES: usize = 400;
    let path = format!("{root}/{}", number % NODES);
    match number {
        ..NODES => RawRequest::create(path.as_str(), &[b'x'; 2000], 0),
        _ => RawRequest::set_data(path.as_str(), Some(number.to_string().as_bytes()), -1),
    }
}

/// Every server still writes, and every other reads it.
fn write_everywhere(stage: &Stage, root: &str) -> Result<(), Failure> {
    for id in ALL {
        write(stage, id, &format!("{root}-{id}"), 3)?;
    }
    stage.expect_agreement()
}

fn short_diff(stage: &mut Stage) -> Result<(), Failure> {
    stage.kill(&[1, 4])?;
    write(stage, 2, "/short", 20)?;
    stage.revive(&[1, 4])?;
    for id in [1, 4] {
        stage.expect_sync(id, "DIFF")?;
    }
    write_everywhere(stage, "/after-short")
}

fn long_diff(stage: &mut Stage) -> Result<(), Failure> {
    stage.kill(&[1, 4])?;
    write(stage, 3, "/long", BEYOND_MEMORY)?;
    stage.revive(&[1, 4])?;
    for id in [1, 4] {
        stage.expect_sync(id, "DIFF")?;
    }
    write_everywhere(stage, "/after-long")
}

/// The leader keeps writing while both of the others that can be missed come back.
fn busy_diff(stage: &mut Stage) -> Result<(), Failure> {
    write_meanwhile(stage, 2, "/busy-diff", |stage| {
        stage.kill(&[1, 4])?;
        stage.revive(&[1, 4])
    })?;
    for id in [1, 4] {
        stage.expect_sync(id, "DIFF")?;
    }
    stage.expect_agreement()
}

/// A session with an ephemeral node, to be found again later.
fn traveller(stage: &Stage, via: u8, path: &str) -> Result<Connected, Failure> {
    let mut client = stage.connect(via)?;
    client.ok(&RawRequest::create(path, b"", 1))?;
    Ok(client.session().clone())
}

/// The session lives and has its node. It is ended here.
fn expect_traveller(stage: &Stage, via: u8, path: &str, session: &Connected) -> Result<(), Failure> {
    let mut client = stage.renew(via, session)?;
    client.sync()?;
    let (_, stat) = client.get(path)?;
    expect(stat.ephemeral_owner == session.session, || format!("{path} has another owner: {stat:?}"))?;
    client.close()
}

fn failover(stage: &mut Stage) -> Result<(), Failure> {
    let session = traveller(stage, 3, "/failover")?;
    stage.kill(&[3])?;
    let leader = stage.tapped.ensemble.wait_leader()?;
    stage.wait_serving(&[1, 2, 4])?;
    write(stage, 4, "/without-3", 20)?;
    expect_traveller(stage, 1, "/failover", &session)?;
    stage.revive(&[3])?;
    stage.expect_leader(leader)?;
    write_everywhere(stage, "/after-failover")
}

/// The leader logs a transaction that never leaves it. Its followers die with what they have not read, so they never
/// knew of it; when the former leader comes back, it has to give it up.
fn trunc(stage: &mut Stage) -> Result<(), Failure> {
    let former = stage.tapped.ensemble.wait_leader()?;
    let others: Vec<u8> = (1..=3).filter(|id| *id != former).collect();
    let session = traveller(stage, 4, "/trunc")?;
    let mut client = stage.connect(former)?;
    client.sync()?;
    for id in &others {
        stage.tapped.ensemble.server(*id).pause()?;
    }
    client.send(&RawRequest::create("/never-committed", b"data", 0))?;
    let log = stage.version_dir(former);
    wait_for("the transaction in the log", || find_in_files(&log, b"/never-committed"))?;
    stage.kill(&[former])?;
    stage.kill(&others)?;
    stage.revive(&others)?;
    stage.wait_serving(&[4])?;
    stage.revive(&[former])?;
    stage.expect_sync(former, "TRUNC")?;
    for id in ALL {
        let mut client = stage.connect(id)?;
        client.sync()?;
        expect(!client.exists("/never-committed")?, || format!("{} has it back", stage.name(id)))?;
    }
    expect_traveller(stage, former, "/trunc", &session)?;
    write_everywhere(stage, "/after-trunc")
}

fn find_in_files(folder: &std::path::Path, bytes: &[u8]) -> Option<()> {
    let files = std::fs::read_dir(folder).ok()?.flatten().filter_map(|file| std::fs::read(file.path()).ok());
    files.into_iter().any(|content| content.windows(bytes.len()).any(|window| window == bytes)).then_some(())
}

/// All stop; two lose everything and are filled again, as is the third, by force.
fn snap(stage: &mut Stage) -> Result<(), Failure> {
    let session = traveller(stage, 2, "/snap")?;
    for member in stage.tapped.ensemble.members_mut() {
        let spec = member.server_mut().spec_mut();
        *spec = spec.clone().with_property("zookeeper.forceSnapshotSync", "true");
    }
    for id in ALL {
        stage.tapped.ensemble.server_mut(id).stop()?;
    }
    for id in [1, 4] {
        stage.wipe(id)?;
    }
    for id in [2, 3] {
        stage.tapped.spawn(id)?;
    }
    stage.wait_serving(&[2, 3])?;
    stage.revive(&[1, 4])?;
    stage.expect_leader(3)?;
    for id in [1, 2, 4] {
        stage.expect_sync(id, "SNAP")?;
    }
    expect_traveller(stage, 4, "/snap", &session)?;
    write_everywhere(stage, "/after-snap")
}

/// A database of some size is sent while it changes.
fn busy_snap(stage: &mut Stage) -> Result<(), Failure> {
    let mut client = stage.connect(3)?;
    for number in 0..20 {
        client.ok(&RawRequest::create(format!("/large-{number}").as_str(), &[b'l'; 500_000], 0))?;
    }
    client.close()?;
    write_meanwhile(stage, 2, "/busy-snap", |stage| {
        stage.kill(&[1, 4])?;
        for id in [1, 4] {
            stage.wipe(id)?;
        }
        stage.revive(&[1, 4])
    })?;
    for id in [1, 4] {
        stage.expect_sync(id, "SNAP")?;
        stage.connect(id)?.sync()?;
        stage.forgive_mismatches(id)?;
    }
    write_everywhere(stage, "/after-busy-snap")
}

fn operators(stage: &mut Stage) -> Result<(), Failure> {
    checks::operators::parts(stage)?;
    checks::operators::membership(stage)
}
