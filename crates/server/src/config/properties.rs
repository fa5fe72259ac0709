//! Java properties files, as `java.util.Properties.load(InputStream)` reads them.
//!
//! The rules that surprise: the bytes are ISO-8859-1; `=`, `:` and white space all end a key; a backslash before
//! a line end joins the lines and drops the leading white space of the second; `\uXXXX` is one UTF-16 unit; a
//! backslash before any other character just disappears. ZooKeeper then trims keys and values.

use std::fmt;

/// One `key=value` of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line on which the entry begins, counted from 1.
    pub line: usize,
    /// The key, unescaped and trimmed.
    pub key: String,
    /// The value, unescaped and trimmed.
    pub value: String,
}

/// What a properties file says, in the order of its lines, duplicates included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    entries: Vec<Entry>,
}

/// A `\u` that is not followed by four hexadecimal digits: the one way in which a properties file can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedEscape {
    /// The line on which the entry begins, counted from 1.
    pub line: usize,
}

impl fmt::Display for MalformedEscape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: \\u must be followed by four hexadecimal digits", self.line)
    }
}

impl std::error::Error for MalformedEscape {}

impl Properties {
    /// Reads a whole file.
    ///
    /// # Errors
    /// All the entries with a malformed `\u`, if there are any.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<MalformedEscape>> {
        let mut entries = Vec::new();
        let mut malformed = Vec::new();
        for LogicalLine { line, chars } in LogicalLines::new(bytes) {
            match split(&chars) {
                Some((key, value)) => entries.push(Entry { line, key, value }),
                None => malformed.push(MalformedEscape { line }),
            }
        }
        if malformed.is_empty() { Ok(Self { entries }) } else { Err(malformed) }
    }

    /// All entries in the order of the file, also those that a later duplicate overrides.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry that counts for `key`: the last one.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.key == key)
    }

    /// The entries that count, in the order of the file, each with the entries of the same key that it overrides.
    pub fn effective(&self) -> Vec<(&Entry, Vec<&Entry>)> {
        let mut last: std::collections::HashMap<&str, (usize, Vec<&Entry>)> =
            std::collections::HashMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            if let Some((at, overridden)) = last.get_mut(entry.key.as_str()) {
                overridden.push(&self.entries[*at]);
                *at = index;
            } else {
                last.insert(&entry.key, (index, Vec::new()));
            }
        }
        let mut effective: Vec<_> = last.into_values().collect();
        effective.sort_unstable_by_key(|(index, _)| *index);
        effective.into_iter().map(|(index, overridden)| (&self.entries[index], overridden)).collect()
    }
}

/// A line with its continuations joined, still escaped.
struct LogicalLine {
    line: usize,
    chars: Vec<u8>,
}

struct LogicalLines<'a> {
    rest: &'a [u8],
    line: usize,
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0c)
}

fn trim_start(line: &[u8]) -> &[u8] {
    &line[line.iter().take_while(|byte| is_space(**byte)).count()..]
}

impl<'a> LogicalLines<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, line: 0 }
    }

    /// The next line as an editor shows it, without its end. LF, CR and CRLF all end a line.
    fn natural_line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.line += 1;
        let end = self.rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = match rest {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => rest,
        };
        Some(line)
    }
}

impl Iterator for LogicalLines<'_> {
    type Item = LogicalLine;

    fn next(&mut self) -> Option<LogicalLine> {
        'fresh: loop {
            let first = trim_start(self.natural_line()?);
            // A comment is one only at the beginning of a logical line, and cannot be continued.
            if matches!(first, [] | [b'#' | b'!', ..]) {
                continue;
            }
            let line = self.line;
            let mut chars = Vec::new();
            let mut part = first;
            loop {
                let backslashes = part.iter().rev().take_while(|byte| **byte == b'\\').count();
                if backslashes % 2 == 0 {
                    chars.extend_from_slice(part);
                    break;
                }
                // The joining backslash goes even when nothing follows it.
                chars.extend_from_slice(&part[..part.len() - 1]);
                if chars.is_empty() {
                    // Nothing has begun yet, so the next line may still be a comment.
                    continue 'fresh;
                }
                match self.natural_line() {
                    Some(next) => part = trim_start(next),
                    None => break,
                }
            }
            return Some(LogicalLine { line, chars });
        }
    }
}

