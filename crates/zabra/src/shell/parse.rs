//! A command's words as options and arguments, by the rules of the parser zkCli uses (commons-cli's `DefaultParser`):
//! options anywhere, several letters behind one dash, values behind `=` or attached, `--` ends the options.

use super::fault::Fault;

/// An option of a command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opt {
    /// Without its dash. One letter or a word; a word of Zabra's own commands is written with two dashes.
    pub(crate) name: &'static str,
    /// What its value is called, if it takes one.
    pub(crate) value: Option<&'static str>,
    /// What it does. zkCli's own words where zkCli shows them.
    pub(crate) help: &'static str,
    /// Whether two dashes come before it.
    pub(crate) long: bool,
}

impl Opt {
    /// `-x`.
    pub(crate) const fn flag(name: &'static str, help: &'static str) -> Self {
        Self { name, value: None, help, long: false }
    }

    /// `-x VALUE`.
    pub(crate) const fn valued(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Self { name, value: Some(value), help, long: false }
    }

    /// `--name`.
    pub(crate) const fn long(name: &'static str, help: &'static str) -> Self {
        Self { name, value: None, help, long: true }
    }

    /// `--name VALUE`.
    pub(crate) const fn long_valued(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Self { name, value: Some(value), help, long: true }
    }

    /// As it is typed.
    pub(crate) fn typed(&self) -> String {
        format!("{}{}", if self.long { "--" } else { "-" }, self.name)
    }
}

/// Every command takes this one.
pub(crate) const JSON: Opt = Opt::long("json", "Output as JSON");
/// Every destructive command takes this one.
pub(crate) const DRY_RUN: Opt = Opt::long("dry-run", "Only tell what would be done");

/// Which options a command takes, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grammar {
    /// The options.
    pub(crate) options: &'static [Opt],
    /// Whether they exclude each other.
    pub(crate) exclusive: bool,
    /// Whether one of them has to be there.
    pub(crate) required: bool,
    /// Whether `--dry-run` is one more.
    pub(crate) destructive: bool,
    /// Whether words are taken as they are and nothing is an option.
    pub(crate) anything: bool,
}

impl Grammar {
    /// No options.
    pub(crate) const NONE: Self =
        Self { options: &[], exclusive: false, required: false, destructive: false, anything: false };
    /// No options, and no objection to words that look like some.
    pub(crate) const ANYTHING: Self = Self { anything: true, ..Self::NONE };
}

/// A command's words, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    options: Vec<(&'static str, Option<String>)>,
    /// Where among the words each option is, or its value if that is a word of its own.
    places: Vec<usize>,
    /// What is no option: the command's name first, each with its place among the words.
    pub(crate) words: Vec<(usize, String)>,
    /// Whether a word was read as an option for the sake of old scripts.
    pub(crate) legacy: bool,
}

impl Parsed {
    /// Whether an option is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(there, _)| *there == name)
    }

    /// The value of an option: the first one given.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(there, _)| *there == name).and_then(|(_, value)| value.as_deref())
    }

    /// Where among the words the value of an option is: the first one given.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        let first = self.options.iter().position(|(there, _)| *there == name)?;
        self.places.get(first).copied()
    }

    /// An argument; the command's name is number 0.
    pub(crate) fn word(&self, index: usize) -> Option<&str> {
        self.words.get(index).map(|(_, word)| word.as_str())
    }
}

/// Sorts the words of a command, its name being the first.
pub(crate) fn parse(grammar: &Grammar, words: &[String]) -> Result<Parsed, Fault> {
    let mut parser = Parser { grammar, parsed: Parsed::default(), waiting: None, selected: None };
    let mut options_ended = false;
    for (at, word) in words.iter().enumerate() {
        if options_ended || (grammar.anything && word != "--json") {
            parser.parsed.words.push((at, word.clone()));
        } else if word == "--" {
            options_ended = true;
        } else if parser.waiting.is_some() && parser.may_be_value(word) {
            parser.give(strip_quotes(word));
            parser.parsed.places.last_mut().into_iter().for_each(|place| *place = at);
        } else if let Some(name) = word.strip_prefix("--") {
            parser.long(at, name, word)?;
        } else if word.len() > 1 && word.starts_with('-') {
            parser.short(at, &word[1..], word)?;
        } else {
            parser.parsed.words.push((at, word.clone()));
        }
    }
    parser.no_value_missing(words.len())?;
    if grammar.required && parser.selected.is_none() {
        let all: Vec<_> =
            grammar.options.iter().map(|option| format!("-{} {}", option.name, option.help)).collect();
        let text = format!("Missing required option: [{}]", all.join(", "));
        return Err(exception("MissingOptionException", &text).at(words.len()));
    }
    Ok(parser.parsed)
}

