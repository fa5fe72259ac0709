//! `find`: nodes by name, size, kind and owner.

use regex::{Regex, RegexBuilder};
use serde_json::json;
use zabra_types::Stat;

use super::show::{self, Paint};
use super::subtree::{Step, Subtree, Want};
use super::tree::number;
use crate::shell::Shell;
use crate::shell::commands::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::fault::Fault;
use crate::shell::format;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[Command {
    name: "find",
    usage: "path [regex] [--full] [-i] [--type ephemeral|persistent] [--owner SESSION] [--min-size N] [--max-size N] [--empty] \
            [--depth N] [--limit N]",
    about: "Find nodes whose name matches a regular expression, or by kind, owner and size",
    grammar: Grammar {
        options: &[
            Opt::flag("i", "Take small and capital letters for the same"),
            Opt::long("full", "Match the whole path, not the name"),
            Opt::long_valued("type", "TYPE", "ephemeral or persistent"),
            Opt::long_valued("owner", "SESSION", "Ephemeral nodes of a session"),
            Opt::long_valued("min-size", "N", "At least N bytes of data"),
            Opt::long_valued("max-size", "N", "At most N bytes of data"),
            Opt::long("empty", "Without children and data"),
            Opt::long_valued("depth", "N", "At most N levels below the path"),
            Opt::long_valued("limit", "N", "Stop after N nodes"),
        ],
        ..Grammar::NONE
    },
    arguments: &[Argument::Path, Argument::Free],
    arguments_min: 1,
    origin: Origin::Zabra,
    session: Session::Needed,
    run: find,
}];

/// What is looked for.
#[derive(Debug)]
struct Wanted {
    pattern: Option<Regex>,
    full: bool,
    ephemeral: Option<bool>,
    owner: Option<i64>,
    size: std::ops::RangeInclusive<i64>,
    empty: bool,
}

impl Wanted {
    fn of(call: &Call) -> Result<Self, Fault> {
        let ephemeral = match call.parsed.value("type") {
            None => None,
            Some("ephemeral") => Some(true),
            Some("persistent") => Some(false),
            Some(other) => {
                let fault = call.bad_value("type", format!("--type is ephemeral or persistent, not {other}"));
                return Err(
                    fault.hint("servers do not tell clients which nodes are containers or have a TTL")
                );
            }
        };
        let bytes = |name| {
            number(call, name).map(|value| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)))
        };
        Ok(Self {
            pattern: call.optional(2).map(|text| pattern(text, call.has("i"))).transpose()?,
            full: call.has("full"),
            ephemeral,
            owner: call.parsed.value("owner").map(|text| session_of(call, text)).transpose()?,
            size: bytes("min-size")?.unwrap_or(0)..=bytes("max-size")?.unwrap_or(i64::MAX),
            empty: call.has("empty"),
        })
    }

    fn fits(&self, path: &str, stat: &Stat) -> bool {
        let name = if self.full { path } else { path.rsplit('/').next().unwrap_or_default() };
        self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(name))
            && self.ephemeral.is_none_or(|wanted| wanted == (stat.ephemeral_owner != 0))
            && self.owner.is_none_or(|owner| owner == stat.ephemeral_owner)
            && self.size.contains(&stat.data_length.into())
            && (!self.empty || (stat.data_length == 0 && stat.num_children == 0))
    }
}

fn find<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let root = call.argument(1);
        path::check(root)?;
        let wanted = Wanted::of(call)?;
        let limit = number(call, "limit")?.unwrap_or(usize::MAX);
        let paint = Paint::of(call);
        let want = Want { depth_max: number(call, "depth")?, ..Want::default() };
        let mut subtree = Subtree::new(shell.client()?, root, want);
        let mut found = 0;
        while let Some(step) = subtree.next().await? {
            let Step::Node(node) = step else { continue };
            if !wanted.fits(&node.path, &node.stat) {
                continue;
            }
            if found == limit {
                call.out.note(format!("(stopped after {limit})"));
                break;
            }
            found += 1;
            let details = show::details(&node.stat);
            let details = if details.is_empty() || !paint.0 {
                String::new()
            } else {
                paint.dim(&format!("  ({})", details.join(", ")))
            };
            call.out.either(
                format!("{}{details}", node.path),
                || json!({ "path": node.path, "stat": format::stat_json(&node.stat) }),
            )?;
        }
        Ok(())
    })
}

/// A session in hex, as everywhere, with or without `0x`.
fn session_of(call: &Call, text: &str) -> Result<i64, Fault> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let session = u64::from_str_radix(digits, 16);
    session
        .map(u64::cast_signed)
        .map_err(|_| call.bad_value("owner", format!("{text} is no session; expected 0x1000…")))
}

/// A regular expression. Its compiled size is bounded, and so is the time it takes.
pub(super) fn pattern(text: &str, ignore_case: bool) -> Result<Regex, Fault> {
    let pattern = RegexBuilder::new(text).case_insensitive(ignore_case).build();
    pattern.map_err(|error| bad_pattern(&error))
}

/// What is wrong with a regular expression.
pub(super) fn bad_pattern(error: &regex::Error) -> Fault {
    Fault::new(error.to_string()).at(2)
}
