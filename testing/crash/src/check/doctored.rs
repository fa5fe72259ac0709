//! Sound histories pass, and each way of doctoring one is found out.

use super::fake;
use super::{Round, judge};
use crate::action::{Action, COUNTER, ENTRY_PREFIX, Op, QUEUE, home};
use crate::history::{Request, Said, SlotRound, What};
use crate::observe::{Observed, Seen};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use zabra_testkit::{Body, Reply};

const SEEDS: u64 = 12;
/// What the paths of all homes begin with.
const HOMES: &str = "/crash/w";

#[test]
fn sound_histories_pass() {
    for seed in 0..SEEDS {
        let (round, observed) = fake::round(seed, 12);
        let sound = judge(&round, &observed).unwrap_or_else(|faults| panic!("seed {seed}: {faults:#?}"));
        assert!(sound.figures.acknowledged > 100, "seed {seed}: {:?}", sound.figures);
        // What is left has no reference to the round: it explains the same state with nothing done.
        let slots = round.slots.iter().zip(sound.worlds).map(|(slot, before)| SlotRound {
            before,
            requests: Vec::new(),
            ..slot.clone()
        });
        let next = Round { slots: slots.collect(), base: sound.base, ended: Duration::ZERO };
        let observed = Observed { zxid: next.base.zxid, zxid_after: next.base.zxid + 2, ..observed };
        judge(&next, &observed).unwrap_or_else(|faults| panic!("seed {seed}, one on: {faults:#?}"));
    }
}

/// Changes a history so that it is wrong; false if this one has nothing to change.
type Doctor = fn(&mut Round, &mut Observed) -> bool;

#[test]
fn doctored_histories_fail() {
    let cases: &[(&str, Doctor, &str)] = &[
        ("an acknowledged node is lost", lose_node, "is missing"),
        ("an acknowledged set is lost", lose_set, "version is"),
        ("a deleted node is back", revive_node, "is there"),
        ("half a multi is lost", lose_half_multi, "is missing"),
        ("a node in the queue is lost", lose_entry, "is missing"),
        ("other data", |round, seen| change_node(round, seen, |node| node.data.push(0)), "data is"),
        ("another time", |round, seen| change_node(round, seen, |node| node.stat.mtime += 1), "mtime is"),
        ("another pzxid", |round, seen| change_node(round, seen, |node| node.stat.pzxid += 1), "pzxid is"),
        ("another ACL", |round, seen| change_node(round, seen, |node| node.acl.clear()), "the ACL is"),
        (
            "another owner",
            |round, seen| change_node(round, seen, |node| node.stat.ephemeral_owner ^= 1),
            "ephemeralOwner",
        ),
        ("a zxid told twice", reuse_zxid, "belongs to"),
        ("zxids out of a session's order", swap_zxids, "after it"),
        ("zxids out of real order", |round, _| break_real_time(round), "only asked for after"),
        ("a zxid from before the round", old_zxid, "not one of"),
        (
            "a transaction of nobody",
            |_, seen| {
                seen.zxid += 1;
                seen.zxid_after += 1;
                true
            },
            "but requests for",
        ),
        ("transactions forgotten", forget_tail, "not one of"),
        ("a node of nobody", |_, seen| add_node(seen, "/stranger"), "nobody made it"),
        ("a node of nobody in a home", |_, seen| add_node(seen, &format!("{}/x", home(0))), "is there"),
        (
            "a node of nobody in the queue",
            |_, seen| add_node(seen, &format!("{QUEUE}/e-0000099999")),
            "nobody made",
        ),
        ("a session is lost", |_, seen| flip_session(seen, true), "is gone"),
        ("a closed session is back", |_, seen| flip_session(seen, false), "is alive"),
        ("a closed session's node is there", keep_ephemeral, "is there"),
        ("a session id given twice", reuse_session_id, "was used before"),
        ("the counter forgets a set", |_, seen| change_counter(seen, -1), "times"),
        ("the counter counts twice", |_, seen| change_counter(seen, 1), "times"),
        ("the counter holds old data", old_counter_data, "is not what that transaction set"),
        ("a read shows what is lost", read_the_future, "lost that"),
        ("a number given twice", reuse_number, "was named"),
        ("a number about to be given again", forget_numbers, "nodes were made"),
        ("a wrong error", wrong_error, "the error is"),
        ("a digest that does not fit", |_, seen| set_figure(seen, "zk_digest_mismatches_count"), "mntr"),
        ("a node too many in mntr", |_, seen| set_figure(seen, "zk_znode_count"), "mntr"),
        ("a session too many in mntr", |_, seen| set_figure(seen, "zk_global_sessions"), "mntr"),
        (
            "a connection that ended early",
            |round, _| {
                round.slots[1].ended.0 = Duration::ZERO;
                true
            },
            "while it ran",
        ),
    ];
    for (name, doctor, symptom) in cases {
        let mut applied = 0;
        for seed in 0..SEEDS {
            // Nothing in flight: what leaves no trace would leave room for doubt.
            let (mut round, mut observed) = fake::round(seed, 0);
            if !doctor(&mut round, &mut observed) {
                continue;
            }
            applied += 1;
            let Err(faults) = judge(&round, &observed) else { panic!("{name}, seed {seed}: not found") };
            assert!(faults.iter().any(|fault| fault.contains(symptom)), "{name}, seed {seed}: {faults:#?}");
        }
        assert!(applied > 0, "{name}: no history to try it on");
    }
}

