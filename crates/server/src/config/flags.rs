//! The `-D` flags that operators give to the Java server through its start scripts.

use std::ffi::OsString;

/// One `-Dname=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The environment variable it came from.
    pub variable: &'static str,
    /// The system property.
    pub name: String,
    /// Its value; empty for a bare `-Dname`.
    pub value: String,
}

/// The system properties that the environment sets.
///
/// `zkServer.sh` starts `java $SERVER_JVMFLAGS $JVMFLAGS`, so the second variable wins over the first. Other flags
/// of the Java machine (`-Xmx…`) mean nothing here and are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    flags: Vec<Flag>,
}

/// The variables that `zkServer.sh` puts on the command line of the server, in that order.
const VARIABLES: [&str; 2] = ["SERVER_JVMFLAGS", "JVMFLAGS"];

/// Set to anything, it makes `zkServer.sh` forbid the making of data directories.
const AUTOCREATE_DISABLE: &str = "ZOO_DATADIR_AUTOCREATE_DISABLE";

impl Flags {
    /// From the environment of this process.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// From variables given by a function.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut flags = Vec::new();
        if variable(AUTOCREATE_DISABLE).is_some_and(|value| !value.is_empty()) {
            flags.push(Flag {
                variable: AUTOCREATE_DISABLE,
                name: "zookeeper.datadir.autocreate".to_owned(),
                value: "false".to_owned(),
            });
        }
        for name in VARIABLES {
            let Some(value) = variable(name) else { continue };
            for word in words(&value.to_string_lossy()) {
                if let Some(property) = word.strip_prefix("-D") {
                    let (property, value) = property.split_once('=').unwrap_or((property, ""));
                    flags.push(Flag { variable: name, name: property.to_owned(), value: value.to_owned() });
                }
            }
        }
        Self { flags }
    }

    /// All of them; of two with the same name the later one counts.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Flag> {
        self.flags.iter()
    }
}

/// Splits as a shell does: at white space outside quotes; a backslash takes the next character as it is, except
/// inside single quotes. An open quote ends with the text.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => {
                if let Some(escaped) = chars.next() {
                    let word = word.get_or_insert_default();
                    // Between double quotes a backslash is itself unless it stands before one of these.
                    if quote.is_some() && !matches!(escaped, '"' | '\\' | '$' | '`') {
                        word.push('\\');
                    }
                    word.push(escaped);
                }
            }
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_ascii_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flags(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let flags = Flags::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        });
        flags.flags.into_iter().map(|flag| (flag.name, flag.value)).collect()
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        for (text, expected) in [
            ("", &[][..]),
            ("  \t\n ", &[]),
            ("-Da=b  -Dc=d", &["-Da=b", "-Dc=d"]),
            ("-Da='b c' -Dd=\"e 'f'\"", &["-Da=b c", "-Dd=e 'f'"]),
            ("\"-Da=b c\"", &["-Da=b c"]),
            ("-Da=b\\ c", &["-Da=b c"]),
            ("-Da=\"b\\\"c\\d\"", &["-Da=b\"c\\d"]),
            ("-Da='b\\c'", &["-Da=b\\c"]),
            ("-Da='open", &["-Da=open"]),
            ("'' x", &["", "x"]),
            ("x\\", &["x"]),
        ] {
            assert_eq!(words(text), expected, "{text:?}");
        }
    }

    #[test]
    fn only_properties_are_kept_and_the_second_variable_comes_last() {
        assert_eq!(
            flags(&[
                ("JVMFLAGS", "-Dzookeeper.snapCount=7"),
                (
                    "SERVER_JVMFLAGS",
                    "-Xmx512m -Dzookeeper.snapCount=5 -Djute.maxbuffer=4194304 -Dbare -server"
                ),
                ("CLIENT_JVMFLAGS", "-Dclient=1"),
            ]),
            [
                ("zookeeper.snapCount".into(), "5".into()),
                ("jute.maxbuffer".into(), "4194304".into()),
                ("bare".into(), String::new()),
                ("zookeeper.snapCount".into(), "7".into()),
            ]
        );
    }

    #[test]
    fn the_scripts_own_switch_counts() {
        let expected = [("zookeeper.datadir.autocreate".to_owned(), "false".to_owned())];
        assert_eq!(flags(&[("ZOO_DATADIR_AUTOCREATE_DISABLE", "1")]), expected);
        assert_eq!(flags(&[("ZOO_DATADIR_AUTOCREATE_DISABLE", "")]), []);
    }

    proptest! {
        #[test]
        fn any_text_is_split(text in "\\PC{0,60}") {
            let _ = words(&text);
        }

        #[test]
        fn quoted_words_come_back(word in "[^']{0,20}") {
            prop_assert_eq!(words(&format!("x '{word}' y")), ["x", &word, "y"]);
        }
    }
}
