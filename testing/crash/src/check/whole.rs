//! Whether the slots' stories fit together: one order of transactions, one counter, one queue, and nothing besides.

use super::{Base, Round, SlotFindings};
use crate::action::{COUNTER, QUEUE, ROOT, home, tag};
use crate::history::{Answer, What};
use crate::observe::Observed;
use crate::world::{Tally, entry_number};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Nodes `mntr` counts besides those a client sees: the root has two names.
const HIDDEN_NODES: i64 = 1;

pub(super) fn check(round: &Round, findings: &[SlotFindings], observed: &Observed, faults: &mut Vec<String>) {
    zxids(round, findings, observed, faults);
    figures(round, findings, observed, faults);
    sessions(round, faults);
    counter(round, findings, observed, faults);
    queue(round, findings, observed, faults);
    strangers(round, observed, faults);
}

/// The range in which the sum of something over all slots must lie: requests without a trace leave it open.
fn sum(findings: &[SlotFindings], of: impl Fn(&Tally) -> i64) -> RangeInclusive<i64> {
    let ends = findings.iter().map(|found| (of(&found.tallies.0), of(&found.tallies.1)));
    ends.fold(0..=0, |sum, (a, b)| sum.start() + a.min(b)..=sum.end() + a.max(b))
}

/// Every transaction has a zxid of its own, in an order the clients can confirm, and none is left over.
fn zxids(round: &Round, findings: &[SlotFindings], observed: &Observed, faults: &mut Vec<String>) {
    let mut owners: BTreeMap<i64, (usize, usize)> = BTreeMap::new();
    for (slot, found) in round.slots.iter().zip(findings) {
        for (at, zxid) in found.ledger.zxids() {
            if let Some((other, other_at)) = owners.insert(zxid, (slot.slot, at)) {
                faults.push(format!(
                    "zxid 0x{zxid:x} belongs to #{other_at} of slot {other} and to #{at} of slot {}",
                    slot.slot
                ));
            }
        }
        if found.shared.zxid_max > observed.zxid {
            faults.push(format!(
                "slot {} was told of zxid 0x{:x}, but the last one is 0x{:x}",
                slot.slot, found.shared.zxid_max, observed.zxid
            ));
        }
    }
    real_time_order(round, &owners, faults);
    let made = observed.zxid - round.base.zxid;
    let asked = sum(findings, |tally| tally.logged);
    if !asked.contains(&made) {
        faults.push(format!(
            "{made} transactions since 0x{:x}, but requests for {asked:?}: the last one is 0x{:x}",
            round.base.zxid, observed.zxid
        ));
    }
    let own = observed.zxid_after - observed.zxid;
    if own != 2 {
        faults.push(format!("{own} transactions while the observer made a session and closed it"));
    }
}

/// What was answered before something else was sent comes first.
fn real_time_order(round: &Round, owners: &BTreeMap<i64, (usize, usize)>, faults: &mut Vec<String>) {
    let mut received_first: Option<(Duration, i64)> = None;
    for (&zxid, &(slot, at)) in owners.iter().rev() {
        let Some(slot) = round.slots.iter().find(|round| round.slot == slot) else { continue };
        let request = &slot.requests[at];
        if let Some((received, later)) = received_first.filter(|(received, _)| *received < request.sent) {
            faults.push(format!(
                "0x{later:x} was acknowledged after {received:?}, yet 0x{zxid:x} was only asked for after {:?}",
                request.sent
            ));
        }
        if let Some(Answer { received, .. }) = &request.answer
            && received_first.is_none_or(|(first, _)| *received < first)
        {
            received_first = Some((*received, zxid));
        }
    }
}

