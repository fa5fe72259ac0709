//! Snapshots: the whole tree in one sealed file, see `docs/formats/snapshot.md`.

mod body;
mod build;
mod read;
mod stream;
mod valid;
mod wire;
mod write;

pub use read::{
    LoadSnapshotError, LoadedSnapshot, SnapshotDamage, SnapshotProblem, load_snapshot, load_snapshot_as,
    read_packed_snapshot, read_snapshot,
};
pub use stream::Compression;
pub use valid::{Candidate, candidates, valid_snapshots};
pub use wire::{DatabaseReceiver, DatabaseSender, receive_database, send_database};
pub(crate) use write::{NEW_SNAPSHOT_PREFIX, write_new_snapshot};
pub use write::{SharedTree, SnapshotInfo, SnapshotOptions, stream_snapshot, write_snapshot};

/// Magic `ZKSN`, version 2, database id -1.
const FILE_HEADER: [u8; 16] = *b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff";

/// The path that ends the nodes and each seal; no node has it, because the root's is empty.
const END_PATH: &str = "/";
