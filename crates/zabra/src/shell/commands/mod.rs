//! The commands: what they are called, what they take, what they do.

mod acl;
mod change;
mod config;
mod quota;
mod read;
mod session;
mod tree;
mod watch;

use std::future::Future;
use std::pin::Pin;

use super::Shell;
use super::extra;
use super::fault::Fault;
use super::options::near;
use super::output::Out;
use super::parse::{Grammar, Opt, Parsed, parse};

/// A command.
#[derive(Debug)]
pub(crate) struct Command {
    /// What is typed.
    pub(crate) name: &'static str,
    /// What comes behind it, as the usage list shows it: zkCli's words for zkCli's commands.
    pub(crate) usage: &'static str,
    /// What it does, in a line.
    pub(crate) about: &'static str,
    /// Its options.
    pub(crate) grammar: Grammar,
    /// What its arguments are, for completion. The last one stands for all further ones.
    pub(crate) arguments: &'static [Argument],
    /// How many arguments it needs at least; with fewer, its usage is shown.
    pub(crate) arguments_min: usize,
    /// Whose command it is.
    pub(crate) origin: Origin,
    /// What it has to do with the session.
    pub(crate) session: Session,
    /// Does it.
    pub(crate) run: Run,
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// A node.
    Path,
    /// One of these words.
    Word(&'static [&'static str]),
    /// The name of a command.
    Command,
    /// Anything.
    Free,
}

/// Whose command it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// zkCli has it.
    ZkCli,
    /// zkCli has it and shows its options below its usage.
    ZkCliWithOptions,
    /// Earlier or later releases of zkCli have it.
    OtherZkCli,
    /// It is Zabra's.
    Zabra,
}

/// What a command has to do with the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// It asks the server. Without a session the shell says so instead.
    Needed,
    /// It does its work; should there be no session then, the shell says so.
    Reported,
    /// Nothing.
    Unused,
}

/// A command at work.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>>;
/// Starts a command.
pub(crate) type Run = for<'a> fn(&'a mut Shell, &'a Call) -> Running<'a>;

/// A command with its words.
#[derive(Debug)]
pub(crate) struct Call {
    /// Which.
    pub(crate) command: &'static Command,
    /// Its options and arguments.
    pub(crate) parsed: Parsed,
    /// Where its words go.
    pub(crate) out: Out,
}

impl Command {
    /// The usage as zkCli shows it when a command is wrong: with the options below, for some (`CommandUsageHelper`).
    pub(crate) fn usage_text(&self) -> String {
        let head = format!("{} {}", self.name, self.usage);
        if self.origin != Origin::ZkCliWithOptions {
            return head;
        }
        format!("{head}\n{}\n", options_text(self.grammar.options))
    }

    /// Whether no release of zkCli has it.
    pub(crate) fn is_own(&self) -> bool {
        self.origin == Origin::Zabra
    }

    /// Sorts the words of a call, the command's name being the first.
    pub(crate) fn parse(&'static self, words: &[String]) -> Result<Parsed, Fault> {
        let mut parsed = parse(&self.grammar, words).map_err(|fault| match self.is_own() {
            true => fault.without_class(),
            false => fault,
        })?;
        if parsed.words.len() > 2 && LEGACY_WATCH.contains(&self.name) {
            // Old scripts write `get path watch`. The third word becomes the option, whatever it is.
            let mut words = words.to_vec();
            words[2] = "-w".to_owned();
            parsed = parse(&self.grammar, &words)?;
            parsed.legacy = true;
        }
        if parsed.words.len() <= self.arguments_min {
            let missing =
                match self.arguments.get(parsed.words.len().saturating_sub(1)).or(self.arguments.last()) {
                    Some(Argument::Path) => "a path".to_owned(),
                    Some(Argument::Word(words)) => format!("one of {}", words.join(", ")),
                    Some(Argument::Command) => "a command".to_owned(),
                    Some(Argument::Free) | None => "something".to_owned(),
                };
            return Err(Fault::new(self.usage_text())
                .at(words.len())
                .hint(format!("{missing} is missing here")));
        }
        Ok(parsed)
    }
}

/// The commands that may be followed by a word meaning `-w`.
const LEGACY_WATCH: [&str; 3] = ["get", "ls", "stat"];

impl Call {
    /// Whether an option is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.parsed.has(name)
    }

    /// An argument, counted from 1, that is there because the command needs it; else empty.
    pub(crate) fn argument(&self, index: usize) -> &str {
        self.parsed.word(index).unwrap_or_default()
    }

    /// An argument that may be missing.
    pub(crate) fn optional(&self, index: usize) -> Option<&str> {
        self.parsed.word(index)
    }

    /// A failure that points at the value of an option.
    pub(crate) fn bad_value(&self, name: &str, text: impl Into<String>) -> Fault {
        let fault = Fault::new(text);
        match self.parsed.place(name) {
            Some(place) => fault.at(place),
            None => fault,
        }
    }

    /// The value of an option as a number of the kind Java reads there.
    pub(crate) fn number<N: std::str::FromStr>(
        &self,
        name: &str,
        java_type: &str,
    ) -> Result<Option<N>, Fault> {
        let Some(value) = self.parsed.value(name) else { return Ok(None) };
        let article = if java_type.starts_with('i') { "an" } else { "a" };
        value.parse().map(Some).map_err(|_| {
            let fault = Fault::new(format!("-{name} argument must be {article} {java_type} value"));
            Fault { place: self.parsed.place(name).into(), ..fault }
        })
    }
}

/// Options in the columns of commons-cli's help: sorted regardless of case, what they do behind three spaces.
pub(crate) fn options_text<'a>(options: impl IntoIterator<Item = &'a Opt>) -> String {
    let mut rows: Vec<_> = options
        .into_iter()
        .map(|option| {
            (
                option.name.to_lowercase(),
                format!("{}{}", option.typed(), if option.value.is_some() { " <arg>" } else { "" }),
                option.help,
            )
        })
        .collect();
    rows.sort();
    let width = rows.iter().map(|(_, typed, _)| typed.len()).max().unwrap_or_default();
    let lines: Vec<_> = rows.iter().map(|(_, typed, help)| format!(" {typed:<width$}   {help}")).collect();
    lines.join("\n")
}

/// All commands, in the order of the usage list.
pub(crate) fn all() -> Vec<&'static Command> {
    let groups: [&'static [Command]; 8] = [
        session::COMMANDS,
        read::COMMANDS,
        change::COMMANDS,
        tree::COMMANDS,
        acl::COMMANDS,
        config::COMMANDS,
        quota::COMMANDS,
        watch::COMMANDS,
    ];
    let mut all: Vec<_> = groups.into_iter().chain(extra::GROUPS).flatten().collect();
    all.sort_by_key(|command| command.name);
    all
}

/// The command of this name.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    all().into_iter().find(|command| command.name == name)
}

/// What somebody meant who typed the name of no command.
pub(crate) fn meant(name: &str) -> Option<&'static str> {
    let names: Vec<_> = all().iter().map(|command| command.name).collect();
    near(name, &names)
}

/// The list of its commands that zkCli shows to somebody who asked for another one.
pub(crate) fn usage() -> String {
    let mut text = String::from("ZooKeeper -server host:port -client-configuration properties-file cmd args");
    for command in all() {
        if matches!(command.origin, Origin::ZkCli | Origin::ZkCliWithOptions) {
            text.push_str(&format!("\n\t{} {}", command.name, command.usage));
        }
    }
    text
}
