//! Situations that deserve a name.

use super::model::{REFUSES, Riddle};
use super::world::{World, options};
use crate::core::watches::{Told, WatchKind};
use crate::core::{CoreOptions, Failure, Input};
use crate::event::SessionState::{AuthFailed, Connected, Disconnected, Expired, SaslAuthenticated};
use crate::sasl::SaslMechanism;
use std::sync::Arc;
use std::time::Duration;
use zabra_proto::OpCode;
use zabra_types::EventType;

/// A world with a connection.
fn connected(options: CoreOptions) -> World {
    let mut world = World::new(7, options);
    while world.states != [Connected] {
        if !world.network(usize::MAX >> 1) {
            world.pass(Duration::ZERO);
        }
    }
    world
}

/// Lets everything arrive, and the next thing begin that is due within a second.
fn settle(world: &mut World) {
    for _ in 0..100 {
        if !world.network(usize::MAX >> 1) {
            world.pass(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_cut_at_every_byte_tells_what_was_sent() {
    for written in 0..200 {
        let mut world = connected(options());
        let calls: Vec<usize> = (0..3).map(|_| world.submit(OpCode::SetData, "/a", None, false)).collect();
        world.write(written);
        world.cut();
        let later = world.submit(OpCode::Sync, "/", None, false);
        // Frames are of the same length: 4 of length, 8 of header, 6 of path, 8 of data and version, 8 of the mark.
        for (at, call) in calls.iter().enumerate() {
            let sent = written >= (at + 1) * 34;
            let expected = Some(Err(Failure::ConnectionLost { sent }));
            assert_eq!(world.calls[*call].outcome, expected, "call {at}, {written} bytes written");
        }
        assert_eq!(world.calls[later].outcome, None);
        settle(&mut world);
        assert!(matches!(world.calls[later].outcome, Some(Ok(_))));
    }
}

#[test]
fn of_two_events_of_one_transaction_the_second_is_not_lost_with_the_connection() {
    let mut world = connected(options());
    let exists = world.submit(OpCode::Exists, "/a/y", Some(WatchKind::Exists), false);
    let children = world.submit(OpCode::GetChildren2, "/a", Some(WatchKind::Children), false);
    settle(&mut world);
    world.change(EventType::NodeCreated, "/a/y");
    // A frame of 4 of length, 16 of header, 8 of type and state and 8 of path.
    world.read(36);
    world.cut();
    let told = |world: &World, call: usize| {
        let told = &world.watching[&world.calls[call].watcher.unwrap()].told;
        told.iter().map(|told| matches!(told, Told::Node { .. })).collect::<Vec<_>>()
    };
    assert_eq!((told(&world, exists), told(&world, children)), (vec![true], vec![]));
    settle(&mut world);
    assert_eq!((told(&world, exists), told(&world, children)), (vec![true], vec![true]));
}

#[test]
fn a_break_in_the_middle_of_setting_watches_again_loses_none() {
    // Each watch is set again by a request of its own.
    let mut world = connected(CoreOptions { packet_len_max: 70, ..options() });
    let calls = ["/a", "/b"].map(|path| world.submit(OpCode::GetData, path, Some(WatchKind::Data), false));
    settle(&mut world);
    world.cut();
    world.change(EventType::NodeDataChanged, "/a");
    world.change(EventType::NodeDataChanged, "/b");
    while world.states.last() != Some(&Connected) {
        if !world.network(usize::MAX >> 1) {
            world.pass(Duration::from_secs(60));
        }
    }
    world.write(usize::MAX >> 1);
    world.serve();
    // An event of 4 of length, 16 of header, 8 of type and state and 6 of path; a reply of 4, 16 and 4.
    world.read(34 + 24);
    world.cut();
    settle(&mut world);
    for (call, path) in calls.into_iter().zip(["/a", "/b"]) {
        let told = &world.watching[&world.calls[call].watcher.unwrap()].told;
        assert!(
            matches!(told[..], [Told::Node { event: EventType::NodeDataChanged, .. }]),
            "{path}: {told:?}"
        );
    }
}

#[test]
fn silence_ends_the_connection_and_then_the_session() {
    let mut world = connected(options());
    let waits = world.submit(OpCode::Sync, "/", None, false);
    world.freeze();
    let begin = world.now;
    while world.states.last() == Some(&Connected) {
        world.pass(Duration::from_secs(60));
    }
    assert_eq!(world.now.since(begin), Duration::from_secs(4), "two thirds of the session time-out");
    assert_eq!(world.calls[waits].outcome, Some(Err(Failure::ConnectionLost { sent: false })));
    let waits = world.submit(OpCode::Sync, "/", None, false);
    while world.states.last() == Some(&Disconnected) {
        world.pass(Duration::from_secs(60));
    }
    assert_eq!(world.now.since(begin), Duration::from_secs(8), "four thirds");
    assert_eq!(world.states, [Connected, Disconnected, Expired]);
    assert_eq!(world.calls[waits].outcome, Some(Err(Failure::SessionExpired)));
}

#[test]
fn pings_keep_an_idle_session() {
    let mut world = connected(options());
    let begin = world.now;
    for _ in 0..100 {
        while world.network(100) {}
        world.pass(Duration::from_secs(60));
    }
    assert_eq!(world.states, [Connected]);
    assert!(world.now.since(begin) > Duration::from_secs(60));
}

#[test]
fn calls_wait_no_longer_than_they_are_to() {
    let within = Duration::from_secs(3);
    let mut world = World::new(1, CoreOptions { connect_within: Some(within), ..options() });
    world.freeze();
    let call = world.submit(OpCode::Sync, "/", None, false);
    while world.calls[call].outcome.is_none() {
        world.pass(Duration::from_secs(60));
    }
    assert_eq!(world.now.since(zabra_types::Now::default()), within);
    assert_eq!(world.calls[call].outcome, Some(Err(Failure::NotConnected { within })));
}

#[test]
fn a_session_that_is_not_to_be_renewed_ends_the_client() {
    let mut world = connected(CoreOptions { renew_expired: false, ..options() });
    let (_, watch) = (0, world.submit(OpCode::AddWatch, "/a", Some(WatchKind::Persistent), false));
    settle(&mut world);
    world.expire();
    settle(&mut world);
    assert!(world.ended);
    assert_eq!(world.states, [Connected, Disconnected, Expired]);
    let watching = &world.watching[&world.calls[watch].watcher.unwrap()];
    assert_eq!(watching.told, [Told::Session(Expired)]);
    let late = world.submit(OpCode::Sync, "/", None, false);
    assert_eq!(world.calls[late].outcome, Some(Err(Failure::SessionExpired)));
}

#[test]
fn closing_is_confirmed_after_a_break() {
    let mut world = connected(options());
    let id = world.number();
    world.input(Input::Close(Some(id)));
    world.write(usize::MAX >> 1);
    world.cut();
    settle(&mut world);
    assert!(matches!(world.calls[id.0 as usize].outcome, Some(Ok(_))));
    assert!(world.ended);
}

#[test]
fn requests_beyond_the_limit_are_not_sent() {
    let mut world = connected(CoreOptions { packet_len_max: 40, ..options() });
    let fits = world.submit(OpCode::Sync, "/2345678901234567", None, false);
    let too_long = world.submit(OpCode::Sync, "/23456789012345678901", None, false);
    assert_eq!(world.calls[too_long].outcome, Some(Err(Failure::TooLarge { len: 41, max: 40 })));
    settle(&mut world);
    assert!(matches!(world.calls[fits].outcome, Some(Ok(_))));
}

#[test]
fn nothing_is_sent_to_a_server_that_does_not_know_the_client() {
    let sasl = || Some(Arc::new(Riddle) as Arc<dyn SaslMechanism>);
    let mut world = World::new(3, CoreOptions { sasl: sasl(), ..options() });
    let call = world.submit(OpCode::Sync, "/", None, false);
    settle(&mut world);
    assert!(matches!(world.calls[call].outcome, Some(Ok(_))));
    assert_eq!(world.states, [Connected, SaslAuthenticated]);

    let mut world = World::new(3, CoreOptions { sasl: sasl(), ..options() });
    world.words = REFUSES;
    let call = world.submit(OpCode::Sync, "/", None, false);
    settle(&mut world);
    assert_eq!(world.calls[call].outcome, Some(Err(Failure::AuthFailed)));
    assert_eq!(world.states, [AuthFailed]);
    assert!(world.ended);
}

#[test]
fn a_watch_that_could_not_be_set_again_is_refused() {
    let mut world = connected(CoreOptions { packet_len_max: 60, ..options() });
    let path = format!("/{}", "n".repeat(20));
    let call = world.submit(OpCode::Exists, &path, Some(WatchKind::Exists), false);
    assert_eq!(world.calls[call].outcome, Some(Err(Failure::TooLarge { len: 61, max: 60 })));
    assert!(world.watching[&world.calls[call].watcher.unwrap()].over);
}

#[test]
fn nobody_waits_long_to_say_goodbye_to_nobody() {
    let mut world = connected(options());
    world.freeze();
    world.cut();
    let begin = world.now;
    let id = world.number();
    world.input(Input::Close(Some(id)));
    while !world.ended {
        world.pass(Duration::from_secs(60));
    }
    assert_eq!(world.now.since(begin), Duration::from_secs(2));
    assert_eq!(world.calls[id.0 as usize].outcome, Some(Err(Failure::ConnectionLost { sent: false })));
}
