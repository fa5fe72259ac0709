//! Taking out of a reply what two servers cannot have in common: session ids, passwords, times, and the zxid they
//! began with. What is left must be equal.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zabra_testkit::{Connected, Reply};
use zabra_types::{SessionId, SessionPassword, Stat};

/// Times further from this machine's clock are wrong whatever the other server says.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(3600);

/// What a server's own values are called in the comparison.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The last transaction before the run.
    base_zxid: i64,
    /// Sessions in the order of their appearance.
    sessions: HashMap<i64, usize>,
    newest_session: i64,
    /// When each transaction happened, as the first Stat that tells said.
    times: HashMap<i64, i64>,
}

/// A handshake answer without the server's own values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    version: i32,
    timeout_ms: i32,
    session: SessionName,
    password: PasswordName,
    read_only: Option<u8>,
}

/// A session id without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SessionName {
    Refused,
    Known(usize),
    /// Not seen before. Ids count up by one while a server runs.
    New {
        successor: bool,
        server: i64,
    },
}

/// A password without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PasswordName {
    /// The one that belongs to the session.
    Right,
    Other(Vec<u8>),
}

/// Stands for a time in a Stat.
mod time {
    pub(super) const CONSISTENT: i64 = 1;
    pub(super) const OTHER_THAN_BEFORE: i64 = 2;
    pub(super) const FAR_FROM_NOW: i64 = 3;
}

/// Added to a session's place in the order of appearance, where a Stat names an owner.
const OWNER: i64 = 1_000_000;

impl Names {
    /// For a server whose last transaction is `base_zxid`.
    pub(crate) fn new(base_zxid: i64) -> Self {
        Self { base_zxid, ..Self::default() }
    }

    pub(crate) fn base_zxid(&self) -> i64 {
        self.base_zxid
    }

    /// A session id no server has given out.
    pub(crate) fn unknown_session(&self) -> i64 {
        self.newest_session.wrapping_add(0x10_0000)
    }

    pub(crate) fn greeting(&mut self, connected: &Connected) -> Greeting {
        let id = connected.session;
        let session = if id == 0 {
            SessionName::Refused
        } else if let Some(&known) = self.sessions.get(&id) {
            SessionName::Known(known)
        } else {
            let successor = id == self.newest_session.wrapping_add(1);
            self.sessions.insert(id, self.sessions.len());
            self.newest_session = id;
            SessionName::New { successor, server: id >> 56 }
        };
        let right = SessionPassword::of(SessionId::from_raw(id));
        let password = if connected.password == right.as_bytes() {
            PasswordName::Right
        } else {
            PasswordName::Other(connected.password.clone())
        };
        Greeting {
            version: connected.version,
            timeout_ms: connected.timeout_ms,
            session,
            password,
            read_only: connected.read_only,
        }
    }

    pub(crate) fn reply(&mut self, mut reply: Reply) -> Reply {
        reply.zxid = self.zxid(reply.zxid);
        reply.sort_unordered();
        for stat in reply.stats_mut() {
            self.stat(stat);
        }
        reply
    }

    fn stat(&mut self, stat: &mut Stat) {
        stat.ctime = self.time(stat.czxid, stat.ctime);
        stat.mtime = self.time(stat.mzxid, stat.mtime);
        stat.czxid = self.zxid(stat.czxid);
        stat.mzxid = self.zxid(stat.mzxid);
        stat.pzxid = self.zxid(stat.pzxid);
        if let Some(&known) = self.sessions.get(&stat.ephemeral_owner) {
            stat.ephemeral_owner = OWNER + known as i64;
        }
    }

    fn zxid(&self, zxid: i64) -> i64 {
        if zxid > 0 { zxid - self.base_zxid } else { zxid }
    }

    /// A transaction has one time: whatever else changed with it must say the same.
    fn time(&mut self, zxid: i64, millis: i64) -> i64 {
        if millis == 0 {
            return 0;
        }
        if *self.times.entry(zxid).or_insert(millis) != millis {
            return time::OTHER_THAN_BEFORE;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let shown = Duration::from_millis(millis.unsigned_abs());
        if millis < 0 || now.abs_diff(shown) > CLOCK_TOLERANCE {
            time::FAR_FROM_NOW
        } else {
            time::CONSISTENT
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zabra_testkit::{Blob, Body};

    fn reply(zxid: i64, stat: Stat) -> Reply {
        Reply { xid: 1, zxid, err: 0, body: Body::Stat(stat), rest: Blob(Some(Vec::new())) }
    }

    fn connected(session: i64) -> Connected {
        let password = SessionPassword::of(SessionId::from_raw(session)).as_bytes().to_vec();
        Connected { version: 0, timeout_ms: 1, session, password, read_only: Some(0) }
    }

    #[test]
    fn two_servers_that_do_the_same_look_the_same() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let run = |base: i64, first_session: i64, now: i64| {
            let mut names = Names::new(base);
            let greetings = [0, 1, 0].map(|offset| names.greeting(&connected(first_session + offset)));
            let stat = Stat {
                czxid: base + 1,
                mzxid: base + 2,
                pzxid: base + 1,
                ctime: now,
                mtime: now + 1,
                ephemeral_owner: first_session + 1,
                ..Stat::default()
            };
            (greetings, names.reply(reply(base + 2, stat)))
        };
        assert_eq!(run(0, 0x0100_0000_0000_0000, now), run(500, 0x0100_0077_0000_0000, now + 7));
        let mut other = Names::new(0);
        let greetings = [0, 2, 0].map(|offset| other.greeting(&connected(0x0100_0000_0000_0000 + offset)));
        assert_ne!(greetings, run(0, 0x0100_0000_0000_0000, now).0);
    }

    #[test]
    fn a_transaction_has_one_time() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let mut names = Names::new(0);
        let stat = |mtime| Stat { czxid: 5, mzxid: 5, ctime: now, mtime, ..Stat::default() };
        let mtime =
            |names: &mut Names, mtime| names.reply(reply(5, stat(mtime))).stat().map(|stat| stat.mtime);
        assert_eq!(mtime(&mut names, now), Some(time::CONSISTENT));
        assert_eq!(mtime(&mut names, now + 1), Some(time::OTHER_THAN_BEFORE));
        assert_eq!(mtime(&mut names, 0), Some(0));
        let mut fresh = Names::new(0);
        let far = Stat { czxid: 6, ctime: 12, ..Stat::default() };
        assert_eq!(fresh.reply(reply(6, far)).stat().map(|stat| stat.ctime), Some(time::FAR_FROM_NOW));
    }
}
