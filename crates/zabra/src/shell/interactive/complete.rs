//! What the line editor offers: commands, their options, and paths from the live tree.

use std::time::Duration;

use nu_ansi_term::{Color, Style};
use reedline::{Completer, Highlighter, Span, StyledText, Suggestion};
use tokio::runtime::Handle;

use super::super::commands::{Argument, Command, all, find};
use super::super::parse::{DRY_RUN, JSON};
use super::super::path::child;
use super::super::session::Watcher;
use super::super::words::{Unclosed, quoted, split};

/// How long a person waits for the names of nodes.
const NAMES_WITHIN: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Completions {
    runtime: Handle,
    link: Watcher,
}

/// The word at the cursor, and what it can be.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// So far.
    text: String,
    start: usize,
    wanted: Wanted,
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Command,
    Option(&'static str),
    Path,
    Word(&'static [&'static str]),
    Nothing,
}

impl Completions {
    pub(super) fn new(runtime: Handle, link: Watcher) -> Self {
        Self { runtime, link }
    }

    /// The nodes whose paths begin so.
    fn paths(&self, text: &str) -> Vec<String> {
        let Some(slash) = text.rfind('/') else { return Vec::new() };
        let (parent, prefix) = (if slash == 0 { "/" } else { &text[..slash] }, &text[slash + 1..]);
        let Some(client) = self.link.client_now() else { return Vec::new() };
        let names = self
            .runtime
            .block_on(async { tokio::time::timeout(NAMES_WITHIN, client.children(parent)).await });
        // Neither a slow server nor a path that is not there is worth a word here.
        let Ok(Ok(names)) = names else { return Vec::new() };
        names.iter().filter(|name| name.starts_with(prefix)).map(|name| child(parent, name)).collect()
    }
}

impl Completer for Completions {
    fn complete(&mut self, line: &str, position: usize) -> Vec<Suggestion> {
        let Some(before) = line.get(..position) else { return Vec::new() };
        let place = place(before);
        let span = Span::new(place.start, position);
        let suggestion = |value: String, about: Option<&str>, append_whitespace| Suggestion {
            value,
            description: about.map(str::to_owned),
            span,
            append_whitespace,
            ..Suggestion::default()
        };
        match place.wanted {
            Wanted::Command => all()
                .into_iter()
                .filter(|command| command.name.starts_with(&place.text))
                .map(|command| suggestion(command.name.to_owned(), Some(command.about), true))
                .collect(),
            Wanted::Option(command) => options(command)
                .filter(|(typed, _)| typed.starts_with(&place.text))
                .map(|(typed, help)| suggestion(typed, Some(help), true))
                .collect(),
            Wanted::Word(words) => words
                .iter()
                .filter(|word| word.starts_with(&place.text))
                .map(|word| suggestion((*word).to_owned(), None, true))
                .collect(),
            Wanted::Path => self
                .paths(&place.text)
                .into_iter()
                .map(|path| suggestion(quoted(&path), None, false))
                .collect(),
            Wanted::Nothing => Vec::new(),
        }
    }
}

fn options(command: &str) -> impl Iterator<Item = (String, &'static str)> {
    let command = find(command);
    let own = command.map(|command| command.grammar.options).unwrap_or_default();
    let dry_run = command.is_some_and(|command| command.grammar.destructive).then_some(&DRY_RUN);
    own.iter().chain([&JSON]).chain(dry_run).map(|option| (option.typed(), option.help))
}

