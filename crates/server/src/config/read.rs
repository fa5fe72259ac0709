//! From names and values to a [`Draft`]: which of several sources counts, what the key table says about a name,
//! and how its value is read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::draft::Draft;
use super::flags::Flags;
use super::keys::{self, Bound, Class, Key, Parse, Reach, Spelt, Wrong};
use super::properties::{Entry, Properties};
use super::report::{NoticeKind, Place, Report, Subject};
use super::{java, suggest};

/// The prefix that turns a key into a system property.
const PREFIX: &str = "zookeeper.";

/// One setting that the table knows.
struct Given {
    key: &'static Key,
    /// The proper name; for a family with what follows.
    name: String,
    value: String,
    subject: Subject,
    rank: Rank,
}

/// Which of two sources counts: the greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// A flag with a prefix that it should not have.
    PrefixedFlag,
    /// A flag without the usual prefix.
    BareFlag,
    /// A flag by another documented name.
    AliasFlag,
    /// A flag.
    Flag,
    /// A key with `zookeeper.` in front, which the Java server does not see.
    PrefixedKey,
    /// A key by another documented name, which the Java server does not see either.
    AliasKey,
    /// A key.
    Key,
}

/// The settings of all sources, of which one per name remains.
#[derive(Default)]
pub(super) struct Settings {
    given: Vec<Given>,
    index: BTreeMap<String, usize>,
    /// All system properties that they amount to.
    pub(super) system_properties: BTreeMap<String, String>,
}

impl Settings {
    /// Takes the flags in. They count less than a file.
    pub(super) fn add_flags(&mut self, flags: &Flags, report: &mut Report) {
        for flag in flags.iter() {
            let place = Place::Variable(flag.variable);
            let subject = |value: &str| Subject {
                place: place.clone(),
                key: format!("-D{}", flag.name),
                value: Some(value.to_owned()),
            };
            let Some((key, name, rank)) = find_flag(&flag.name) else {
                self.system_properties.insert(flag.name.clone(), flag.value.clone());
                if let Some(name) = flag.name.strip_prefix(PREFIX) {
                    let text = unknown(name);
                    report.notice(NoticeKind::UnknownKey, subject(&flag.value), text);
                }
                continue;
            };
            let subject = subject(if key.secret { "***" } else { &flag.value });
            if key.reach == Reach::File {
                let text = format!("ZooKeeper takes this only from the file, as {name}");
                report.notice(NoticeKind::Spelling, subject, text);
                continue;
            }
            if key.reach == Reach::Bare && rank == Rank::PrefixedFlag {
                let text =
                    format!("ZooKeeper takes this without {PREFIX}, as -D{name}; it is taken nevertheless");
                report.notice(NoticeKind::Spelling, subject.clone(), text);
            }
            let value = flag.value.trim().to_owned();
            self.add(Given { key, name, value, subject, rank }, report);
        }
    }

    /// Takes a file in.
    pub(super) fn add_file(&mut self, properties: &Properties, home: &Place, report: &mut Report) {
        for (entry, overridden) in properties.effective() {
            for old in overridden {
                let text = format!("line {} gives it again, and the last one counts", entry.line);
                report.notice(NoticeKind::Overridden, file_subject(old, home), text);
            }
            self.add_entry(entry, home, report);
        }
    }

    fn add_entry(&mut self, entry: &Entry, home: &Place, report: &mut Report) {
        let subject = file_subject(entry, home);
        let Some((key, name, rank)) = find_key(&entry.key) else {
            self.system_properties.insert(format!("{PREFIX}{}", entry.key), entry.value.clone());
            report.notice(NoticeKind::UnknownKey, subject, unknown(&entry.key));
            return;
        };
        let spelling = match rank {
            Rank::PrefixedKey => Some(format!("in a file ZooKeeper expects it without {PREFIX}, as {name}")),
            Rank::AliasKey => Some(format!("ZooKeeper documents this name but only reads {}", key.name)),
            _ if key.reach == Reach::Bare => {
                Some(format!("ZooKeeper takes this only as a flag, -D{name}={}", display(key, &entry.value)))
            }
            _ => None,
        };
        if let Some(text) = spelling {
            report.notice(NoticeKind::Spelling, subject.clone(), format!("{text}; it is taken nevertheless"));
        }
        self.add(Given { key, name, value: entry.value.clone(), subject, rank }, report);
    }

