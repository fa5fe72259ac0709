//! Sessions: who is alive until when.

use crate::watch::ConnId;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use hashbrown::HashTable;
use zabra_types::{Now, ServerId, SessionId};

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

/// The sessions this server judges, with their deadlines and connections (`SessionTrackerImpl`, `ExpiryQueue`).
///
/// Deadlines are whole ticks: a session ends between its timeout and its timeout plus one tick after it was last heard
/// of. Hearing of a session changes one number; it stays in the bucket of its earlier deadline and moves on when that
/// bucket is due. A session is thus looked at once per timeout, however often it is heard of.
#[derive(Debug)]
pub struct SessionTracker {
    sessions: HashTable<Session>,
    /// Sessions by the tick at which they have to be looked at. An entry counts only while its session says so too.
    buckets: BTreeMap<u64, Vec<SessionId>>,
    tick_ms: u64,
    next: SessionId,
}

#[derive(Debug)]
struct Session {
    id: SessionId,
    timeout_ms: i32,
    conn: Option<ConnId>,
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
            next: SessionId::first(server, clock_ms),
        }
    }

    /// Begins a session with an id of its own.
    pub fn create(&mut self, timeout_ms: i32, now: Now) -> SessionId {
        while self.next == SessionId::NONE || self.find(self.next).is_some() {
            self.next = self.next.next();
        }
        let id = self.next;
        self.next = id.next();
        self.track(id, timeout_ms, now);
        id
    }

    /// Takes in a session that has an id already, recovered or made elsewhere, with its full timeout before it.
    /// One that is known only gets the new timeout. False when it was known.
    pub fn track(&mut self, id: SessionId, timeout_ms: i32, now: Now) -> bool {
        let deadline = self.deadline(timeout_ms, now);
        let new = self.find(id).is_none();
        if new {
            let session =
                Session { id, timeout_ms, conn: None, closing: false, deadline, bucket: Some(deadline) };
            self.sessions.insert_unique(hash(id), session, |other| hash(other.id));
            self.buckets.entry(deadline).or_default().push(id);
        } else {
            self.postpone(id, Some(timeout_ms), now);
        }
        new
    }

    /// The client was heard of at `heard`. False when the session is unknown or closing: its request is not served.
    pub fn touch(&mut self, id: SessionId, heard: Now) -> bool {
        self.postpone(id, None, heard)
    }

    /// The client came back and asks for another timeout. False when the session is unknown or closing.
    pub fn renew(&mut self, id: SessionId, timeout_ms: i32, now: Now) -> bool {
        self.postpone(id, Some(timeout_ms), now)
    }

    /// Makes `conn` the connection of the session and returns the one it had.
    pub fn attach(&mut self, id: SessionId, conn: ConnId) -> Option<ConnId> {
        self.find_mut(id)?.conn.replace(conn)
    }

    /// Forgets the connection of the session if it still is `conn`.
    pub fn detach(&mut self, id: SessionId, conn: ConnId) {
        if let Some(session) = self.find_mut(id).filter(|session| session.conn == Some(conn)) {
            session.conn = None;
        }
    }

    /// The connection of the session.
    pub fn conn(&self, id: SessionId) -> Option<ConnId> {
        self.find(id)?.conn
    }

    /// The timeout of the session in milliseconds.
    pub fn timeout_ms(&self, id: SessionId) -> Option<i32> {
        self.find(id).map(|session| session.timeout_ms)
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
        let entry = self.sessions.find_entry(hash(id), |session| session.id == id).ok()?;
        entry.remove().0.conn
    }

    /// How many sessions are known.
    pub fn len(&self) -> usize {
        self.sessions.len()
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

    /// What `dump` shows: the live and closing sessions by the time they end, earliest first.
    pub fn expiry_sets(&self) -> BTreeMap<Now, Vec<SessionId>> {
        let mut sets: BTreeMap<Now, Vec<SessionId>> = BTreeMap::new();
        for session in self.sessions.iter().filter(|session| session.bucket.is_some()) {
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
        let deadline = self.deadline(timeout_ms, from);
        if let Some(session) = self.find_mut(id) {
            session.timeout_ms = timeout_ms;
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

    fn find(&self, id: SessionId) -> Option<&Session> {
        self.sessions.find(hash(id), |session| session.id == id)
    }

    fn find_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.find_mut(hash(id), |session| session.id == id)
    }
}

/// Ids are numbers that servers count up, not clients' choice: spreading them is enough.
const fn hash(id: SessionId) -> u64 {
    let spread = (id.raw() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    spread ^ spread >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK_MS: u64 = 100;

    fn at(ms: u64) -> Now {
        Now::new(Duration::from_millis(ms))
    }

    fn tracker() -> SessionTracker {
        SessionTracker::new(ServerId::new(1), 0x1b_2ebd, Duration::from_millis(TICK_MS))
    }

    #[test]
    fn timeouts_are_clamped() {
        let bounds = TimeoutBounds::of_tick(3000);
        assert_eq!(bounds, TimeoutBounds { min_ms: 6000, max_ms: 60_000 });
        for (requested, granted) in
            [(0, 6000), (-5, 6000), (i32::MIN, 6000), (6001, 6001), (60_000, 60_000), (i32::MAX, 60_000)]
        {
            assert_eq!(negotiate_timeout(requested, bounds), granted);
        }
        assert_eq!(TimeoutBounds::of_tick(i32::MAX).max_ms, i32::MAX);
    }

    #[test]
    fn ids_count_up_and_step_over_known_ones() {
        let mut sessions = tracker();
        let first = SessionId::from_raw(0x0100_001b_2ebd_0000);
        sessions.track(first.next(), 1000, at(0));
        assert_eq!(sessions.create(1000, at(0)), first);
        assert_eq!(sessions.create(1000, at(0)), first.next().next());
    }

    /// Client protocol §6.1: a session ends between its timeout and its timeout plus a tick.
    #[test]
    fn a_session_ends_within_the_tick_after_its_timeout() {
        for start in [0, 1, 99, 100, 101] {
            let mut sessions = tracker();
            let id = sessions.create(250, at(start));
            let ended = (start..).find(|&ms| !sessions.expire(at(ms), 10, |_| None).is_empty()).unwrap();
            assert!((start + 251..=start + 250 + TICK_MS).contains(&ended), "{start} {ended}");
            assert!(sessions.is_closing(id) && !sessions.is_live(id));
            assert!(!sessions.touch(id, at(ended)) && !sessions.renew(id, 9000, at(ended)));
            assert!(!sessions.set_closing(id));
            assert_eq!(sessions.expire(at(ended + 10_000), 10, |_| None), []);
            sessions.remove(id);
            assert!(sessions.is_empty());
        }
    }

    #[test]
    fn a_connection_that_was_heard_of_keeps_its_session() {
        let mut sessions = tracker();
        let id = sessions.create(250, at(0));
        assert_eq!(sessions.attach(id, ConnId::new(3)), None);
        assert_eq!(sessions.expire(at(300), 10, |conn| (conn == ConnId::new(3)).then(|| at(290))), []);
        assert_eq!(sessions.expiry_sets(), BTreeMap::from([(at(600), [id].into())]));
        assert_eq!(sessions.attach(id, ConnId::new(4)), Some(ConnId::new(3)));
        sessions.detach(id, ConnId::new(3));
        assert_eq!(sessions.conn(id), Some(ConnId::new(4)));
        sessions.detach(id, ConnId::new(4));
        assert_eq!(sessions.conn(id), None);
        assert_eq!(sessions.expire(at(600), 10, |_| None), [id]);
    }

    #[test]
    fn a_shorter_timeout_takes_effect_at_once() {
        let mut sessions = tracker();
        let id = sessions.create(10_000, at(0));
        assert!(sessions.renew(id, 200, at(0)));
        assert_eq!(sessions.next_deadline(), Some(at(300)));
        assert!(sessions.renew(id, 500, at(50)));
        assert_eq!(sessions.expire(at(599), 10, |_| None), []);
        assert_eq!(sessions.expire(at(600), 10, |_| None), [id]);
        assert_eq!(sessions.expire(at(99_999), 10, |_| None), []);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Create(i32),
        Touch(usize),
        Renew(usize, i32),
        Close(usize),
        Remove(usize),
        /// Lets time pass and expires with this many sessions looked at per call.
        Wait(u64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (-5..2000_i32).prop_map(Step::Create),
            4 => (0..8_usize).prop_map(Step::Touch),
            2 => (0..8_usize, 0..2000_i32).prop_map(|(which, timeout)| Step::Renew(which, timeout)),
            1 => (0..8_usize).prop_map(Step::Close),
            1 => (0..8_usize).prop_map(Step::Remove),
            6 => (0..700_u64, 1..5_usize).prop_map(|(ms, limit)| Step::Wait(ms, limit)),
        ]
    }

    /// A session of the model: id, timeout, deadline in milliseconds, closing.
    #[derive(Clone, Debug)]
    struct Known(SessionId, i32, u64, bool);

    proptest! {
        #[test]
        fn the_tracker_agrees_with_a_list(steps in proptest::collection::vec(step(), 1..80)) {
            let mut sessions = tracker();
            let mut model: Vec<Known> = Vec::new();
            let mut now = 0;
            for step in steps {
                let deadline = |timeout: i32| (now + timeout.max(0) as u64) / TICK_MS * TICK_MS + TICK_MS;
                match step {
                    Step::Create(timeout) => {
                        let id = sessions.create(timeout, at(now));
                        model.push(Known(id, timeout, deadline(timeout), false));
                    }
                    Step::Touch(which) if which < model.len() => {
                        let Known(id, timeout, due, closing) = &mut model[which];
                        prop_assert_eq!(sessions.touch(*id, at(now)), !*closing);
                        *due = if *closing { *due } else { deadline(*timeout) };
                    }
                    Step::Renew(which, new) if which < model.len() => {
                        let Known(id, timeout, due, closing) = &mut model[which];
                        prop_assert_eq!(sessions.renew(*id, new, at(now)), !*closing);
                        if !*closing {
                            (*timeout, *due) = (new, deadline(new));
                        }
                    }
                    Step::Close(which) if which < model.len() => {
                        let Known(id, _, _, closing) = &mut model[which];
                        prop_assert_eq!(sessions.set_closing(*id), !*closing);
                        *closing = true;
                    }
                    Step::Remove(which) if which < model.len() => {
                        sessions.remove(model.remove(which).0);
                    }
                    Step::Wait(ms, limit) => {
                        now += ms;
                        let mut expired = Vec::new();
                        while sessions.next_deadline().is_some_and(|due| due <= at(now)) {
                            expired.extend(sessions.expire(at(now), limit, |_| None));
                        }
                        expired.sort_unstable();
                        let mut expected = Vec::new();
                        for Known(id, _, due, closing) in &mut model {
                            if *due <= now && !core::mem::replace(closing, true) {
                                expected.push(*id);
                            }
                        }
                        expected.sort_unstable();
                        prop_assert_eq!(expired, expected);
                    }
                    _ => {}
                }
                prop_assert_eq!(sessions.len(), model.len());
                for Known(id, timeout, due, closing) in &model {
                    prop_assert_eq!(sessions.is_live(*id), !closing);
                    prop_assert_eq!(sessions.timeout_ms(*id), Some(*timeout));
                    let shown = sessions.expiry_sets().get(&at(*due)).is_some_and(|ids| ids.contains(id));
                    prop_assert!(shown || *due <= now, "{} is missing", id);
                }
            }
        }
    }
}