/// Splits a logical line at the first unescaped separator; `None` for a malformed `\u`.
fn split(line: &[u8]) -> Option<(String, String)> {
    let mut escaped = false;
    let key_end = line
        .iter()
        .position(|&byte| {
            let ends = !escaped && (is_space(byte) || matches!(byte, b'=' | b':'));
            escaped = byte == b'\\' && !escaped;
            ends
        })
        .unwrap_or(line.len());
    let (key, rest) = line.split_at(key_end);
    let rest = trim_start(rest);
    let value = match rest {
        [b'=' | b':', value @ ..] => trim_start(value),
        value => value,
    };
    Some((trimmed(unescape(key)?), trimmed(unescape(value)?)))
}

fn unescape(escaped: &[u8]) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'\\' {
            units.push(u16::from(*byte));
            continue;
        }
        let [byte, tail @ ..] = rest else { break };
        rest = tail;
        units.push(match byte {
            b'u' => {
                let (digits, tail) = rest.split_at_checked(4)?;
                rest = tail;
                digits.iter().try_fold(0, |unit: u16, digit| {
                    Some(unit << 4 | u16::try_from(char::from(*digit).to_digit(16)?).ok()?)
                })?
            }
            b't' => u16::from(b'\t'),
            b'n' => u16::from(b'\n'),
            b'r' => u16::from(b'\r'),
            b'f' => 0x0c,
            other => u16::from(*other),
        });
    }
    Some(String::from_utf16_lossy(&units))
}