/// What is wanted at the end of this text.
fn place(before: &str) -> Place {
    let (words, text, start) = match split(before) {
        Ok(mut words) => match words.last().filter(|word| word.span.end == before.len()) {
            Some(_) => {
                let last = words.pop();
                let (text, start) = last.map(|word| (word.text, word.span.start)).unwrap_or_default();
                (words, text, start)
            }
            None => (words, String::new(), before.len()),
        },
        Err(Unclosed(at)) => {
            // The quotes before are closed, or this one would not be the first that is not.
            let words = split(&before[..at]).unwrap_or_default();
            (words, before[at + 1..].to_owned(), at)
        }
    };
    let wanted = match words.first().map(|word| find(&word.text)) {
        None => Wanted::Command,
        Some(None) => Wanted::Path,
        Some(Some(command)) if text.starts_with('-') => Wanted::Option(command.name),
        Some(Some(command)) => {
            argument(command, words.iter().skip(1).map(|word| word.text.as_str()).collect())
        }
    };
    let wanted = match wanted {
        // As zkCli: what begins with a slash is a path, wherever it stands.
        Wanted::Nothing if text.starts_with('/') => Wanted::Path,
        wanted => wanted,
    };
    Place { text, start, wanted }
}

/// What the argument after these words is.
fn argument(command: &'static Command, words: Vec<&str>) -> Wanted {
    let mut arguments = 0;
    let mut value_due = false;
    for word in words {
        let option = word.strip_prefix('-').map(|name| name.trim_start_matches('-'));
        let option =
            option.and_then(|name| command.grammar.options.iter().find(|option| option.name == name));
        if value_due {
            value_due = false;
        } else if let Some(option) = option {
            value_due = option.value.is_some();
        } else if !word.starts_with('-') {
            arguments += 1;
        }
    }
    if value_due {
        return Wanted::Nothing;
    }
    match command.arguments.get(arguments).or(command.arguments.last()) {
        Some(Argument::Path) => Wanted::Path,
        Some(Argument::Word(words)) => Wanted::Word(words),
        Some(Argument::Command) => Wanted::Command,
        Some(Argument::Free) | None => Wanted::Nothing,
    }
}

/// Colours for a line: what is no command is red, options are cyan.
pub(super) struct Colours;

impl Highlighter for Colours {
    fn highlight(&self, line: &str, cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        let mut end = 0;
        for (index, word) in split(line).unwrap_or_default().into_iter().enumerate() {
            styled.push((Style::new(), line[end..word.span.start].to_owned()));
            // A name that is still being typed is not wrong yet.
            let typing = cursor <= word.span.end;
            let style = if index == 0 && find(&word.text).is_none() && !typing {
                Style::new().fg(Color::Red)
            } else if index == 0 {
                Style::new().bold()
            } else if word.text.starts_with('-') {
                Style::new().fg(Color::Cyan)
            } else {
                Style::new()
            };
            styled.push((style, line[word.span.clone()].to_owned()));
            end = word.span.end;
        }
        styled.push((Style::new(), line[end..].to_owned()));
        styled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_at_the_cursor_is_understood() {
        for (before, text, start, wanted) in [
            ("", "", 0, Wanted::Command),
            ("l", "l", 0, Wanted::Command),
            ("ls ", "", 3, Wanted::Path),
            ("ls /a", "/a", 3, Wanted::Path),
            ("ls -", "-", 3, Wanted::Option("ls")),
            ("ls -R /a", "/a", 6, Wanted::Path),
            ("get \"/with sp", "/with sp", 4, Wanted::Path),
            ("create /a ", "", 10, Wanted::Nothing),
            ("create -t ", "", 10, Wanted::Nothing),
            ("create -t 5 /a", "/a", 12, Wanted::Path),
            ("create /a /b", "/b", 10, Wanted::Path),
            ("printwatches o", "o", 13, Wanted::Word(&["on", "off"])),
            ("help g", "g", 5, Wanted::Command),
            ("nonsense /a", "/a", 9, Wanted::Path),
        ] {
            assert_eq!(place(before), Place { text: text.to_owned(), start, wanted }, "{before}");
        }
    }

    #[test]
    fn options_are_offered() {
        let offered: Vec<_> = options("delete").map(|(typed, _)| typed).collect();
        assert_eq!(offered, ["-v", "--json", "--dry-run"]);
    }
}