    /// Takes a setting of the command line in.
    pub(super) fn add_argument(&mut self, name: &str, value: &str, report: &mut Report) {
        let subject =
            Subject { place: Place::CommandLine, key: name.to_owned(), value: Some(value.to_owned()) };
        if let Some((key, name, rank)) = find_key(name) {
            self.add(Given { key, name, value: value.to_owned(), subject, rank }, report);
        }
    }

    fn add(&mut self, given: Given, report: &mut Report) {
        let Some(&at) = self.index.get(&given.name) else {
            self.index.insert(given.name.clone(), self.given.len());
            self.given.push(given);
            return;
        };
        let old = &mut self.given[at];
        let (winner, loser) = if given.rank >= old.rank { (&given, &*old) } else { (&*old, &given) };
        if winner.value != loser.value {
            let text = format!("{} gives it too, and that counts", winner.subject.place);
            report.notice(NoticeKind::Overridden, loser.subject.clone(), text);
        }
        if given.rank >= old.rank {
            *old = given;
        }
    }

    /// Reads all values into the draft.
    pub(super) fn apply(self, draft: &mut Draft) {
        let Self { given, mut system_properties, .. } = self;
        for given in &given {
            if !given.key.secret
                && let Some(property) = property_name(given)
            {
                system_properties.insert(property, given.value.clone());
            }
            apply(given, draft);
        }
        draft.config.system_properties = system_properties;
    }
}

fn file_subject(entry: &Entry, home: &Place) -> Subject {
    let secret = find_key(&entry.key).is_some_and(|(key, ..)| key.secret);
    let value = if secret { "***".to_owned() } else { entry.value.clone() };
    Subject { place: home.line(entry.line), key: entry.key.clone(), value: Some(value) }
}

fn display<'a>(key: &Key, value: &'a str) -> &'a str {
    if key.secret { "***" } else { value }
}

fn unknown(name: &str) -> String {
    let hint = keys::nearest(name).map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
    format!("no such key{hint}")
}

fn proper_name(key: &Key, name: &str) -> String {
    if key.is_family() { name.to_owned() } else { key.name.to_owned() }
}

fn find_key(name: &str) -> Option<(&'static Key, String, Rank)> {
    let (key, rank) = match keys::find(name) {
        Some((key, Spelt::Properly)) => (key, Rank::Key),
        Some((key, Spelt::Alias)) => (key, Rank::AliasKey),
        None => {
            let bare = name.strip_prefix(PREFIX)?;
            let (key, _) = keys::find(bare)?;
            return Some((key, proper_name(key, bare), Rank::PrefixedKey));
        }
    };
    Some((key, proper_name(key, name), rank))
}

fn find_flag(name: &str) -> Option<(&'static Key, String, Rank)> {
    let (bare, prefixed) = name.strip_prefix(PREFIX).map_or((name, false), |bare| (bare, true));
    let (key, spelt) = keys::find(bare)?;
    let rank = match (key.reach, prefixed, spelt) {
        (Reach::Bare, false, _) => Rank::Flag,
        (Reach::Both, false, _) => Rank::BareFlag,
        (_, false, _) => return None,
        (Reach::Bare, true, _) => Rank::PrefixedFlag,
        (_, true, Spelt::Properly) => Rank::Flag,
        (_, true, Spelt::Alias) => Rank::AliasFlag,
    };
    Some((key, proper_name(key, bare), rank))
}

/// The system property that a setting amounts to in the Java server.
fn property_name(given: &Given) -> Option<String> {
    match given.key.reach {
        Reach::File => None,
        Reach::Bare => Some(given.name.clone()),
        Reach::Property | Reach::Both => Some(format!("{PREFIX}{}", given.name)),
    }
}

fn apply(given: &Given, draft: &mut Draft) {
    let Given { key, name, value, subject, .. } = given;
    draft.note_given(name, subject.clone());
    let asks = value != key.default && !(value.is_empty() && key.default == "none");
    match key.class {
        Class::JavaOnly(why) => {
            let text = format!("accepted, has no effect here: {why}");
            draft.report.notice(NoticeKind::NoEffect, subject.clone(), text);
        }
        Class::NotYet if asks => {
            draft.report.notice(NoticeKind::NotYet, subject.clone(), "accepted, but not supported yet");
        }
        _ => {}
    }
    let Err(wrong) = parse(key, name, value, draft) else { return };
    let hint = suggest::hint(value, wrong.words);
    if key.is_strict() {
        draft.report.problem(subject.clone(), format!("{}{hint}", wrong.expected));
    } else {
        let text = match key.parse {
            Parse::Bool(set) => {
                set(draft, false);
                format!("{}{hint}; anything else counts as false, as in ZooKeeper", wrong.expected)
            }
            _ => format!("{}{hint}; it is ignored, as in ZooKeeper, and the default holds", wrong.expected),
        };
        draft.report.notice(NoticeKind::BadValue, subject.clone(), text);
    }
}

