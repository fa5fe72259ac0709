//! Printing a log, and mending its checksums on the way.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zabra_proto::DecodeError;

use super::file::{Entry, Header, LogFile};
use super::text;
use crate::data::arguments::LogArguments;
use crate::exit::{Code, Failure};
use crate::stdio::Page;

/// How far ahead of its end the genuine tool fills the file it writes with zeros, and when it does so.
const PADDING_LEN: u64 = 64 << 20;
const PADDING_MARGIN: u64 = 4096;

/// Prints the log.
pub(super) fn run(arguments: &LogArguments) -> Result<(), Failure> {
    let mut log = LogFile::open(&arguments.file)?;
    let mut recovery = if arguments.recover { Some(Recovery::begin(&arguments.file)?) } else { None };
    let mut page = Page::new();
    let outcome = walk(arguments, &mut log, recovery.as_mut(), &mut page);
    // What was found out before the failure stands before it.
    page.flush()?;
    match (outcome?, recovery) {
        (Walked::Aborted, Some(recovery)) => recovery.give_up(),
        (Walked::ToTheEnd, Some(recovery)) => {
            let (path, fixed) = recovery.finish()?;
            page.line(format_args!(
                "Recovery file {} has been written with {fixed} fixed CRC error(s)",
                path.display()
            ))?;
        }
        (_, None) => {}
    }
    page.finish()
}

enum Walked {
    ToTheEnd,
    Aborted,
}

fn walk(
    arguments: &LogArguments,
    log: &mut LogFile,
    mut recovery: Option<&mut Recovery>,
    page: &mut Page,
) -> Result<Walked, Failure> {
    let header = log.header()?;
    if !header.is_right() {
        let name = arguments.file.file_name().unwrap_or_default().to_string_lossy();
        return Err(Failure::new(Code::Invocation, format!("Invalid magic number for {name}")));
    }
    if !arguments.json {
        page.line(format_args!("{}", header.line()))?;
    }
    if let Some(recovery) = &mut recovery {
        recovery.header(header)?;
    }
    let mut count = 0_u64;
    while let Some(entry) = log.next()? {
        let actual = entry.actual();
        let is_right = entry.stated == actual;
        let mut checksum = entry.stated;
        if let Some(recovery) = &mut recovery {
            if !is_right {
                let fix = if arguments.yes {
                    show(page, "CRC FIXED - ", &entry)?;
                    true
                } else {
                    show(page, "CRC ERROR - ", &entry)?;
                    match ask(page)? {
                        Answer::Yes => true,
                        Answer::No => false,
                        Answer::Abort => return Ok(Walked::Aborted),
                    }
                };
                if fix {
                    checksum = actual;
                    recovery.fixed += 1;
                }
            }
            if arguments.verbose {
                show(page, "", &entry)?;
            }
        } else if arguments.json {
            page.line(format_args!("{}", as_json(&entry, is_right)))?;
        } else {
            if !is_right {
                show(page, "CRC ERROR - ", &entry)?;
            }
            show(page, "", &entry)?;
        }
        if !entry.is_whole {
            return Err(Failure::new(Code::Unexpected, "Last transaction was partial."));
        }
        if let Some(recovery) = &mut recovery {
            recovery.entry(&entry, checksum)?;
        }
        count += 1;
        if page.is_closed() && recovery.is_none() {
            return Ok(Walked::ToTheEnd);
        }
    }
    if !arguments.json {
        page.line(format_args!("EOF reached after {count} txns."))?;
    }
    Ok(Walked::ToTheEnd)
}

/// Prints a transaction. One that cannot be read is told as such and does not hide those behind it.
fn show(page: &mut Page, prefix: &str, entry: &Entry) -> Result<(), Failure> {
    match text::line(&entry.payload) {
        Ok(line) => page.put(format_args!("{prefix}{line}")),
        Err(error) => page.line(format_args!("{prefix}{}", unreadable(entry, &error))),
    }
}

fn as_json(entry: &Entry, is_right: bool) -> Value {
    let mut value =
        text::json(&entry.payload).unwrap_or_else(|error| json!({ "unreadable": unreadable(entry, &error) }));
    if !is_right {
        value["checksum"] = json!("wrong");
    }
    value
}

fn unreadable(entry: &Entry, error: &DecodeError) -> String {
    format!("{} bytes that are no transaction: {error}", entry.payload.len())
}

enum Answer {
    Yes,
    No,
    Abort,
}

/// Asks until there is an answer. The end of the input is one.
fn ask(page: &mut Page) -> Result<Answer, Failure> {
    loop {
        page.put(format_args!("Would you like to fix it (Yes/No/Abort) ? "))?;
        page.flush()?;
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        match read {
            Ok(0) => return Ok(Answer::Abort),
            Ok(_) => {}
            Err(error) => {
                return Err(Failure::new(Code::Unexpected, format!("cannot read the answer: {error}")));
            }
        }
        match line.trim_start().chars().next().map(|c| c.to_ascii_uppercase()) {
            Some('Y') => return Ok(Answer::Yes),
            Some('N') => return Ok(Answer::No),
            Some('A') => return Ok(Answer::Abort),
            _ => {}
        }
    }
}

/// The mended copy.
struct Recovery {
    file: File,
    path: PathBuf,
    written: u64,
    padded: u64,
    fixed: u64,
}

impl Recovery {
    fn begin(log: &Path) -> Result<Self, Failure> {
        let mut path = log.as_os_str().to_owned();
        path.push(".fixed");
        let path = PathBuf::from(path);
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| {
            let text = format!("Recovery file {} already exists or not writable ({error})", path.display());
            Failure::new(Code::Unexpected, text)
        })?;
        Ok(Self { file, path, written: 0, padded: 0, fixed: 0 })
    }

    fn header(&mut self, header: Header) -> Result<(), Failure> {
        self.write(&header.bytes)?;
        self.padded = self.written;
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, checksum: u64) -> Result<(), Failure> {
        if self.written + PADDING_MARGIN >= self.padded {
            self.padded = if self.written > self.padded {
                let end = self.written + PADDING_LEN;
                end - end % PADDING_LEN
            } else {
                self.padded + PADDING_LEN
            };
            let grown = self.file.set_len(self.padded);
            grown.map_err(|error| self.unwritable(&error))?;
        }
        let bytes = entry.encode(checksum).map_err(|error| self.unwritable(&error))?;
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let result = self.file.write_all(bytes);
        result.map_err(|error| self.unwritable(&error))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn finish(self) -> Result<(PathBuf, u64), Failure> {
        let synced = self.file.sync_all();
        synced.map_err(|error| self.unwritable(&error))?;
        Ok((self.path, self.fixed))
    }

    /// Half a copy helps nobody.
    fn give_up(self) {
        // It stays when it cannot be removed; the next attempt says so.
        let _ = std::fs::remove_file(&self.path);
        crate::stdio::tell("Recovery aborted.");
    }

    fn unwritable(&self, error: &io::Error) -> Failure {
        Failure::new(Code::Storage, format!("cannot write {}: {error}", self.path.display()))
    }
}
