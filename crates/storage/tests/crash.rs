//! Losing power at every call: what was promised is there afterwards, and nothing else that was not appended.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{fixture_options, log_options, zxid};
use zabra_proto::{
    AclList, CreateTxn, FieldLimit, Txn, TxnDigest, TxnHeader, TxnType, decode_txn, encode_txn,
};
use zabra_storage::{
    DataDirs, Disk, Fault, FaultDisk, Loss, RecoverError, RecoverOptions, Recovered, SnapshotOptions,
    SnapshotTrigger, TxnLog, list_snapshots, plan_repair, purge, recover, write_snapshot,
};
use zabra_tree::Tree;
use zabra_types::{SessionId, WallTime, Xid, Zxid};

/// A server reduced to its storage, and what its clients know.
struct World {
    disk: FaultDisk,
    options: RecoverOptions,
    /// Every transaction appended, as far as it is known to have survived.
    appended: Vec<Vec<u8>>,
    /// Clients were told that everything up to this one is safe.
    promised: i64,
    life: i64,
    repairs: u32,
}

/// The disk failed, which is where a life ends.
struct Died;

impl World {
    fn new() -> Self {
        let dirs = DataDirs::new(Path::new("/data"), Path::new("/data"));
        let options = RecoverOptions {
            dirs,
            dir_autocreate: true,
            db_autocreate: true,
            trust_empty_snapshot: false,
            tree: fixture_options(),
            limit: FieldLimit::default(),
            snapshot: SnapshotOptions::default(),
        };
        Self { disk: FaultDisk::new(), options, appended: Vec::new(), promised: 0, life: 0, repairs: 0 }
    }

    /// Recovers and checks what is there.
    fn recover(&mut self) -> Result<Tree, Died> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let recovered = loop {
            match recover(&disk, &self.options, |_, _| {}) {
                Ok(recovered) => break recovered,
                Err(RecoverError::Disk(_) | RecoverError::Dirs(_)) => return Err(Died),
                Err(RecoverError::Log(damage)) => {
                    // Only what a power failure can leave, and cutting it off loses nothing.
                    assert!(damage.torn, "{damage}");
                    assert!(damage.last >= zxid(self.promised), "{damage}");
                    let newest = list_snapshots(&self.disk, &self.options.dirs.snapshots).unwrap();
                    let after = newest.last().map_or(Zxid::ZERO, |file| file.zxid);
                    let plan = plan_repair(&disk, &self.options.dirs.logs, after, self.options.limit);
                    plan.unwrap().unwrap().carry_out(&*disk).map_err(|_| Died)?;
                    self.repairs += 1;
                }
                Err(error) => panic!("{error}"),
            }
        };
        self.check(&recovered);
        Ok(recovered.tree)
    }

    fn check(&mut self, recovered: &Recovered) {
        let last = recovered.last_zxid.raw();
        assert!(last >= self.promised, "{last} < {}", self.promised);
        assert!(last <= self.appended.len() as i64);
        assert_eq!((recovered.report.mismatches, recovered.report.uncovered), (0, None));
        // What did not survive was promised to nobody, and its zxids are used again.
        self.appended.truncate(last as usize);
        let mut expected = Tree::new(fixture_options());
        for payload in &self.appended {
            let (header, txn, _) = decode_txn(payload).unwrap();
            expected.apply(&header, &txn, &mut ());
        }
        assert_eq!(recovered.tree.digest(), expected.digest());
        assert_eq!(recovered.tree.node_count(), expected.node_count());
    }

    /// Serves `count` transactions, in batches, with snapshots and purges between.
    fn serve(&mut self, count: i64) -> Result<(), Died> {
        self.life += 1;
        let mut tree = self.recover()?;
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let mut options = log_options(1500);
        options.file_size_max = (self.life % 3 == 0).then_some(6000);
        let mut log = TxnLog::open(disk, options, tree.last_zxid());
        let mut trigger = SnapshotTrigger::new(8, None, [self.life as u64, 0]);
        let mut served = 0;
        while served < count {
            for _ in 0..=(served * 5 + self.life) % 4 {
                let payload = next_payload(&mut tree, self.life);
                log.append(tree.last_zxid(), &payload).unwrap();
                self.appended.push(payload);
                served += 1;
            }
            let flushed = log.flush().map_err(|_| Died)?;
            assert_eq!(flushed.zxid, tree.last_zxid());
            self.promised = flushed.zxid.raw();
            trigger.logged(flushed.entries, flushed.bytes);
            log.fill_ahead().map_err(|_| Died)?;
            if trigger.is_due(0) {
                trigger.restart([0, 0]);
                log.roll().map_err(|_| Died)?;
                let dirs = &self.options.dirs;
                write_snapshot(&self.disk, &dirs.snapshots, &tree, self.options.snapshot)
                    .map_err(|_| Died)?;
                purge(&self.disk, dirs, 3).map_err(|_| Died)?;
            }
        }
        Ok(())
    }
}