#[test]
fn half_a_multi_in_flight_is_found_out() {
    let mut applied = 0;
    for seed in 0..200 {
        let (mut round, mut observed) = fake::round(seed, 12);
        let zxids: BTreeSet<_> = round.slots.iter_mut().flat_map(logged).map(|reply| reply.zxid).collect();
        let mut made: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for (path, seen) in observed.nodes.iter().filter(|(path, _)| path.starts_with(HOMES)) {
            made.entry(seen.stat.czxid).or_default().push(path.clone());
        }
        made.retain(|zxid, paths| *zxid > 1000 && !zxids.contains(zxid) && paths.len() > 1);
        let Some(path) = made.values().flatten().next() else { continue };
        observed.nodes.remove(path);
        applied += 1;
        let Err(faults) = judge(&round, &observed) else { panic!("seed {seed}: not found") };
        assert!(faults[0].contains("no first part of them"), "seed {seed}: {faults:#?}");
    }
    assert!(applied > 0, "no history to try it on");
}

/// Every request of a round.
fn requests(round: &mut Round) -> impl Iterator<Item = &mut Request> {
    round.slots.iter_mut().flat_map(|slot| &mut slot.requests)
}

fn reply(request: &mut Request) -> Option<&mut Reply> {
    match &mut request.answer.as_mut()?.said {
        Said::Reply(reply) => Some(reply),
        Said::Connected(_) => None,
    }
}

/// Answers to logged requests of a slot.
fn logged(slot: &mut SlotRound) -> Vec<&mut Reply> {
    slot.requests.iter_mut().filter(|request| request.what.is_logged()).filter_map(reply).collect()
}

/// Paths below this one that an acknowledged transaction changed last.
fn told(round: &mut Round, observed: &Observed, below: &str) -> Vec<String> {
    let zxids: BTreeSet<_> = round.slots.iter_mut().flat_map(logged).map(|reply| reply.zxid).collect();
    let nodes = observed.nodes.iter().filter(|(path, _)| path.starts_with(below));
    nodes.filter(|(_, seen)| zxids.contains(&seen.stat.mzxid)).map(|(path, _)| path.clone()).collect()
}

fn lose_node(round: &mut Round, observed: &mut Observed) -> bool {
    let leaf =
        told(round, observed, HOMES).into_iter().rfind(|path| observed.nodes[path].stat.num_children == 0);
    leaf.is_some_and(|path| observed.nodes.remove(&path).is_some())
}

