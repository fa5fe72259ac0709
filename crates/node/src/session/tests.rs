//! The tracker against a list, and the clauses of its contract one by one.

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
    assert_eq!(sessions.expiry_sets(SessionKind::Global), BTreeMap::from([(at(600), [id].into())]));
    assert_eq!(sessions.attach(id, ConnId::new(4)), Some(ConnId::new(3)));
    sessions.detach(id, ConnId::new(3), at(300));
    assert_eq!(sessions.conn(id), Some(ConnId::new(4)));
    sessions.detach(id, ConnId::new(4), at(300));
    assert_eq!(sessions.conn(id), None);
    assert_eq!(sessions.expire(at(600), 10, |_| None), [id]);
}

/// The connection is not there any more to be asked when it was last heard of.
#[test]
fn a_session_outlives_its_connection_by_its_timeout() {
    let mut sessions = tracker();
    let id = sessions.create(1000, at(0));
    sessions.attach(id, ConnId::new(3));
    sessions.detach(id, ConnId::new(3), at(950));
    assert_eq!(sessions.expire(at(1999), 10, |_| None), []);
    assert_eq!(sessions.expire(at(2000), 10, |_| None), [id]);
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

const LEARNER: Owner = Owner::Learner(LinkId(7));

#[test]
fn one_owner_at_a_time() {
    use KeeperError::{SessionExpired, SessionMoved};
    let mut sessions = tracker();
    let id = sessions.create(1000, at(0));
    let other = Owner::Learner(LinkId(8));
    assert_eq!(
        (sessions.check(id, LEARNER), sessions.check(id, Owner::Here)),
        (Ok(()), Ok(())),
        "nobody yet"
    );
    sessions.claim(id, LEARNER);
    sessions.claim(id, other);
    assert_eq!((sessions.check(id, LEARNER), sessions.check(id, other)), (Ok(()), Err(SessionMoved)));
    assert_eq!(sessions.check_global(id, other), Err(SessionMoved));
    assert!(sessions.revalidate(id, 2000, other, at(10)));
    assert_eq!((sessions.timeout_ms(id), sessions.check(id, LEARNER)), (Some(2000), Err(SessionMoved)));
    sessions.attach(id, ConnId::new(1));
    assert_eq!((sessions.check(id, other), sessions.check(id, Owner::Here)), (Err(SessionMoved), Ok(())));
    sessions.set_closing(id);
    assert!(!sessions.revalidate(id, 2000, other, at(10)));
    assert_eq!(sessions.check(id, Owner::Here), Err(SessionExpired));
    assert_eq!(sessions.check(id.next(), Owner::Here), Err(SessionExpired));
    assert!(!sessions.revalidate(id.next(), 2000, other, at(10)));
}

#[test]
fn a_local_session_is_known_to_one_server() {
    use KeeperError::{EphemeralOnLocalSession, SessionExpired};
    let mut sessions = tracker().with_local_sessions(true);
    let id = sessions.create_local(250, at(0));
    assert_eq!((sessions.kind(id), sessions.local_len()), (Some(SessionKind::Local), 1));
    assert_eq!(sessions.check(id, Owner::Here), Ok(()));
    assert_eq!(sessions.check_global(id, Owner::Here), Err(EphemeralOnLocalSession));
    assert!(!sessions.revalidate(id, 250, LEARNER, at(0)), "it cannot move");

    // Ids with another server's number in them may be local there; those with this server's own would be known.
    let elsewhere = SessionId::first(ServerId::new(2), 0);
    assert_eq!(sessions.check(elsewhere, LEARNER), Ok(()));
    assert_eq!(sessions.check_global(elsewhere, LEARNER), Err(SessionExpired));
    assert_eq!(sessions.check(id.next(), LEARNER), Err(SessionExpired));
    assert_eq!(tracker().check(elsewhere, LEARNER), Err(SessionExpired), "not without local sessions");

    assert_eq!(sessions.upgrade(id, SessionKind::Global), Some(250));
    assert_eq!(sessions.upgrade(id, SessionKind::Global), None);
    assert_eq!(sessions.check_global(id, Owner::Here), Ok(()));
    assert_eq!(sessions.expire(at(300), 10, |_| None), [id]);

    let id = sessions.create_local(250, at(0));
    assert_eq!(sessions.upgrade(id, SessionKind::Remote), Some(250));
    assert_eq!(sessions.expire(at(9999), 10, |_| None), [], "the leader judges it now");
}

#[test]
fn a_learner_reports_what_it_heard_since_the_last_report() {
    let mut sessions = tracker();
    let [a, b, c, local] = [1, 2, 3, 4].map(SessionId::from_raw);
    sessions.track(local, 250, at(0));
    for (id, conn) in [(c, 3), (a, 1), (b, 2)] {
        assert_eq!(sessions.serve_remote(id, 4000, ConnId::new(conn)), None);
    }
    let mut heard = [0_u64, 10, 10, 10];
    let touched = |sessions: &mut SessionTracker, now, heard: [u64; 4]| -> Vec<SessionId> {
        let heard_of = |conn: ConnId| Some(at(heard[conn.get() as usize]));
        sessions.touched(at(now), heard_of).into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(touched(&mut sessions, 20, heard), [a, b, c]);
    assert_eq!(touched(&mut sessions, 30, heard), []);
    heard[2] = 30;
    assert_eq!(
        touched(&mut sessions, 40, heard),
        [b],
        "heard of at the very time of the report: told in the next"
    );

    // Those who went are told of once if they were heard of, and whoever came again at once is not forgotten.
    sessions.detach(a, ConnId::new(1), at(41));
    sessions.detach(c, ConnId::new(3), at(10));
    assert_eq!((sessions.kind(a), sessions.len()), (None, 2));
    assert_eq!(touched(&mut sessions, 50, heard), [a]);
    assert_eq!(sessions.serve_remote(b, 5000, ConnId::new(0)), Some(ConnId::new(2)));
    sessions.detach(b, ConnId::new(2), at(50));
    heard[0] = 55;
    assert_eq!(sessions.touched(at(60), |_| Some(at(55))), [(b, 5000)]);
    assert_eq!(sessions.remove(b), Some(ConnId::new(0)));

    sessions.clear();
    assert!(sessions.is_empty() && sessions.next_deadline().is_none());
    assert_eq!(touched(&mut sessions, 70, heard), []);
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
                let shown = sessions.expiry_sets(SessionKind::Global).get(&at(*due)).is_some_and(|ids| ids.contains(id));
                prop_assert!(shown || *due <= now, "{} is missing", id);
            }
        }
    }
}