/// Java's `String.trim`: everything up to and including the space goes, other white space stays.
fn trimmed(text: String) -> String {
    text.trim_matches(|c| c <= ' ').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(file: &str) -> Vec<(usize, String, String)> {
        let properties = Properties::parse(file.as_bytes()).unwrap();
        properties.entries.into_iter().map(|entry| (entry.line, entry.key, entry.value)).collect()
    }

    fn one(file: &str) -> (String, String) {
        let mut all = pairs(file);
        assert_eq!(all.len(), 1, "{file:?} gave {all:?}");
        let (_, key, value) = all.remove(0);
        (key, value)
    }

    #[test]
    fn separators() {
        for file in [
            "tickTime=2000",
            "tickTime = 2000",
            "tickTime:2000",
            "tickTime : 2000 ",
            "tickTime 2000",
            "tickTime\t2000\n",
            "  \ttickTime   =2000\r\n",
            "\u{c}tickTime\u{c}2000\r",
            "tickTime=\\\n   2000",
            "tick\\\r\n  Time=2000",
            "tickTime=2000\\",
        ] {
            assert_eq!(one(file), ("tickTime".into(), "2000".into()), "{file:?}");
        }
    }

    #[test]
    fn only_one_separator_is_eaten() {
        for (file, key, value) in [
            ("a==b", "a", "=b"),
            ("a=:b", "a", ":b"),
            ("a = = b", "a", "= b"),
            ("a b=c", "a", "b=c"),
            ("server.1=host:2888:3888", "server.1", "host:2888:3888"),
            ("a", "a", ""),
            ("a=", "a", ""),
            ("=a", "", "a"),
            ("a\\=b=c", "a=b", "c"),
            ("a\\ b\\:c d", "a b:c", "d"),
            ("a\\\\=b", "a\\", "b"),
        ] {
            assert_eq!(one(file), (key.into(), value.into()), "{file:?}");
        }
    }

    #[test]
    fn comments_and_blank_lines() {
        assert_eq!(pairs(" # a=b\n!c=d\n\n \t\n#e\\\nf=g\n"), [(6, "f".into(), "g".into())]);
        // A comment sign anywhere else is text.
        assert_eq!(one("a=b # c"), ("a".into(), "b # c".into()));
        assert_eq!(one("a=\\\n# b"), ("a".into(), "# b".into()));
        // A backslash alone begins nothing.
        assert_eq!(pairs("\\\n#a=b\nc=d"), [(3, "c".into(), "d".into())]);
    }

    #[test]
    fn continuation() {
        assert_eq!(one("a=b,\\\n  c,\\\n\t d"), ("a".into(), "b,c,d".into()));
        // A blank line ends the continuation instead of being joined.
        assert_eq!(pairs("a=b\\\n\nc=d"), [(1, "a".into(), "b".into()), (3, "c".into(), "d".into())]);
        // An even number of backslashes is an escaped backslash, not a continuation.
        assert_eq!(pairs("a=b\\\\\nc=d"), [(1, "a".into(), "b\\".into()), (2, "c".into(), "d".into())]);
        assert_eq!(pairs("x\n\\\na=b")[1], (3, "a".into(), "b".into()));
        // Java makes an entry without key and value of a backslash that ends the file; nobody could want that.
        assert_eq!(pairs("\\\n\\"), []);
    }

    #[test]
    fn escapes() {
        assert_eq!(one("a=\\u0041\\u00e9\\uD83D\\uDE00"), ("a".into(), "Aé😀".into()));
        assert_eq!(one("a=x\\ty\\qz\\n\\\\"), ("a".into(), "x\tyqz\n\\".into()));
        assert_eq!(one("\\u0061=1").0, "a");
        // Half a surrogate pair has no meaning of its own.
        assert_eq!(one("a=\\uD83D").1, "\u{fffd}");
    }

    #[test]
    fn malformed_escapes_are_all_reported() {
        assert_eq!(
            Properties::parse(b"a=1\nb=\\u12\n\nc=\\uZZZZ\n\\u=1"),
            Err(vec![MalformedEscape { line: 2 }, MalformedEscape { line: 4 }, MalformedEscape { line: 5 }])
        );
    }

    #[test]
    fn bytes_are_latin_1() {
        let properties = Properties::parse(b"dataDir=/donn\xe9es").unwrap();
        assert_eq!(properties.get("dataDir").unwrap().value, "/données");
    }

    #[test]
    fn trim_is_javas() {
        assert_eq!(one("a= \u{c}b\\u0001 \\u0020").1, "b");
        assert_eq!(one("a=b\\u2003").1, "b\u{2003}");
        assert_eq!(one("\\ a\\ =b").0, "a");
    }

    #[test]
    fn last_duplicate_counts() {
        let properties = Properties::parse(b"a=1\nb=2\na=3\na=4").unwrap();
        assert_eq!(properties.get("a").unwrap().value, "4");
        let effective: Vec<_> = properties
            .effective()
            .into_iter()
            .map(|(entry, old)| (entry.line, old.iter().map(|entry| entry.line).collect::<Vec<_>>()))
            .collect();
        assert_eq!(effective, [(2, vec![]), (4, vec![1, 3])]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Properties::parse(&bytes);
        }

        #[test]
        fn hostile_text_is_read_or_refused(text in "[a-c=: \\\\#!u0-9\r\n\t\u{c}]{0,80}") {
            let _ = Properties::parse(text.as_bytes());
        }

        /// What Java's `Properties.store` would write comes back, whatever the characters.
        #[test]
        fn escaped_text_comes_back(key in "\\PC{1,12}", value in "\\PC{0,24}") {
            let escape = |text: &str| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            let file = format!("{}={}", escape(&key), escape(&value));
            prop_assert_eq!(one(&file), (trimmed(key), trimmed(value)));
        }
    }
}
