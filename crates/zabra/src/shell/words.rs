//! A typed line as words.

use std::ops::Range;

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Without its quotes and backslashes.
    pub(crate) text: String,
    /// Where it is in the line, in bytes, its quotes included.
    pub(crate) span: Range<usize>,
}

/// A quote that nothing closes, at this byte of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unclosed(pub(crate) usize);

/// Splits as zkCli does: a word that begins with a quote reaches to the next such quote and ends there, even without a
/// space; a quote inside a word is a character like any other; a backslash makes the next character an ordinary one
/// and vanishes.
///
/// zkCli (JLine) takes the backslashes away first and looks for quotes then, so that `"a\"b"` falls apart there; here
/// an escaped quote ends nothing.
pub(crate) fn split(line: &str) -> Result<Vec<Word>, Unclosed> {
    let mut words = Vec::new();
    let mut rest = line.char_indices().peekable();
    while let Some(&(start, first)) = rest.peek() {
        if is_space(first) {
            rest.next();
            continue;
        }
        let quote = matches!(first, '"' | '\'').then_some(first);
        if quote.is_some() {
            rest.next();
        }
        let mut text = String::new();
        let end = loop {
            match (rest.next(), quote) {
                (None, Some(_)) => return Err(Unclosed(start)),
                (None, None) => break line.len(),
                (Some((at, c)), Some(quote)) if c == quote => break at + c.len_utf8(),
                (Some((_, '\\')), _) => text.extend(rest.next().map(|(_, escaped)| escaped)),
                (Some((at, c)), None) if is_space(c) => break at,
                (Some((_, c)), _) => text.push(c),
            }
        };
        words.push(Word { text, span: start..end });
    }
    Ok(words)
}

/// What `\s` is in Java.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

/// Puts a word so that [`split`] reads it back as one.
pub(crate) fn quoted(word: &str) -> String {
    let plain =
        !word.is_empty() && !word.starts_with(['"', '\'']) && !word.chars().any(|c| is_space(c) || c == '\\');
    if plain {
        return word.to_owned();
    }
    let mut text = String::from('"');
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_fall_into_words() {
        for (line, words) in [
            ("", &[][..]),
            ("  ", &[]),
            ("ls", &["ls"]),
            ("  ls \t / ", &["ls", "/"]),
            ("create /a \"hello world\"", &["create", "/a", "hello world"]),
            ("create /a 'it is \"so\"'", &["create", "/a", "it is \"so\""]),
            ("set /a ''", &["set", "/a", ""]),
            ("set /a it's", &["set", "/a", "it's"]),
            ("a\"b c\"", &["a\"b", "c\""]),
            ("\"a\"b", &["a", "b"]),
            (r"set /a back\slash", &["set", "/a", "backslash"]),
            (r"set /a two\ words \\", &["set", "/a", "two words", "\\"]),
            (r#"set /a "an \" inside""#, &["set", "/a", "an \" inside"]),
        ] {
            let texts: Vec<_> = split(line).unwrap().into_iter().map(|word| word.text).collect();
            assert_eq!(texts, words, "{line}");
        }
    }

    #[test]
    fn words_know_their_place() {
        let spans: Vec<_> = split(" ls 'a b' é x").unwrap().into_iter().map(|word| word.span).collect();
        assert_eq!(spans, [1..3, 4..9, 10..12, 13..14]);
    }

    #[test]
    fn open_quotes_are_found() {
        assert_eq!(split("set /a \"hello"), Err(Unclosed(7)));
        assert_eq!(split("set /a 'it"), Err(Unclosed(7)));
        assert_eq!(split(r#"set /a "x\""#), Err(Unclosed(7)));
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in prop::collection::vec(any::<String>(), 0..5)) {
            let line: Vec<_> = words.iter().map(|word| quoted(word)).collect();
            let split: Vec<_> = split(&line.join(" ")).unwrap().into_iter().map(|word| word.text).collect();
            prop_assert_eq!(split, words);
        }
    }
}
