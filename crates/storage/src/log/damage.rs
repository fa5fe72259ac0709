//! What is wrong with a log, in words.

use std::fmt;
use std::path::PathBuf;

use zabra_types::Zxid;

use super::scan::Stop;
use super::tail::Hidden;

/// A place where the log is not the whole history it should be. Starting on it could lose what clients were promised.
///
/// `Display` says what was found; [`Damage::advice`] says what can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// The last transaction before that place.
    pub last: Zxid,
    /// Whether it looks like a write torn by a power failure, which was promised to nobody.
    pub torn: bool,
    /// What is there.
    pub found: Found,
}

/// What is wrong with a place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The file is shorter than a header.
    ShortHeader,
    /// The file begins with other bytes than a log.
    WrongMagic([u8; 4]),
    /// No entry can be read here, but more than zeros follow.
    Stop {
        /// Why not.
        stop: Stop,
        /// Whole transactions behind this place.
        hidden: Option<Hidden>,
    },
    /// The record of a whole entry cannot be understood.
    BadRecord(zabra_proto::DecodeError),
    /// This transaction is here, but the one after the last is not.
    Gap {
        /// The transaction found.
        zxid: Zxid,
    },
}

impl Damage {
    /// Whether a torn write found here may be dropped without asking, unless it is certain to be one. A checksum that does
    /// not match is none: with its end mark in place the entry may as well have been damaged later, and the genuine server
    /// refuses it too.
    pub(crate) fn is_forgivable(&self) -> bool {
        !matches!(self.found, Found::Stop { stop: Stop::BadChecksum, .. })
    }

    /// What can be done about it, for the operator.
    pub fn advice(&self) -> &'static str {
        match self.found {
            Found::ShortHeader | Found::WrongMagic(_) => {
                "If this is no transaction log, move it out of the directory. Otherwise restore the file from a \
                 backup, or, in an ensemble, empty this server's data directory and let it copy the data again."
            }
            Found::Gap { .. } => {
                "A log file is missing or was replaced. Put it back or restore it from a backup. In an ensemble, \
                 empty this server's data directory and let it copy the data again."
            }
            Found::Stop { .. } if self.torn => {
                "It looks like a write that a power failure cut short, which no client was told to have succeeded. \
                 `zabra data repair` cuts it off; it keeps a copy of what it removes."
            }
            Found::Stop { .. } | Found::BadRecord(_) => {
                "Restore the file from a backup, or, in an ensemble, empty this server's data directory and let it \
                 copy the data again. `zabra data repair` cuts the log here; it keeps a copy of what it removes, \
                 and what clients were promised after this place is lost."
            }
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the transaction log {} is damaged at offset {}", self.file.display(), self.offset)?;
        match &self.found {
            Found::ShortHeader => f.write_str(": it ends inside its header")?,
            Found::WrongMagic(magic) => write!(f, ": it begins with {magic:02x?}, not ZKLG")?,
            Found::Gap { zxid } => write!(f, ": transaction {zxid} follows")?,
            Found::BadRecord(error) => write!(f, ": the record cannot be read, {error};")?,
            Found::Stop { stop, .. } => match stop {
                Stop::Ended => f.write_str(": the file ends inside an entry")?,
                Stop::ZeroLength => f.write_str(": there should be zeros to the end of the file")?,
                Stop::BadLength(len) => write!(f, ": an entry of {len} bytes is not possible")?,
                Stop::NoEnd(byte) => write!(f, ": the entry ends with {byte:#04x}, not with 'B'")?,
                Stop::BadChecksum => f.write_str(": the checksum of the entry is wrong")?,
                Stop::TooShort(len) => write!(f, ": an entry of {len} bytes is too short")?,
            },
        }
        write!(f, " after transaction {}", self.last)?;
        if let Found::Stop { hidden: Some(hidden), .. } = &self.found {
            write!(
                f,
                ", with {} whole transactions behind it, {} to {}",
                hidden.entries, hidden.first, hidden.last
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Damage {}
