//! `tree`: a subtree as people draw it; `view`: data as people read it.

use serde_json::json;

use super::show::{self, Paint};
use super::subtree::{Step, Subtree, Want};
use super::view;
use crate::shell::Shell;
use crate::shell::commands::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::fault::Fault;
use crate::shell::format;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "tree",
        usage: "[--data] [--depth N] [--width N] [path]",
        about: "Draw a node and everything below it",
        grammar: Grammar {
            options: &[
                Opt::long("data", "Show the beginning of the data"),
                Opt::long_valued("depth", "N", "Only N levels"),
                Opt::long_valued("width", "N", "At most N children of each node [100]"),
            ],
            ..Grammar::NONE
        },
        arguments: &[Argument::Path],
        arguments_min: 0,
        origin: Origin::Zabra,
        session: Session::Needed,
        run: tree,
    },
    Command {
        name: "view",
        usage: "[--as text|json|hex] path",
        about: "Show data as what it is: JSON indented, other text as it is, anything else in hex",
        grammar: Grammar { options: &[Opt::long_valued("as", "FORM", "text, json or hex")], ..Grammar::NONE },
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::Zabra,
        session: Session::Needed,
        run: view::view,
    },
];

/// How many children of a node are drawn unless told otherwise: more would hide the rest.
const WIDTH: usize = 100;
/// How much of the data is shown.
const PREVIEW: usize = 40;

fn tree<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let root = call.optional(1).unwrap_or("/");
        path::check(root)?;
        let want = Want {
            data: call.has("data"),
            depth_max: number(call, "depth")?,
            children_max: Some(number(call, "width")?.unwrap_or(WIDTH)),
            ..Want::default()
        };
        let paint = Paint::of(call);
        let client = shell.client()?;
        let mut subtree = Subtree::new(client, root, want);
        // For each level above: whether the node drawn there last was the last of its siblings.
        let mut lasts: Vec<bool> = Vec::new();
        let (mut nodes, mut bytes, mut ephemerals) = (0_u64, 0_u64, 0_u64);
        while let Some(step) = subtree.next().await? {
            let node = match step {
                Step::Node(node) => node,
                Step::More { depth, count } => {
                    let more =
                        format!("{}└── {}", indent(&lasts, depth), paint.dim(&format!("… {count} more")));
                    call.out.text(more)?;
                    continue;
                }
            };
            nodes += 1;
            bytes += u64::try_from(node.stat.data_length).unwrap_or(0);
            ephemerals += u64::from(node.stat.ephemeral_owner != 0);
            if call.out.is_json() {
                let mut value =
                    json!({ "path": node.path, "depth": node.depth, "stat": format::stat_json(&node.stat) });
                if want.data {
                    format::put_data(&mut value, node.data.as_deref());
                }
                call.out.json(&value)?;
                continue;
            }
            let name = if node.depth == 0 { root } else { node.path.rsplit('/').next().unwrap_or_default() };
            let mut line = match node.depth {
                0 => String::new(),
                depth => format!("{}{}", indent(&lasts, depth), if node.is_last { "└── " } else { "├── " }),
            };
            line.push_str(&if node.stat.num_children > 0 { paint.name(name) } else { name.to_owned() });
            let mut details = show::details(&node.stat);
            if want.depth_max == Some(node.depth) && node.stat.num_children > 0 {
                details.push(format!("{} children", node.stat.num_children));
            }
            if node.refused.is_some() {
                details.push("not allowed".to_owned());
            }
            if !details.is_empty() {
                line.push_str(&paint.dim(&format!("  ({})", details.join(", "))));
            }
            if let Some(data) = node.data.as_deref().filter(|data| !data.is_empty()) {
                line.push_str(&format!("  {}", show::preview(data, PREVIEW)));
            }
            call.out.text(line)?;
            lasts.truncate(node.depth);
            lasts.push(node.is_last);
        }
        call.out
            .text(paint.dim(&format!("{nodes} nodes, {} of data, {ephemerals} ephemeral", show::size(bytes))))
    })
}

/// The lines that come down from the levels above.
fn indent(lasts: &[bool], depth: usize) -> String {
    let above = lasts.get(1..depth).unwrap_or_default();
    above.iter().map(|last| if *last { "    " } else { "│   " }).collect()
}

/// The value of an option that counts something.
pub(super) fn number(call: &Call, name: &str) -> Result<Option<usize>, Fault> {
    let Some(value) = call.parsed.value(name) else { return Ok(None) };
    let number =
        value.parse().map_err(|_| call.bad_value(name, format!("--{name} is a number, not {value}")));
    number.map(Some)
}
