//! Carrying out a plan on both servers in lock step.

use crate::plan::{
    Action, BrokenFrame, Call, Hello, Known, Request, SLOTS, SessionChoice, Stranger, XidChoice,
};
use crate::side::{DUMP_SLOT, Heard, OwnSession, Said, Side, framed, handshake};
use std::collections::BTreeMap;
use std::fmt;
use zabra_proto::{OpClass, OpCode};
use zabra_testkit::{Body, HarnessError, RawRequest, Reply, Shape};

/// The two servers said different things.
#[derive(Clone, Debug)]
pub(crate) struct Mismatch {
    /// Which step of the plan.
    pub(crate) step: usize,
    /// What was done, and where the difference showed.
    pub(crate) doing: String,
    pub(crate) left: String,
    pub(crate) right: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "step {}: {}", self.step, self.doing)?;
        writeln!(f, "  left:  {}", self.left)?;
        write!(f, "  right: {}", self.right)
    }
}

/// Why a run ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The servers differ.
    Mismatch(Box<Mismatch>),
    /// Something around them failed.
    Harness(HarnessError),
}

impl From<HarnessError> for Stop {
    fn from(error: HarnessError) -> Self {
        Self::Harness(error)
    }
}

/// How often an operation ended with a code; the codes within a multi count for its parts.
pub(crate) type Coverage = BTreeMap<(i32, i32), usize>;

/// Both servers, and what is known to be the same on both.
#[derive(Debug)]
pub(crate) struct Pair {
    sides: [Side; 2],
    known: Known,
    next_xid: [i32; SLOTS + 1],
    step: usize,
    /// Replies and events compared so far.
    pub(crate) compared: usize,
    /// Differences passed over, when told to go on behind them.
    pub(crate) passed_over: Option<Vec<Mismatch>>,
    /// How often each operation ended with each code.
    pub(crate) coverage: Coverage,
}

impl Pair {
    pub(crate) fn new(left: Side, right: Side) -> Self {
        Self {
            sides: [left, right],
            known: Known::default(),
            next_xid: [1; SLOTS + 1],
            step: 0,
            compared: 0,
            passed_over: None,
            coverage: Coverage::new(),
        }
    }

    pub(crate) fn sides(&self) -> &[Side; 2] {
        &self.sides
    }

    pub(crate) fn sides_mut(&mut self) -> &mut [Side; 2] {
        &mut self.sides
    }

    /// Carries out a plan.
    pub(crate) fn run(&mut self, plan: &[Action]) -> Result<(), Stop> {
        for action in plan {
            self.act(action)?;
            self.step += 1;
        }
        Ok(())
    }

    fn act(&mut self, action: &Action) -> Result<(), Stop> {
        match action {
            Action::Connect(slot, hello) => self.connect(*slot, hello),
            Action::Drop(slot) => {
                self.sides.iter_mut().for_each(|side| side.drop_connection(*slot));
                Ok(())
            }
            Action::Batch(slot, calls) => {
                self.ensure_connected(*slot)?;
                self.batch(*slot, calls)?;
                if calls.iter().any(changes_something) {
                    self.barrier(*slot, has_close(calls))
                } else {
                    Ok(())
                }
            }
            Action::Broken(slot, broken) => {
                self.ensure_connected(*slot)?;
                self.broken(*slot, broken)
            }
            Action::Stranger(stranger) => self.stranger(stranger),
            Action::Restart { kill } => self.restart(*kill),
        }
    }

    /// Opens a slot's connection in the ordinary way if it has none.
    pub(crate) fn ensure_connected(&mut self, slot: usize) -> Result<(), Stop> {
        if self.sides[0].is_connected(slot) {
            return Ok(());
        }
        let session = match self.sides[0].session(slot) {
            Some(_) if slot.is_multiple_of(2) => SessionChoice::Own,
            _ => SessionChoice::New(Some(vec![0; 16])),
        };
        self.connect(slot, &Hello { session, ..Hello::ordinary() })?;
        if self.sides[0].is_connected(slot) { Ok(()) } else { self.connect(slot, &Hello::ordinary()) }
    }