fn lose_set(round: &mut Round, observed: &mut Observed) -> bool {
    let set = told(round, observed, HOMES).into_iter().find(|path| observed.nodes[path].stat.version > 0);
    set.is_some_and(|path| change(observed, &path, |seen| seen.stat.version -= 1))
}

fn revive_node(round: &mut Round, observed: &mut Observed) -> bool {
    let deleted = requests(round).find_map(|request| match (&request.what, &request.answer) {
        (What::Act(_, Action::Write(Op::Delete { path, .. })), Some(_)) => Some(path.clone()),
        _ => None,
    });
    deleted.is_some_and(|path| !observed.nodes.contains_key(&path) && add_node(observed, &path))
}

fn lose_half_multi(round: &mut Round, observed: &mut Observed) -> bool {
    let pair = requests(round).find_map(|request| {
        let Some(Reply { zxid, body: Body::Results(_), .. }) = reply(request).cloned() else { return None };
        let made = observed.nodes.iter().filter(|(_, seen)| seen.stat.czxid == zxid);
        let made: Vec<_> = made.map(|(path, _)| path.clone()).collect();
        (made.len() > 1).then(|| made[0].clone())
    });
    pair.is_some_and(|path| observed.nodes.remove(&path).is_some())
}

fn lose_entry(round: &mut Round, observed: &mut Observed) -> bool {
    let entry = told(round, observed, ENTRY_PREFIX).pop();
    entry.is_some_and(|path| observed.nodes.remove(&path).is_some())
}

fn change(observed: &mut Observed, path: &str, change: fn(&mut Seen)) -> bool {
    observed.nodes.get_mut(path).map(change).is_some()
}

fn change_node(round: &mut Round, observed: &mut Observed, how: fn(&mut Seen)) -> bool {
    told(round, observed, HOMES).pop().is_some_and(|path| change(observed, &path, how))
}

fn reuse_zxid(round: &mut Round, _: &mut Observed) -> bool {
    // A refused write: nothing else shows its zxid.
    let Some(taken) = logged(&mut round.slots[0]).last().map(|reply| reply.zxid) else { return false };
    let mut others = logged(&mut round.slots[1]);
    let Some(at) = others.iter().position(|reply| reply.zxid > taken) else { return false };
    let Some(before) = at.checked_sub(1).filter(|&at| others[at].err != 0) else { return false };
    others[before].zxid = taken;
    true
}

fn swap_zxids(round: &mut Round, _: &mut Observed) -> bool {
    let mut replies = logged(&mut round.slots[0]);
    let Some(at) = replies.windows(2).position(|pair| pair[0].err != 0 && pair[1].err != 0) else {
        return false;
    };
    let (zxid, next) = (replies[at].zxid, replies[at + 1].zxid);
    (replies[at].zxid, replies[at + 1].zxid) = (next, zxid);
    true
}

fn break_real_time(round: &mut Round) -> bool {
    // As if a request had only been sent when everything else was over.
    let (first, others) = round.slots.split_at_mut(1);
    let last_zxid = others.iter_mut().flat_map(logged).map(|reply| reply.zxid).max();
    let request = first[0].requests.iter_mut().find_map(|request| {
        let logged = request.what.is_logged();
        let zxid = reply(request)?.zxid;
        (logged && Some(zxid) < last_zxid).then_some(request)
    });
    request.is_some_and(|request| {
        request.sent = round.ended + Duration::from_secs(1);
        true
    })
}

fn old_zxid(round: &mut Round, _: &mut Observed) -> bool {
    let first = logged(&mut round.slots[0]).into_iter().next();
    first.is_some_and(|reply| {
        reply.err != 0 && {
            reply.zxid = 1000;
            true
        }
    })
}

