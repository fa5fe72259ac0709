//! The entries of a log file, whether their checksums are right or not.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::exit::{Code, Failure};

/// What a log file begins with.
pub(super) const MAGIC: [u8; 4] = *b"ZKLG";

/// The byte that ends an entry.
pub(super) const ENTRY_END: u8 = b'B';

/// The first bytes of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// As they are.
    pub(super) bytes: [u8; 16],
}

impl Header {
    /// Whether the file is a log at all.
    pub(super) fn is_right(&self) -> bool {
        self.bytes.starts_with(&MAGIC)
    }

    /// The line that the genuine tools begin with.
    pub(super) fn line(&self) -> String {
        let [_, _, _, _, v0, v1, v2, v3, dbid @ ..] = self.bytes;
        let (version, dbid) = (i32::from_be_bytes([v0, v1, v2, v3]), i64::from_be_bytes(dbid));
        format!("ZooKeeper Transactional Log File with dbid {dbid} txnlog format version {version}")
    }
}

/// A transaction in the file.
#[derive(Debug)]
pub(super) struct Entry {
    /// The checksum that stands there.
    pub(super) stated: u64,
    /// Header, record and digest.
    pub(super) payload: Vec<u8>,
    /// Whether the entry ends as it should.
    pub(super) is_whole: bool,
}

impl Entry {
    /// The checksum that should stand there.
    pub(super) fn actual(&self) -> u64 {
        u64::from(simd_adler32::adler32(&self.payload.as_slice()))
    }

    /// The entry as it stands in a file, with a checksum of choice.
    pub(super) fn encode(&self, checksum: u64) -> io::Result<Vec<u8>> {
        let len = i32::try_from(self.payload.len()).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(self.payload.len() + 13);
        bytes.extend_from_slice(&checksum.to_be_bytes());
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes.push(ENTRY_END);
        Ok(bytes)
    }
}

/// A log file being read from front to back.
#[derive(Debug)]
pub(super) struct LogFile {
    input: BufReader<File>,
    path: PathBuf,
}

impl LogFile {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).and_then(|file| {
            if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
        });
        let file = file.map_err(|error| {
            let text = format!("File doesn't exist or not readable: {} ({error})", path.display());
            Failure::new(Code::Unexpected, text)
        })?;
        Ok(Self { input: BufReader::with_capacity(1 << 20, file), path: path.to_owned() })
    }

    /// Reads the header.
    pub(super) fn header(&mut self) -> Result<Header, Failure> {
        let mut bytes = [0; 16];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => Ok(Header { bytes }),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Failure::new(
                Code::Unexpected,
                format!("{}: it ends before the header of a transaction log does", self.path.display()),
            )),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// The next entry; `None` where the padding begins or the file ends, be it inside an entry.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Failure> {
        let mut head = [0; 12];
        match self.input.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(self.unreadable(&error)),
        }
        let [c0, c1, c2, c3, c4, c5, c6, c7, len @ ..] = head;
        let stated = u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]);
        let len = i32::from_be_bytes(len);
        let Ok(wanted) = usize::try_from(len) else {
            return Err(Failure::new(
                Code::Unexpected,
                format!(
                    "{}: an entry has the length {len}; nothing behind it can be read",
                    self.path.display()
                ),
            ));
        };
        if wanted == 0 {
            return Ok(None);
        }
        // Grows with what is there: a false length must not cost memory.
        let mut payload = Vec::new();
        let read = self.input.by_ref().take(wanted as u64).read_to_end(&mut payload);
        read.map_err(|error| self.unreadable(&error))?;
        if payload.len() < wanted {
            return Ok(None);
        }
        let mut end = [0];
        let is_whole = match self.input.read_exact(&mut end) {
            Ok(()) => end == [ENTRY_END],
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            Err(error) => return Err(self.unreadable(&error)),
        };
        Ok(Some(Entry { stated, payload, is_whole }))
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::new(Code::Unexpected, format!("cannot read {}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(bytes: &[u8]) -> Result<Vec<Entry>, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.1");
        std::fs::write(&path, bytes).unwrap();
        let mut log = LogFile::open(&path)?;
        assert!(log.header()?.is_right());
        let mut entries = Vec::new();
        while let Some(entry) = log.next()? {
            entries.push(entry);
        }
        Ok(entries)
    }

    #[test]
    fn a_log_may_end_anywhere() {
        let place = "../../testing/fixtures/datadir-plain/version-2/log.37";
        let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(place)).unwrap();
        let whole = entries(&bytes).unwrap();
        assert!(
            whole.len() > 10 && whole.iter().all(|entry| entry.is_whole && entry.stated == entry.actual())
        );
        let written: usize = 16 + whole.iter().map(|entry| entry.payload.len() + 13).sum::<usize>();
        for end in (0..written).step_by(11) {
            match entries(&bytes[..end]) {
                Ok(some) => assert!(end >= 16 && some.len() < whole.len() + 1),
                Err(_) => assert!(end < 16, "{end}"),
            }
        }
    }

    #[test]
    fn false_lengths_cost_nothing() {
        let log = |len: i32| {
            let mut bytes = b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0".to_vec();
            bytes.extend([0; 8]);
            bytes.extend(len.to_be_bytes());
            bytes.extend(b"xyzB");
            bytes
        };
        assert_eq!(entries(&log(i32::MAX)).unwrap().len(), 0);
        assert_eq!(entries(&log(0)).unwrap().len(), 0);
        assert!(entries(&log(-1)).is_err());
        let [entry] = entries(&log(3)).unwrap().try_into().unwrap();
        assert!(entry.is_whole && entry.payload == b"xyz");
        let [entry] = entries(&log(2)).unwrap().try_into().unwrap();
        assert!(!entry.is_whole);
    }
}
