//! Sessions: who is alive until when, and through whom its requests come.

mod pending;
#[cfg(test)]
mod tests;

use crate::LiveSessions;
use crate::watch::ConnId;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use hashbrown::HashTable;
use zabra_types::{KeeperError, Now, ServerId, SessionId};
use zabra_zab::LinkId;

pub use pending::{Pending, PendingRequests};

/// The timeouts a server grants, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutBounds {
    /// `minSessionTimeout`.
    pub min_ms: i32,
    /// `maxSessionTimeout`.
    pub max_ms: i32,
}

impl TimeoutBounds {
    /// What a server without the two settings grants: 2 to 20 ticks.
    pub const fn of_tick(tick_ms: i32) -> Self {
        Self { min_ms: tick_ms.saturating_mul(2), max_ms: tick_ms.saturating_mul(20) }
    }
}

/// The timeout a client gets that asks for `requested_ms`; zero and negative wishes get the least.
pub fn negotiate_timeout(requested_ms: i32, bounds: TimeoutBounds) -> i32 {
    // The upper bound is applied first, so that bounds which contradict each other do no harm.
    requested_ms.min(bounds.max_ms).max(bounds.min_ms)
}

/// Through whom the requests of a global session come (`Request.getOwner`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A connection of this server's own.
    Here,
    /// A learner, by its link to this leader.
    Learner(LinkId),
}

/// What a session is to this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// Known to the whole ensemble and judged here: this server leads or is alone.
    Global,
    /// Known to this server only, and judged here (`localSessionsEnabled`).
    Local,
    /// Known to the whole ensemble and judged by the leader. It is tracked here while its client is.
    Remote,
}

/// The sessions this server judges, with their deadlines and connections, and those whose clients it serves for a
/// leader (`SessionTrackerImpl`, `ExpiryQueue`, `LeaderSessionTracker`, `LearnerSessionTracker`).
///
/// Deadlines are whole ticks: a session ends between its timeout and its timeout plus one tick after it was last heard
/// of. Hearing of a session changes one number; it stays in the bucket of its earlier deadline and moves on when that
/// bucket is due. A session is thus looked at once per timeout, however often it is heard of.
///
/// A session of kind [`SessionKind::Remote`] is in no bucket and never ends by itself: [`SessionTracker::touched`]
/// tells the leader which of them were heard of.
#[derive(Debug)]
pub struct SessionTracker {
    sessions: HashTable<Session>,
    /// Sessions by the tick at which they have to be looked at. An entry counts only while its session says so too.
    buckets: BTreeMap<u64, Vec<SessionId>>,
    tick_ms: u64,
    server: ServerId,
    next: SessionId,
    /// Whether other servers may have sessions that only they know.
    local_sessions: bool,
    /// Remote sessions that were heard of since the last report and have lost their connection, with their timeouts.
    parted: BTreeMap<SessionId, i32>,
    /// When the last report was made.
    reported: Now,
}

#[derive(Debug)]
struct Session {
    id: SessionId,
    timeout_ms: i32,
    kind: SessionKind,
    conn: Option<ConnId>,
    /// Nobody until the first request.
    owner: Option<Owner>,
    closing: bool,
    /// The tick at which it ends.
    deadline: u64,
    /// The bucket that holds it, not later than the deadline.
    bucket: Option<u64>,
}

impl SessionTracker {
    /// No sessions. `clock_ms` is a clock that goes on over restarts: ids follow from it and must not come again.
    pub fn new(server: ServerId, clock_ms: u64, tick: Duration) -> Self {
        Self {
            sessions: HashTable::new(),
            buckets: BTreeMap::new(),
            tick_ms: u64::try_from(tick.as_millis()).unwrap_or(u64::MAX).max(1),
            server,
            next: SessionId::first(server, clock_ms),
            local_sessions: false,
            parted: BTreeMap::new(),
            reported: Now::default(),
        }
    }

    /// The same where servers may have sessions that only they know (`localSessionsEnabled`).
    pub fn with_local_sessions(mut self, enabled: bool) -> Self {
        self.local_sessions = enabled;
        self
    }

    /// Forgets all sessions, because this server's part in the ensemble has changed. Ids go on.
    pub fn clear(&mut self) {
        self.sessions.clear();
        self.buckets.clear();
        self.parted.clear();
    }

    /// An id for a new session. It does not come again, and the session is not known yet.
    pub fn next_id(&mut self) -> SessionId {
        while self.next == SessionId::NONE || self.next.raw() == i64::MIN || self.find(self.next).is_some() {
            self.next = self.next.next();
        }
        let id = self.next;
        self.next = id.next();
        id
    }

