//! The table of all keys: one row each, with its names, how its value is read and what becomes of it.

mod access;
mod admin;
mod basic;
mod logging;
mod metrics;
mod quorum;
mod requests;
mod runtime;
mod storage;
mod tls;

use std::path::PathBuf;

use super::draft::Draft;

/// All keys, in the order of the operator's documentation.
pub(super) static SECTIONS: &[Section] = &[
    Section { title: "Basic", keys: basic::KEYS },
    Section { title: "Storage", keys: storage::KEYS },
    Section { title: "Requests, connections and the tree", keys: requests::KEYS },
    Section { title: "Ensemble", keys: quorum::KEYS },
    Section { title: "Authentication and authorization", keys: access::KEYS },
    Section { title: "TLS switches", keys: tls::SWITCHES },
    Section { title: "TLS on client ports", keys: tls::CLIENT },
    Section { title: "TLS between servers and on the admin port", keys: tls::QUORUM },
    Section { title: "Admin server and four-letter words", keys: admin::KEYS },
    Section { title: "Metrics and observation", keys: metrics::KEYS },
    Section { title: "Threads, sockets and caches of the Java server", keys: runtime::KEYS },
    Section { title: "Logging, JMX and relics", keys: logging::KEYS },
];

/// Keys that belong together.
pub(super) struct Section {
    /// The heading over them.
    pub(super) title: &'static str,
    /// The keys.
    pub(super) keys: &'static [Key],
}

/// All keys.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// One row of the table.
pub(super) struct Key {
    /// The name in the file. One that ends in a dot stands for all that begin so.
    pub(super) name: &'static str,
    /// Other names in the file, which the documentation of ZooKeeper gives but its code does not read.
    pub(super) aliases: &'static [&'static str],
    /// Where it can be given.
    pub(super) reach: Reach,
    /// How its value is read, and where that goes.
    pub(super) parse: Parse,
    /// Which numbers are meant seriously.
    pub(super) bound: Bound,
    /// Whether a wrong value is an error, when that differs from what `reach` suggests.
    strict: Option<bool>,
    /// Whether the value must not be shown.
    pub(super) secret: bool,
    /// What becomes of it.
    pub(super) class: Class,
    /// What holds without it, for people.
    pub(super) default: &'static str,
    /// The unit of its value, for people.
    pub(super) unit: &'static str,
    /// What it means, for people.
    pub(super) about: &'static str,
}

/// Where a key can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Only in the file: the Java server parses it by name.
    File,
    /// In the file as `key`, or as `-Dzookeeper.key`.
    Property,
    /// As `-Dkey` without the usual prefix. The Java server does not take it from the file; this one does.
    Bare,
    /// In the file, as `-Dzookeeper.key`, or as `-Dkey`.
    Both,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It does what it says.
    Honoured,
    /// It does what it says, to members of an ensemble only.
    Ensemble,
    /// It is read, but the feature is not there yet; it is missed quietly.
    NotYet,
    /// It is read, but the feature is not there yet, and a server that needs it refuses to start.
    Refused,
    /// It tunes something that only the Java server has: why.
    JavaOnly(&'static str),
}

/// Which numbers are meant seriously.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    /// All.
    Any,
    /// These and greater ones; a smaller one is a wrong value.
    Min(i64),
    /// A smaller one is raised to this.
    Raised(i64),
}

/// What a value may look like, for an error message.
#[derive(Debug)]
pub(super) struct Wrong {
    /// What was expected.
    pub(super) expected: String,
    /// The words that would have been right.
    pub(super) words: Vec<&'static str>,
}

impl Wrong {
    pub(super) fn expected(expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), words: Vec::new() }
    }
}