    pub(crate) fn connect(&mut self, slot: usize, hello: &Hello) -> Result<(), Stop> {
        let take_over = matches!(hello.session, SessionChoice::TakeOver) && self.sides[0].is_connected(slot);
        if !take_over {
            self.sides.iter_mut().for_each(|side| side.drop_connection(slot));
        }
        self.next_xid[slot] = 1;
        let calls = self.numbered(slot, &hello.pipelined);
        let mut old = Vec::new();
        for side in 0..2 {
            let mut bytes = self.first_bytes(side, slot, hello);
            for (xid, request) in self.resolved(side, &hello.pipelined, &calls) {
                bytes.extend_from_slice(&request_frame(xid, &request));
            }
            old.push(self.sides[side].open(slot, &bytes));
        }
        let shapes = shapes(&hello.pipelined);
        let heard = self.sides.each_mut().map(|side| side.hear(slot, true, &shapes));
        self.compare(&format!("slot {slot}: connect {hello:?}"), &heard)?;
        self.learn(&hello.pipelined, &heard[0]);
        if take_over {
            self.old_connection(slot, old)?;
        }
        self.barrier(slot, false)
    }

    /// The connection whose session another one has asked for: closed, unless that one was turned away.
    fn old_connection(
        &mut self,
        slot: usize,
        old: Vec<Option<zabra_testkit::RawClient>>,
    ) -> Result<(), Stop> {
        let new: Vec<_> = self
            .sides
            .iter_mut()
            .zip(old)
            .map(|(side, old)| {
                let new = side.put_back(slot, old);
                side.send_all(slot, &[ping()]);
                new
            })
            .collect();
        let heard = self.sides.each_mut().map(|side| side.hear(slot, false, &[Shape::Nothing]));
        self.compare(&format!("slot {slot}: its older connection"), &heard)?;
        for (side, new) in self.sides.iter_mut().zip(new) {
            if new.is_some() {
                drop(side.put_back(slot, new));
            }
        }
        Ok(())
    }

    fn first_bytes(&self, side: usize, slot: usize, hello: &Hello) -> Vec<u8> {
        let side = &self.sides[side];
        let own = side.session(slot).cloned();
        let unknown = || OwnSession { id: side.names().unknown_session(), password: vec![1; 16] };
        let last_zxid = self.known.zxid(hello.last_zxid, side.names().base_zxid());
        match &hello.session {
            SessionChoice::New(password) => handshake(hello, None, password.as_deref(), last_zxid),
            SessionChoice::Own | SessionChoice::TakeOver => {
                let password = own.as_ref().map_or_else(|| vec![0; 16], |own| own.password.clone());
                handshake(hello, own.as_ref(), Some(&password), last_zxid)
            }
            SessionChoice::WrongPassword(password) => {
                handshake(hello, Some(&own.unwrap_or_else(unknown)), password.as_deref(), last_zxid)
            }
            SessionChoice::Unknown => handshake(hello, Some(&unknown()), Some(&[1; 16]), last_zxid),
        }
    }

    /// Sends requests together and compares the replies.
    pub(crate) fn batch(&mut self, slot: usize, calls: &[Call]) -> Result<[Heard; 2], Stop> {
        let xids = self.numbered(slot, calls);
        for side in 0..2 {
            let requests = self.resolved(side, calls, &xids);
            self.sides[side].send_all(slot, &requests);
        }
        let shapes = shapes(calls);
        let mut heard = self.sides.each_mut().map(|side| side.hear(slot, false, &shapes));
        if has_close(calls) {
            heard.iter_mut().for_each(Heard::sort_events);
        }
        self.compare_with(|at| describe(slot, calls, &heard[0].said[..at]), &heard)?;
        self.learn(calls, &heard[0]);
        Ok(heard)
    }

