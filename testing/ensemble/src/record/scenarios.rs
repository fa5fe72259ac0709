//! What ensembles are put through.

use std::fs;

use zabra_proto::{AclEntry, OpCode};
use zabra_testkit::{
    Connected, EnsembleSpec, Genuine, HarnessError, JvmOptions, MultiBuilder, RawClient, RawRequest,
    ServerSpec, open_acl,
};
use zabra_types::{Perms, SessionId};

use super::learner::{Kind, Learner};
use crate::Failure;
use crate::tap::{Capture, Side};
use crate::tapped::{Tapped, wait_for};
use crate::transcript::Line;

/// Longer than any scenario takes.
const SESSION_TIMEOUT_MS: i32 = 20_000;

/// Something an ensemble goes through.
pub(super) struct Scenario {
    /// The folder of its fixtures.
    pub(super) name: &'static str,
    /// Plays it and tells what was said.
    pub(super) play: fn() -> Result<Vec<Capture>, Failure>,
}

/// Everything that is written down.
pub(super) const ALL: &[Scenario] = &[
    Scenario { name: "broadcast", play: broadcast },
    Scenario { name: "diff", play: diff },
    Scenario { name: "snap", play: snap },
    Scenario { name: "trunc", play: trunc },
    Scenario { name: "reconfig", play: reconfig },
];

fn genuine() -> Result<ServerSpec, HarnessError> {
    Ok(ServerSpec::new(Genuine::find()?.program(&JvmOptions::small())).with("extendedTypesEnabled", "true"))
}

/// A genuine ensemble that serves.
struct Stage {
    tapped: Tapped,
    leader: u8,
}

impl Stage {
    /// Three voters and an observer.
    fn start() -> Result<Self, Failure> {
        // Without this a learner that lacks everything gets it from the log, not as a database.
        let server = genuine()?.with_property("zookeeper.snapshotSizeFactor", "-1");
        let mut tapped = Tapped::create(EnsembleSpec::new(server, 3).with_observers(1))?;
        // In this order each one dials those it is to dial: who dials back does so past the proxy.
        for id in 1..=4 {
            tapped.spawn(id)?;
        }
        tapped.ensemble.wait_serving()?;
        let leader = tapped.ensemble.wait_leader()?;
        Ok(Self { tapped, leader })
    }

    fn followers(&self) -> Vec<u8> {
        (1..=3).filter(|id| *id != self.leader).collect()
    }

    fn connect(&self, id: u8) -> Result<(RawClient, Connected), Failure> {
        Ok(RawClient::connect(self.tapped.ensemble.server(id).addr(), SESSION_TIMEOUT_MS)?)
    }

    /// Writes something and returns when it is committed.
    fn write(&self, paths: &[&str]) -> Result<(), Failure> {
        let (mut client, _) = self.connect(self.leader)?;
        for path in paths {
            call(&mut client, &RawRequest::create(*path, b"data", 0))?;
        }
        call(&mut client, &RawRequest::bare(OpCode::CloseSession))
    }

    /// Waits until a learner has told of sessions it heard of.
    fn wait_touched(&self, learner: u8) -> Result<(), Failure> {
        let touches = |line: &Line| line.side == Side::Dialler && line.bytes.len() > PING_LEN;
        self.tapped.wait_said(learner, "PING", touches)
    }

    fn last_of(&self, learner: u8) -> Vec<Capture> {
        self.tapped.last_of(learner).into_iter().collect()
    }
}

/// Bytes of a packet without body.
const PING_LEN: usize = 20;

fn call(client: &mut RawClient, request: &RawRequest) -> Result<(), Failure> {
    match client.call(request)?.err {
        0 => Ok(()),
        err => Err(format!("{request:?} failed with {err}").into()),
    }
}

fn call_failing(client: &mut RawClient, request: &RawRequest) -> Result<(), Failure> {
    match client.call(request)?.err {
        0 => Err(format!("{request:?} succeeded").into()),
        _ => Ok(()),
    }
}

fn identity(scheme: &'static str, id: &'static str) -> AclEntry<'static> {
    AclEntry { perms: Perms::ALL, scheme: Some(scheme.into()), id: Some(id.into()) }
}

/// An ensemble is born, elects, and does whatever clients can have it do.
fn broadcast() -> Result<Vec<Capture>, Failure> {
    let it = Stage::start()?;
    let [first, second] = it.followers()[..] else { return Err("there are two followers".into()) };
    let observer = 4;

    let (mut client, connected) = it.connect(first)?;
    call(&mut client, &RawRequest::auth("digest", Some(b"user:password")))?;
    for request in writes() {
        call(&mut client, &request)?;
    }
    for request in refused() {
        call_failing(&mut client, &request)?;
    }
    call(&mut client, &refused_multi())?;
    call(&mut client, &RawRequest::path(OpCode::Sync, "/"))?;

    let (mut watcher, _) = it.connect(observer)?;
    call(&mut watcher, &RawRequest::create("/observed", b"", 1))?;
    call(&mut watcher, &RawRequest::path(OpCode::Sync, "/"))?;
    call(&mut watcher, &RawRequest::bare(OpCode::Ping))?;
    it.wait_touched(observer)?;

    // The session moves, and one that is over cannot.
    let (mut gone, over) = it.connect(first)?;
    call(&mut gone, &RawRequest::bare(OpCode::CloseSession))?;
    let renew = |connected: &Connected| {
        let session = SessionId::from_raw(connected.session);
        let addr = it.tapped.ensemble.server(second).addr();
        RawClient::renew(addr, SESSION_TIMEOUT_MS, session, &connected.password)
    };
    if renew(&over).is_ok() {
        return Err("a session that is over was renewed".into());
    }
    let (mut moved, _) = renew(&connected)?;
    call(&mut moved, &RawRequest::bare(OpCode::Ping))?;
    it.wait_touched(second)?;
    call(&mut moved, &RawRequest::bare(OpCode::CloseSession))?;
    call(&mut watcher, &RawRequest::bare(OpCode::CloseSession))?;
    Ok(it.tapped.taps.captures())
}

