//! An ensemble of both kinds of servers, and what is true of it at all times.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use zabra_proto::{FieldLimit, QuorumPacket, ReceivedPacket, TxnType, decode_txn};
use zabra_testkit::{Connected, EnsembleSpec, ServerSpec};

use super::phases::Course;
use crate::Failure;
use crate::agree;
use crate::client::{Client, expect};
use crate::kind::{Kind, Programs};
use crate::tapped::Tapped;
use crate::transcript;

/// Longer than any phase takes.
const SESSION_TIMEOUT_MS: i32 = 60_000;

/// Who is what: the servers 1 to 3 vote, and 3 leads at first; 4 observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cast(pub(crate) [Kind; 4]);

impl fmt::Display for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |id: usize| if self.0[id - 1] == Kind::Zabra { 'z' } else { 'g' };
        write!(f, "{}-{}{}-{}", letter(3), letter(1), letter(2), letter(4))
    }
}

/// The ensemble.
pub(super) struct Stage {
    pub(super) tapped: Tapped,
    cast: Cast,
    known_mismatches: [u64; 4],
}

/// All servers.
pub(super) const ALL: [u8; 4] = [1, 2, 3, 4];

impl Stage {
    /// Starts three voters, of which 3 leads, and an observer.
    pub(super) fn start(programs: &Programs, cast: Cast, course: &Course) -> Result<Self, Failure> {
        let server = ServerSpec::new(programs.genuine.clone())
            .with("extendedTypesEnabled", "true")
            .with_property("interop.log", "INFO")
            // However much a learner lacks, it may come from the log.
            .with_property("zookeeper.snapshotSizeFactor", "0")
            .with_property("znode.container.checkIntervalMs", "200");
        let mut spec = EnsembleSpec::new(server, 3)
            .with_observers(1)
            .with("tickTime", "500")
            .with("initLimit", "40")
            .with("syncLimit", "20");
        for (key, value) in course.config {
            spec = spec.with(key, value);
        }
        for (key, value) in course.properties {
            spec = spec.with_property(key, value);
        }
        let mut tapped = Tapped::create(spec)?;
        for member in tapped.ensemble.members_mut() {
            let kind = cast.0[usize::from(member.id()) - 1];
            member.set_program(programs.of(kind));
        }
        let mut stage = Self { tapped, cast, known_mismatches: [0; 4] };
        // Of two servers without history the one with the larger id leads.
        stage.tapped.spawn(2)?;
        stage.tapped.spawn(3)?;
        stage.wait_serving(&[2, 3])?;
        stage.expect_leader(3)?;
        stage.tapped.spawn(1)?;
        stage.tapped.spawn(4)?;
        stage.wait_serving(&ALL)?;
        Ok(stage)
    }

    /// How a server is called in messages.
    pub(super) fn name(&self, id: u8) -> String {
        format!("{id} ({:?})", self.cast.0[usize::from(id) - 1])
    }

    pub(super) fn wait_serving(&mut self, ids: &[u8]) -> Result<(), Failure> {
        for id in ids {
            self.tapped.ensemble.server_mut(*id).wait_serving()?;
        }
        Ok(())
    }

    pub(super) fn expect_leader(&self, id: u8) -> Result<(), Failure> {
        let leader = self.tapped.ensemble.wait_leader()?;
        expect(leader == id, || format!("{leader} leads, not {id}"))
    }

    pub(super) fn kill(&mut self, ids: &[u8]) -> Result<(), Failure> {
        for id in ids {
            self.tapped.ensemble.server_mut(*id).kill()?;
        }
        Ok(())
    }

    /// Starts servers and waits until they serve.
    pub(super) fn revive(&mut self, ids: &[u8]) -> Result<(), Failure> {
        for id in ids {
            self.tapped.spawn(*id)?;
        }
        self.wait_serving(ids)
    }