fn forget_tail(round: &mut Round, observed: &mut Observed) -> bool {
    let last = round.slots.iter_mut().flat_map(logged).map(|reply| reply.zxid).max();
    observed.zxid = last.unwrap_or(0) - 1;
    observed.zxid_after = observed.zxid + 2;
    true
}

fn add_node(observed: &mut Observed, path: &str) -> bool {
    let seen = Seen { data: b"nobody".to_vec(), ..observed.nodes[COUNTER].clone() };
    observed.nodes.insert(path.to_owned(), seen);
    true
}

fn flip_session(observed: &mut Observed, from: bool) -> bool {
    let session = observed.renewed.values_mut().find(|renewed| **renewed == from);
    session.is_some_and(|renewed| {
        *renewed = !from;
        true
    })
}

fn keep_ephemeral(round: &mut Round, observed: &mut Observed) -> bool {
    let closed = observed.renewed.iter().find(|(_, renewed)| !**renewed).map(|(key, _)| *key);
    closed.is_some_and(|(slot, key)| {
        let mut seen = observed.nodes[COUNTER].clone();
        seen.stat.ephemeral_owner = round.slots[slot].sessions[key].id;
        observed.nodes.insert(format!("{}/zombie", home(slot)), seen).is_none()
    })
}

fn reuse_session_id(round: &mut Round, _: &mut Observed) -> bool {
    let id = round.slots[2].sessions[0].id;
    round.base.session_ids.insert(id)
}

fn change_counter(observed: &mut Observed, by: i32) -> bool {
    observed.nodes.get_mut(COUNTER).map(|seen| seen.stat.version += by).is_some()
}

fn old_counter_data(round: &mut Round, observed: &mut Observed) -> bool {
    let first = requests(round).find_map(|request| match (&request.what, &request.answer) {
        (What::Act(_, Action::Write(Op::Count { data })), Some(_)) => Some(data.to_vec()),
        _ => None,
    });
    let counter = observed.nodes.get_mut(COUNTER);
    first
        .zip(counter)
        .is_some_and(|(data, counter)| std::mem::replace(&mut counter.data, data.clone()) != data)
}

fn read_the_future(round: &mut Round, observed: &mut Observed) -> bool {
    let version = observed.nodes[COUNTER].stat.version;
    let read = requests(round)
        .filter(|request| matches!(request.what, What::Act(_, Action::ReadCounter)))
        .find_map(reply);
    match read.map(|reply| &mut reply.body) {
        Some(Body::DataStat(_, stat)) => {
            stat.version = version + 1;
            true
        }
        _ => false,
    }
}

/// The replies that name a node in the queue.
fn naming(round: &mut Round) -> Vec<&mut Body> {
    requests(round)
        .filter(|request| matches!(request.what, What::Act(_, Action::Write(Op::Enqueue { .. }))))
        .filter_map(|request| Some(&mut reply(request)?.body))
        .collect()
}

fn reuse_number(round: &mut Round, _: &mut Observed) -> bool {
    let mut named = naming(round);
    let [first, .., last] = named.as_mut_slice() else { return false };
    match (first, last) {
        (Body::PathStat(first, _), Body::PathStat(last, _)) => {
            *last = first.clone();
            true
        }
        _ => false,
    }
}

fn forget_numbers(_: &mut Round, observed: &mut Observed) -> bool {
    let stat = &mut observed.nodes.get_mut(QUEUE).unwrap().stat;
    stat.cversion -= 4;
    stat.cversion + stat.num_children >= 0
}

fn wrong_error(round: &mut Round, _: &mut Observed) -> bool {
    let refused = requests(round).filter_map(reply).find(|reply| reply.err != 0);
    refused.is_some_and(|reply| {
        reply.err = -102;
        true
    })
}

fn set_figure(observed: &mut Observed, key: &str) -> bool {
    // The range of sessions leaves room for those that were being made.
    observed.figures.get_mut(key).map(|figure| *figure += 100).is_some()
}
