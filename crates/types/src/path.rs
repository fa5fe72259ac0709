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
/// is wrong inside it. Eight bytes at a time, each with the one behind it.
fn is_plain(path: &[u8]) -> bool {
    let Some(last) = path.len().checked_sub(9) else {
        let mut pairs = path.iter().zip(path.iter().skip(1));
        return path.iter().all(|byte| matches!(byte, b' '..=b'~'))
            && pairs.all(|(&a, &b)| a != b'/' || !matches!(b, b'/' | b'.'));
    };
    // The last step overlaps the one before, unless the length is just right.
    let mut at = 0;
    loop {
        let Some(bytes) = path[at..].first_chunk::<9>() else { return false };
        let [these @ .., _] = *bytes;
        let [_, behind @ ..] = *bytes;
        if !are_plain(u64::from_le_bytes(these), u64::from_le_bytes(behind)) {
            return false;
        }
        if at == last {
            return true;
        }
        at = last.min(at + 8);
    }
}

/// The same for eight bytes and the eight that stand one further.
fn are_plain(these: u64, behind: u64) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const TOPS: u64 = ONES << 7;
    if (these | behind) & TOPS != 0 {
        return false;
    }
    // From here on every byte is below 0x80, so that no sum carries into its neighbour. A top bit says no.
    let unprintable = !(these + ONES * 0x60) | (these + ONES) | !(behind + ONES * 0x60) | (behind + ONES);
    let is_not = |byte: u8, word: u64| (word ^ (ONES * u64::from(byte))) + ONES * 0x7f;
    let slashes = !is_not(b'/', these);
    let bad_behind = !(is_not(b'/', behind) & is_not(b'.', behind));
    (unprintable | slashes & bad_behind) & TOPS == 0
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
    use alloc::string::String;

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

    /// Whatever byte stands wherever in a path of whatever length: the quick look agrees with the thorough one.
    #[test]
    fn plain_paths_at_every_edge() {
        for len in 2..30 {
            let plain = ['a'; 29];
            for at in 1..len {
                for c in "\0\u{1}\u{1f} !-./0Aaz~\u{7f}\u{80}\u{ff}".chars() {
                    for before in ['a', '/', '.'] {
                        let mut path: String = plain[..len].iter().collect();
                        path.replace_range(0..1, "/");
                        path.replace_range(at..at + 1, c.encode_utf8(&mut [0; 4]));
                        if at > 1 {
                            path.replace_range(at - 1..at, before.encode_utf8(&mut [0; 4]));
                        }
                        let plain = path.bytes().all(|byte| matches!(byte, b' '..=b'~'))
                            && !path.contains("//")
                            && !path.contains("/.");
                        assert_eq!(is_plain(path.as_bytes()), plain, "{path:?}");
                    }
                }
            }
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
