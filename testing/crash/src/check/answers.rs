//! Whether every answer is the one its request had to get.

use super::Shared;
use super::compare::{Differences, owner_id};
use crate::action::{Action, Op};
use crate::history::{Answer, Said, Session, SlotRound, What, describe};
use crate::ledger::{Cause, Ledger};
use crate::world::{Done, Outcome};
use zabra_testkit::{Blob, Body, MultiResult, Reply};
use zabra_types::KeeperError;

/// Follows a slot's answered requests. What they tell goes into the ledger.
pub(super) fn check(round: &SlotRound, faults: &mut Vec<String>) -> (Ledger, Shared) {
    let mut ledger = Ledger::new(round.requests.len());
    let mut shared = Shared::default();
    let mut world = round.before.clone();
    for (at, request) in round.requests.iter().enumerate() {
        let Some(Answer { said, .. }) = &request.answer else { break };
        let outcome = world.apply(at, &request.what);
        let about = format!("the answer to #{at}, {}", describe(&request.what));
        let mut answer = AnswerCheck {
            at,
            sessions: &round.sessions,
            ledger: &mut ledger,
            shared: &mut shared,
            differences: Differences { about: &about, found: faults },
        };
        match said {
            Said::Connected(connected) => {
                let (What::Open(key) | What::Renew(key) | What::Act(key, _)) = request.what;
                let shown = Session {
                    id: connected.session,
                    password: connected.password.clone(),
                    timeout_ms: connected.timeout_ms,
                };
                answer.differences.equal("the session", round.sessions.get(key), Some(&shown));
            }
            Said::Reply(reply) => answer.reply(&request.what, &outcome, reply),
        }
    }
    (ledger, shared)
}

struct AnswerCheck<'a> {
    at: usize,
    sessions: &'a [Session],
    ledger: &'a mut Ledger,
    shared: &'a mut Shared,
    differences: Differences<'a>,
}

impl AnswerCheck<'_> {
    fn reply(&mut self, what: &What, outcome: &Outcome, reply: &Reply) {
        if what.is_logged() {
            self.differences.zxid("the zxid", self.ledger, Cause::Request(self.at), reply.zxid);
        }
        self.shared.zxid_max = self.shared.zxid_max.max(reply.zxid);
        let error = match outcome {
            Outcome::Refused(error) => error.code(),
            _ => 0,
        };
        self.differences.equal("the error", error, reply.err);
        if error != reply.err {
            return;
        }
        self.differences.equal("what follows", &Blob(Some(Vec::new())), &reply.rest);
        match (outcome, &reply.body) {
            (Outcome::Refused(_) | Outcome::Closed, Body::Nothing) => {}
            (Outcome::Done(done), body) => self.done(done, body, reply.zxid),
            (Outcome::Multi(done), Body::Results(results)) => {
                self.multi(what, done, results, reply.zxid);
            }
            (Outcome::MultiRefused { at, error, len }, Body::Results(results)) => {
                let code = |n: usize| match n.cmp(at) {
                    std::cmp::Ordering::Less => 0,
                    std::cmp::Ordering::Equal => error.code(),
                    std::cmp::Ordering::Greater => KeeperError::RuntimeInconsistency.code(),
                };
                let expected: Vec<_> = (0..*len).map(|n| (-1, code(n), Body::Number(code(n)))).collect();
                let shown: Vec<_> = results
                    .iter()
                    .filter(|result| result.done == 0)
                    .map(|result| (result.op, result.err, result.body.clone()))
                    .collect();
                self.differences.equal("the list of results", expected, shown);
            }
            (Outcome::Read(look), Body::DataStat(data, stat)) => {
                self.differences.data(&look.node.data, data.0.as_deref());
                self.differences.stat(look, stat, self.sessions, self.ledger);
            }
            (Outcome::Counter, Body::DataStat(_, stat)) => {
                self.shared.counter_read.push((stat.mzxid, stat.version));
            }
            (_, body) => self.misfit(body),
        }
    }

    fn multi(&mut self, what: &What, done: &[Done], results: &[MultiResult], zxid: i64) {
        let What::Act(_, Action::Multi(ops)) = what else { return };
        let results: Vec<_> = results.iter().filter(|result| result.done == 0).collect();
        let expected: Vec<_> = ops.iter().map(|op| (result_type(op), 0)).collect();
        let shown: Vec<_> = results.iter().map(|result| (result.op, result.err)).collect();
        let fits = expected == shown;
        self.differences.equal("the list of results", expected, shown);
        if fits {
            for (done, result) in done.iter().zip(results) {
                self.done(done, &result.body, zxid);
            }
        }
    }

    fn done(&mut self, done: &Done, body: &Body, zxid: i64) {
        match (done, body) {
            (Done::Silent, Body::Nothing) => {}
            (Done::Created(path, None), Body::Path(shown)) => self.path(path, shown),
            (Done::Created(path, Some(look)), Body::PathStat(shown, stat)) => {
                self.path(path, shown);
                self.differences.stat(look, stat, self.sessions, self.ledger);
            }
            (Done::Changed(look), Body::Stat(stat)) => {
                self.differences.stat(look, stat, self.sessions, self.ledger);
            }
            (Done::Enqueued { data, owner }, Body::PathStat(path, stat)) => {
                let path = String::from_utf8_lossy(path.0.as_deref().unwrap_or_default());
                self.differences.equal("czxid", zxid, stat.czxid);
                self.differences.equal(
                    "ephemeralOwner",
                    owner_id(*owner, self.sessions),
                    stat.ephemeral_owner,
                );
                self.differences.equal("dataLength", data.len() as i32, stat.data_length);
                self.shared.enqueued.push((zxid, path.into_owned()));
            }
            (Done::Counted { data }, Body::Stat(stat)) => {
                self.differences.equal("mzxid", zxid, stat.mzxid);
                self.differences.equal("dataLength", data.len() as i32, stat.data_length);
                self.shared.counted.push((zxid, stat.version));
            }
            (_, body) => self.misfit(body),
        }
    }

    fn path(&mut self, expected: &str, shown: &Blob) {
        self.differences.equal("the path", &Blob(Some(expected.as_bytes().to_vec())), shown);
    }

    fn misfit(&mut self, body: &Body) {
        let text = format!("{}: an unexpected {body:?}", self.differences.about);
        self.differences.found.push(text);
    }
}

/// The type of the result of an operation of a multi.
const fn result_type(op: &Op) -> i32 {
    match op {
        Op::Create(create) if !create.with_stat => 1,
        Op::Create(_) | Op::Enqueue { .. } => 15,
        Op::Delete { .. } | Op::Dequeue { .. } => 2,
        Op::Set { .. } | Op::Count { .. } => 5,
        Op::Check { .. } => 13,
        Op::SetAcl { .. } => 7,
    }
}
