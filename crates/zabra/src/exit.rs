//! Exit codes, decided here and nowhere else. They are those of the genuine server (`ExitCode`).

use std::process::ExitCode;

/// Why the program ends before its work is done.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    text: String,
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
}

impl Failure {
    /// A failure with its text for people.
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Says it on stderr and gives the code to end with.
    #[expect(clippy::print_stderr, reason = "the place where errors reach people")]
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("zabra: {}", self.text);
        ExitCode::from(self.code as u8)
    }
}