/// A write of each kind there is.
fn writes() -> Vec<RawRequest> {
    let acl = open_acl();
    let create = |op, path: &'static str, flags, ttl| {
        RawRequest::create_with(op, path, Some(b"data"), Some(&acl), flags, ttl)
    };
    let mut multi = MultiBuilder::new();
    multi
        .push(&RawRequest::create("/multi", b"data", 0))
        .push(&RawRequest::path_and_number(OpCode::Check, "/multi", 0))
        .push(&RawRequest::set_data("/multi", None, 0))
        .push(&RawRequest::delete("/multi", 1));
    vec![
        create(OpCode::Create, "/plain", 0, 0),
        create(OpCode::Create, "/ephemeral", 1, 0),
        create(OpCode::Create2, "/sequence-", 2, 0),
        create(OpCode::CreateContainer, "/container", 4, 0),
        create(OpCode::CreateTtl, "/ttl", 5, 1_000_000),
        RawRequest::create_with(OpCode::Create, "/null", None, Some(&[identity("auth", "")]), 0, 0),
        RawRequest::set_data("/plain", Some(b""), 0),
        RawRequest::set_acl("/plain", Some(&[identity("ip", "127.0.0.1"), identity("world", "anyone")]), 0),
        RawRequest::delete("/null", -1),
        multi.finish(OpCode::Multi),
    ]
}

/// Writes that cannot be done.
fn refused() -> Vec<RawRequest> {
    vec![RawRequest::set_data("/plain", None, 77), RawRequest::create("/missing/child", b"", 0)]
}

/// A multi whose second part cannot be done, which its header does not tell.
fn refused_multi() -> RawRequest {
    let mut multi = MultiBuilder::new();
    multi
        .push(&RawRequest::create("/none", b"", 0))
        .push(&RawRequest::delete("/missing", -1))
        .push(&RawRequest::create("/none/either", b"", 0));
    multi.finish(OpCode::Multi)
}

/// A follower missed a few transactions.
fn diff() -> Result<Vec<Capture>, Failure> {
    let mut it = Stage::start()?;
    it.write(&["/before"])?;
    let learner = it.followers()[0];
    it.tapped.ensemble.server_mut(learner).kill()?;
    it.write(&["/missed-1", "/missed-2"])?;
    it.tapped.ensemble.server_mut(learner).start()?;
    Ok(it.last_of(learner))
}

/// A follower has lost everything, and an observer never had anything.
fn snap() -> Result<Vec<Capture>, Failure> {
    let mut it = Stage::start()?;
    it.write(&["/a", "/a/b", "/c"])?;
    let learner = it.followers()[0];
    let mut captures = Vec::new();
    for id in [learner, 4] {
        it.tapped.ensemble.server_mut(id).kill()?;
        fs::remove_dir_all(it.tapped.ensemble.server(id).data_dir().join("version-2"))?;
        it.tapped.ensemble.server_mut(id).start()?;
        captures.extend(it.last_of(id));
    }
    Ok(captures)
}

/// A leader logged a transaction that nobody else got to know, and comes back as a follower.
fn trunc() -> Result<Vec<Capture>, Failure> {
    let mut it = Stage::start()?;
    it.write(&["/before"])?;
    let (mut client, _) = it.connect(it.leader)?;
    let former = it.leader;
    it.tapped.taps.silence(former);
    client.send(&RawRequest::create("/never-committed", b"data", 0))?;
    let log = it.tapped.ensemble.server(former).data_dir().join("version-2");
    wait_for("the transaction in the log", || find_in_files(&log, b"/never-committed"))?;
    it.tapped.ensemble.server_mut(former).kill()?;
    it.tapped.taps.heal();
    wait_for("another leader", || it.tapped.ensemble.leader())?;
    it.tapped.ensemble.server_mut(former).start()?;
    Ok(it.last_of(former))
}

fn find_in_files(folder: &std::path::Path, bytes: &[u8]) -> Option<()> {
    let files = fs::read_dir(folder).ok()?.flatten().filter_map(|file| fs::read(file.path()).ok());
    files.into_iter().any(|content| content.windows(bytes.len()).any(|window| window == bytes)).then_some(())
}

/// The membership changes. Proxies would be in the way of it, so the learners are ours.
fn reconfig() -> Result<Vec<Capture>, Failure> {
    let server = genuine()?.with("reconfigEnabled", "true").with("skipACL", "yes");
    let ensemble = EnsembleSpec::new(server, 3).start()?;
    let leader = ensemble.wait_leader()?;
    let port = ensemble.member(leader).quorum_port();
    let mut learners = [Learner::join(port, 8, Kind::Follower)?, Learner::join(port, 9, Kind::Observer)?];
    let (mut client, _) = RawClient::connect(ensemble.server(leader).addr(), SESSION_TIMEOUT_MS)?;
    let leaving = ensemble.members().map(|m| m.id()).find(|id| *id != leader).unwrap_or_default();
    call(&mut client, &RawRequest::reconfig(None, Some(&leaving.to_string()), None, -1))?;
    for (learner, last) in learners.iter_mut().zip(["COMMITANDACTIVATE", "INFORMANDACTIVATE"]) {
        learner.listen_until(last)?;
    }
    Ok(learners.map(|learner| learner.into_capture(leader)).into())
}
