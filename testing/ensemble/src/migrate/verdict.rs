//! What clients felt of a migration, and whether they lost anything.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::load::{Done, Library, Load, Report};
use crate::Failure;
use crate::client::{Client, expect};

const SESSION_TIMEOUT_MS: i32 = 10_000;

/// A part of the migration.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) name: String,
    /// Milliseconds since 1970.
    pub(super) from: u64,
    pub(super) to: u64,
    /// How long the server was replaced.
    pub(super) took: Duration,
}

/// What a program said, in the end.
type Outcome = (Library, Vec<Report>);

/// Tells, step by step, how long clients had to wait and how many writes failed them.
pub(super) fn tell(steps: &[Step], outcomes: &[Outcome], out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "{:32} {:>9} {:>13} {:>8} {:>7}", "step", "took", "longest wait", "waiting", "errors")?;
    for step in steps {
        let (mut waiting, mut longest, mut errors) = (BTreeSet::new(), 0, 0);
        for (library, reports) in outcomes {
            for report in reports {
                match report {
                    Report::Gap { client, from, to } if (step.from..step.to).contains(to) => {
                        waiting.insert((*library as u8, *client));
                        longest = longest.max(to - from);
                    }
                    Report::Error { at, .. } if (step.from..step.to).contains(at) => errors += 1,
                    _ => {}
                }
            }
        }
        let (took, waiting) = (format!("{:.1?}", step.took), waiting.len());
        writeln!(out, "{:32} {took:>9} {longest:>10} ms {waiting:>8} {errors:>7}", step.name)?;
    }
    let mut kinds = BTreeMap::new();
    for (library, reports) in outcomes {
        for report in reports {
            if let Report::Error { what, .. } = report {
                *kinds.entry(format!("{library:?} {what}")).or_insert(0) += 1;
            }
        }
    }
    for (kind, count) in kinds {
        writeln!(out, "{count} times {kind}")?;
    }
    Ok(())
}

/// The sessions that own the nodes of clients that are alive.
pub(super) fn owners(load: &Load, server: SocketAddr, clients: usize) -> Result<Vec<String>, Failure> {
    let mut client = Client::connect(server, "the end", SESSION_TIMEOUT_MS)?;
    client.sync()?;
    let mut owners = Vec::new();
    for number in 0..clients {
        let (_, stat) = client.get(&format!("{}/alive-{number}", load.library().root()))?;
        owners.push(format!("{:x}", stat.ephemeral_owner));
    }
    client.close()?;
    Ok(owners)
}

/// Fails unless every acknowledged write is there, nothing is there that was not written, and every session and its
/// ephemeral node, owned as `alive` says, has lived to the end.
pub(super) fn judge(
    outcomes: &[Outcome],
    alive: &[Vec<String>],
    server: SocketAddr,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut client = Client::connect(server, "the end", SESSION_TIMEOUT_MS)?;
    client.sync()?;
    let (mut acknowledged, mut sessions) = (0, 0);
    for ((library, reports), owners) in outcomes.iter().zip(alive) {
        let mut done = 0;
        for report in reports {
            match report {
                Report::Broken(what) => return Err(format!("{library:?}: {what}").into()),
                Report::Done(client_done) => {
                    let names = client.children(&format!("{}/{}", library.root(), client_done.client))?;
                    acknowledged += judge_client(client_done, &names, owners.get(client_done.client))
                        .map_err(|error| format!("{library:?}, client {}: {error}", client_done.client))?;
                    done += 1;
                }
                Report::Ready | Report::Gap { .. } | Report::Error { .. } => {}
            }
        }
        expect(done == owners.len(), || {
            format!("{library:?}: {done} of {} clients came to an end", owners.len())
        })?;
        sessions += done;
    }
    client.close()?;
    writeln!(out, "{acknowledged} acknowledged writes are there; {sessions} sessions lived on")?;
    Ok(())
}

/// How many writes were acknowledged, if all is well.
fn judge_client(done: &Done, names: &[String], owner: Option<&String>) -> Result<usize, Failure> {
    let [first, last] = &done.sessions;
    expect(first == last, || format!("session {first} became {last}"))?;
    expect(owner == Some(first), || format!("its ephemeral node belongs to {owner:?}, not to {first}"))?;
    let there = names.iter().map(|name| name.parse()).collect::<Result<BTreeSet<u32>, _>>()?;
    let acknowledged = numbers(&done.acknowledged);
    let lost: Vec<_> = acknowledged.difference(&there).collect();
    expect(lost.is_empty(), || format!("lost: {lost:?}"))?;
    let unknown = numbers(&done.unknown);
    let strange: Vec<_> =
        there.iter().filter(|n| !acknowledged.contains(n) && !unknown.contains(n)).collect();
    expect(strange.is_empty(), || format!("never written: {strange:?}"))?;
    expect(!acknowledged.is_empty(), || "nothing was acknowledged".to_owned())?;
    Ok(acknowledged.len())
}

fn numbers(ranges: &[RangeInclusive<u32>]) -> BTreeSet<u32> {
    ranges.iter().cloned().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_noticed() {
        let done = Done {
            client: 0,
            sessions: ["ab".into(), "ab".into()],
            acknowledged: vec![0..=1, 3..=3],
            unknown: vec![2..=2],
        };
        let judge = |done: &Done, names: &[&str], owner: &str| {
            let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
            judge_client(done, &names, Some(&owner.to_owned())).map_err(|error| error.to_string())
        };
        assert_eq!(judge(&done, &["0000000", "0000001", "0000003"], "ab"), Ok(3));
        assert_eq!(judge(&done, &["0000000", "0000001", "0000002", "0000003"], "ab"), Ok(3));
        assert_eq!(judge(&done, &["0000000", "0000003"], "ab"), Err("lost: [1]".into()));
        assert!(judge(&done, &["0000000", "0000001", "0000003", "0000004"], "ab").is_err());
        assert!(judge(&done, &["0000000", "0000001", "0000003"], "cd").is_err());
        let moved = Done { sessions: ["ab".into(), "cd".into()], ..done };
        assert!(judge(&moved, &["0000000", "0000001", "0000003"], "ab").is_err());
    }
}
