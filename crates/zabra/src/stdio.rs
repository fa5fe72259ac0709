//! Data goes to standard output, everything else to standard error.

use std::fmt;
use std::io::{self, BufWriter, Stdout, Write};

use crate::exit::{Code, Failure};

/// Prints a line of data. Nobody listening any more is no failure.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Code::Unexpected, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Tells a person something.
pub(crate) fn tell(line: &str) {
    // Nobody may be listening any more; that is no failure either.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Much data on its way to standard output, written in large pieces.
///
/// Call [`Page::finish`] at the end. Nobody listening any more is no failure; who produces data for long asks
/// [`Page::is_closed`] now and then.
#[derive(Debug)]
pub(crate) struct Page {
    out: BufWriter<Stdout>,
    closed: bool,
}

impl Page {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self { out: BufWriter::with_capacity(64 << 10, io::stdout()), closed: false }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, text: fmt::Arguments<'_>) -> Result<(), Failure> {
        self.put(text)?;
        self.put(format_args!("\n"))
    }

    /// Adds text as it is.
    pub(crate) fn put(&mut self, text: fmt::Arguments<'_>) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let result = self.out.write_fmt(text);
        self.judge(result)
    }

    /// Writes out what there is, so that it stands before a question or an error.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let result = self.out.flush();
        self.judge(result)
    }

    /// Writes out the rest.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush()
    }

    /// Whether nobody listens any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    fn judge(&mut self, result: io::Result<()>) -> Result<(), Failure> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => {
                Err(Failure::new(Code::Unexpected, format!("cannot write to standard output: {error}")))
            }
            Ok(()) => Ok(()),
        }
    }
}