fn parse(key: &Key, name: &str, value: &str, draft: &mut Draft) -> Result<(), Wrong> {
    match key.parse {
        Parse::Bool(set) => {
            let on = java::parse_boolean(value).ok_or_else(|| Wrong {
                expected: "expected true or false".into(),
                words: vec!["true", "false"],
            })?;
            set(draft, on);
        }
        Parse::YesNo(set) => match value {
            "yes" => set(draft, true),
            "no" => set(draft, false),
            _ => return Err(Wrong { expected: "expected yes or no".into(), words: vec!["yes", "no"] }),
        },
        Parse::Int(set) => {
            let n = integer(key, name, value, i64::from(i32::MAX), draft)?;
            set(draft, i32::try_from(n).map_err(|_| not_a_number(key))?);
        }
        Parse::Long(set) => {
            let n = integer(key, name, value, i64::MAX, draft)?;
            set(draft, n);
        }
        Parse::Real(set) => {
            set(draft, java::parse_real(value).ok_or_else(|| Wrong::expected("expected a number"))?);
        }
        Parse::Port(set) => {
            let port = if key.is_strict() { java::parse_integer(value) } else { java::decode_integer(value) };
            let port = port.and_then(|port| u16::try_from(port).ok());
            set(draft, port.ok_or_else(|| Wrong::expected("expected a port, 0 to 65535"))?);
        }
        Parse::Text(set) => set(draft, value),
        Parse::Path(set) => {
            let path = path(key, name, value, draft)?;
            set(draft, path);
        }
        Parse::List(set) => {
            let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
            set(draft, words.map(str::to_owned).collect());
        }
        Parse::Choice(choices) => match choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(value)) {
            Some((_, set)) => set(draft),
            None => {
                let words: Vec<_> =
                    choices.iter().map(|(word, _)| *word).filter(|word| !word.is_empty()).collect();
                return Err(Wrong { expected: format!("expected {}", words.join(" or ")), words });
            }
        },
        Parse::Special(read) => read(draft, value)?,
        Parse::Family(read) => read(draft, &name[key.name.len()..], value)?,
        Parse::Ignored => {}
    }
    Ok(())
}

fn not_a_number(key: &Key) -> Wrong {
    let unit = if key.unit.is_empty() { String::new() } else { format!(" ({})", key.unit) };
    Wrong::expected(match key.bound {
        Bound::Any | Bound::Raised(_) => format!("expected a whole number{unit}"),
        Bound::Min(min) => format!("expected a whole number of at least {min}{unit}"),
    })
}

fn integer(key: &Key, name: &str, value: &str, max: i64, draft: &mut Draft) -> Result<i64, Wrong> {
    let n = if key.is_strict() { java::parse_integer(value) } else { java::decode_integer(value) };
    // The least number is one further from zero than the greatest.
    let n = n.filter(|n| (-max - 1..=max).contains(n)).ok_or_else(|| not_a_number(key))?;
    match key.bound {
        Bound::Min(min) if n < min => Err(not_a_number(key)),
        Bound::Raised(min) if n < min => {
            let subject = draft.subject(name);
            draft.report.notice(
                NoticeKind::Adjusted,
                subject,
                format!("raised to {min}, the least that makes sense"),
            );
            Ok(min)
        }
        _ => Ok(n),
    }
}

fn path(key: &Key, name: &str, value: &str, draft: &mut Draft) -> Result<PathBuf, Wrong> {
    if value.is_empty() {
        return Err(Wrong::expected("expected a path"));
    }
    let path = PathBuf::from(value);
    if key.reach == Reach::File && !path.is_absolute() && !value.starts_with("./") {
        let subject = draft.subject(name);
        let text =
            format!("the path is relative to where the server was started; write ./{value} if that is meant");
        draft.report.notice(NoticeKind::RelativePath, subject, text);
    }
    Ok(path)
}
