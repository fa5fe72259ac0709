//! A client: has a session, asks for things, is told things, and goes to another server when it hears nothing.

use std::collections::VecDeque;
use std::time::Duration;

use zabra_types::{CreateMode, KeeperError, SessionId, Xid, Zxid};

use crate::env::{Env, Violation};
use crate::messages::{Answer, Ask, NodeView, Op, Tell};
use crate::network::{Arrival, ConnId, Kind, Node, Side, Wire};
use crate::properties::Observation;
use crate::schedule::Event;
use crate::time::Time;

/// Registers that all clients write.
const REGISTERS: usize = 3;

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Whatever comes to mind.
    Busy,
    /// A write, a sync and a read, to see that it works again.
    Proving,
    /// It has been shown to work.
    Proved,
    /// Ends its session.
    Leaving,
    /// Says nothing any more, and does not come back.
    Gone,
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    index: usize,
    session: Option<SessionId>,
    /// The last transaction that it was told of.
    seen: Zxid,
    conn: Option<ConnId>,
    /// Whom it has asked last.
    server: usize,
    attached: bool,
    next_xid: i32,
    /// What it asked and was not answered, in order.
    open: VecDeque<(Xid, Op)>,
    /// When it last heard anything, or began to listen.
    heard: Time,
    turn: u64,
    written: u64,
    pub(crate) mood: Mood,
    /// What it knows of a register, to change it without overwriting others.
    known: Option<(String, NodeView)>,
    /// Sequential nodes that it may delete.
    made: Vec<String>,
}

