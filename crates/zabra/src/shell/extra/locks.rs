//! `locks`: who holds what, and who waits for it. Reads the layouts of Curator, kazoo and ZooKeeper's own lock recipe,
//! which are those of `zabra-recipes`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};
use zabra_types::Stat;

use super::show::{self, Paint};
use super::subtree::{Step, Subtree, Want};
use crate::java_time;
use crate::shell::Shell;
use crate::shell::commands::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::fault::Fault;
use crate::shell::format;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;
use crate::shell::session::fault_of;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[Command {
    name: "locks",
    usage: "[--held] [path]",
    about: "Show the locks, leases and leaders at a path and below: who has them, who waits, since when",
    grammar: Grammar { options: &[Opt::long("held", "Leave out those who wait")], ..Grammar::NONE },
    arguments: &[Argument::Path],
    arguments_min: 0,
    origin: Origin::Zabra,
    session: Session::Needed,
    run: locks,
}];

/// How much of the data is shown.
const PREVIEW: usize = 40;

fn locks<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let root = call.optional(1).unwrap_or("/");
        path::check(root)?;
        let client = shell.client()?;
        let mut subtree = Subtree::new(client.clone(), root, Want::default());
        let mut found: BTreeMap<String, Vec<Contender>> = BTreeMap::new();
        while let Some(step) = subtree.next().await? {
            let Step::Node(node) = step else { continue };
            let Some((parent, name)) = node.path.rsplit_once('/') else { continue };
            // Contenders vanish with their session; anything else only looks like one.
            if let (Some(claim), true) = (Claim::of(name), node.stat.ephemeral_owner != 0) {
                let parent = if parent.is_empty() { "/" } else { parent };
                let contender = Contender { claim, path: node.path.clone(), stat: node.stat, data: None };
                found.entry(parent.to_owned()).or_default().push(contender);
            }
        }
        if found.is_empty() {
            call.out.note(format!("nothing below {root} looks like a lock that somebody has or waits for"));
        }
        for (path, mut contenders) in found {
            contenders
                .sort_by(|a, b| (&a.claim.sequence, a.stat.czxid).cmp(&(&b.claim.sequence, b.stat.czxid)));
            let roles = roles(&contenders.iter().map(|contender| contender.claim.kind).collect::<Vec<_>>());
            let mut line = Vec::new();
            for (mut contender, holds) in contenders.into_iter().zip(roles) {
                if call.has("held") && !holds {
                    continue;
                }
                contender.data = match client.get(&contender.path).await {
                    Ok((data, _)) => Some(data),
                    // Gone, or not for us.
                    Err(error) if error.keeper().is_some() => None,
                    Err(error) => return Err(fault_of(&error, Some(&contender.path))),
                };
                line.push((contender, holds));
            }
            print(call, &path, &line)?;
        }
        Ok(())
    })
}

/// One that has a lock or waits for it.
#[derive(Debug)]
struct Contender {
    claim: Claim,
    path: String,
    stat: Stat,
    data: Option<Bytes>,
}

/// What a node's name claims.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    kind: Kind,
    layout: &'static str,
    /// The number that decides the order, as text: that is how the recipes compare it.
    sequence: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Exclusive,
    Read,
    Write,
    Leader,
    Lease,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Exclusive => "lock",
            Self::Read | Self::Write => "read/write lock",
            Self::Leader => "leader latch",
            Self::Lease => "semaphore",
        }
    }
}

impl Claim {
    fn of(name: &str) -> Option<Self> {
        if name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            // A lease of kazoo's semaphore, which wants no order.
            return Some(Self { kind: Kind::Lease, layout: "kazoo", sequence: String::new() });
        }
        let digits = name.len().checked_sub(10).filter(|at| name.is_char_boundary(*at))?;
        let (base, sequence) = name.split_at(digits);
        let is_number =
            sequence.bytes().enumerate().all(|(at, byte)| byte.is_ascii_digit() || (at == 0 && byte == b'-'));
        if !is_number {
            return None;
        }
        let is_hex = |text: &str, len: usize| {
            text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        };
        let (layout, word) = if let Some(rest) = base.strip_prefix("_c_") {
            let (uuid, word) = rest.split_at_checked(36)?;
            ("Curator", is_hex(uuid, 36).then_some(word.strip_prefix('-')?)?)
        } else if let Some((uuid, word)) = base.split_at_checked(32).filter(|(uuid, _)| is_hex(uuid, 32)) {
            ("kazoo", is_hex(uuid, 32).then_some(word)?)
        } else if base
            .strip_prefix("x-")
            .and_then(|rest| rest.strip_suffix('-'))
            .is_some_and(|session| session.parse::<i64>().is_ok())
        {
            ("ZooKeeper", "lock-")
        } else {
            ("Curator", base)
        };
        let kind = match (layout, word) {
            ("kazoo", "__lock__") | ("Curator" | "ZooKeeper", "lock-") => Kind::Exclusive,
            ("kazoo", "__rlock__") | ("Curator", "__READ__") => Kind::Read,
            ("Curator", "__WRIT__") => Kind::Write,
            ("Curator", "latch-") => Kind::Leader,
            ("Curator", "lease-") => Kind::Lease,
            _ => return None,
        };
        Some(Self { kind, layout, sequence: sequence.to_owned() })
    }
}

/// Who has it, of a line in the order of their numbers.
fn roles(line: &[Kind]) -> Vec<bool> {
    let first_writer = line.iter().position(|kind| matches!(kind, Kind::Write | Kind::Exclusive));
    line.iter()
        .enumerate()
        .map(|(at, kind)| match kind {
            Kind::Lease => true,
            Kind::Read => first_writer.is_none_or(|first| at < first),
            Kind::Exclusive | Kind::Write | Kind::Leader => at == 0,
        })
        .collect()
}