    fn broken(&mut self, slot: usize, broken: &BrokenFrame) -> Result<(), Stop> {
        let bytes = match broken {
            BrokenFrame::Length(len) => len.to_be_bytes().to_vec(),
            BrokenFrame::ShortHeader(len) => framed(&vec![0; *len]),
        };
        self.sides.iter_mut().for_each(|side| side.send(slot, &bytes));
        let heard = self.sides.each_mut().map(|side| side.hear_close(slot));
        self.compare(&format!("slot {slot}: {broken:?}"), &heard)
    }

    fn stranger(&mut self, stranger: &Stranger) -> Result<(), Stop> {
        let bytes = match stranger {
            Stranger::Word(word) => word.to_vec(),
            Stranger::Frame(payload) => framed(payload),
        };
        let mut kept = Vec::new();
        for side in &mut self.sides {
            kept.push(side.open(DUMP_SLOT, &bytes));
        }
        let heard = self.sides.each_mut().map(|side| side.hear_close(DUMP_SLOT));
        for (side, kept) in self.sides.iter_mut().zip(kept) {
            drop(side.put_back(DUMP_SLOT, kept));
        }
        self.compare(&format!("{stranger:?}"), &heard)
    }

    fn restart(&mut self, kill: bool) -> Result<(), Stop> {
        let [left, right] = &mut self.sides;
        let (left, right) = std::thread::scope(|scope| {
            let right = scope.spawn(|| right.restart(kill));
            (left.restart(kill), right.join().expect("restarting a server does not panic"))
        });
        Ok(left.and(right)?)
    }

    /// Makes every other connection tell the events it has: a ping is answered behind them.
    fn barrier(&mut self, acting: usize, any_order: bool) -> Result<(), Stop> {
        let others: Vec<usize> =
            (0..SLOTS).filter(|&slot| slot != acting && self.sides[0].is_connected(slot)).collect();
        for &slot in &others {
            self.sides.iter_mut().for_each(|side| side.send_all(slot, &[ping()]));
        }
        for slot in others {
            let mut heard = self.sides.each_mut().map(|side| side.hear(slot, false, &[Shape::Nothing]));
            if any_order {
                heard.iter_mut().for_each(Heard::sort_events);
            }
            self.compare_with(|_| format!("slot {slot}: events after what slot {acting} did"), &heard)?;
        }
        Ok(())
    }

    fn compare(&mut self, doing: &str, heard: &[Heard; 2]) -> Result<(), Stop> {
        self.compare_with(|_| doing.to_owned(), heard)
    }

    fn compare_with(&mut self, doing: impl FnOnce(usize) -> String, heard: &[Heard; 2]) -> Result<(), Stop> {
        let [left, right] = heard;
        if left == right {
            self.compared += left.said.len();
            return Ok(());
        }
        let at = left.said.iter().zip(&right.said).take_while(|(left, right)| left == right).count();
        let show = |heard: &Heard| match heard.said.get(at) {
            Some(said) => format!("{said:?}"),
            None => format!("{:?}", heard.end),
        };
        let stop = self.differ(doing(at), show(left), show(right));
        // Behind an answer that is missing or a connection that is gone nothing can be compared any more.
        match (&mut self.passed_over, stop) {
            (Some(passed_over), Stop::Mismatch(mismatch))
                if left.end == right.end && left.said.len() == right.said.len() =>
            {
                passed_over.push(*mismatch);
                Ok(())
            }
            (_, stop) => Err(stop),
        }
    }

    /// A difference found at this step.
    pub(crate) fn differ(&self, doing: String, left: String, right: String) -> Stop {
        Stop::Mismatch(Box::new(Mismatch { step: self.step, doing, left, right }))
    }

    fn numbered(&mut self, slot: usize, calls: &[Call]) -> Vec<i32> {
        let next = &mut self.next_xid[slot];
        calls
            .iter()
            .map(|call| match call.xid {
                XidChoice::Fixed(xid) => xid,
                XidChoice::Next => {
                    *next += 1;
                    *next - 1
                }
            })
            .collect()
    }

