//! `grep`: nodes by their data.

use regex::bytes::{Regex, RegexBuilder};
use serde_json::{Value, json};

use super::find::bad_pattern;
use super::show::Paint;
use super::subtree::{Node, Step, Subtree, Want};
use super::tree::number;
use crate::shell::Shell;
use crate::shell::commands::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::fault::Fault;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[Command {
    name: "grep",
    usage: "[-i] [-l] [-n] [--names] [--depth N] [--limit N] regex [path]",
    about: "Find data that matches a regular expression, line by line",
    grammar: Grammar {
        options: &[
            Opt::flag("i", "Take small and capital letters for the same"),
            Opt::flag("l", "Only tell which nodes match"),
            Opt::flag("n", "Number the lines"),
            Opt::long("names", "Look at names, too"),
            Opt::long_valued("depth", "N", "At most N levels below the path"),
            Opt::long_valued("limit", "N", "Stop after N nodes"),
        ],
        ..Grammar::NONE
    },
    arguments: &[Argument::Free, Argument::Path],
    arguments_min: 1,
    origin: Origin::Zabra,
    session: Session::Needed,
    run: grep,
}];

fn grep<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let pattern =
            RegexBuilder::new(call.argument(1)).case_insensitive(call.has("i")).multi_line(true).build();
        let pattern = pattern.map_err(|error| bad_pattern(&error).at(1))?;
        let root = call.optional(2).unwrap_or("/");
        path::check(root)?;
        let limit = number(call, "limit")?.unwrap_or(usize::MAX);
        let want = Want { data: true, depth_max: number(call, "depth")?, ..Want::default() };
        let mut subtree = Subtree::new(shell.client()?, root, want);
        let (mut found, mut refused) = (0, 0_u64);
        while let Some(step) = subtree.next().await? {
            let Step::Node(node) = step else { continue };
            refused += u64::from(node.refused.is_some());
            let matches = Matches::of(&pattern, &node, call.has("names"));
            if matches.is_empty() {
                continue;
            }
            if found == limit {
                call.out.note(format!("(stopped after {limit})"));
                break;
            }
            found += 1;
            matches.print(call, &pattern, &node)?;
        }
        if refused > 0 {
            call.out.note(format!("({refused} nodes may not be read)"));
        }
        // As the program of this name does.
        if found == 0 { Err(Fault::new("")) } else { Ok(()) }
    })
}

/// What matches in a node.
#[derive(Debug, PartialEq, Eq)]
struct Matches {
    name: bool,
    /// Numbers, from 1, and texts of lines.
    lines: Vec<(usize, String)>,
    /// The data is no text, and matches somewhere.
    binary: bool,
}

impl Matches {
    fn of(pattern: &Regex, node: &Node, names: bool) -> Self {
        let name = names && pattern.is_match(node.path.rsplit('/').next().unwrap_or_default().as_bytes());
        let (lines, binary) = in_data(pattern, node.data.as_deref().unwrap_or_default());
        Self { name, lines, binary }
    }

    fn is_empty(&self) -> bool {
        !self.name && !self.binary && self.lines.is_empty()
    }

    fn print(&self, call: &Call, pattern: &Regex, node: &Node) -> Result<(), Fault> {
        let path = &node.path;
        if call.out.is_json() {
            let lines: Vec<Value> =
                self.lines.iter().map(|(number, line)| json!({ "number": number, "text": line })).collect();
            return call
                .out
                .json(&json!({ "path": path, "name": self.name, "lines": lines, "binary": self.binary }));
        }
        let paint = Paint::of(call);
        if call.has("l") || self.name {
            call.out.text(path)?;
        }
        if call.has("l") {
            return Ok(());
        }
        if self.binary {
            call.out.text(format!("{path}: {}", paint.dim("binary data matches")))?;
        }
        for (number, line) in &self.lines {
            let number = if call.has("n") { paint.dim(&format!("{number}:")) } else { String::new() };
            call.out.text(format!("{path}:{number}{}", highlight(pattern, line, paint)))?;
        }
        Ok(())
    }
}

/// The lines that match; for what is no text, only whether anything does.
fn in_data(pattern: &Regex, data: &[u8]) -> (Vec<(usize, String)>, bool) {
    match str::from_utf8(data) {
        _ if data.is_empty() => (Vec::new(), false),
        Ok(text) if !text.contains('\0') => {
            let lines = text.lines().enumerate().filter(|(_, line)| pattern.is_match(line.as_bytes()));
            (lines.map(|(at, line)| (at + 1, line.to_owned())).collect(), false)
        }
        _ => (Vec::new(), pattern.is_match(data)),
    }
}

fn highlight(pattern: &Regex, line: &str, paint: Paint) -> String {
    let mut out = String::new();
    let mut end = 0;
    for found in pattern.find_iter(line.as_bytes()) {
        // A pattern may be told to match inside a character; then the line stays as it is.
        let (Some(before), Some(inside)) = (line.get(end..found.start()), line.get(found.range())) else {
            return line.to_owned();
        };
        out.push_str(before);
        out.push_str(&paint.found(inside));
        end = found.end();
    }
    out.push_str(line.get(end..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_in_text_and_anything_in_bytes() {
        let pattern = RegexBuilder::new("^h[ei]").multi_line(true).build().unwrap();
        let cases = [
            (&b""[..], &[][..], false),
            (b"hello", &[(1, "hello")], false),
            (b"oh\nhi\nhe", &[(2, "hi"), (3, "he")], false),
            (b"\xff\nhe", &[], true),
            (b"no\0he", &[], false),
        ];
        for (data, lines, binary) in cases {
            let lines: Vec<_> = lines.iter().map(|(number, line)| (*number, (*line).to_owned())).collect();
            assert_eq!(in_data(&pattern, data), (lines, binary), "{data:?}");
        }
    }

    #[test]
    fn what_matches_is_marked() {
        let pattern = Regex::new("b+").unwrap();
        assert_eq!(highlight(&pattern, "abba b", Paint(true)), "a\x1b[1;31mbb\x1b[0ma \x1b[1;31mb\x1b[0m");
        assert_eq!(highlight(&pattern, "abba", Paint(false)), "abba");
        let inside = Regex::new("(?-u)\\xa4").unwrap();
        assert_eq!(highlight(&inside, "ä", Paint(true)), "ä");
    }
}
