//! Paths of znodes.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use core::fmt;

/// Why a path is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// It has no characters.
    Empty,
    /// It does not begin with `/`.
    NotAbsolute,
    /// It ends in `/` and is not the root.
    TrailingSlash,
    /// Two slashes stand together.
    EmptyComponent,
    /// A component is `.` or `..`.
    RelativeComponent,
    /// A character that no path may contain.
    BadCharacter(char),
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a path has at least one character, /"),
            Self::NotAbsolute => f.write_str("a path begins with /"),
            Self::TrailingSlash => f.write_str("a path other than / does not end in /"),
            Self::EmptyComponent => f.write_str("a path has no empty component (//)"),
            Self::RelativeComponent => f.write_str("a path has no component . or .."),
            Self::BadCharacter(c) => write!(f, "a path does not contain the character U+{:04X}", *c as u32),
        }
    }
}

impl core::error::Error for PathError {}

/// Checks a whole path as the genuine server does (`PathUtils.validatePath`).
///
/// The genuine check runs on UTF-16 units, so every character above U+FFFF is refused with the surrogates.
pub fn validate_path(path: &str) -> Result<(), PathError> {
    let bytes = path.as_bytes();
    match bytes {
        [] => return Err(PathError::Empty),
        [b'/'] => return Ok(()),
        [b'/', .., b'/'] => return Err(PathError::TrailingSlash),
        [b'/', ..] => {}
        _ => return Err(PathError::NotAbsolute),
    }
    if is_plain(bytes) {
        return Ok(());
    }
    for component in path[1..].split('/') {
        match component {
            "" => return Err(PathError::EmptyComponent),
            "." | ".." => return Err(PathError::RelativeComponent),
            _ => {}
        }
    }
    match path.chars().find(|&c| is_forbidden(c)) {
        Some(c) => Err(PathError::BadCharacter(c)),
        None => Ok(()),
    }
}

/// Whether an absolute path is printable ASCII without a slash or dot behind a slash, as nearly all are: then nothing
/// is wrong inside it. No early exit, so that the compiler looks at many bytes at once.
fn is_plain(path: &[u8]) -> bool {
    let printable = path.iter().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    let behind_slashes = path.iter().zip(path.iter().skip(1));
    printable & behind_slashes.fold(true, |all, (&a, &b)| all & !((a == b'/') & ((b == b'/') | (b == b'.'))))
}

const fn is_forbidden(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..)
}

/// The parent: everything before the last `/`, the root being `/`. `None` for the root itself and for text without
/// a slash.
pub fn parent_of(path: &str) -> Option<&str> {
    if path == "/" {
        return None;
    }
    match path.rfind('/')? {
        0 => Some("/"),
        at => Some(&path[..at]),
    }
}

/// A path that has been checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZnodePath(Box<str>);

impl ZnodePath {
    /// Checks and keeps a path.
    pub fn new(path: &str) -> Result<Self, PathError> {
        validate_path(path)?;
        Ok(Self(path.to_owned().into_boxed_str()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parent; `None` for the root.
    pub fn parent(&self) -> Option<&str> {
        parent_of(&self.0)
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }
}

impl fmt::Display for ZnodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let cases: &[(&str, Result<(), PathError>)] = &[
            ("/", Ok(())),
            ("/a", Ok(())),
            ("/a/b.c/...", Ok(())),
            ("/.a", Ok(())),
            ("/a b~", Ok(())),
            ("/\u{a0}\u{ffef}", Ok(())),
            ("/é漢", Ok(())),
            ("", Err(PathError::Empty)),
            ("a", Err(PathError::NotAbsolute)),
            ("/a/", Err(PathError::TrailingSlash)),
            ("//", Err(PathError::TrailingSlash)),
            ("/a//b", Err(PathError::EmptyComponent)),
            ("/a/./b", Err(PathError::RelativeComponent)),
            ("/a/..", Err(PathError::RelativeComponent)),
            ("/a\u{0}", Err(PathError::BadCharacter('\u{0}'))),
            ("/a\u{1f}", Err(PathError::BadCharacter('\u{1f}'))),
            ("/a\u{7f}", Err(PathError::BadCharacter('\u{7f}'))),
            ("/a\u{9f}", Err(PathError::BadCharacter('\u{9f}'))),
            ("/\u{e000}", Err(PathError::BadCharacter('\u{e000}'))),
            ("/\u{f8ff}", Err(PathError::BadCharacter('\u{f8ff}'))),
            ("/\u{fffd}", Err(PathError::BadCharacter('\u{fffd}'))),
            ("/\u{1f600}", Err(PathError::BadCharacter('\u{1f600}'))),
        ];
        for (path, expected) in cases {
            assert_eq!(validate_path(path), *expected, "{path:?}");
        }
    }

    #[test]
    fn parents() {
        let cases = [("/", None), ("", None), ("a", None), ("/a", Some("/")), ("/a/b", Some("/a"))];
        for (path, expected) in cases {
            assert_eq!(parent_of(path), expected, "{path:?}");
        }
    }
}
