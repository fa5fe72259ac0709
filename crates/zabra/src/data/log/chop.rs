//! Copying a log up to a transaction. Mirrors `LogChopper`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use zabra_proto::decode_txn;
use zabra_types::Zxid;

use super::file::LogFile;
use crate::exit::{Code, Failure};
use crate::stdio::Page;

/// Copies everything up to and with `zxid` to `FILE.chopped<ZXID>`.
///
/// The genuine tool tells failures on standard output, ends with 0 and leaves a file that holds the wrong thing; here
/// they go to standard error, the exit code says so, and no file is left.
pub(super) fn run(file: &Path, zxid: &str) -> Result<(), Failure> {
    let zxid = decoded(zxid).ok_or_else(|| {
        let text = format!("{zxid} is no zxid; expected a number such as 0x100000012 (hexadecimal) or 18");
        Failure::new(Code::Invocation, text)
    })?;
    let mut log = LogFile::open(file)?;
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".chopped{}", zxid.raw()));
    let target = file.with_file_name(name);
    let mut page = Page::new();
    let outcome = File::create(&target)
        .map_err(|error| unwritable(&target, &error))
        .and_then(|out| chop(&mut log, BufWriter::new(out), &target, zxid, &mut page));
    page.flush()?;
    if outcome.is_err() {
        // It stays when it cannot be removed; the failure is told all the same.
        let _ = fs::remove_file(&target);
    }
    outcome
}

fn chop(
    log: &mut LogFile,
    mut out: BufWriter<File>,
    target: &Path,
    zxid: Zxid,
    page: &mut Page,
) -> Result<(), Failure> {
    let refused = |text: String| Failure::new(Code::Invocation, text);
    let header = log.header()?;
    if !header.is_right() {
        return Err(refused("Invalid magic number in txn log file".to_owned()));
    }
    page.line(format_args!("{}", header.line()))?;
    out.write_all(&header.bytes).map_err(|error| unwritable(target, &error))?;
    let mut count = 0_u64;
    let mut seen = false;
    let mut previous: Option<Zxid> = None;
    while let Some(entry) = log.next()? {
        if entry.actual() != entry.stated {
            return Err(refused(format!("CRC doesn't match {} vs {}", entry.stated, entry.actual())));
        }
        if !entry.is_whole {
            return Err(refused("Last transaction was partial.".to_owned()));
        }
        let (found, ..) = decode_txn(&entry.payload)
            .map_err(|error| refused(format!("transaction {} of the file: {error}", count + 1)))?;
        let found = found.zxid;
        seen |= found == zxid;
        if let Some(previous) = previous.filter(|previous| previous.raw().checked_add(1) != Some(found.raw()))
        {
            if previous.epoch() == found.epoch() {
                page.line(format_args!(
                    "There is intra-epoch gap between {:x} and {:x}",
                    previous.raw(),
                    found.raw()
                ))?;
            } else if found.counter() != 1 {
                page.line(format_args!(
                    "There is inter-epoch gap between {:x} and {:x}",
                    previous.raw(),
                    found.raw()
                ))?;
            }
        }
        previous = Some(found);
        if found > zxid {
            if !seen {
                return Err(refused(format!("This log does not contain zxid {:x}", zxid.raw())));
            }
            page.line(format_args!("Chopping at {:x} new log has {count} records", zxid.raw()))?;
            let file = out.into_inner().map_err(|error| unwritable(target, error.error()))?;
            return file.sync_all().map_err(|error| unwritable(target, &error));
        }
        let bytes = entry.encode(entry.stated).map_err(|error| unwritable(target, &error))?;
        out.write_all(&bytes).map_err(|error| unwritable(target, &error))?;
        count += 1;
    }
    page.line(format_args!("EOF reached after {count} txns."))?;
    Err(refused("there is nothing to chop: the log has no transaction after that".to_owned()))
}

fn unwritable(target: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Storage, format!("cannot write {}: {error}", target.display()))
}

/// A number as Java's `Long.decode` reads it: decimal, hexadecimal after `0x` or `#`, octal after `0`.
fn decoded(text: &str) -> Option<Zxid> {
    let lower = text.to_ascii_lowercase();
    let raw = if let Some(digits) = lower.strip_prefix("0x").or_else(|| lower.strip_prefix('#')) {
        i64::from_str_radix(digits, 16)
    } else if let Some(digits) = lower.strip_prefix('0').filter(|digits| !digits.is_empty()) {
        i64::from_str_radix(digits, 8)
    } else {
        lower.parse()
    };
    raw.ok().filter(|raw| *raw >= 0 && !text.contains(['+', '-'])).map(Zxid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_java_reads_them() {
        let cases = [
            ("18", Some(18)),
            ("0x12", Some(18)),
            ("0X1a", Some(26)),
            ("#ff", Some(255)),
            ("017", Some(15)),
            ("0", Some(0)),
            ("", None),
            ("-1", None),
            ("0x-1", None),
            ("0x", None),
            ("8000000000000000000000", None),
            ("log.1", None),
        ];
        for (text, zxid) in cases {
            assert_eq!(decoded(text), zxid.map(Zxid::from_raw), "{text}");
        }
    }
}
