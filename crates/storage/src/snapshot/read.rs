//! Reading snapshots.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use simd_adler32::Adler32;
use thiserror::Error;
use zabra_proto::{DecodeError, DecodeReason, FieldLimit, Reader, TxnDigest};
use zabra_tree::{LoadError, Tree, TreeOptions};
use zabra_types::Zxid;

use super::FILE_HEADER;
use super::body::Body;
use super::stream::{Compression, FileSource, SNAPPY_MAGIC, unpack};
use crate::error::{Doing, Explain, StorageError};
use crate::{Disk, snapshot_zxid};

/// How much is read at a time to begin with, doubled each time up to [`READ_LEN_MAX`].
const READ_LEN_MIN: usize = 16 << 10;

/// How much of a long stream is read at a time.
const READ_LEN_MAX: usize = 1 << 20;

/// The longest record, a guard against false counts: the longest real one is an access control list or a node.
pub(super) const RECORD_LEN_MAX: usize = 64 << 20;

/// More than all sections after the nodes can have, the hexadecimal digest of old versions included.
const SECTIONS_LEN_MAX: usize = 4096;

/// A tree read from a snapshot.
#[derive(Debug)]
pub struct LoadedSnapshot {
    /// The tree, as of the transaction the snapshot is named after.
    pub tree: Tree,
    /// That transaction.
    pub zxid: Zxid,
    /// The last transaction when the snapshot was complete, which not every snapshot tells.
    pub last_zxid: Option<Zxid>,
    /// The digest it has, and the transaction that it belongs to.
    pub digest: Option<(Zxid, TxnDigest)>,
    /// How many nodes it has.
    pub nodes: u64,
    /// How many bytes, uncompressed.
    pub len: u64,
}

impl LoadedSnapshot {
    /// The last transaction of which it may show effects, as far as it tells.
    pub(crate) fn end(&self) -> Option<Zxid> {
        self.last_zxid.max(self.digest.map(|(zxid, _)| zxid))
    }
}

/// Why a snapshot could not be loaded.
#[derive(Debug, Error)]
pub enum LoadSnapshotError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] StorageError),
    /// The snapshot is not whole.
    #[error(transparent)]
    Damage(#[from] SnapshotDamage),
}

/// A place where a snapshot is not what it should be.
#[derive(Debug, Error)]
#[error("the snapshot {} is damaged at byte {offset} of what it unpacks to: {problem}", file.display())]
pub struct SnapshotDamage {
    /// The file.
    pub file: PathBuf,
    /// Where, before compression.
    pub offset: u64,
    /// What is wrong there.
    pub problem: SnapshotProblem,
}

/// What can be wrong with a snapshot.
#[derive(Debug, Error)]
pub enum SnapshotProblem {
    /// The stream itself: it cannot be read or unpacked.
    #[error("{0}")]
    Stream(io::Error),
    /// The first bytes are not those of a snapshot.
    #[error("it does not begin with ZKSN")]
    WrongMagic,
    /// A record cannot be read.
    #[error("{0}")]
    Record(#[from] DecodeError),
    /// The nodes do not make a tree.
    #[error("{0}")]
    Tree(#[from] LoadError),
    /// A checksum is not that of the bytes before it.
    #[error("seal {number} should be {stated:#x} and is {actual:#x}")]
    Seal {
        /// Which one, from 1.
        number: u32,
        /// What stands there.
        stated: u64,
        /// The sum of the bytes.
        actual: u64,
    },
    /// More follows than the known sections.
    #[error("what follows the nodes is none of the known sections")]
    Sections,
    /// It must say its last zxid, because nothing else does, and does not.
    #[error("it does not tell its last zxid")]
    NoZxid,
    /// What a leader sends does not end as it should.
    #[error("it does not end with BenWasHere")]
    NoSignature,
}

/// Loads a snapshot from a file, whose name tells its zxid and its compression.
///
/// Sections that were added over time are read as they are there, whatever our own settings.
///
/// # Errors
/// The disk failed, or the snapshot is damaged. Nothing is left of what was loaded.
pub fn load_snapshot(
    disk: &dyn Disk,
    path: &Path,
    options: TreeOptions,
    limit: FieldLimit,
) -> Result<LoadedSnapshot, LoadSnapshotError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    load_snapshot_as(disk, path, snapshot_zxid(&name), options, limit)
}

/// The same for a file whose name need not tell a zxid, such as a copy.
///
/// # Errors
/// As for [`load_snapshot`].
pub fn load_snapshot_as(
    disk: &dyn Disk,
    path: &Path,
    zxid: Option<Zxid>,
    options: TreeOptions,
    limit: FieldLimit,
) -> Result<LoadedSnapshot, LoadSnapshotError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let file = disk.open(path).explain(Doing::Open, path)?;
    let compression = Compression::of_name(&name);
    let len = match compression {
        Compression::None => Some(file.size().explain(Doing::Read, path)?),
        Compression::Gzip | Compression::Snappy => None,
    };
    let input = unpack(compression, FileSource::new(file));
    read_sized(input, len, zxid, options, limit).map_err(|(offset, problem)| match problem {
        // What the disk says, as opposed to what unpacking says.
        SnapshotProblem::Stream(source) if source.raw_os_error().is_some() => {
            StorageError { doing: Doing::Read, file: path.to_owned(), offset: None, source }.into()
        }
        problem => SnapshotDamage { file: path.to_owned(), offset, problem }.into(),
    })
}

