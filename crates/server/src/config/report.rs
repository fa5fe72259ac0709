//! What is told about a configuration: notices when it can be used, problems when it cannot.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where something was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file as a whole.
    File(Arc<Path>),
    /// A line of a file, counted from 1.
    Line(Arc<Path>, usize),
    /// An environment variable with flags of the Java server.
    Variable(&'static str),
    /// The command line.
    CommandLine,
}

impl Place {
    /// A file as a whole.
    pub(super) fn file(path: &Path) -> Self {
        Self::File(path.into())
    }

    /// A line of the same file.
    pub(super) fn line(&self, line: usize) -> Self {
        match self {
            Self::File(path) | Self::Line(path, _) => Self::Line(Arc::clone(path), line),
            other => other.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// The setting that a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Where it was given; for a missing one, where it should have been.
    pub place: Place,
    /// The key as written; empty when the message is about the whole place.
    pub key: String,
    /// The value as written; `None` when there is none. Passwords show as `***`.
    pub value: Option<String>,
}

impl Subject {
    /// About a whole file or the whole command line.
    pub(super) const fn whole(place: Place) -> Self {
        Self { place, key: String::new(), value: None }
    }

    /// About a key that is missing.
    pub(super) fn missing(place: Place, key: &str) -> Self {
        Self { place, key: key.to_owned(), value: None }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        self.value.as_ref().map_or(Ok(()), |value| write!(f, "={value}"))
    }
}

/// Something to know about a configuration that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What sort of thing it is.
    pub kind: NoticeKind,
    /// The setting it is about.
    pub subject: Subject,
    /// What to know.
    pub text: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.text)
    }
}

/// The sorts of notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// The same setting is given twice; one of them counts.
    Overridden,
    /// Nobody knows this key.
    UnknownKey,
    /// The key is written in a way that the Java server would not see.
    Spelling,
    /// The key tunes something that only the Java server has.
    NoEffect,
    /// The key means something that this server does not do yet.
    NotYet,
    /// The value makes no sense; the Java server ignores it silently.
    BadValue,
    /// Another value than the one written is used.
    Adjusted,
    /// A relative path that does not begin with `./`.
    RelativePath,
    /// It works, but data or access are less safe than they look.
    Risk,
    /// The shape of the ensemble.
    Ensemble,
    /// Characters that may not mean what they look like.
    Encoding,
}

/// One thing that makes a configuration unusable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting it is about.
    pub subject: Subject,
    /// What was expected, with the nearest right word where there is one.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.text)
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file, the flags or the command line are wrong.
    #[error("{}", list(.0))]
    Wrong(
        /// Everything that is wrong; at least one.
        Vec<Problem>,
    ),
}

impl ConfigError {
    /// The exit code of a server with a wrong configuration, as in the Java server (`INVALID_INVOCATION`).
    pub const EXIT_CODE: u8 = 2;
}

fn list(problems: &[Problem]) -> String {
    match problems {
        [problem] => problem.to_string(),
        problems => {
            let mut text = format!("{} settings are wrong:", problems.len());
            for problem in problems {
                text.push_str("\n  ");
                text.push_str(&problem.to_string());
            }
            text
        }
    }
}

/// A configuration that can be read but not served: it asks for something that this server does not do, and
/// going on without it would break a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The key that asks for it.
    pub key: &'static str,
    /// What is missing, and what can be done.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.text)
    }
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) notices: Vec<Notice>,
    pub(super) problems: Vec<Problem>,
}

impl Report {
    pub(super) fn notice(&mut self, kind: NoticeKind, subject: Subject, text: impl Into<String>) {
        self.notices.push(Notice { kind, subject, text: text.into() });
    }

    /// Puts what is about lines of the same file in the order of the lines; files stay in the order in which
    /// they were read.
    pub(super) fn sort(&mut self) {
        sort_by_line(&mut self.notices, |notice| &notice.subject.place);
        sort_by_line(&mut self.problems, |problem| &problem.subject.place);
    }

    pub(super) fn problem(&mut self, subject: Subject, text: impl Into<String>) {
        self.problems.push(Problem { subject, text: text.into() });
    }
}

fn sort_by_line<T>(found: &mut [T], place: impl Fn(&T) -> &Place) {
    fn split(place: &Place) -> (Option<&Path>, usize) {
        match place {
            Place::File(path) => (Some(path), 0),
            Place::Line(path, line) => (Some(path), *line),
            Place::Variable(_) | Place::CommandLine => (None, 0),
        }
    }
    let mut sources: Vec<Option<PathBuf>> = Vec::new();
    for found in &*found {
        let (path, _) = split(place(found));
        if !sources.iter().any(|known| known.as_deref() == path) {
            sources.push(path.map(Path::to_owned));
        }
    }
    found.sort_by_key(|found| {
        let (path, line) = split(place(found));
        (sources.iter().position(|known| known.as_deref() == path), line)
    });
}