struct Parser<'a> {
    grammar: &'a Grammar,
    parsed: Parsed,
    /// The option that still wants its value.
    waiting: Option<&'static Opt>,
    /// The one chosen among options that exclude each other.
    selected: Option<&'static str>,
}

impl Parser<'_> {
    fn find(&self, name: &str, long: bool) -> Option<&'static Opt> {
        let own = self.grammar.options.iter().find(|option| option.name == name && option.long == long);
        own.or(match (name, long) {
            ("json", true) => Some(&JSON),
            ("dry-run", true) if self.grammar.destructive => Some(&DRY_RUN),
            _ => None,
        })
    }

    /// Whether a word is a value although an option could stand there: everything that is no option of this command,
    /// and numbers below zero.
    fn may_be_value(&self, word: &str) -> bool {
        let Some(name) = word.strip_prefix('-').filter(|name| !name.is_empty()) else {
            return true;
        };
        if let Some(name) = name.strip_prefix('-') {
            return self.find(name.split('=').next().unwrap_or(name), true).is_none();
        }
        let name = name.split('=').next().unwrap_or(name);
        let first = name.chars().next().map(String::from).unwrap_or_default();
        let option = self.find(name, false).is_some() || self.find(&first, false).is_some();
        !option || word.parse::<f64>().is_ok()
    }

    fn short(&mut self, at: usize, name: &str, word: &str) -> Result<(), Fault> {
        if let Some(option) = self.find(name, false) {
            return self.take(at, option);
        }
        if let Some((name, value)) = name.split_once('=') {
            let option =
                self.find(name, false).filter(|option| name.chars().count() == 1 && option.value.is_some());
            let Some(option) = option else {
                return Err(self.unknown(at, word));
            };
            self.take(at, option)?;
            self.give(value);
            return Ok(());
        }
        for (index, letter) in name.char_indices() {
            let Some(option) = self.find(letter.encode_utf8(&mut [0; 4]), false) else {
                return Err(self.unknown(at, word));
            };
            self.take(at, option)?;
            let rest = &name[index + letter.len_utf8()..];
            if self.waiting.is_some() && !rest.is_empty() {
                self.give(rest);
                break;
            }
        }
        Ok(())
    }

    fn long(&mut self, at: usize, name: &str, word: &str) -> Result<(), Fault> {
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (name, None),
        };
        match (self.find(name, true), value) {
            (Some(option), None) => self.take(at, option),
            (Some(option), Some(value)) if option.value.is_some() => {
                self.take(at, option)?;
                self.give(value);
                Ok(())
            }
            _ => Err(self.unknown(at, word)),
        }
    }

    fn take(&mut self, at: usize, option: &'static Opt) -> Result<(), Fault> {
        self.no_value_missing(at)?;
        if self.grammar.exclusive
            && !option.long
            && let Some(already) = self.selected.filter(|already| *already != option.name)
        {
            let text = format!(
                "The option '{}' was specified but an option from this group has already been selected: '{already}'",
                option.name
            );
            return Err(exception("AlreadySelectedException", &text).at(at));
        }
        if !option.long {
            self.selected = Some(option.name);
        }
        self.parsed.options.push((option.name, None));
        self.parsed.places.push(at);
        self.waiting = option.value.is_some().then_some(option);
        Ok(())
    }

    fn give(&mut self, value: &str) {
        self.waiting = None;
        if let Some((_, slot)) = self.parsed.options.last_mut() {
            *slot = Some(value.to_owned());
        }
    }

    fn no_value_missing(&self, at: usize) -> Result<(), Fault> {
        let Some(option) = self.waiting else { return Ok(()) };
        let text = format!("Missing argument for option: {}", option.name);
        let hint = format!("{} takes a value: {}", option.typed(), option.value.unwrap_or_default());
        Err(exception("MissingArgumentException", &text).at(at.saturating_sub(1)).hint(hint))
    }

    fn unknown(&self, at: usize, word: &str) -> Fault {
        let fault = exception("UnrecognizedOptionException", &format!("Unrecognized option: {word}")).at(at);
        let dry_run = self.grammar.destructive.then_some(&DRY_RUN);
        let known: Vec<_> =
            self.grammar.options.iter().chain(dry_run).chain([&JSON]).map(Opt::typed).collect();
        fault.hint(format!("its options are {}", known.join(" ")))
    }
}

