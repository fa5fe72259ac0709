//! What the record must be like.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::record::{Action, Inner, Listing, Op, Outcome, SessionLife};

/// Sessions whose node is missing while they live, or there after their end.
pub(crate) fn ephemerals(record: &Inner) -> Vec<String> {
    let mut wrong = Vec::new();
    for listing in &record.listings {
        for life in &record.sessions {
            let there = listing.sessions.contains(&life.id);
            if there && must_be_gone(life, listing) {
                wrong.push(format!("session {:#x} was over, but its ephemeral node was seen", life.id));
            }
            if !there && must_be_there(life, listing) {
                wrong.push(format!("session {:#x} was alive, but its ephemeral node was not seen", life.id));
            }
        }
    }
    wrong
}

fn must_be_gone(life: &SessionLife, listing: &Listing) -> bool {
    life.over.is_some_and(|over| over < listing.call)
}

fn must_be_there(life: &SessionLife, listing: &Listing) -> bool {
    life.ephemeral.is_some_and(|since| since < listing.call)
        && life.alive > listing.back
        && life.closing.is_none_or(|closing| closing > listing.back)
}

/// Writes that were acknowledged with a version that another one has, or a read whose value was never written. A linear
/// order shows the same and more; this says which operations they are.
pub(crate) fn versions(record: &Inner) -> Vec<String> {
    let mut values: BTreeMap<(usize, i32), i64> = BTreeMap::new();
    let mut wrong = Vec::new();
    for op in &record.ops {
        let Outcome::Done { value, version } = op.outcome else { continue };
        let first = *values.entry((op.key, version)).or_insert(value);
        if first != value {
            wrong.push(format!("register {} had both {first} and {value} at version {version}", op.key));
        }
    }
    wrong
}

/// Lets the checker look for a linear order of all operations on each register.
///
/// # Errors
/// The checker cannot be built or run.
pub(crate) fn linearizability(record: &Inner, checker: &Path) -> io::Result<Vec<String>> {
    // Built first: `go run` does not pass on how the program ended.
    let place = tempfile::tempdir()?;
    let program = place.path().join("check");
    let built =
        Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(checker).status()?;
    if !built.success() {
        return Err(io::Error::other("the checker cannot be built"));
    }
    let mut child = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        let mut text = String::new();
        for op in &record.ops {
            text.push_str(&line(op));
        }
        input.write_all(text.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => Ok(Vec::new()),
        Some(1) => Ok(said.lines().map(str::to_owned).collect()),
        _ => Err(io::Error::other(format!("the checker ended with {}", output.status))),
    }
}

/// `client key action value version call back outcome value version`, a line each; times in nanoseconds.
fn line(op: &Op) -> String {
    let (action, value, version) = match op.action {
        Action::Write(value) => ("write", value, -1),
        Action::Swap { version, value } => ("swap", value, version),
        Action::Read => ("read", 0, -1),
    };
    let (outcome, got, at) = match op.outcome {
        Outcome::Done { value, version } => ("done", value, version),
        Outcome::Refused => ("refused", 0, 0),
        Outcome::Unknown => ("unknown", 0, 0),
    };
    let (call, back) = (op.call.as_nanos(), op.back.as_nanos());
    format!("{} {} {action} {value} {version} {call} {back} {outcome} {got} {at}\n", op.client, op.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn life(over: Option<u64>, alive: u64) -> SessionLife {
        SessionLife { id: 7, ephemeral: Some(at(10)), alive: at(alive), closing: None, over: over.map(at) }
    }

    fn seen(call: u64, back: u64, there: bool) -> Listing {
        Listing { call: at(call), back: at(back), sessions: there.then_some(7).into_iter().collect() }
    }

    #[test]
    fn a_node_is_there_exactly_while_its_session_lives() {
        for (life, listing, faults) in [
            (life(Some(50), 40), seen(60, 61, true), 1),
            (life(Some(50), 40), seen(60, 61, false), 0),
            (life(Some(50), 40), seen(49, 61, true), 0),
            (life(None, 100), seen(20, 30, false), 1),
            (life(None, 25), seen(20, 30, false), 0),
            (life(None, 100), seen(5, 30, false), 0),
        ] {
            let record =
                Inner { sessions: vec![life.clone()], listings: vec![listing.clone()], ..Inner::default() };
            assert_eq!(ephemerals(&record).len(), faults, "{life:?} {listing:?}");
        }
    }

    #[test]
    fn a_version_has_one_value() {
        let op = |value, version| Op {
            client: 0,
            key: 0,
            action: Action::Read,
            call: at(0),
            back: at(1),
            outcome: Outcome::Done { value, version },
        };
        assert!(versions(&Inner { ops: vec![op(1, 1), op(1, 1), op(2, 2)], ..Inner::default() }).is_empty());
        assert_eq!(versions(&Inner { ops: vec![op(1, 1), op(2, 1)], ..Inner::default() }).len(), 1);
    }

    #[test]
    fn the_checker_finds_a_stale_read() {
        let checker = Path::new(env!("CARGO_MANIFEST_DIR")).join("check");
        let op = |call, back, action, value, version| Op {
            client: 0,
            key: 0,
            action,
            call: at(call),
            back: at(back),
            outcome: Outcome::Done { value, version },
        };
        let mut ops = vec![
            op(0, 1, Action::Write(5), 5, 1),
            op(2, 3, Action::Read, 5, 1),
            op(4, 5, Action::Swap { version: 1, value: 6 }, 6, 2),
        ];
        let record = |ops: &[Op]| Inner { ops: ops.to_vec(), ..Inner::default() };
        assert_eq!(linearizability(&record(&ops), &checker).unwrap(), Vec::<String>::new());
        ops.push(op(6, 7, Action::Read, 5, 1));
        assert_ne!(linearizability(&record(&ops), &checker).unwrap(), Vec::<String>::new());
        // Unless it began before the change.
        ops[3].call = at(3);
        assert_eq!(linearizability(&record(&ops), &checker).unwrap(), Vec::<String>::new());
        // What nobody acknowledged may have happened, or not.
        ops[2].outcome = Outcome::Unknown;
        ops[3].call = at(6);
        assert_eq!(linearizability(&record(&ops), &checker).unwrap(), Vec::<String>::new());
    }
}