/// What the server counts is what there is.
fn figures(round: &Round, findings: &[SlotFindings], observed: &Observed, faults: &mut Vec<String>) {
    let mut expect = |key: &str, expected: RangeInclusive<i64>| match observed.figures.get(key) {
        Some(shown) if expected.contains(shown) => {}
        shown => faults.push(format!("mntr: {key} is {shown:?}, not {expected:?}")),
    };
    let exactly = |n: i64| n..=n;
    let ephemerals = observed.nodes.values().filter(|seen| seen.stat.ephemeral_owner != 0).count();
    expect("zk_digest_mismatches_count", exactly(0));
    expect("zk_znode_count", exactly(observed.nodes.len() as i64 + HIDDEN_NODES));
    expect("zk_ephemerals_count", exactly(ephemerals as i64));
    let sessions = sum(findings, |tally| tally.sessions);
    let (least, most) = (round.base.sessions + sessions.start(), round.base.sessions + sessions.end());
    expect("zk_global_sessions", least..=most);
}

/// No session gets the id of another.
fn sessions(round: &Round, faults: &mut Vec<String>) {
    let mut ids = round.base.session_ids.clone();
    for slot in &round.slots {
        for request in &slot.requests {
            if let (What::Open(key), Some(_)) = (&request.what, &request.answer) {
                let id = slot.sessions.get(*key).map_or(0, |session| session.id);
                if !ids.insert(id) {
                    faults.push(format!("slot {}: session id 0x{id:x} was used before", slot.slot));
                }
            }
        }
    }
}

/// The counter counts every set that took effect, in the order of transactions, and holds the data of the last one.
fn counter(round: &Round, findings: &[SlotFindings], observed: &Observed, faults: &mut Vec<String>) {
    let Some(seen) = observed.nodes.get(COUNTER) else {
        faults.push(format!("{COUNTER} is missing"));
        return;
    };
    let (base, now) = (&round.base.counter.stat, &seen.stat);
    let counted = sum(findings, |tally| i64::from(tally.counted));
    let more = i64::from(now.version) - i64::from(base.version);
    if !counted.contains(&more) {
        faults.push(format!("{COUNTER} was set {more} times, not {counted:?} times"));
    }
    let mut sets: Vec<_> = findings.iter().flat_map(|found| found.shared.counted.iter().copied()).collect();
    sets.extend([(base.mzxid, base.version), (now.mzxid, now.version)]);
    sets.sort_unstable();
    sets.dedup();
    for pair in sets.windows(2) {
        // One multi may set it several times.
        let [(zxid, version), (next_zxid, next_version)] = [pair[0], pair[1]];
        if version >= next_version {
            faults.push(format!(
                "{COUNTER} had version {version} at 0x{zxid:x} and {next_version} at 0x{next_zxid:x}"
            ));
        }
    }
    let versions: BTreeMap<_, _> = sets.into_iter().collect();
    for (zxid, version) in findings.iter().flat_map(|found| &found.shared.counter_read) {
        if *version > now.version || *zxid > now.mzxid {
            faults.push(format!("{COUNTER} was read at version {version}, 0x{zxid:x}, and lost that"));
        } else if versions.get(zxid).is_some_and(|known| known != version) {
            faults.push(format!("{COUNTER} was read at version {version}, 0x{zxid:x}, which is another"));
        }
    }
    if more == 0 && seen.data != round.base.counter.data {
        faults.push(format!("{COUNTER} holds \"{}\" without having been set", tag(&seen.data)));
    } else if more > 0 && !counter_data_fits(round, findings, seen.stat.mzxid, &seen.data) {
        faults.push(format!(
            "{COUNTER} holds \"{}\" as of 0x{:x}, which is not what that transaction set",
            tag(&seen.data),
            now.mzxid
        ));
    }
}

/// Whether the request of this zxid, or one in flight, set this data and took effect.
fn counter_data_fits(round: &Round, findings: &[SlotFindings], zxid: i64, data: &[u8]) -> bool {
    use crate::action::{Action, Op};
    let sets = |ops: &[Op]| {
        // Of several sets in one multi the last one stays.
        let data_of = |op: &Op| match op {
            Op::Count { data } => Some(data.clone()),
            _ => None,
        };
        ops.iter().filter_map(data_of).next_back()
    };
    round.slots.iter().zip(findings).any(|(slot, found)| {
        let known: BTreeMap<_, _> = found.ledger.zxids().collect();
        slot.requests.iter().enumerate().any(|(at, request)| {
            let set = match &request.what {
                What::Act(_, Action::Write(op)) => sets(std::slice::from_ref(op)),
                What::Act(_, Action::Multi(ops)) => sets(ops),
                _ => None,
            };
            set.is_some_and(|set| *set == *data) && known.get(&at).is_none_or(|known| *known == zxid)
        })
    })
}

