//! A server that does everything right, as far as the checks look at it: histories to doctor.

use super::compare::{acl_rows, owner_id};
use super::{Base, Round};
use crate::action::{Action, COUNTER, Data, ENTRY_PREFIX, Op, QUEUE, ROOT, home};
use crate::choose::{self, Namer};
use crate::history::{Answer, Request, Said, Session, SlotRound, What};
use crate::ledger::{Cause, Ledger};
use crate::observe::{Observed, Seen};
use crate::world::{Done, Look, Outcome, World};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use zabra_testkit::{Blob, Body, Connected, MultiResult, Reply, Rng};
use zabra_types::Stat;

const SLOTS: usize = 3;
/// Requests of one slot at most.
const REQUESTS_MAX: usize = 200;
/// The last transaction before the round.
const ZXID: i64 = 1000;
/// Room among those for requests in flight at the end of the round.
const IN_FLIGHT_MAX: usize = 12;

struct Fake {
    rng: Rng,
    zxid: i64,
    clock: u64,
    slots: Vec<FakeSlot>,
    counter: Seen,
    /// Nodes made in the queue so far.
    enqueued: i32,
    base: Base,
}

struct FakeSlot {
    world: World,
    ledger: Ledger,
    session: Option<usize>,
    done: SlotRound,
}

/// A round without faults and the look at the server after it. Each slot has fewer than `in_flight` requests, at most
/// 12, that were not answered; some of them took effect.
pub(super) fn round(seed: u64, in_flight: usize) -> (Round, Observed) {
    let mut fake = Fake::new(seed);
    for _ in 0..SLOTS * REQUESTS_MAX * 3 / 4 {
        let slot = fake.rng.below(SLOTS);
        if fake.slots[slot].done.requests.len() < REQUESTS_MAX - IN_FLIGHT_MAX {
            let what = fake.choose(slot);
            fake.perform(slot, what, true);
        }
    }
    for slot in 0..SLOTS {
        if fake.slots[slot].session.is_none() {
            fake.perform(slot, What::Open(fake.slots[slot].done.sessions.len()), true);
        }
        let in_flight = fake.rng.below(in_flight.min(IN_FLIGHT_MAX));
        let survive = fake.rng.below(in_flight + 1);
        for _ in 0..survive {
            let what = fake.choose(slot);
            fake.perform(slot, what, false);
        }
        for _ in survive..in_flight {
            let what = fake.choose(slot);
            fake.note(slot, what);
        }
    }
    fake.end()
}

impl Fake {
    fn new(seed: u64) -> Self {
        let stat = Stat { czxid: 3, mzxid: 3, ctime: 30, mtime: 30, pzxid: 3, ..Stat::default() };
        let seen = Seen { data: Vec::new(), stat, acl: acl_rows(0) };
        let slots = (0..SLOTS)
            .map(|slot| {
                let before = World::new(home(slot), Data::from(&b""[..]), &stat);
                FakeSlot {
                    world: before.clone(),
                    ledger: Ledger::new(REQUESTS_MAX),
                    session: None,
                    done: SlotRound {
                        slot,
                        before,
                        sessions: Vec::new(),
                        requests: Vec::new(),
                        ended: (Duration::MAX, "killed".to_owned()),
                    },
                }
            })
            .collect();
        let base = Base {
            zxid: ZXID,
            sessions: 0,
            counter: seen.clone(),
            queue: seen.clone(),
            last_entry: None,
            session_ids: BTreeSet::new(),
        };
        Self { rng: Rng::new(seed), zxid: ZXID, clock: 0, slots, counter: seen, enqueued: 0, base }
    }

    fn choose(&mut self, slot: usize) -> What {
        let FakeSlot { world, session, done, .. } = &self.slots[slot];
        let Some(session) = *session else { return What::Open(done.sessions.len()) };
        if self.rng.one_in(40) {
            return What::Act(session, Action::Close);
        }
        let mut namer = Namer::new(slot, 0, done.requests.len());
        What::Act(session, choose::action(&mut self.rng, world, &mut namer))
    }

    fn note(&mut self, slot: usize, what: What) {
        self.clock += 1;
        let sent = Duration::from_millis(self.clock);
        self.slots[slot].done.requests.push(Request { sent, what, answer: None });
    }

