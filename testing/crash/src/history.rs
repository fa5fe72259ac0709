//! What was sent and what came back.

use crate::action::{Action, Op, tag};
use crate::world::{SessionKey, World};
use std::fmt::{self, Write as _};
use std::time::Duration;
use zabra_testkit::{Connected, Reply};

/// A request, or a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A new session.
    Open(SessionKey),
    /// A connection for a session that is there.
    Renew(SessionKey),
    /// A request within a session.
    Act(SessionKey, Action),
}

impl What {
    /// Whether it becomes a transaction, also when it is refused.
    pub(crate) const fn is_logged(&self) -> bool {
        match self {
            Self::Open(_) => true,
            Self::Renew(_) => false,
            Self::Act(_, action) => action.is_logged(),
        }
    }
}

/// What the server said. Times count from the beginning of the round.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) received: Duration,
    pub(crate) said: Said,
}

/// What the server said.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// To a handshake.
    Connected(Connected),
    /// To a request.
    Reply(Reply),
}

/// A request and its answer, if one came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) sent: Duration,
    pub(crate) what: What,
    pub(crate) answer: Option<Answer>,
}

/// A session the server has confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: i64,
    pub(crate) password: Vec<u8>,
    pub(crate) timeout_ms: i32,
}

/// What one slot did in one round.
#[derive(Clone, Debug)]
pub(crate) struct SlotRound {
    pub(crate) slot: usize,
    /// What it had made before.
    pub(crate) before: World,
    /// Its sessions, from earlier rounds and this one.
    pub(crate) sessions: Vec<Session>,
    /// In the order of sending. Answers come in the same order, so those with one come first.
    pub(crate) requests: Vec<Request>,
    /// When it lost the server, and how that looked.
    pub(crate) ended: (Duration, String),
}

impl SlotRound {
    /// How many requests were answered.
    pub(crate) fn answered(&self) -> usize {
        self.requests.iter().take_while(|request| request.answer.is_some()).count()
    }
}

/// Everything a slot did, a line for each request.
impl fmt::Display for SlotRound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "slot {}, ended after {:?}: {}", self.slot, self.ended.0, self.ended.1)?;
        for (key, session) in self.sessions.iter().enumerate() {
            writeln!(f, "  session {key} is 0x{:x}", session.id)?;
        }
        for (at, request) in self.requests.iter().enumerate() {
            writeln!(f, "  #{at} {:?} {}", request.sent, describe(&request.what))?;
            match &request.answer {
                None => writeln!(f, "      no answer")?,
                Some(Answer { received, said: Said::Connected(connected) }) => {
                    writeln!(f, "      {received:?} {connected:?}")?;
                }
                Some(Answer { received, said: Said::Reply(reply) }) => {
                    writeln!(
                        f,
                        "      {received:?} zxid 0x{:x} err {} {:?}",
                        reply.zxid, reply.err, reply.body
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// A request in a few words.
pub(crate) fn describe(what: &What) -> String {
    match what {
        What::Open(session) => format!("new session {session}"),
        What::Renew(session) => format!("renew session {session}"),
        What::Act(session, action) => format!("[{session}] {}", describe_action(action)),
    }
}

fn describe_action(action: &Action) -> String {
    match action {
        Action::Write(op) => describe_op(op),
        Action::Multi(ops) => {
            let mut text = "multi".to_owned();
            for op in ops {
                let _ = write!(text, " [{}]", describe_op(op));
            }
            text
        }
        Action::Read(path) => format!("getData {path}"),
        Action::ReadCounter => "getData of the counter".to_owned(),
        Action::Close => "closeSession".to_owned(),
    }
}

fn describe_op(op: &Op) -> String {
    match op {
        Op::Create(create) => {
            let kind = match (create.ephemeral, create.sequential) {
                (false, false) => "",
                (true, false) => " ephemeral",
                (false, true) => " sequential",
                (true, true) => " ephemeral sequential",
            };
            format!("create{kind} {} \"{}\"", create.path, tag(&create.data))
        }
        Op::Set { path, data, version } => format!("set {path} \"{}\" at version {version}", tag(data)),
        Op::SetAcl { path, acl, version } => format!("setACL {path} {acl} at version {version}"),
        Op::Delete { path, version } => format!("delete {path} at version {version}"),
        Op::Check { path, version } => format!("check {path} at version {version}"),
        Op::Enqueue { data, ephemeral } => {
            format!("enqueue{} \"{}\"", if *ephemeral { " ephemeral" } else { "" }, tag(data))
        }
        Op::Dequeue { path, data } => format!("dequeue {path} \"{}\"", tag(data)),
        Op::Count { data } => format!("count \"{}\"", tag(data)),
    }
}