fn print(call: &Call, path: &str, line: &[(Contender, bool)]) -> Result<(), Fault> {
    let Some((first, _)) = line.first() else { return Ok(()) };
    // kazoo's exclusive locks and write locks have the same name.
    let kinds = line.iter().map(|(contender, _)| contender.claim.kind);
    let kind = kinds.clone().find(|kind| *kind == Kind::Read).unwrap_or(first.claim.kind);
    if call.out.is_json() {
        let contenders: Vec<Value> =
            line.iter().map(|(contender, holds)| json_of(contender, *holds)).collect();
        return call.out.json(&json!({
            "path": path,
            "kind": kind.words(),
            "layout": first.claim.layout,
            "contenders": contenders,
        }));
    }
    let paint = Paint::of(call);
    call.out.text(format!(
        "{}  {}",
        paint.name(path),
        paint.dim(&format!("({}, {})", kind.words(), first.claim.layout))
    ))?;
    let rows: Vec<_> = line.iter().map(|(contender, holds)| Row::of(contender, *holds)).collect();
    let width =
        |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0);
    let widths =
        (width(|row| row.role), width(|row| &row.session), width(|row| &row.since), width(|row| &row.data));
    for row in &rows {
        let role = format!("{:<width$}", row.role, width = widths.0);
        let role = if row.holds { paint.good(&role) } else { paint.middling(&role) };
        call.out.text(format!(
            "  {role}  {:<session$}  in line since {:<since$}  {:<data$}{}{}",
            row.session,
            row.since,
            row.data,
            if widths.3 > 0 { "  " } else { "" },
            paint.dim(&row.node),
            session = widths.1,
            since = widths.2,
            data = widths.3,
        ))?;
    }
    Ok(())
}

/// A contender in words.
#[derive(Debug)]
struct Row {
    holds: bool,
    role: &'static str,
    session: String,
    since: String,
    data: String,
    node: String,
}

impl Row {
    fn of(contender: &Contender, holds: bool) -> Self {
        let role = match (holds, contender.claim.kind) {
            (true, Kind::Read) => "reads",
            (true, Kind::Leader) => "leads",
            (true, _) => "holds",
            (false, Kind::Read) => "waits to read",
            (false, _) => "waits",
        };
        let since = contender.stat.ctime;
        let data = contender.data.as_deref().filter(|data| !data.is_empty());
        Self {
            holds,
            role,
            session: show::session(contender.stat.ephemeral_owner),
            since: format!(
                "{} ({})",
                java_time::sortable(since),
                show::span(show::now().saturating_sub(since))
            ),
            data: data.map(|data| show::preview(data, PREVIEW)).unwrap_or_default(),
            node: contender.path.rsplit('/').next().unwrap_or_default().to_owned(),
        }
    }
}

fn json_of(contender: &Contender, holds: bool) -> Value {
    let mut value = json!({
        "node": contender.path,
        "holds": holds,
        "session": show::session(contender.stat.ephemeral_owner),
        "since": java_time::iso(contender.stat.ctime),
        "fence": format!("{:#x}", contender.stat.czxid),
    });
    if let (Kind::Read | Kind::Write, Value::Object(fields)) = (contender.claim.kind, &mut value) {
        fields.insert(
            "mode".to_owned(),
            if contender.claim.kind == Kind::Read { "read" } else { "write" }.into(),
        );
    }
    format::put_data(&mut value, contender.data.as_deref());
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_they_claim() {
        let uuid = "01234567-89ab-cdef-0123-456789abcdef";
        let simple = uuid.replace('-', "");
        let cases = [
            (format!("_c_{uuid}-lock-0000000007"), Some(("Curator", Kind::Exclusive))),
            (format!("_c_{uuid}-__READ__0000000007"), Some(("Curator", Kind::Read))),
            (format!("_c_{uuid}-__WRIT__0000000007"), Some(("Curator", Kind::Write))),
            (format!("_c_{uuid}-latch-0000000007"), Some(("Curator", Kind::Leader))),
            (format!("_c_{uuid}-lease--000000007"), Some(("Curator", Kind::Lease))),
            (format!("{simple}__lock__0000000007"), Some(("kazoo", Kind::Exclusive))),
            (format!("{simple}__rlock__0000000007"), Some(("kazoo", Kind::Read))),
            ("lock-0000000007".to_owned(), Some(("Curator", Kind::Exclusive))),
            ("x-72057594037927936-0000000007".to_owned(), Some(("ZooKeeper", Kind::Exclusive))),
            (format!("_c_{uuid}-member-0000000007"), None),
            ("member0000000007".to_owned(), None),
            ("lock".to_owned(), None),
            (simple.clone(), Some(("kazoo", Kind::Lease))),
            (uuid.to_owned(), None),
            ("ääääälock-é00000000".to_owned(), None),
            ("_c_ä-lock-0000000007".to_owned(), None),
        ];
        for (name, expected) in cases {
            let claim = Claim::of(&name);
            assert_eq!(claim.map(|claim| (claim.layout, claim.kind)), expected, "{name}");
        }
    }

    #[test]
    fn the_order_decides_who_has_it() {
        use Kind::{Exclusive, Leader, Lease, Read, Write};
        let cases: [(&[Kind], &[bool]); 6] = [
            (&[Exclusive, Exclusive], &[true, false]),
            (&[Read, Read, Write, Read], &[true, true, false, false]),
            (&[Write, Read], &[true, false]),
            (&[Read, Exclusive], &[true, false]),
            (&[Leader, Leader], &[true, false]),
            (&[Lease, Lease], &[true, true]),
        ];
        for (line, holders) in cases {
            assert_eq!(roles(line), holders, "{line:?}");
        }
    }
}