/// Reads a snapshot from an uncompressed stream. `zxid` is the transaction it is named after; without one the last
/// zxid inside counts, as when an administrator restores a snapshot.
///
/// # Errors
/// What is wrong, and at which byte.
pub fn read_snapshot(
    input: impl Read,
    zxid: Option<Zxid>,
    options: TreeOptions,
    limit: FieldLimit,
) -> Result<LoadedSnapshot, (u64, SnapshotProblem)> {
    read_sized(input, None, zxid, options, limit)
}

/// The same for a stream whose length may be known, which makes it faster.
fn read_sized(
    input: impl Read,
    len: Option<u64>,
    zxid: Option<Zxid>,
    options: TreeOptions,
    limit: FieldLimit,
) -> Result<LoadedSnapshot, (u64, SnapshotProblem)> {
    let mut source = Source::new(input, limit);
    load(&mut source, len, zxid, options).map_err(|problem| (source.offset(), problem))
}

/// Reads a snapshot from a stream whose first bytes tell how it is compressed, as an administrator restores it. Its
/// zxid is the last one that it tells.
///
/// # Errors
/// What is wrong, and at which byte of what it unpacks to.
pub fn read_packed_snapshot(
    mut input: impl Read + 'static,
    options: TreeOptions,
    limit: FieldLimit,
) -> Result<LoadedSnapshot, (u64, SnapshotProblem)> {
    let mut head = Vec::new();
    let taken = input.by_ref().take(SNAPPY_MAGIC.len() as u64).read_to_end(&mut head);
    taken.map_err(|error| (0, SnapshotProblem::Stream(error)))?;
    let compression = Compression::of_bytes(&head);
    read_snapshot(unpack(compression, io::Cursor::new(head).chain(input)), None, options, limit)
}

fn load(
    source: &mut Source<impl Read>,
    len: Option<u64>,
    zxid: Option<Zxid>,
    options: TreeOptions,
) -> Result<LoadedSnapshot, SnapshotProblem> {
    let magic = source
        .record(|reader| Ok(reader.take("file header", FILE_HEADER.len())?.starts_with(&FILE_HEADER[..4])))?;
    if !magic {
        return Err(SnapshotProblem::WrongMagic);
    }
    let mut body = Body::new(options, len);
    while !source.record(|reader| body.next(reader))?? {}
    let nodes = body.nodes();
    let sections = Sections::read(source)?;
    let zxid = zxid.or(sections.last_zxid).ok_or(SnapshotProblem::NoZxid)?;
    Ok(LoadedSnapshot {
        tree: body.finish(zxid, sections.digest)?,
        zxid,
        last_zxid: sections.last_zxid,
        digest: sections.digest,
        nodes,
        len: source.offset(),
    })
}

/// What follows the nodes.
#[derive(Debug, Default)]
struct Sections {
    digest: Option<(Zxid, TxnDigest)>,
    last_zxid: Option<Zxid>,
}

