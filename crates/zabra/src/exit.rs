//! Exit codes, decided here and nowhere else. They are those of the genuine server (`ExitCode`).

use std::process::ExitCode;

/// Why the program ends before its work is done.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    text: String,
    /// Whether it has been told already.
    said: bool,
}

/// What a failure means to the caller's shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Something unexpected.
    Unexpected = 1,
    /// Bad arguments or configuration.
    Invocation = 2,
    /// The data directory cannot be used.
    DataDirectory = 3,
    /// The admin server cannot start.
    AdminServer = 4,
    /// The log or a snapshot cannot be written or read.
    Storage = 10,
    /// The shell was given a command that it does not have.
    CommandNotFound = 127,
}

impl Failure {
    /// A failure with its text for people.
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), said: false }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.code as u8
    }

    /// The text for people.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The same failure, told already.
    pub(crate) fn said(self) -> Self {
        Self { said: true, ..self }
    }

    /// Says it on stderr, unless it was said, and gives the code to end with.
    #[expect(clippy::print_stderr, reason = "the place where errors reach people")]
    pub(crate) fn report(self) -> ExitCode {
        if !self.said {
            eprintln!("zabra: {}", self.text);
        }
        ExitCode::from(self.code())
    }
}