    fn resolved(&self, side: usize, calls: &[Call], xids: &[i32]) -> Vec<(i32, RawRequest)> {
        let base = self.sides[side].names().base_zxid();
        calls
            .iter()
            .zip(xids)
            .map(|(call, &xid)| {
                let mut raw = call.request.resolve(&self.known, base);
                call.mutation.apply(&mut raw.body);
                (xid, raw)
            })
            .collect()
    }

    fn count(&mut self, request: &Request, reply: &Reply) {
        *self.coverage.entry((request.op(), reply.err)).or_default() += 1;
        if let (Request::Multi { ops, .. }, Body::Results(results)) = (request, &reply.body) {
            for (op, result) in ops.iter().zip(results) {
                *self.coverage.entry((op.op(), result.err)).or_default() += 1;
            }
        }
    }

    /// Remembers zxids and versions for requests to come.
    fn learn(&mut self, calls: &[Call], heard: &Heard) {
        let replies = heard.said.iter().filter_map(|said| match said {
            Said::Reply(reply) if reply.event().is_none() => Some(reply),
            _ => None,
        });
        for (call, reply) in calls.iter().zip(replies) {
            self.known.last_zxid = self.known.last_zxid.max(reply.zxid);
            self.count(&call.request, reply);
            if let Some((path, versions)) = versions(&call.request, reply) {
                self.known.versions.insert(path, versions);
            }
        }
    }
}

/// The request whose answer, or an event before it, comes after what was said so far.
fn describe(slot: usize, calls: &[Call], said: &[Said]) -> String {
    let answered =
        said.iter().filter(|said| matches!(said, Said::Reply(reply) if reply.event().is_none())).count();
    match calls.get(answered) {
        Some(call) => format!("slot {slot}: request {} of {}: {call:?}", answered + 1, calls.len()),
        None => format!("slot {slot}: after {} requests, the last {:?}", calls.len(), calls.last()),
    }
}

fn versions(request: &Request, reply: &Reply) -> Option<(Vec<u8>, (i32, i32))> {
    if let Body::Path(path) = &reply.body
        && matches!(request, Request::Create { .. })
    {
        return Some((path.0.clone()?, (0, 0)));
    }
    let stat = reply.stat()?;
    let path = match (&reply.body, request) {
        (Body::PathStat(path, _), _) => path.0.clone(),
        (_, Request::SetData(path, ..) | Request::SetAcl(path, ..)) => path.0.clone(),
        (_, Request::Read(_, path, _) | Request::Path(_, path)) => path.0.clone(),
        _ => None,
    };
    Some((path?, (stat.version, stat.aversion)))
}

fn shapes(calls: &[Call]) -> Vec<Shape> {
    calls.iter().map(|call| Shape::of(call.request.op())).collect()
}

fn has_close(calls: &[Call]) -> bool {
    calls.iter().any(|call| call.request.op() == OpCode::CloseSession.code())
}

fn changes_something(call: &Call) -> bool {
    OpCode::from_code(call.request.op()).is_some_and(|op| op.class() == OpClass::Write)
}

fn ping() -> (i32, RawRequest) {
    (-2, RawRequest::bare(OpCode::Ping))
}

fn request_frame(xid: i32, request: &RawRequest) -> Vec<u8> {
    let mut payload = Vec::with_capacity(request.body.len() + 8);
    zabra_proto::Put::put_i32(&mut payload, xid);
    zabra_proto::Put::put_i32(&mut payload, request.op);
    payload.extend_from_slice(&request.body);
    framed(&payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::side::End;
    use zabra_testkit::{Blob, Event};

    fn event(zxid: i64, path: &str) -> Said {
        let event = Event { kind: 2, state: 3, path: Blob(Some(path.into())) };
        Said::Reply(Reply { xid: -1, zxid, err: 0, body: Body::Event(event), rest: Blob::default() })
    }

    #[test]
    fn events_are_sorted_within_a_transaction_only() {
        let mut heard =
            Heard { said: vec![event(1, "/b"), event(1, "/a"), event(2, "/0")], end: End::Complete };
        heard.sort_events();
        assert_eq!(heard.said, [event(1, "/a"), event(1, "/b"), event(2, "/0")]);
    }
}