/// How a value is read, and where it goes.
pub(super) enum Parse {
    /// `true` or `false`.
    Bool(fn(&mut Draft, bool)),
    /// `yes` or `no`, in lower case only.
    YesNo(fn(&mut Draft, bool)),
    /// 32 bits.
    Int(fn(&mut Draft, i32)),
    /// 64 bits.
    Long(fn(&mut Draft, i64)),
    /// A number with a fraction.
    Real(fn(&mut Draft, f64)),
    /// A TCP port; 0 lets the system choose.
    Port(fn(&mut Draft, u16)),
    /// Any text.
    Text(fn(&mut Draft, &str)),
    /// A file or directory.
    Path(fn(&mut Draft, PathBuf)),
    /// Words between commas.
    List(fn(&mut Draft, Vec<String>)),
    /// One of these words, in any case.
    Choice(&'static [Choice]),
    /// Something of its own.
    Special(fn(&mut Draft, &str) -> Result<(), Wrong>),
    /// All keys that begin with the name: what follows it, and the value.
    Family(fn(&mut Draft, &str, &str) -> Result<(), Wrong>),
    /// Nothing is done with it.
    Ignored,
}

/// A word, and what it does.
pub(super) type Choice = (&'static str, fn(&mut Draft));

impl Key {
    /// A key that can be given in the file and as a property, and is honoured.
    const fn new(name: &'static str, parse: Parse) -> Self {
        Self {
            name,
            aliases: &[],
            reach: Reach::Property,
            parse,
            bound: Bound::Any,
            strict: None,
            secret: false,
            class: Class::Honoured,
            default: "",
            unit: "",
            about: "",
        }
    }

    /// Whether a wrong value is an error. Otherwise the default holds, as in the Java server.
    pub(super) const fn is_strict(&self) -> bool {
        match self.strict {
            Some(strict) => strict,
            None => matches!(self.reach, Reach::File),
        }
    }

    /// Whether this row stands for all keys that begin with its name.
    pub(super) const fn is_family(&self) -> bool {
        matches!(self.parse, Parse::Family(_))
    }

    const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    const fn file(self) -> Self {
        self.reach(Reach::File)
    }

    const fn bare(self) -> Self {
        self.reach(Reach::Bare)
    }

    const fn bound(mut self, bound: Bound) -> Self {
        self.bound = bound;
        self
    }

    /// Gives a key that is not used a syntax nevertheless, because the Java server is strict about it.
    const fn reading(mut self, parse: Parse) -> Self {
        self.parse = parse;
        self
    }

    const fn strict(mut self) -> Self {
        self.strict = Some(true);
        self
    }

    const fn lenient(mut self) -> Self {
        self.strict = Some(false);
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }
}

/// A key that only tunes the Java server.
const fn java(name: &'static str, why: &'static str) -> Key {
    Key::new(name, Parse::Ignored).class(Class::JavaOnly(why))
}

/// How a name in a file or flag was found in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spelt {
    /// By another documented name.
    Alias,
    /// As it should be.
    Properly,
}

/// The row for a name as it stands in a file.
pub(super) fn find(name: &str) -> Option<(&'static Key, Spelt)> {
    let exact = |key: &&Key| key.name == name && !key.is_family();
    if let Some(key) = all().find(exact) {
        return Some((key, Spelt::Properly));
    }
    if let Some(key) = all().find(|key| key.aliases.contains(&name)) {
        return Some((key, Spelt::Alias));
    }
    let family =
        |key: &&Key| key.is_family() && name.strip_prefix(key.name).is_some_and(|rest| !rest.is_empty());
    all().filter(family).max_by_key(|key| key.name.len()).map(|key| (key, Spelt::Properly))
}

/// The row whose name is nearest to one that nobody knows.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let exact = all().filter(|key| !key.is_family()).map(|key| key.name);
    super::suggest::nearest(name, exact)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_there_once() {
        let mut seen = BTreeSet::new();
        for key in all() {
            for name in std::iter::once(&key.name).chain(key.aliases) {
                assert!(seen.insert(*name), "{name} is there twice");
            }
        }
    }

    #[test]
    fn every_row_says_what_it_means() {
        for key in all() {
            assert!(key.about.ends_with('.') || matches!(key.class, Class::JavaOnly(_)), "{}", key.name);
            assert!(!key.name.starts_with("zookeeper."), "{}", key.name);
            assert_eq!(key.is_family(), key.name.ends_with('.'), "{}", key.name);
            if let Class::JavaOnly(why) = key.class {
                assert!(!why.ends_with('.'), "{}", key.name);
            }
        }
    }

    #[test]
    fn names_are_found() {
        for (name, row, spelt) in [
            ("tickTime", "tickTime", Spelt::Properly),
            ("requestThrottleLimit", "request_throttle_max_requests", Spelt::Alias),
            ("server.1", "server.", Spelt::Properly),
            ("authProvider.sasl", "authProvider.", Spelt::Properly),
            ("superUser", "superUser", Spelt::Properly),
            ("superUser.2", "superUser.", Spelt::Properly),
            ("metricsProvider.httpPort", "metricsProvider.httpPort", Spelt::Properly),
            ("metricsProvider.own", "metricsProvider.", Spelt::Properly),
        ] {
            let (key, found) = find(name).unwrap();
            assert_eq!((key.name, found), (row, spelt), "{name}");
        }
        assert!(find("server.").is_none() && find("ticktime").is_none() && find("").is_none());
    }
}
