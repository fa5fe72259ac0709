//! Tests that are text: commands, and what they led to as it was recorded. `testdata/README.md` describes the files.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::str::FromStr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use zabra_types::{Epoch, Zxid};

/// Set to record what happens in place of what is recorded.
const REWRITE: &str = "REWRITE";

/// Before a command: only how many lines it led to is recorded.
const QUIETLY: &str = "quietly";

/// What the commands of a script are about.
pub(crate) trait World {
    /// Carries out one command, and tells what it led to, a line each.
    fn run(&mut self, command: &Command<'_>) -> Result<Vec<String>, String>;
}

/// One line of a script: a word, then values and `key=value`s.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    pub(crate) name: &'a str,
    values: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Command<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let (options, values) = words.partition::<Vec<_>, _>(|word| word.contains('='));
        let options = options.into_iter().filter_map(|word| word.split_once('=')).collect();
        Some(Self { name, values, options })
    }

    /// The values that are not named, in order.
    pub(crate) fn values(&self) -> &[&'a str] {
        &self.values
    }

    /// All unnamed values as `T`.
    pub(crate) fn all<T: FromStr>(&self) -> Result<Vec<T>, String> {
        self.values.iter().map(|value| parse(self.name, value)).collect()
    }

    /// The unnamed value at `index`.
    pub(crate) fn value<T: FromStr>(&self, index: usize) -> Result<T, String> {
        let value = self.values.get(index).ok_or_else(|| format!("{}: a value is missing", self.name))?;
        parse(self.name, value)
    }

    /// The text of a named value.
    pub(crate) fn text(&self, key: &str) -> Option<&'a str> {
        self.options.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    /// A named value.
    pub(crate) fn option<T: FromStr>(&self, key: &str) -> Result<Option<T>, String> {
        self.text(key).map(|value| parse(key, value)).transpose()
    }

    /// A named value that is a list, separated by commas; empty when it is not there.
    pub(crate) fn list<T: FromStr>(&self, key: &str) -> Result<Vec<T>, String> {
        let items = self.text(key).unwrap_or_default().split(',');
        items.filter(|item| !item.is_empty()).map(|item| parse(key, item)).collect()
    }
}

fn parse<T: FromStr>(what: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{what}: what is {value}?"))
}

/// A zxid as scripts write it, `epoch:counter`; `none` for data that may be missing.
#[derive(Clone, Copy)]
pub(crate) struct ScriptZxid(pub(crate) Zxid);

impl FromStr for ScriptZxid {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "none" {
            return Ok(Self(Zxid::NONE));
        }
        let (epoch, counter) = text.split_once(':').ok_or(())?;
        let epoch = Epoch::new(epoch.parse().map_err(|_| ())?);
        Ok(Self(Zxid::new(epoch, counter.parse().map_err(|_| ())?)))
    }
}

impl fmt::Display for ScriptZxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Zxid::NONE {
            return f.write_str("none");
        }
        write!(f, "{}:{}", self.0.epoch(), self.0.counter())
    }
}

/// Runs every script of a folder of `testdata` in a world of its own, and compares or records.
///
/// # Panics
/// Tells all differences when there are any.
pub(crate) fn run_folder<W: World>(folder: &str, new_world: impl Fn() -> W) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).expect("a folder of scripts").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no scripts in {}", folder.display());
    let mut failures = String::new();
    for file in files {
        let recorded = fs::read_to_string(&file).expect("a script is text");
        let actual = run(&recorded, &mut new_world());
        if actual == recorded {
            continue;
        }
        if env::var_os(REWRITE).is_some() {
            fs::write(&file, actual).expect("a script can be written");
        } else {
            let _ = writeln!(failures, "{}\n{}", file.display(), first_difference(&recorded, &actual));
        }
    }
    assert!(
        failures.is_empty(),
        "{failures}\nIf this is what should happen, record it: {REWRITE}=1 cargo test"
    );
}

/// The script as it would be recorded: blocks of commands, each followed by what it led to.
fn run(script: &str, world: &mut impl World) -> String {
    let mut recorded = String::new();
    for block in script.trim_end().split("\n\n") {
        let commands = block.split("----").next().unwrap_or_default().trim_end();
        let separator = if recorded.is_empty() { "" } else { "\n" };
        let _ = writeln!(recorded, "{separator}{commands}");
        let is_prose = commands.lines().all(|line| line.starts_with('#'));
        if is_prose {
            continue;
        }
        recorded.push_str("----\n");
        for command in commands.lines().filter(|line| !line.starts_with('#')).filter_map(Command::parse) {
            for line in run_command(command, world) {
                let _ = writeln!(recorded, "{line}");
            }
        }
    }
    recorded
}

fn run_command(mut command: Command<'_>, world: &mut impl World) -> Vec<String> {
    let is_quiet = command.name == QUIETLY && !command.values.is_empty();
    if is_quiet {
        command.name = command.values.remove(0);
    }
    match world.run(&command) {
        Ok(lines) if is_quiet => [format!("({} lines)", lines.len())].into(),
        Ok(lines) => lines,
        Err(error) => [format!("error: {error}")].into(),
    }
}

fn first_difference(recorded: &str, actual: &str) -> String {
    let (mut old, mut new) = (recorded.lines(), actual.lines());
    for line in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (old, new) if old != new => {
                let end = "(the end)";
                return format!(
                    "line {line}\n  recorded: {}\n  actual:   {}",
                    old.unwrap_or(end),
                    new.unwrap_or(end)
                );
            }
            _ => {}
        }
    }
    "white space differs".to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Adder(i64);

    impl World for Adder {
        fn run(&mut self, command: &Command<'_>) -> Result<Vec<String>, String> {
            match command.name {
                "add" => {
                    self.0 += command.all::<i64>()?.iter().sum::<i64>();
                    self.0 *= command.option("times")?.unwrap_or(1);
                    Ok([self.0.to_string()].into())
                }
                other => Err(format!("no command {other}")),
            }
        }
    }

    #[test]
    fn records_what_commands_lead_to() {
        let script =
            "# About sums.\n\nadd 1 2\n# Again.\nadd times=3\n----\nold\n\nsub 1\nadd x\nquietly add\n";
        let recorded = "# About sums.\n\nadd 1 2\n# Again.\nadd times=3\n----\n3\n9\n\n\
            sub 1\nadd x\nquietly add\n----\nerror: no command sub\nerror: add: what is x?\n(1 lines)\n";
        assert_eq!(run(script, &mut Adder(0)), recorded);
        assert_eq!(run(recorded, &mut Adder(0)), recorded, "recording it again changes nothing");
    }

    #[test]
    fn tells_where_a_record_differs() {
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), "line 2\n  recorded: b\n  actual:   c");
        assert_eq!(first_difference("a\n", "a\nc\n"), "line 2\n  recorded: (the end)\n  actual:   c");
    }
}
