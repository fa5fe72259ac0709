//! Commands on the shell itself and its session: connect, close, history, redo, help, version, quit.

use serde_json::json;

use super::{Argument, Call, Command, Origin, Running, Session, all, find, meant, options_text};
use crate::shell::Shell;
use crate::shell::fault::Fault;
use crate::shell::parse::{DRY_RUN, Grammar, JSON};

/// See the module.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "connect",
        usage: "host:port",
        about: "Begin another session, with these servers or the same",
        grammar: Grammar::ANYTHING,
        arguments: &[Argument::Free],
        arguments_min: 0,
        origin: Origin::ZkCli,
        session: Session::Reported,
        run: connect,
    },
    Command {
        name: "close",
        usage: "",
        about: "End the session",
        grammar: Grammar::ANYTHING,
        arguments: &[],
        arguments_min: 0,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: close,
    },
    Command {
        name: "history",
        usage: "",
        about: "List the latest commands with their numbers",
        grammar: Grammar::ANYTHING,
        arguments: &[],
        arguments_min: 0,
        origin: Origin::ZkCli,
        session: Session::Reported,
        run: history,
    },
    Command {
        name: "redo",
        usage: "cmdno",
        about: "Run a command of the history again",
        grammar: Grammar::ANYTHING,
        arguments: &[Argument::Free],
        arguments_min: 0,
        origin: Origin::ZkCli,
        session: Session::Reported,
        run: redo,
    },
    Command {
        name: "help",
        usage: "[command]",
        about: "Explain the commands, or one of them",
        grammar: Grammar::ANYTHING,
        arguments: &[Argument::Command],
        arguments_min: 0,
        origin: Origin::Zabra,
        session: Session::Unused,
        run: help,
    },
    Command {
        name: "version",
        usage: "",
        about: "Show which release this is",
        grammar: Grammar::NONE,
        arguments: &[],
        arguments_min: 0,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: version,
    },
    Command {
        name: "quit",
        usage: "",
        about: "Leave",
        grammar: Grammar::ANYTHING,
        arguments: &[],
        arguments_min: 0,
        origin: Origin::ZkCli,
        session: Session::Unused,
        run: quit,
    },
    Command {
        name: "exit",
        usage: "",
        about: "Leave",
        grammar: Grammar::ANYTHING,
        arguments: &[],
        arguments_min: 0,
        origin: Origin::OtherZkCli,
        session: Session::Unused,
        run: quit,
    },
];

fn connect<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let server = call.optional(1).unwrap_or(shell.server()).to_owned();
        shell.connect(&server).await?;
        call.out.json(&json!({ "connecting": server }))
    })
}

fn close<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        shell.close().await;
        call.out.json(&json!({ "closed": true }))
    })
}

fn quit<'a>(shell: &'a mut Shell, _: &'a Call) -> Running<'a> {
    Box::pin(async move {
        shell.leave();
        shell.close().await;
        Ok(())
    })
}

/// The latest eleven, this one included.
fn history<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let lines = shell.history().latest();
        for (number, line) in &lines {
            call.out.text(format!("{number} - {line}"))?;
        }
        let lines: Vec<_> =
            lines.iter().map(|(number, line)| json!({ "number": number, "command": line })).collect();
        call.out.json(&json!({ "history": lines }))
    })
}

fn redo<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let Some(number) = call.optional(1) else {
            return Ok(());
        };
        let number: i64 = number.parse().map_err(|_| Fault::new(format!("{number} is no number")).at(1))?;
        let line = shell.history().redo(number)?;
        // What it does ends this command, too; its own failure is told, and forgotten as zkCli forgets it.
        shell.run_line(&line).await
    })
}

fn help<'a>(_: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let Some(name) = call.optional(1) else {
            let width = all().iter().map(|command| command.name.len()).max().unwrap_or_default();
            for command in all() {
                call.out.text(format!("{:width$}  {}", command.name, command.about))?;
            }
            call.out.text("\n`help COMMAND` tells more; every command takes --json.")?;
            return call.out.json(&all().into_iter().map(described).collect());
        };
        let Some(command) = find(name) else {
            let fault = Fault::unknown_command(name).at(1);
            return Err(match meant(name) {
                Some(near) => fault.hint(format!("did you mean {near}?")),
                None => fault,
            });
        };
        call.out.text(format!("{} {}\n\n{}", command.name, command.usage, command.about))?;
        let mut options: Vec<_> = command.grammar.options.iter().chain([&JSON]).collect();
        if command.grammar.destructive {
            options.push(&DRY_RUN);
        }
        call.out.text(format!("\n{}", options_text(options)))?;
        call.out.json(&described(command))
    })
}

fn described(command: &Command) -> serde_json::Value {
    let options: Vec<_> = command
        .grammar
        .options
        .iter()
        .map(|option| json!({ "option": option.typed(), "value": option.value, "about": option.help }))
        .collect();
    json!({
        "command": command.name,
        "usage": command.usage,
        "about": command.about,
        "options": options,
        "destructive": command.grammar.destructive,
    })
}

fn version<'a>(_: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        if call.optional(1).is_some() {
            return Err(Fault::new(call.command.usage_text()));
        }
        let version = crate::shell::version();
        call.out.either(format!("ZooKeeper CLI version: {version}"), || json!({ "version": version }))
    })
}