    fn perform(&mut self, slot: usize, what: What, answered: bool) {
        self.note(slot, what.clone());
        let at = self.slots[slot].done.requests.len() - 1;
        if what.is_logged() {
            self.zxid += 1;
            let (cause, ledger) = (Cause::Request(at), &mut self.slots[slot].ledger);
            ledger.see_zxid(cause, self.zxid).unwrap();
            ledger.see_time(cause, self.zxid * 10).unwrap();
        }
        let outcome = self.slots[slot].world.apply(at, &what);
        let said = match what {
            What::Open(key) | What::Renew(key) => self.connect(slot, key),
            What::Act(_, action) => Said::Reply(self.reply(slot, &action, &outcome)),
        };
        self.clock += 1;
        if answered {
            let received = Duration::from_millis(self.clock);
            self.slots[slot].done.requests[at].answer = Some(Answer { received, said });
        }
    }

    fn connect(&mut self, slot: usize, key: usize) -> Said {
        let slot = &mut self.slots[slot];
        slot.session = Some(key);
        let session = Session { id: self.zxid + (7 << 40), password: vec![7; 16], timeout_ms: 9 };
        slot.done.sessions.push(session.clone());
        Said::Connected(Connected {
            version: 0,
            timeout_ms: session.timeout_ms,
            session: session.id,
            password: session.password,
            read_only: Some(0),
        })
    }

    fn reply(&mut self, slot: usize, action: &Action, outcome: &Outcome) -> Reply {
        let (err, body) = match outcome {
            Outcome::Session | Outcome::Refused(_) => (0, Body::Nothing),
            Outcome::Closed => {
                self.slots[slot].session = None;
                (0, Body::Nothing)
            }
            Outcome::Done(done) => (0, self.done(slot, done)),
            Outcome::Multi(done) => {
                let Action::Multi(ops) = action else { unreachable!() };
                let results = ops.iter().zip(done).map(|(op, done)| MultiResult {
                    op: action_type(op),
                    done: 0,
                    err: 0,
                    body: self.done(slot, done),
                });
                (0, Body::Results(with_end(results.collect())))
            }
            Outcome::MultiRefused { at, error, len } => {
                let results = (0..*len).map(|n| {
                    let code = [0, error.code(), -2][usize::from(n >= *at) + usize::from(n > *at)];
                    MultiResult { op: -1, done: 0, err: code, body: Body::Number(code) }
                });
                (0, Body::Results(with_end(results.collect())))
            }
            Outcome::Read(look) => {
                let data = Blob(Some(look.node.data.to_vec()));
                (0, Body::DataStat(data, self.stat(slot, look)))
            }
            Outcome::Counter => (0, Body::DataStat(Blob(Some(self.counter.data.clone())), self.counter.stat)),
        };
        let err = if let Outcome::Refused(error) = outcome { error.code() } else { err };
        Reply { xid: 0, zxid: self.zxid, err, body, rest: Blob(Some(Vec::new())) }
    }

    fn done(&mut self, slot: usize, done: &Done) -> Body {
        let zxid = self.zxid;
        match done {
            Done::Silent => Body::Nothing,
            Done::Created(path, None) => Body::Path(Blob(Some(path.clone().into_bytes()))),
            Done::Created(path, Some(look)) => {
                Body::PathStat(Blob(Some(path.clone().into_bytes())), self.stat(slot, look))
            }
            Done::Changed(look) => Body::Stat(self.stat(slot, look)),
            Done::Enqueued { data, owner } => {
                let path = format!("{ENTRY_PREFIX}{:010}", self.enqueued);
                self.enqueued += 1;
                let slot = &mut self.slots[slot];
                slot.world.name_entry(data, &path);
                let stat = entry_stat(zxid, owner_id(*owner, &slot.done.sessions), data);
                Body::PathStat(Blob(Some(path.into_bytes())), stat)
            }
            Done::Counted { data } => {
                self.counter.data = data.to_vec();
                let stat = &mut self.counter.stat;
                (stat.mzxid, stat.mtime, stat.data_length) = (zxid, zxid * 10, data.len() as i32);
                stat.version += 1;
                Body::Stat(*stat)
            }
        }
    }