/// zkCli shows the parser's exceptions with their class.
fn exception(class: &str, text: &str) -> Fault {
    Fault::new(format!("org.apache.commons.cli.{class}: {text}"))
}

/// The parser takes one pair of double quotes away from a separate value that has no others
/// (`Util.stripLeadingAndTrailingQuotes`).
fn strip_quotes(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .filter(|inner| !inner.contains('"'))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::super::fault::Place;
    use super::*;

    const GET: Grammar = Grammar {
        options: &[Opt::flag("s", "stat"), Opt::flag("w", "watch"), Opt::valued("v", "version", "version")],
        ..Grammar::NONE
    };
    const QUOTA: Grammar = Grammar {
        options: &[Opt::valued("n", "N", "num soft quota"), Opt::valued("b", "N", "bytes soft quota")],
        exclusive: true,
        required: true,
        destructive: true,
        ..Grammar::NONE
    };

    fn parsed(grammar: &Grammar, line: &str) -> Result<(String, String), String> {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let parsed = parse(grammar, &words).map_err(|fault| fault.text)?;
        let options: Vec<_> = parsed
            .options
            .iter()
            .map(|(name, value)| {
                value.as_ref().map_or_else(|| (*name).to_owned(), |value| format!("{name}={value}"))
            })
            .collect();
        let words: Vec<_> = parsed.words.into_iter().map(|(_, word)| word).collect();
        Ok((options.join(" "), words.join(" ")))
    }

    #[test]
    fn options_stand_anywhere() {
        for (line, options, words) in [
            ("get /a", "", "get /a"),
            ("get -s /a", "s", "get /a"),
            ("get /a -s", "s", "get /a"),
            ("get -sw /a", "s w", "get /a"),
            ("get -swv3 /a", "s w v=3", "get /a"),
            ("get -v 3 /a", "v=3", "get /a"),
            ("get -v=3 /a", "v=3", "get /a"),
            ("get -v -1 /a", "v=-1", "get /a"),
            ("get -v -x /a", "v=-x", "get /a"),
            ("get -v \"7\" /a", "v=7", "get /a"),
            ("get -- -s", "", "get -s"),
            ("get - /a", "", "get - /a"),
            ("get /a --json", "json", "get /a"),
        ] {
            assert_eq!(parsed(&GET, line), Ok((options.to_owned(), words.to_owned())), "{line}");
        }
        assert_eq!(parsed(&QUOTA, "q -n 5 /a --dry-run"), Ok(("n=5 dry-run".to_owned(), "q /a".to_owned())));
    }

    #[test]
    fn wrong_options_are_named() {
        for (grammar, line, text) in [
            (&GET, "get -z /a", "UnrecognizedOptionException: Unrecognized option: -z"),
            (&GET, "get -zs /a", "UnrecognizedOptionException: Unrecognized option: -zs"),
            (&GET, "get -sz /a", "UnrecognizedOptionException: Unrecognized option: -sz"),
            (&GET, "get --s /a", "UnrecognizedOptionException: Unrecognized option: --s"),
            (&GET, "get -s=1 /a", "UnrecognizedOptionException: Unrecognized option: -s=1"),
            (&GET, "get --dry-run /a", "UnrecognizedOptionException: Unrecognized option: --dry-run"),
            (&GET, "get /a -v", "MissingArgumentException: Missing argument for option: v"),
            (&GET, "get -v -s /a", "MissingArgumentException: Missing argument for option: v"),
            (
                &QUOTA,
                "q /a",
                "MissingOptionException: Missing required option: [-n num soft quota, -b bytes soft quota]",
            ),
            (
                &QUOTA,
                "q -n 1 -b 2 /a",
                "AlreadySelectedException: The option 'b' was specified but an option from this group has already been \
                 selected: 'n'",
            ),
        ] {
            assert_eq!(parsed(grammar, line), Err(format!("org.apache.commons.cli.{text}")), "{line}");
        }
    }

    #[test]
    fn faults_point_at_words() {
        let words: Vec<_> = ["get", "/a", "-q"].map(str::to_owned).into();
        assert_eq!(parse(&GET, &words).unwrap_err().place, Place::At(2));
        let words: Vec<_> = ["get", "-v", "-s", "/a"].map(str::to_owned).into();
        assert_eq!(parse(&GET, &words).unwrap_err().place, Place::At(1));
    }
}