    /// Begins a global session with an id of its own.
    pub fn create(&mut self, timeout_ms: i32, now: Now) -> SessionId {
        let id = self.next_id();
        self.track(id, timeout_ms, now);
        id
    }

    /// Begins a session that only this server knows.
    pub fn create_local(&mut self, timeout_ms: i32, now: Now) -> SessionId {
        let id = self.create(timeout_ms, now);
        if let Some(session) = self.find_mut(id) {
            session.kind = SessionKind::Local;
        }
        id
    }

    /// Takes in a global session that has an id already, recovered or made elsewhere, with its full timeout before it.
    /// One that is known only gets the new timeout. False when it was known.
    pub fn track(&mut self, id: SessionId, timeout_ms: i32, now: Now) -> bool {
        if self.find(id).is_some() {
            self.postpone(id, Some(timeout_ms), now);
            return false;
        }
        let deadline = self.deadline(timeout_ms, now);
        self.insert(Session {
            id,
            timeout_ms,
            kind: SessionKind::Global,
            conn: None,
            owner: None,
            closing: false,
            deadline,
            bucket: Some(deadline),
        });
        self.buckets.entry(deadline).or_default().push(id);
        true
    }

    /// Takes in a session that a leader judges, for the connection of its client, and returns the connection it had.
    pub fn serve_remote(&mut self, id: SessionId, timeout_ms: i32, conn: ConnId) -> Option<ConnId> {
        if let Some(session) = self.find_mut(id) {
            session.timeout_ms = timeout_ms;
            return session.conn.replace(conn);
        }
        self.insert(Session {
            id,
            timeout_ms,
            kind: SessionKind::Remote,
            conn: Some(conn),
            owner: None,
            closing: false,
            deadline: u64::MAX,
            bucket: None,
        });
        None
    }

    /// Makes a local session of this server a global one, judged here or by a leader (`upgradeSession`). Its timeout; none
    /// when it is no local session or is closing.
    pub fn upgrade(&mut self, id: SessionId, to: SessionKind) -> Option<i32> {
        let session = self.find_mut(id)?;
        if session.kind != SessionKind::Local || session.closing {
            return None;
        }
        session.kind = to;
        if to == SessionKind::Remote {
            session.bucket = None;
            session.deadline = u64::MAX;
        }
        Some(session.timeout_ms)
    }

    /// The client was heard of at `heard`. False when the session is unknown or closing: its request is not served.
    pub fn touch(&mut self, id: SessionId, heard: Now) -> bool {
        self.postpone(id, None, heard)
    }

    /// The client came back and asks for another timeout. False when the session is unknown or closing.
    pub fn renew(&mut self, id: SessionId, timeout_ms: i32, now: Now) -> bool {
        self.postpone(id, Some(timeout_ms), now)
    }

    /// The client came back to a learner, which becomes the owner. False when the session is no global one, or closing
    /// (`Leader.revalidateSession`).
    pub fn revalidate(&mut self, id: SessionId, timeout_ms: i32, owner: Owner, now: Now) -> bool {
        let valid = self.kind(id) == Some(SessionKind::Global) && self.renew(id, timeout_ms, now);
        if valid && let Some(session) = self.find_mut(id) {
            session.owner = Some(owner);
        }
        valid
    }

    /// A request of the session came through `owner`, who owns it from now on if nobody did.
    pub fn claim(&mut self, id: SessionId, owner: Owner) {
        if let Some(session) = self.find_mut(id) {
            session.owner.get_or_insert(owner);
        }
    }

    /// Makes `conn` the connection of the session, and this server its owner; returns the connection it had.
    pub fn attach(&mut self, id: SessionId, conn: ConnId) -> Option<ConnId> {
        let session = self.find_mut(id)?;
        session.owner = Some(Owner::Here);
        session.conn.replace(conn)
    }

    /// Takes the connection from the session, which another server has from now on and has just renewed.
    pub fn part_with(&mut self, id: SessionId) -> Option<ConnId> {
        self.find_mut(id)?.conn.take()
    }