    fn stat(&self, slot: usize, look: &Look) -> Stat {
        let FakeSlot { ledger, done, .. } = &self.slots[slot];
        let Look { node, children } = look;
        let zxid = |cause| ledger.moment(cause).zxid.unwrap();
        let time = |cause| ledger.moment(cause).time.unwrap();
        Stat {
            czxid: zxid(node.created),
            mzxid: zxid(node.modified),
            ctime: time(node.created),
            mtime: time(node.modified),
            version: node.version,
            cversion: 2 * node.creations - children,
            aversion: node.aversion,
            ephemeral_owner: owner_id(node.owner, &done.sessions),
            data_length: node.data.len() as i32,
            num_children: *children,
            pzxid: zxid(node.children_changed),
        }
    }

    fn end(self) -> (Round, Observed) {
        let mut nodes = BTreeMap::new();
        let plain = self.base.queue.clone();
        for path in ["/", "/zookeeper", ROOT] {
            nodes.insert(path.to_owned(), plain.clone());
        }
        let mut renewed = BTreeMap::new();
        let mut alive = 0;
        for (number, slot) in self.slots.iter().enumerate() {
            for path in slot.world.paths() {
                let look = slot.world.look(path).unwrap();
                let stat = self.stat(number, &look);
                let acl = acl_rows(look.node.acl);
                nodes.insert(path.to_owned(), Seen { data: look.node.data.to_vec(), stat, acl });
            }
            for (data, entry) in slot.world.entries() {
                let zxid = slot.ledger.moment(entry.created).zxid.unwrap();
                let stat = entry_stat(zxid, owner_id(entry.owner, &slot.done.sessions), data);
                let path = entry.path.clone().unwrap();
                nodes.insert(path, Seen { data: data.to_vec(), stat, acl: acl_rows(0) });
            }
            for key in 0..slot.done.sessions.len() {
                renewed.insert((number, key), slot.world.sessions().contains(&key));
            }
            alive += slot.world.sessions().len() as i64;
        }
        let mut queue = plain;
        let prefix = format!("{QUEUE}/");
        queue.stat.num_children = nodes.keys().filter(|path| path.starts_with(&prefix)).count() as i32;
        queue.stat.cversion = 2 * self.enqueued - queue.stat.num_children;
        nodes.insert(QUEUE.to_owned(), queue);
        nodes.insert(COUNTER.to_owned(), self.counter);
        let ephemerals = nodes.values().filter(|seen| seen.stat.ephemeral_owner != 0).count();
        let figures = [
            ("zk_digest_mismatches_count", 0),
            ("zk_znode_count", nodes.len() as i64 + 1),
            ("zk_ephemerals_count", ephemerals as i64),
            ("zk_global_sessions", alive),
        ];
        let figures = figures.map(|(key, value)| (key.to_owned(), value)).into();
        let zxid_after = self.zxid + 2;
        let observed = Observed { zxid: self.zxid, figures, nodes, renewed, zxid_after };
        let ended = Duration::from_millis(self.clock);
        let slots = self.slots.into_iter().map(|slot| slot.done).collect();
        (Round { base: self.base, slots, ended }, observed)
    }
}

fn entry_stat(zxid: i64, owner: i64, data: &Data) -> Stat {
    Stat {
        czxid: zxid,
        mzxid: zxid,
        ctime: zxid * 10,
        mtime: zxid * 10,
        ephemeral_owner: owner,
        data_length: data.len() as i32,
        pzxid: zxid,
        ..Stat::default()
    }
}

fn with_end(mut results: Vec<MultiResult>) -> Vec<MultiResult> {
    results.push(MultiResult { op: -1, done: 1, err: -1, body: Body::Nothing });
    results
}

const fn action_type(op: &Op) -> i32 {
    match op {
        Op::Create(create) if !create.with_stat => 1,
        Op::Create(_) | Op::Enqueue { .. } => 15,
        Op::Set { .. } | Op::Count { .. } => 5,
        Op::SetAcl { .. } => 7,
        Op::Delete { .. } | Op::Dequeue { .. } => 2,
        Op::Check { .. } => 13,
    }
}