impl Sections {
    /// Reads by what is there: a genuine server expects what its own settings say and refuses anything else.
    fn read(source: &mut Source<impl Read>) -> Result<Self, SnapshotProblem> {
        let (mut sum, rest) = source.rest()?;
        let mut sections = Self::default();
        let mut reader = Reader::new(&rest);
        let mut number = 0;
        let mut sealed = rest.len();
        let mut seal = |reader: &mut Reader<'_>| {
            number += 1;
            sum.write(&rest[rest.len() - sealed..rest.len() - reader.rest().len()]);
            sealed = reader.rest().len();
            let actual = u64::from(sum.finish());
            let stated = reader.i64("seal")? as u64;
            reader.text("end of seal")?;
            if stated == actual { Ok(()) } else { Err(SnapshotProblem::Seal { number, stated, actual }) }
        };
        seal(&mut reader)?;
        if reader.rest().len() > LAST_ZXID_LEN {
            let zxid = Zxid::from_raw(reader.i64("digest zxid")?);
            let version = reader.i32("digest version")?;
            let digest = if version < TxnDigest::VERSION {
                // Before 3.6 was released: a hexadecimal number. Of another algorithm, so its value does not matter.
                u64::from_str_radix(&reader.some_text("digest")?, 16).unwrap_or(0)
            } else {
                reader.i64("digest")? as u64
            };
            seal(&mut reader)?;
            if zxid > Zxid::ZERO {
                sections.digest = Some((zxid, TxnDigest { version, digest }));
            }
        }
        if !reader.rest().is_empty() {
            sections.last_zxid = Some(Zxid::from_raw(reader.i64("last zxid")?));
            seal(&mut reader)?;
        }
        reader.finish("snapshot").map_err(|_| SnapshotProblem::Sections)?;
        Ok(sections)
    }
}

/// Bytes of the section of the last zxid with its seal. That of the digest is longer.
const LAST_ZXID_LEN: usize = 21;

/// A stream of records with the sum over what has been taken.
struct Source<R> {
    input: R,
    limit: FieldLimit,
    /// A window of the stream: `summed..at` is taken but not summed, `at..` not taken.
    buf: Vec<u8>,
    summed: usize,
    at: usize,
    offset: u64,
    read_len: usize,
    ended: bool,
    sum: Adler32,
}

impl<R: Read> Source<R> {
    fn new(input: R, limit: FieldLimit) -> Self {
        Self {
            input,
            limit,
            buf: Vec::new(),
            summed: 0,
            at: 0,
            offset: 0,
            read_len: READ_LEN_MIN,
            ended: false,
            sum: Adler32::new(),
        }
    }

    /// Where in the stream the next record begins.
    fn offset(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// Takes a record. `parse` is called again when the window ends inside it.
    fn record<T>(
        &mut self,
        mut parse: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, SnapshotProblem> {
        loop {
            let mut reader = Reader::with_limit(&self.buf[self.at..], self.limit);
            match parse(&mut reader) {
                Ok(record) => {
                    self.at = self.buf.len() - reader.rest().len();
                    return Ok(record);
                }
                Err(DecodeError { reason: DecodeReason::Ended { .. }, .. })
                    if !self.ended && self.buf.len() - self.at < RECORD_LEN_MAX =>
                {
                    self.refill()?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads more behind what has not been taken.
    fn refill(&mut self) -> Result<(), SnapshotProblem> {
        self.sum.write(&self.buf[self.summed..self.at]);
        self.buf.drain(..self.at);
        self.offset += self.at as u64;
        (self.summed, self.at) = (0, 0);
        let mut have = self.buf.len();
        // At least doubled, so that a long record is not parsed again and again.
        self.buf.resize(have + have.max(self.read_len), 0);
        self.read_len = READ_LEN_MAX.min(self.read_len * 2);
        while have < self.buf.len() {
            match self.input.read(&mut self.buf[have..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => have += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buf.truncate(have);
                    return Err(SnapshotProblem::Stream(error));
                }
            }
        }
        self.buf.truncate(have);
        Ok(())
    }

    /// Takes everything to the end, which must not be much, and the sum over what came before it.
    fn rest(&mut self) -> Result<(Adler32, Vec<u8>), SnapshotProblem> {
        while !self.ended && self.buf.len() - self.at <= SECTIONS_LEN_MAX {
            self.refill()?;
        }
        self.sum.write(&self.buf[self.summed..self.at]);
        self.summed = self.at;
        let rest = self.buf[self.at..].to_vec();
        if rest.len() > SECTIONS_LEN_MAX {
            return Err(SnapshotProblem::Sections);
        }
        self.at = self.buf.len();
        Ok((self.sum.clone(), rest))
    }
}