/// Names in the queue are given out in the order of transactions and never twice.
fn queue(round: &Round, findings: &[SlotFindings], observed: &Observed, faults: &mut Vec<String>) {
    let Some(seen) = observed.nodes.get(QUEUE) else {
        faults.push(format!("{QUEUE} is missing"));
        return;
    };
    let mut last = round.base.last_entry;
    for (zxid, path) in entries_of_round(round, findings, observed) {
        let number = entry_number(&path);
        if number.is_none() || number <= last {
            faults.push(format!("0x{zxid:x} was named {path}, after number {last:?}"));
        }
        last = last.max(number);
    }
    let prefix = format!("{QUEUE}/");
    let children = observed.nodes.keys().filter(|path| path.starts_with(&prefix)).count();
    if seen.stat.num_children != children as i32 {
        faults.push(format!("{QUEUE} has {children} children, and its Stat is {:?}", seen.stat));
    }
    let creations = |stat: &zabra_types::Stat| i64::from(stat.cversion + stat.num_children) / 2;
    let more = creations(&seen.stat) - creations(&round.base.queue.stat);
    let enqueued = sum(findings, |tally| i64::from(tally.enqueued));
    if !enqueued.contains(&more) {
        faults.push(format!("{more} nodes were made in {QUEUE}, not {enqueued:?}"));
    }
    if last.is_some_and(|last| i64::from(last) >= creations(&seen.stat)) {
        faults.push(format!("{QUEUE} will give out number {last:?} again: its Stat is {:?}", seen.stat));
    }
}

/// Zxid and path of every node that is known to have been made in the queue this round.
fn entries_of_round(
    round: &Round,
    findings: &[SlotFindings],
    observed: &Observed,
) -> BTreeSet<(i64, String)> {
    let prefix = format!("{QUEUE}/");
    let shown = observed
        .nodes
        .iter()
        .filter(|(path, seen)| path.starts_with(&prefix) && seen.stat.czxid > round.base.zxid);
    let told = findings.iter().flat_map(|found| found.shared.enqueued.iter().cloned());
    told.chain(shown.map(|(path, seen)| (seen.stat.czxid, path.clone()))).collect()
}

/// Nothing is there that nobody asked for.
fn strangers(round: &Round, observed: &Observed, faults: &mut Vec<String>) {
    let homes: Vec<_> = round.slots.iter().map(|slot| home(slot.slot)).collect();
    for (path, seen) in &observed.nodes {
        let known = ["/", ROOT, QUEUE, COUNTER].contains(&path.as_str())
            || path == "/zookeeper"
            || path.starts_with("/zookeeper/")
            || homes.iter().any(|home| path == home || path.starts_with(&format!("{home}/")))
            || (path.starts_with(QUEUE)
                && crate::choose::slot_of(&seen.data).is_some_and(|slot| slot < homes.len()));
        if !known {
            faults.push(format!("{path} is there, with data \"{}\", and nobody made it", tag(&seen.data)));
        }
    }
}

/// What the next round begins with.
pub(super) fn next_base(round: &Round, findings: &[SlotFindings], observed: &Observed) -> Base {
    let numbers = entries_of_round(round, findings, observed);
    let last_entry = numbers.iter().filter_map(|(_, path)| entry_number(path)).max();
    let mut session_ids = round.base.session_ids.clone();
    session_ids.extend(round.slots.iter().flat_map(|slot| slot.sessions.iter().map(|session| session.id)));
    let seen = |path: &str| observed.nodes[path].clone();
    Base {
        zxid: observed.zxid_after,
        sessions: observed.figures["zk_global_sessions"],
        counter: seen(COUNTER),
        queue: seen(QUEUE),
        last_entry: last_entry.max(round.base.last_entry),
        session_ids,
    }
}
