//! The options `zabra shell` starts with: zkCli's, and a few of its own.

use std::path::PathBuf;
use std::time::Duration;

/// How the shell was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The servers, with a chroot behind them if there is one.
    pub(crate) server: String,
    /// The session time-out to ask for.
    pub(crate) timeout: Duration,
    /// Whether a server that only reads will do.
    pub(crate) read_only: bool,
    /// Whether to wait for the connection before anything else, and to give up when it does not come.
    pub(crate) wait_for_connection: bool,
    /// Where the client's settings are.
    pub(crate) client_configuration: Option<PathBuf>,
    /// Whether a program reads the output.
    pub(crate) json: bool,
    /// The one command to run.
    pub(crate) command: Option<Vec<String>>,
    /// What to tell the person about the options.
    pub(crate) notes: Vec<String>,
}

/// What the words after `zabra shell` ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A shell.
    Shell(Options),
    /// An explanation.
    Help,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server: "localhost:2181".to_owned(),
            timeout: Duration::from_secs(30),
            read_only: false,
            wait_for_connection: false,
            client_configuration: None,
            json: false,
            command: None,
            notes: Vec::new(),
        }
    }
}

/// What `--help` shows.
pub(crate) const HELP: &str = "\
Talk to a server: interactively, with commands from standard input, or with one command

Usage: zabra shell [OPTIONS] [COMMAND [ARGUMENT]...]

Options:
  -server HOST:PORT[,HOST:PORT...][/CHROOT]  The servers [default: localhost:2181]
  -timeout MS                                Session time-out [default: 30000]
  -r                                         Accept a server that only reads
  -waitforconnection                         Connect before the first command, or give up after the time-out
  -client-configuration FILE                 Properties of the client
  --json                                     One line of JSON for each command, nothing else on standard output
  -h, --help                                 This

A single command ends with 0 when it succeeded, 1 when it failed, 127 when there is no such command. Data and events
go to standard output, everything else to standard error. `zabra shell help` lists the commands.";

/// Reads the words. An option nobody knows is passed over with a note, as zkCli passes it over silently.
pub(crate) fn read(words: &[String]) -> Result<Asked, String> {
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("Error: no argument found for option {word}"));
        match word.as_str() {
            "-server" | "--server" => options.server.clone_from(value()?),
            "-timeout" | "--timeout" => options.timeout = milliseconds(value()?)?,
            "-client-configuration" | "--client-configuration" => {
                options.client_configuration = Some(value()?.into());
            }
            "-r" | "--read-only" => options.read_only = true,
            "-waitforconnection" | "--waitforconnection" => options.wait_for_connection = true,
            "--json" => options.json = true,
            "-h" | "--help" | "-help" => return Ok(Asked::Help),
            other if other.starts_with('-') => {
                let mut note = format!("the option {other} is unknown and not considered");
                if let Some(near) =
                    near(other, &["-server", "-timeout", "-waitforconnection", "-client-configuration"])
                {
                    note.push_str(&format!("; did you mean {near}?"));
                }
                options.notes.push(note);
            }
            command => {
                let arguments = words.map(String::as_str);
                options.command =
                    Some(std::iter::once(command).chain(arguments).map(str::to_owned).collect());
                break;
            }
        }
    }
    Ok(Asked::Shell(options))
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.parse::<i32>() {
        Ok(timeout) if timeout >= 0 => Ok(Duration::from_millis(timeout.unsigned_abs().into())),
        _ => Err(format!("-timeout is a number of milliseconds up to {}, not {text}", i32::MAX)),
    }
}

/// The word among `known` that a person may have meant.
pub(crate) fn near<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let limit = match word.chars().count() {
        0..=2 => 0,
        3..=4 => 1,
        _ => 2,
    };
    let distances = known.iter().map(|known| (distance(&lower, &known.to_lowercase()), *known));
    distances
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, near)| near)
}

/// How many letters to insert, remove, replace or swap with a neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<_>, Vec<_>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<_>>()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]));
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        read(&words).map(|asked| match asked {
            Asked::Shell(options) => options,
            Asked::Help => panic!("{line} asks for help"),
        })
    }

    #[test]
    fn zkclis_options_are_read() {
        assert_eq!(options(""), Ok(Options::default()));
        let all =
            options("-server a:1,b:2/c -timeout 500 -r -waitforconnection -client-configuration f ls -R /")
                .unwrap();
        assert_eq!((all.server.as_str(), all.timeout), ("a:1,b:2/c", Duration::from_millis(500)));
        assert!(all.read_only && all.wait_for_connection && !all.json);
        assert_eq!(all.client_configuration, Some("f".into()));
        assert_eq!(all.command, Some(["ls", "-R", "/"].map(str::to_owned).into()));
        // What follows the command belongs to it.
        assert_eq!(options("ls -server x").unwrap().server, "localhost:2181");
    }

    #[test]
    fn slips_are_told() {
        assert_eq!(options("-server"), Err("Error: no argument found for option -server".to_owned()));
        assert!(options("-timeout soon").unwrap_err().contains("not soon"));
        let notes = options("-sever x").unwrap().notes;
        assert_eq!(notes, ["the option -sever is unknown and not considered; did you mean -server?"]);
    }

    #[test]
    fn near_words_are_found() {
        let known = ["ls", "create", "delete", "deleteall", "getAcl", "get"];
        for (word, found) in [
            ("craete", Some("create")),
            ("delet", Some("delete")),
            ("getacl", Some("getAcl")),
            ("gte", Some("get")),
            ("xyz", None),
            ("l", None),
        ] {
            assert_eq!(near(word, &known), found, "{word}");
        }
    }
}