impl Client {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            index,
            session: None,
            seen: Zxid::ZERO,
            conn: None,
            server: index,
            attached: false,
            next_xid: 1,
            open: VecDeque::new(),
            heard: Time::ZERO,
            turn: 0,
            written: 0,
            mood: Mood::Busy,
            known: None,
            made: Vec::new(),
        }
    }

    /// Plans its next turn.
    pub(crate) fn plan(&mut self, env: &mut Env, delay: Duration) {
        self.turn += 1;
        env.schedule.after(delay, Event::Client { client: self.index, turn: self.turn });
    }

    /// Its turn: whatever is to be done without being told.
    pub(crate) fn act(&mut self, env: &mut Env, turn: u64) -> Result<(), Violation> {
        if turn != self.turn || self.mood == Mood::Gone {
            return Ok(());
        }
        let now = env.schedule.now();
        let patience = env.scenario.session_timeout * 2 / 3;
        let (from, to) = env.scenario.think;
        let pause = env.schedule.between(from, to);
        if self.conn.is_some() && now.since(self.heard) > patience {
            env.trace(|| format!("c{} gives its connection up", self.index));
            self.disconnect(env);
        }
        match self.conn {
            None => self.dial(env),
            Some(conn) if self.attached => {
                if self.mood == Mood::Busy && env.chaos && env.schedule.rng.one_in(150) {
                    // For no reason at all.
                    self.disconnect(env);
                } else if self.open.len() < env.scenario.pipeline {
                    self.ask_something(env, conn)?;
                }
            }
            Some(_) => {}
        }
        self.plan(env, pause);
        Ok(())
    }

    fn dial(&mut self, env: &mut Env) {
        // Not where it was just now, if there is a choice; and everywhere in turn when it is to succeed.
        let further = if self.mood == Mood::Proving { 0 } else { env.schedule.rng.below(2) };
        self.server = (self.server + 1 + further) % env.ensemble.len();
        let from = (Node::Client(self.index), 0);
        self.conn = Some(env.network.dial(&mut env.schedule, Kind::Client, from, Node::Server(self.server)));
        self.heard = env.schedule.now();
        self.attached = false;
    }

    fn disconnect(&mut self, env: &mut Env) {
        if let Some(conn) = self.conn.take() {
            env.network.close(&mut env.schedule, conn, Side::Dialler);
        }
        self.lose();
    }

    /// What was asked is unknown now.
    fn lose(&mut self) {
        self.conn = None;
        self.attached = false;
        if self.open.iter().any(|(_, op)| *op == Op::Close) {
            // It is done with the session, whatever became of it.
            self.session = None;
            self.next_xid = 1;
        }
        self.open.clear();
        if self.mood == Mood::Leaving && self.session.is_none() {
            self.mood = Mood::Gone;
        }
    }

    fn ask_something(&mut self, env: &mut Env, conn: ConnId) -> Result<(), Violation> {
        match self.mood {
            Mood::Busy => {
                let op = self.choose(env);
                self.ask(env, conn, op)
            }
            Mood::Proving if self.open.is_empty() => {
                let path = format!("/p{}", self.index);
                let data = self.fresh();
                self.ask(env, conn, Op::Create { path: path.clone(), data, mode: CreateMode::Persistent })?;
                let data = self.fresh();
                self.ask(env, conn, Op::SetData { path: path.clone(), data, version: -1 })?;
                self.ask(env, conn, Op::Sync)?;
                self.ask(env, conn, Op::Get(path))
            }
            Mood::Leaving if self.open.is_empty() => self.ask(env, conn, Op::Close),
            _ if self.open.is_empty() => {
                env.network.send(&mut env.schedule, conn, Side::Dialler, Wire::Ask(Ask::Ping));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn ask(&mut self, env: &mut Env, conn: ConnId, op: Op) -> Result<(), Violation> {
        let Some(session) = self.session else { return Ok(()) };
        let xid = Xid::from_raw(self.next_xid);
        self.next_xid += 1;
        env.trace(|| format!("c{} asks {xid} {op:?}", self.index));
        env.observe(&Observation::Asked { session, xid, op: &op })?;
        env.network.send(
            &mut env.schedule,
            conn,
            Side::Dialler,
            Wire::Ask(Ask::Request { xid, op: op.clone() }),
        );
        self.open.push_back((xid, op));
        Ok(())
    }

    /// A value that nobody has written before.
    fn fresh(&mut self) -> String {
        self.written += 1;
        format!("c{}-{}", self.index, self.written)
    }

    fn choose(&mut self, env: &mut Env) -> Op {
        let data = self.fresh();
        let rng = &mut env.schedule.rng;
        let register = format!("/r{}", rng.below(REGISTERS));
        match rng.below(20) {
            0..=3 => Op::SetData { path: register, data, version: -1 },
            4..=5 => Op::Create { path: register, data, mode: CreateMode::Persistent },
            6..=7 => match self.known.take() {
                Some((path, view)) => Op::SetData { path, data, version: view.version },
                None => Op::Get(register),
            },
            8 => Op::Delete { path: register, version: -1 },
            9 => Op::Create { path: "/q".to_owned(), data, mode: CreateMode::Persistent },
            10 => Op::Create { path: "/q/n".to_owned(), data, mode: CreateMode::PersistentSequential },
            11 => match self.made.pop() {
                Some(path) => Op::Delete { path, version: -1 },
                None => Op::Create { path: "/q/e".to_owned(), data, mode: CreateMode::EphemeralSequential },
            },
            12 => Op::Create { path: format!("/e{}", rng.below(4)), data, mode: CreateMode::Ephemeral },
            13 => Op::Multi(vec![
                Op::SetData { path: register, data: data.clone(), version: -1 },
                Op::SetData { path: format!("/r{}", rng.below(REGISTERS)), data, version: -1 },
            ]),
            14..=15 => Op::Sync,
            16..=17 => Op::Get(register),
            18 => Op::Children(if rng.one_in(2) { "/" } else { "/q" }.to_owned()),
            _ if rng.one_in(8) => Op::Close,
            _ => Op::Get(format!("/e{}", rng.below(4))),
        }
    }

    /// Something came over its connection.
    pub(crate) fn arrived(&mut self, env: &mut Env, conn: ConnId, arrival: Arrival) -> Result<(), Violation> {
        if self.conn != Some(conn) || self.mood == Mood::Gone {
            return Ok(());
        }
        self.heard = env.schedule.now();
        match arrival {
            Arrival::Connected => {
                let timeout_ms = i32::try_from(env.scenario.session_timeout.as_millis()).unwrap_or(i32::MAX);
                let ask = Ask::Connect { session: self.session, timeout_ms, seen: self.seen };
                env.network.send(&mut env.schedule, conn, Side::Dialler, Wire::Ask(ask));
            }
            Arrival::Refused | Arrival::Closed => self.lose(),
            Arrival::Message(Wire::Tell(told)) => self.told(env, told)?,
            Arrival::Message(_) => {}
        }
        Ok(())
    }

    fn told(&mut self, env: &mut Env, told: Tell) -> Result<(), Violation> {
        match told {
            Tell::Connected(session) => {
                env.trace(|| format!("c{} has session {session}", self.index));
                self.session = Some(session);
                self.attached = true;
            }
            Tell::Expired => {
                if let Some(session) = self.session.take() {
                    env.trace(|| format!("c{} hears that session {session} is over", self.index));
                    env.observe(&Observation::Expired { session })?;
                }
                self.next_xid = 1;
                self.disconnect(env);
            }
            Tell::Pong => {}
            Tell::Reply { xid, zxid, answer } => return self.answered(env, xid, zxid, answer),
        }
        Ok(())
    }

    fn answered(&mut self, env: &mut Env, xid: Xid, zxid: Zxid, answer: Answer) -> Result<(), Violation> {
        let Some(session) = self.session else { return Ok(()) };
        let Some((expected, op)) = self.open.pop_front() else { return Ok(()) };
        if expected != xid {
            let what = format!("session {session} waits for the answer to {expected} and gets that to {xid}");
            return Err(Violation { property: "session_order", what });
        }
        env.trace(|| format!("c{} is told {xid} {zxid} {answer:?}", self.index));
        env.note(zxid.raw() as u64);
        env.observe(&Observation::Told { session, xid, op: &op, zxid, answer: &answer })?;
        self.seen = self.seen.max(zxid);
        *(if op.is_write() { &mut env.counts.acknowledged } else { &mut env.counts.reads }) += 1;
        match (op, answer) {
            (Op::Get(path), Answer::Data(view)) if self.proves(&path, &view) => self.mood = Mood::Proved,
            (Op::Get(path), Answer::Data(view)) => self.known = Some((path, view)),
            (Op::Create { mode, .. }, Answer::Created(made)) if mode.is_sequential() => self.made.push(made),
            (Op::Close, _) => {
                self.session = None;
                self.next_xid = 1;
                if self.mood == Mood::Leaving {
                    self.mood = Mood::Gone;
                }
                self.disconnect(env);
            }
            (_, Answer::Error(code)) if code == KeeperError::SessionExpired.code() => {
                // The server says so before it closes the connection.
                self.disconnect(env);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether it reads what it wrote to see that everything works.
    fn proves(&self, path: &str, view: &NodeView) -> bool {
        self.mood == Mood::Proving
            && path == format!("/p{}", self.index)
            && view.data == format!("c{}-{}", self.index, self.written)
    }

    /// What it is about from now on.
    pub(crate) fn set_mood(&mut self, mood: Mood) {
        self.mood = mood;
        if mood == Mood::Leaving && self.session.is_none() {
            self.mood = Mood::Gone;
        }
    }
}
