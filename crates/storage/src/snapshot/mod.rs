//! Snapshots: the whole tree in one sealed file, see `docs/formats/snapshot.md`.

mod read;
mod stream;
mod valid;
mod write;

pub use read::{
    LoadSnapshotError, LoadedSnapshot, SnapshotDamage, SnapshotProblem, load_snapshot, read_packed_snapshot,
    read_snapshot,
};
pub use stream::Compression;
pub use valid::{Candidate, candidates, valid_snapshots};
pub(crate) use write::NEW_SNAPSHOT_PREFIX;
pub use write::{SharedTree, SnapshotInfo, SnapshotOptions, stream_snapshot, write_snapshot};

/// Magic `ZKSN`, version 2, database id -1.
const FILE_HEADER: [u8; 16] = *b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff";

/// The path that ends the nodes and each seal; no node has it, because the root's is empty.
const END_PATH: &str = "/";