/// The next transaction, applied to the tree; another one in each life.
fn next_payload(tree: &mut Tree, life: i64) -> Vec<u8> {
    let raw = tree.last_zxid().raw() + 1;
    let header = TxnHeader {
        session: SessionId::from_raw(7),
        cxid: Xid::from_raw(1),
        zxid: zxid(raw),
        time: WallTime::from_millis(raw),
        kind: TxnType::Create.code(),
    };
    let parent_cversion = tree.get("/").unwrap().persisted().cversion + 1;
    let path = format!("/n{raw}-{life}").into();
    // Long enough to lie in several sectors now and then.
    let data = vec![b'B'; (raw * 37 % 1100) as usize];
    let data = Some(&data[..]);
    let txn = Txn::Create(CreateTxn { path, data, acl: AclList::OPEN, ephemeral: false, parent_cversion });
    tree.apply(&header, &txn, &mut ());
    let digest = TxnDigest { version: TxnDigest::VERSION, digest: tree.digest() };
    let mut payload = Vec::new();
    encode_txn(&mut payload, &header, &txn, Some(digest));
    payload
}

/// Crashes a first life at one call and two more lives at others. Returns how often the log was repaired.
fn lives(crash_at: u64, loss: Loss, fault: Fault) -> u32 {
    let mut world = World::new();
    for life in 0..3 {
        let call = if life == 0 { crash_at } else { crash_at * (life + 2) % 61 + 1 };
        world.disk.fail_at(call, fault);
        let _ = world.serve(30);
        world.disk.crash(loss, crash_at * 31 + life);
    }
    // In peace all is well again.
    assert!(world.serve(3).is_ok());
    assert!(world.recover().is_ok());
    world.repairs
}

fn at_every_call(loss: Loss, fault: Fault) -> u32 {
    let mut peaceful = World::new();
    assert!(peaceful.serve(30).is_ok());
    let calls = peaceful.disk.calls();
    assert!(calls > 50, "{calls}");
    (1..=calls).map(|call| lives(call, loss, fault)).sum()
}

#[test]
fn power_loss_that_loses_what_was_not_synced() {
    assert_eq!(at_every_call(Loss::Unsynced, Fault::PowerLoss), 0);
}

#[test]
fn power_loss_that_tears_the_last_writes() {
    assert_eq!(at_every_call(Loss::Prefix, Fault::PowerLoss), 0);
}

#[test]
fn power_loss_that_writes_sectors_in_any_order() {
    // Now and then an entry has its end mark but not its middle, which is left to the operator.
    assert!(at_every_call(Loss::Scattered, Fault::PowerLoss) > 0);
}

#[test]
fn failing_calls_and_then_a_killed_process() {
    for fault in [Fault::Io, Fault::NoSpace, Fault::ShortWrite] {
        at_every_call(Loss::Nothing, fault);
    }
}

#[test]
fn failing_calls_and_then_power_loss() {
    for fault in [Fault::Io, Fault::NoSpace, Fault::ShortWrite] {
        at_every_call(Loss::Unsynced, fault);
        at_every_call(Loss::Prefix, fault);
    }
}

#[test]
fn a_full_disk_keeps_what_was_promised() {
    let mut world = World::new();
    for capacity in (2000..60_000).step_by(1777) {
        world.disk.set_capacity(Some(capacity));
        let _ = world.serve(40);
        world.disk.crash(Loss::Unsynced, capacity);
    }
    world.disk.set_capacity(None);
    assert!(world.serve(3).is_ok());
}
