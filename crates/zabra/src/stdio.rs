//! Data goes to standard output, everything else to standard error.

use std::io::{self, Write};

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