    /// Forgets the connection of the session if it still is `conn`, which was last heard of at `heard`.
    pub fn detach(&mut self, id: SessionId, conn: ConnId, heard: Now) {
        let Some(session) = self.find_mut(id).filter(|session| session.conn == Some(conn)) else { return };
        session.conn = None;
        if session.kind != SessionKind::Remote {
            // Nobody will be asked when its bucket is due.
            self.postpone_to_later(id, heard);
            return;
        }
        let timeout_ms = session.timeout_ms;
        self.forget(id);
        if self.is_news(heard) {
            self.parted.insert(id, timeout_ms);
        }
    }

    /// The remote sessions that were heard of since the last time, with their timeouts, by id: what a learner answers
    /// to a ping of its leader.
    pub fn touched(
        &mut self,
        now: Now,
        mut heard: impl FnMut(ConnId) -> Option<Now>,
    ) -> Vec<(SessionId, i32)> {
        let mut touched = core::mem::take(&mut self.parted);
        for session in self.sessions.iter().filter(|session| session.kind == SessionKind::Remote) {
            if session.conn.and_then(&mut heard).is_some_and(|heard| self.is_news(heard)) {
                touched.insert(session.id, session.timeout_ms);
            }
        }
        self.reported = now;
        touched.into_iter().collect()
    }

    /// Whether the last report was made before. What connections tell are whole milliseconds.
    const fn is_news(&self, heard: Now) -> bool {
        heard.millis() >= self.reported.millis()
    }

    /// The connection of the session.
    pub fn conn(&self, id: SessionId) -> Option<ConnId> {
        self.find(id)?.conn
    }

    /// The timeout of the session in milliseconds.
    pub fn timeout_ms(&self, id: SessionId) -> Option<i32> {
        self.find(id).map(|session| session.timeout_ms)
    }

    /// What the session is to this server, if it is known.
    pub fn kind(&self, id: SessionId) -> Option<SessionKind> {
        self.find(id).map(|session| session.kind)
    }

    /// Whether the session is known and not closing.
    pub fn is_live(&self, id: SessionId) -> bool {
        self.find(id).is_some_and(|session| !session.closing)
    }

    /// Whether the end of the session is under way.
    pub fn is_closing(&self, id: SessionId) -> bool {
        self.find(id).is_some_and(|session| session.closing)
    }

    /// The end of the session is under way: it cannot be touched or renewed any more. False when it was so already or
    /// the session is unknown, and nothing is to be done.
    pub fn set_closing(&mut self, id: SessionId) -> bool {
        self.find_mut(id).is_some_and(|session| !core::mem::replace(&mut session.closing, true))
    }

    /// Forgets a session whose end is applied; returns its connection.
    pub fn remove(&mut self, id: SessionId) -> Option<ConnId> {
        self.parted.remove(&id);
        self.forget(id)?.conn
    }

