//! Whether what is there after a crash is what some first part of a slot's requests makes, all answered ones included.

use super::compare::{Differences, owner_id};
use super::{Round, Shared, SlotFindings};
use crate::action::QUEUE;
use crate::choose::slot_of;
use crate::history::SlotRound;
use crate::ledger::Ledger;
use crate::observe::{Observed, Seen};
use crate::world::World;
use std::collections::BTreeMap;

/// The slot's part of what the server shows.
struct Shown<'a> {
    round: &'a SlotRound,
    /// Nodes of its home.
    own: BTreeMap<&'a str, &'a Seen>,
    /// Its nodes in the queue, by data.
    entries: BTreeMap<&'a [u8], (&'a str, &'a Seen)>,
    /// Its sessions.
    renewed: BTreeMap<usize, bool>,
    /// Zxids of the round lie above the first and not above the second.
    zxids: (i64, i64),
}

/// Finds the part of the requests that explains what is there.
///
/// # Errors
/// There is none; the differences from the one that comes closest.
pub(super) fn check(
    round: &Round,
    slot: &SlotRound,
    ledger: Ledger,
    shared: Shared,
    observed: &Observed,
) -> Result<SlotFindings, Vec<String>> {
    let shown = Shown::new(round, slot, observed);
    let answered = slot.answered();
    let mut world = slot.before.clone();
    for (at, request) in slot.requests[..answered].iter().enumerate() {
        world.apply(at, &request.what);
    }
    let mut found: Option<SlotFindings> = None;
    let mut closest: Option<(usize, Vec<String>)> = None;
    for effective in answered..=slot.requests.len() {
        match shown.explain(&world, ledger.clone()) {
            Ok(ledger) => match &mut found {
                Some(found) => found.tallies.1 = world.tally,
                None => {
                    let world = world.clone();
                    let tallies = (world.tally, world.tally);
                    found = Some(SlotFindings { ledger, shared: shared.clone(), world, effective, tallies });
                }
            },
            Err(differences) => {
                if closest.as_ref().is_none_or(|(_, least)| differences.len() < least.len()) {
                    closest = Some((effective, differences));
                }
            }
        }
        if let Some(request) = slot.requests.get(effective) {
            world.apply(effective, &request.what);
        }
    }
    if let Some(mut found) = found {
        shown.name_entries(&mut found.world);
        return Ok(found);
    }
    let (effective, mut differences) = closest.unwrap_or_default();
    differences.insert(
        0,
        format!(
            "{answered} of {} requests were answered, and no first part of them explains what is there; closest \
             are the first {effective}, but:",
            slot.requests.len()
        ),
    );
    Err(differences)
}

impl<'a> Shown<'a> {
    fn new(round: &Round, slot: &'a SlotRound, observed: &'a Observed) -> Self {
        let home = slot.before.home();
        let below = format!("{home}/");
        let is_own = |path: &str| path == home || path.starts_with(&below);
        let queue_prefix = format!("{QUEUE}/");
        let nodes = || observed.nodes.iter().map(|(path, seen)| (path.as_str(), seen));
        Self {
            round: slot,
            own: nodes().filter(|(path, _)| is_own(path)).collect(),
            entries: nodes()
                .filter(|(path, seen)| {
                    path.starts_with(&queue_prefix) && slot_of(&seen.data) == Some(slot.slot)
                })
                .map(|(path, seen)| (&seen.data[..], (path, seen)))
                .collect(),
            renewed: observed
                .renewed
                .iter()
                .filter(|((of, _), _)| *of == slot.slot)
                .map(|((_, key), renewed)| (*key, *renewed))
                .collect(),
            zxids: (round.base.zxid, observed.zxid),
        }
    }

    /// What is known of the requests if this world is what is there; else every difference.
    fn explain(&self, world: &World, mut ledger: Ledger) -> Result<Ledger, Vec<String>> {
        let mut found = Vec::new();
        let sessions = &self.round.sessions;
        for path in world.paths() {
            let (Some(look), Some(seen)) = (world.look(path), self.own.get(path)) else {
                found.push(format!("{path} is missing"));
                continue;
            };
            Differences { about: path, found: &mut found }.seen(&look, seen, sessions, &mut ledger);
        }
        for (path, seen) in self.own.iter().filter(|(path, _)| world.node(path).is_none()) {
            found.push(format!("{path} is there, with data \"{}\"", crate::action::tag(&seen.data)));
        }
        self.explain_entries(world, &mut ledger, &mut found);
        for (&key, &renewed) in &self.renewed {
            if renewed != world.sessions().contains(&key) {
                let id = sessions.get(key).map_or(0, |session| session.id);
                let state = if renewed { "is alive" } else { "is gone" };
                found.push(format!("session {key} (0x{id:x}) {state}"));
            }
        }
        self.explain_order(&ledger, &mut found);
        if found.is_empty() { Ok(ledger) } else { Err(found) }
    }

    fn explain_entries(&self, world: &World, ledger: &mut Ledger, found: &mut Vec<String>) {
        for (data, entry) in world.entries() {
            let about = entry.path.clone().unwrap_or_else(|| QUEUE.to_owned());
            let Some((path, seen)) = self.entries.get(&data[..]) else {
                found
                    .push(format!("{about}: the node with data \"{}\" is missing", crate::action::tag(data)));
                continue;
            };
            let mut differences = Differences { about: path, found };
            if let Some(told) = &entry.path {
                differences.equal("the path", told.as_str(), *path);
            }
            differences.zxid("czxid", ledger, entry.created, seen.stat.czxid);
            differences.zxid("mzxid", ledger, entry.created, seen.stat.mzxid);
            differences.equal("version", 0, seen.stat.version);
            let owner = owner_id(entry.owner, &self.round.sessions);
            differences.equal("ephemeralOwner", owner, seen.stat.ephemeral_owner);
        }
        for (data, (path, _)) in &self.entries {
            if !world.entries().contains_key(*data) {
                found.push(format!("{path} is there, with data \"{}\"", crate::action::tag(data)));
            }
        }
    }

    /// Later requests have higher zxids, all of this round.
    fn explain_order(&self, ledger: &Ledger, found: &mut Vec<String>) {
        let (above, last) = self.zxids;
        let mut before: Option<(usize, i64)> = None;
        for (at, zxid) in ledger.zxids() {
            if zxid <= above || zxid > last {
                found.push(format!("#{at} has zxid 0x{zxid:x}, not one of 0x{:x}..=0x{last:x}", above + 1));
            }
            if let Some((earlier, lower)) = before.filter(|(_, lower)| *lower >= zxid) {
                found.push(format!("#{earlier} has zxid 0x{lower:x} and #{at} after it 0x{zxid:x}"));
            }
            before = Some((at, zxid));
        }
    }

    /// Fills in the paths that no reply has told.
    fn name_entries(&self, world: &mut World) {
        let unnamed: Vec<_> = world.entries().keys().cloned().collect();
        for data in unnamed {
            if let Some((path, _)) = self.entries.get(&data[..]) {
                world.name_entry(&data, path);
            }
        }
    }
}