    /// Where a server keeps its log and snapshots.
    pub(super) fn version_dir(&self, id: u8) -> PathBuf {
        self.tapped.ensemble.server(id).data_dir().join("version-2")
    }

    /// Takes everything from a server that does not run, its epochs too.
    pub(super) fn wipe(&self, id: u8) -> Result<(), Failure> {
        Ok(fs::remove_dir_all(self.version_dir(id))?)
    }

    /// A client of a server.
    pub(super) fn connect(&self, id: u8) -> Result<Client, Failure> {
        self.connect_for(id, SESSION_TIMEOUT_MS)
    }

    /// A client of a server whose session lasts this long without it.
    pub(super) fn connect_for(&self, id: u8, timeout_ms: i32) -> Result<Client, Failure> {
        let client = Client::connect(self.tapped.ensemble.server(id).addr(), self.name(id), timeout_ms)?;
        Ok(self.taught_to_sync(id, client))
    }

    /// Takes a session to a server.
    pub(super) fn renew(&self, id: u8, session: &Connected) -> Result<Client, Failure> {
        let client = Client::renew(self.tapped.ensemble.server(id).addr(), self.name(id), session)?;
        Ok(self.taught_to_sync(id, client))
    }

    fn taught_to_sync(&self, id: u8, client: Client) -> Client {
        let is_genuine = self.cast.0[usize::from(id) - 1] == Kind::Genuine;
        let leads = || self.tapped.ensemble.server(id).mode().as_deref() == Some("leader");
        if is_genuine && leads() { client.sync_by_writing() } else { client }
    }

    /// Fails unless a learner was brought up in this way.
    pub(super) fn expect_sync(&self, learner: u8, want: &str) -> Result<(), Failure> {
        let sync = self.tapped.sync_of(learner)?;
        expect(sync == want, || format!("{} was sent {sync}, not {want}", self.name(learner)))
    }

    /// What [`agree::expect_agreement`] says.
    pub(super) fn expect_agreement(&self) -> Result<(), Failure> {
        let known = |id: u8| self.known_mismatches[usize::from(id) - 1];
        agree::expect_agreement(&self.tapped.ensemble, |id| self.name(id), known)
    }

    /// Takes the digests that have not fitted so far at a server as explained. It was sent a database while that changed:
    /// until it has caught up with all that it was given ahead of time, nothing fits.
    pub(super) fn forgive_mismatches(&mut self, id: u8) -> Result<(), Failure> {
        let mismatches = agree::digest_mismatches(&self.tapped.ensemble, id)?;
        self.known_mismatches[usize::from(id) - 1] = mismatches;
        Ok(())
    }

    /// Fails unless every transaction that changes anything, of those a learner was sent on its last connection, says the
    /// digest that the tree has after it.
    pub(super) fn expect_digests(&self, learner: u8) -> Result<(), Failure> {
        let capture = self.tapped.last_of(learner).ok_or("it never was a learner")?;
        let mut count = 0;
        for line in transcript::lines(&capture)?
            .iter()
            .filter(|line| line.what == "PROPOSAL" || line.what == "INFORM")
        {
            let bytes = Bytes::copy_from_slice(&line.bytes);
            let ReceivedPacket::Known(packet) = QuorumPacket::decode(&bytes, FieldLimit::default())? else {
                return Err("a packet of a known kind is one".into());
            };
            let (header, _, digest) = decode_txn(packet.data.as_deref().unwrap_or_default())?;
            if header.kind == TxnType::Error.code() {
                continue;
            }
            expect(digest.is_some(), || {
                format!("{} of {} has no digest: {header:?}", line.what, header.zxid)
            })?;
            count += 1;
        }
        expect(count > 0, || format!("{} was sent no transactions", self.name(learner)))
    }

    /// Keeps everybody's directories and says where they are.
    pub(super) fn keep(&mut self) -> Vec<PathBuf> {
        let members = self.tapped.ensemble.members_mut();
        members.map(|member| member.server_mut().keep_home().to_owned()).collect()
    }
}