    /// How many sessions are known.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// How many sessions are known to this server only.
    pub fn local_len(&self) -> usize {
        if !self.local_sessions {
            return 0;
        }
        self.sessions.iter().filter(|session| session.kind == SessionKind::Local).count()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// When [`SessionTracker::expire`] has something to look at.
    pub fn next_deadline(&self) -> Option<Now> {
        let (&tick, _) = self.buckets.first_key_value()?;
        Some(self.time_of(tick))
    }

    /// Ends the sessions whose deadline has passed: they are closing now, and each needs a closeSession request.
    ///
    /// A session with a connection gets the benefit of `heard`, the time at which that connection last brought
    /// something; so hearing of a client need not touch its session each time. At most `limit` sessions are looked
    /// at: call again while [`SessionTracker::next_deadline`] has passed.
    pub fn expire(
        &mut self,
        now: Now,
        limit: usize,
        mut heard: impl FnMut(ConnId) -> Option<Now>,
    ) -> Vec<SessionId> {
        let mut expired = Vec::new();
        for _ in 0..limit {
            let Some(mut bucket) = self.buckets.first_entry() else { break };
            let tick = *bucket.key();
            if tick.saturating_mul(self.tick_ms) > now.millis() {
                break;
            }
            let Some(id) = bucket.get_mut().pop() else {
                bucket.remove();
                continue;
            };
            let conn = match self.find_mut(id) {
                Some(session) if session.bucket == Some(tick) => {
                    session.bucket = None;
                    session.conn
                }
                // Removed, or filed elsewhere since.
                _ => continue,
            };
            if let Some(heard) = conn.and_then(&mut heard) {
                self.postpone_to_later(id, heard);
            }
            if self.file(id, tick) && self.set_closing(id) {
                expired.push(id);
            }
        }
        expired
    }

    /// What `dump` shows: the live and closing sessions of a kind by the time they end, earliest first.
    pub fn expiry_sets(&self, kind: SessionKind) -> BTreeMap<Now, Vec<SessionId>> {
        let mut sets: BTreeMap<Now, Vec<SessionId>> = BTreeMap::new();
        let shown = |session: &&Session| session.kind == kind && session.bucket.is_some();
        for session in self.sessions.iter().filter(shown) {
            sets.entry(self.time_of(session.deadline)).or_default().push(session.id);
        }
        sets.values_mut().for_each(|ids| ids.sort_unstable());
        sets
    }

    /// The tick after the timeout.
    fn deadline(&self, timeout_ms: i32, from: Now) -> u64 {
        let timeout = u64::try_from(timeout_ms).unwrap_or(0);
        from.millis().saturating_add(timeout) / self.tick_ms + 1
    }

    const fn time_of(&self, tick: u64) -> Now {
        Now::new(Duration::from_millis(tick.saturating_mul(self.tick_ms)))
    }

    /// Moves the deadline to a timeout, perhaps a new one, after `from`.
    fn postpone(&mut self, id: SessionId, new_timeout_ms: Option<i32>, from: Now) -> bool {
        let Some(session) = self.find(id).filter(|session| !session.closing) else { return false };
        let timeout_ms = new_timeout_ms.unwrap_or(session.timeout_ms);
        let judged_here = session.kind != SessionKind::Remote;
        let deadline = self.deadline(timeout_ms, from);
        if let Some(session) = self.find_mut(id) {
            session.timeout_ms = timeout_ms;
            if !judged_here {
                return true;
            }
            session.deadline = deadline;
            // A later deadline is noticed when the bucket is due; an earlier one needs an earlier bucket.
            if session.bucket.is_none_or(|bucket| deadline < bucket) {
                session.bucket = Some(deadline);
                self.buckets.entry(deadline).or_default().push(id);
            }
        }
        true
    }

    fn postpone_to_later(&mut self, id: SessionId, heard: Now) {
        let Some(session) = self.find(id) else { return };
        let deadline = self.deadline(session.timeout_ms, heard).max(session.deadline);
        if let Some(session) = self.find_mut(id) {
            session.deadline = deadline;
        }
    }

    /// Puts a session that left the bucket `due` into that of its deadline; true when this is not later.
    fn file(&mut self, id: SessionId, due: u64) -> bool {
        let Some(session) = self.find_mut(id) else { return false };
        if session.deadline <= due {
            return true;
        }
        let deadline = session.deadline;
        session.bucket = Some(deadline);
        self.buckets.entry(deadline).or_default().push(id);
        false
    }

    fn insert(&mut self, session: Session) {
        self.sessions.insert_unique(hash(session.id), session, |other| hash(other.id));
    }

    fn forget(&mut self, id: SessionId) -> Option<Session> {
        let entry = self.sessions.find_entry(hash(id), |session| session.id == id).ok()?;
        Some(entry.remove().0)
    }

    fn find(&self, id: SessionId) -> Option<&Session> {
        self.sessions.find(hash(id), |session| session.id == id)
    }

    fn find_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.find_mut(hash(id), |session| session.id == id)
    }
}

/// `LeaderSessionTracker.checkSession` and `checkGlobalSession`; alone, every session is global and of a connection here.
impl LiveSessions for SessionTracker {
    fn check(&self, id: SessionId, owner: Owner) -> Result<(), KeeperError> {
        match self.find(id) {
            Some(session) if session.closing => Err(KeeperError::SessionExpired),
            Some(session) if session.owner.is_some_and(|owned_by| owned_by != owner) => {
                Err(KeeperError::SessionMoved)
            }
            Some(_) => Ok(()),
            // Another server's local session is known there only. One of this server's own would be known.
            None if self.local_sessions && i64::from(id.server_hint()) != self.server.get() & 0xff => Ok(()),
            None => Err(KeeperError::SessionExpired),
        }
    }

    fn check_global(&self, id: SessionId, owner: Owner) -> Result<(), KeeperError> {
        match self.kind(id) {
            None => Err(KeeperError::SessionExpired),
            Some(SessionKind::Local) => {
                self.check(id, owner)?;
                Err(KeeperError::EphemeralOnLocalSession)
            }
            Some(SessionKind::Global | SessionKind::Remote) => self.check(id, owner),
        }
    }
}

/// Ids are numbers that servers count up, not clients' choice: spreading them is enough.
const fn hash(id: SessionId) -> u64 {
    let spread = (id.raw() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    spread ^ spread >> 32
}
