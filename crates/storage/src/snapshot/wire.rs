//! The database as a leader sends it to a learner: the body of a snapshot file without header, sums and sections, and
//! a signature behind it. Mirrors `LearnerHandler.syncFollower` and `Learner.syncWithLeader` after a SNAP packet.

use std::io::{self, BufRead, Write};

use zabra_proto::{DecodeError, DecodeReason, FieldLimit, Put, Reader};
use zabra_tree::{Progress, Tree, TreeOptions};
use zabra_types::Zxid;

use super::body::Body;
use super::read::{RECORD_LEN_MAX, SnapshotProblem};
use super::write::{BodyCursor, SharedTree};

/// About how many bytes are taken from the tree at a time.
const PIECE_LEN: usize = 64 << 10;

/// What ends the database on the wire.
const SIGNATURE: &str = "BenWasHere";

/// A database on its way to a learner, while the tree may change.
///
/// What is sent is fuzzy, like any snapshot: it holds everything up to [`DatabaseSender::zxid`] and may show effects of
/// later transactions. The learner must be sent all of those behind it.
#[derive(Debug)]
pub struct DatabaseSender {
    body: BodyCursor,
    /// Sessions and lists, until they have been taken.
    head: Vec<u8>,
    done: bool,
}

impl DatabaseSender {
    /// Fixes the place in history.
    pub fn new(tree: &impl SharedTree) -> Self {
        let mut head = Vec::new();
        let body = BodyCursor::begin(tree, &mut head);
        Self { body, head, done: false }
    }

    /// The transaction that the learner will hold, together with all before. Not below what the tree held when the
    /// SNAP packet was made.
    pub fn zxid(&self) -> Zxid {
        self.body.zxid()
    }

    /// Appends the next bytes, some 64 KiB. Whether there are more to come; when there are not, nothing is appended.
    pub fn fill(&mut self, tree: &impl SharedTree, out: &mut Vec<u8>) -> Progress {
        if self.done {
            return Progress::Done;
        }
        out.append(&mut self.head);
        if self.body.fill(tree, out, PIECE_LEN) == Progress::Done {
            out.put_text(SIGNATURE);
            self.done = true;
        }
        Progress::More
    }
}

/// Writes the whole database to a stream. Returns the transaction that the learner then holds.
///
/// # Errors
/// The stream failed.
pub fn send_database(tree: &impl SharedTree, mut out: impl Write) -> io::Result<Zxid> {
    let mut sender = DatabaseSender::new(tree);
    let mut bytes = Vec::new();
    while sender.fill(tree, &mut bytes) == Progress::More {
        out.write_all(&bytes)?;
        bytes.clear();
    }
    out.flush()?;
    Ok(sender.zxid())
}

/// A database on its way from a leader, taken as it comes, in pieces of any length.
///
/// What follows it on the same stream is left alone.
#[derive(Debug)]
pub struct DatabaseReceiver {
    body: Body,
    limit: FieldLimit,
    stage: Stage,
    /// The beginning of a record whose end has not come yet.
    partial: Vec<u8>,
    offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Body,
    Signature,
    Complete,
}

impl DatabaseReceiver {
    /// Begins with nothing received. `limit` is the longest field.
    pub fn new(options: TreeOptions, limit: FieldLimit) -> Self {
        Self { body: Body::new(options, None), limit, stage: Stage::Body, partial: Vec::new(), offset: 0 }
    }

    /// Takes what has come, up to the end of the database; the number of bytes taken. Fewer than all are taken only when
    /// the database is complete.
    ///
    /// # Errors
    /// What is wrong, and at which byte. The receiver is of no use then.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, (u64, SnapshotProblem)> {
        let before = self.partial.len();
        // Most often the piece begins with a record, and need not be copied.
        let taken = if before == 0 {
            let taken = self.take_records(bytes)?;
            if self.stage != Stage::Complete {
                self.partial.extend_from_slice(&bytes[taken..]);
            }
            taken
        } else {
            let mut partial = std::mem::take(&mut self.partial);
            partial.extend_from_slice(bytes);
            let taken = self.take_records(&partial)?;
            if self.stage != Stage::Complete {
                partial.drain(..taken);
                self.partial = partial;
            }
            // What was there before was the beginning of one record.
            taken.saturating_sub(before)
        };
        Ok(if self.stage == Stage::Complete { taken } else { bytes.len() })
    }

    /// Whether all of it has come.
    pub fn is_complete(&self) -> bool {
        self.stage == Stage::Complete
    }

    /// How many nodes have come so far.
    pub fn nodes(&self) -> u64 {
        self.body.nodes()
    }

    /// How many bytes have been understood so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The tree, as of the transaction that the SNAP packet told.
    ///
    /// # Errors
    /// It has not come completely, or the nodes are not a tree.
    pub fn finish(self, zxid: Zxid) -> Result<Tree, (u64, SnapshotProblem)> {
        let offset = self.offset;
        if !self.is_complete() {
            return Err((offset, SnapshotProblem::NoSignature));
        }
        self.body.finish(zxid, None).map_err(|error| (offset, error.into()))
    }

    /// Takes whole records from the front; the number of their bytes.
    fn take_records(&mut self, bytes: &[u8]) -> Result<usize, (u64, SnapshotProblem)> {
        let mut rest = bytes;
        while self.stage != Stage::Complete {
            let mut reader = Reader::with_limit(rest, self.limit);
            match self.take_record(&mut reader) {
                Ok(()) => {
                    self.offset += (rest.len() - reader.rest().len()) as u64;
                    rest = reader.rest();
                }
                Err(SnapshotProblem::Record(DecodeError { reason: DecodeReason::Ended { .. }, .. }))
                    if rest.len() < RECORD_LEN_MAX =>
                {
                    break;
                }
                Err(problem) => return Err((self.offset, problem)),
            }
        }
        Ok(bytes.len() - rest.len())
    }

    fn take_record(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotProblem> {
        match self.stage {
            Stage::Body => {
                if self.body.next(reader)?? {
                    self.stage = Stage::Signature;
                }
            }
            Stage::Signature => {
                if reader.some_text("signature")? != SIGNATURE {
                    return Err(SnapshotProblem::NoSignature);
                }
                self.stage = Stage::Complete;
            }
            Stage::Complete => {}
        }
        Ok(())
    }
}

/// Reads the database that follows a SNAP packet, whose transaction is `zxid`. What follows it stays in `input`.
///
/// # Errors
/// What is wrong, and at which byte.
pub fn receive_database(
    mut input: impl BufRead,
    zxid: Zxid,
    options: TreeOptions,
    limit: FieldLimit,
) -> Result<Tree, (u64, SnapshotProblem)> {
    let mut receiver = DatabaseReceiver::new(options, limit);
    while !receiver.is_complete() {
        let offset = receiver.offset();
        let bytes = match input.fill_buf() {
            Ok([]) => return Err((offset, SnapshotProblem::Stream(io::ErrorKind::UnexpectedEof.into()))),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err((offset, SnapshotProblem::Stream(error))),
        };
        let taken = receiver.take(bytes)?;
        input.consume(taken);
    }
    receiver.finish(zxid)
}
