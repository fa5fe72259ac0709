use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;
use zabra_proto::{Notification, ServerState};
use zabra_types::{Epoch, Now, ServerId, Zxid};

use super::fixture::{Server, durable, id, members, notifications};
use super::genuine::Genuine;
use super::{Election, OUTSIDERS_MAX};
use crate::Output;
use crate::context::Context;
use crate::role::Elected;

fn at(millis: u64) -> Now {
    Now::new(Duration::from_millis(millis))
}

fn server(own: i64) -> Server {
    Server::new(id(own), &members(1..=3, [4]), durable(1, Zxid::new(Epoch::new(1), 5)))
}

fn looking(leader: ServerId, round: i64) -> Notification {
    Notification {
        state: ServerState::Looking,
        leader,
        zxid: Zxid::new(Epoch::new(1), 5),
        election_epoch: round,
        peer_epoch: 1,
        version: Notification::VERSION,
        config: Some(String::from("version=0")),
    }
}

#[test]
fn an_election_begins_with_ones_own_vote_told_to_every_voter() {
    let (elected, out) = server(2).call(at(0), |election, ctx| election.begin(ctx));
    assert_eq!(elected, None);
    let told = |to| Output::Notify { to: id(to), notification: looking(id(2), 1) };
    assert_eq!(out, [Output::DialPeers, told(1), told(3)]);
}

/// Were it told the vote of a server that still looks, it would wait for others.
#[test]
fn a_genuine_server_that_one_vote_elects_leads_at_once() {
    let (begun, mut server) = (durable(1, Zxid::new(Epoch::new(1), 5)), server(2));
    let mut genuine = Genuine::new(id(3), &server.members, begun);
    server.call(at(0), |election, ctx| election.begin(ctx));
    server.call(at(0), |election, ctx| election.peer_down(ctx, id(1)));
    server.call(at(0), |election, ctx| election.peer_up(ctx, id(3)));
    assert_eq!(genuine.begin(at(1)), None);
    let (_, vote) = genuine.said.iter().find(|(to, _)| *to == id(2)).unwrap();
    let (elected, out) = server.call(at(2), |election, ctx| election.handle(ctx, id(3), vote));
    assert_eq!(elected, Some(Elected::Following(id(3))));
    let told = notifications(&out).into_iter().filter(|(to, _)| *to == id(3)).map(|(_, told)| told);
    let [result] = &told.collect::<Vec<_>>()[..] else { panic!("one word for it") };
    assert_eq!(genuine.hear(at(3), id(2), result), Some(Elected::Leading));
}

#[test]
fn an_observer_votes_for_nobody() {
    let (_, out) = server(4).call(at(0), |election, ctx| election.begin(ctx));
    let vote = Notification {
        zxid: Zxid::from_raw(i64::MIN),
        peer_epoch: i64::MIN,
        ..looking(Notification::NOBODY, 1)
    };
    let told = |to| Output::Notify { to: id(to), notification: vote.clone() };
    assert_eq!(out, [Output::DialPeers, told(1), told(2), told(3)]);
}

/// An observer that looks in a higher round and a genuine voter answer each other without end.
#[test]
fn a_looking_server_answers_one_without_vote_now_and_then() {
    let mut server = server(2);
    server.call(at(0), |election, ctx| election.begin(ctx));
    let mut answers = |millis, from| {
        let ask = looking(Notification::NOBODY, 9);
        let (_, out) = server.call(at(millis), |election, ctx| election.handle(ctx, from, &ask));
        notifications(&out)
    };
    assert_eq!(answers(10, id(4)), [(id(4), looking(id(2), 1))]);
    assert_eq!(answers(11, id(4)), []);
    assert_eq!(answers(12, id(-1)).len(), 1, "another one");
    assert_eq!(answers(209, id(4)), []);
    assert_eq!(answers(210, id(4)).len(), 1);
    let strangers = (0..1000).filter(|n| !answers(300, id(1000 + n)).is_empty()).count();
    assert_eq!(strangers, OUTSIDERS_MAX - 2);
}

#[test]
fn one_without_vote_that_does_not_look_is_not_answered() {
    let mut server = server(2);
    server.call(at(0), |election, ctx| election.begin(ctx));
    let said = Notification { state: ServerState::Observing, ..looking(id(2), 1) };
    let (_, out) = server.call(at(0), |election, ctx| election.handle(ctx, id(4), &said));
    assert_eq!(out, []);
}

#[test]
fn an_observer_answers_nobody() {
    let mut server = server(4);
    server.call(at(0), |election, ctx| election.begin(ctx));
    server.call(at(0), |election, ctx| {
        election.clock = 5;
        assert_eq!(election.handle(ctx, id(1), &looking(id(1), 2)), None, "behind");
        assert_eq!(election.handle(ctx, id(5), &looking(id(1), 2)), None, "a stranger");
        assert!(notifications(ctx.out).is_empty(), "{:?}", ctx.out);
    });
    let leads = Notification { state: ServerState::Leading, ..looking(id(1), 1) };
    let follows = Notification { state: ServerState::Following, ..looking(id(1), 1) };
    let (elected, _) = server.call(at(0), |election, ctx| {
        assert_eq!(election.handle(ctx, id(1), &leads), None);
        election.handle(ctx, id(2), &follows)
    });
    assert_eq!(elected, Some(Elected::Observing(id(1))));
    let (_, out) = server.call(at(0), |election, ctx| election.handle(ctx, id(3), &looking(id(3), 1)));
    assert_eq!(out, [], "settled");
}

/// Two servers lose their leader, and the second notices a moment after the first has said its vote.
#[test]
fn a_vote_that_came_too_early_counts_when_the_election_begins() {
    for (heard, begins, elected) in
        [(100, 101, Some(Elected::Following(id(3)))), (100, 2000, None), (100, 101, None)]
    {
        let mut server = server(2);
        server.call(at(0), |election, ctx| election.begin(ctx));
        server.call(at(0), |election, ctx| election.peer_down(ctx, id(1)));
        let (settled, _) =
            server.call(at(1), |election, ctx| election.handle(ctx, id(3), &looking(id(3), 1)));
        assert_eq!(settled, Some(Elected::Following(id(3))));
        let early = looking(id(3), 2);
        server.call(at(heard), |election, ctx| election.handle(ctx, id(3), &early));
        if elected.is_none() && begins < 1000 {
            // It went, or thought better of it.
            server.call(at(heard), |election, ctx| election.peer_down(ctx, id(3)));
        }
        let (outcome, _) = server.call(at(begins), |election, ctx| election.begin(ctx));
        assert_eq!(outcome, elected, "{heard} {begins}");
    }
}

/// Between the end of a role and the next election.
#[test]
fn a_server_that_has_left_its_role_says_so() {
    let mut server = Server::new(id(1), &members([1], [4]), durable(1, Zxid::new(Epoch::new(1), 5)));
    let (elected, _) = server.call(at(0), |election, ctx| election.begin(ctx));
    assert_eq!(elected, Some(Elected::Leading));
    server.election.leave();
    let ask = looking(Notification::NOBODY, 1);
    let (_, out) = server.call(at(1), |election, ctx| election.handle(ctx, id(4), &ask));
    assert_eq!(notifications(&out), [(id(4), looking(id(1), 1))]);
    let (_, out) = server.call(at(2), |election, ctx| election.begin(ctx));
    let answer = Notification { state: ServerState::Leading, ..looking(id(1), 2) };
    assert_eq!(notifications(&out), [(id(4), answer)], "it is told the result");
}

#[derive(Clone, Debug)]
enum Happening {
    Heard(i64, Notification),
    Up(i64),
    Down(i64),
    Suspect(i64),
    Begin,
    Leave,
    Settled(u32),
    Deadline,
}

fn happening() -> impl Strategy<Value = Happening> {
    let who = 0..=5_i64;
    let state = prop_oneof![
        4 => Just(ServerState::Looking),
        2 => Just(ServerState::Following),
        2 => Just(ServerState::Leading),
        1 => Just(ServerState::Observing),
    ];
    let number = prop_oneof![6 => -1..=3_i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let notification = (state, who.clone(), number.clone(), number.clone(), number, 0..=3_i32).prop_map(
        |(state, leader, zxid, election_epoch, peer_epoch, version)| Notification {
            state,
            leader: id(leader),
            zxid: Zxid::from_raw(zxid),
            election_epoch,
            peer_epoch,
            version,
            config: None,
        },
    );
    prop_oneof![
        12 => (who.clone(), notification).prop_map(|(from, said)| Happening::Heard(from, said)),
        1 => who.clone().prop_map(Happening::Up),
        1 => who.clone().prop_map(Happening::Down),
        1 => who.prop_map(Happening::Suspect),
        2 => Just(Happening::Begin),
        1 => Just(Happening::Leave),
        1 => any::<u32>().prop_map(Happening::Settled),
        4 => Just(Happening::Deadline),
    ]
}

fn happen(election: &mut Election, ctx: &mut Context<'_>, what: &Happening) -> Option<Elected> {
    match what {
        Happening::Heard(from, said) => election.handle(ctx, id(*from), said),
        Happening::Up(peer) => {
            election.peer_up(ctx, id(*peer));
            None
        }
        Happening::Down(peer) => election.peer_down(ctx, id(*peer)),
        Happening::Suspect(peer) => {
            election.suspect(id(*peer));
            None
        }
        Happening::Begin => election.begin(ctx),
        Happening::Leave => {
            election.leave();
            None
        }
        Happening::Settled(epoch) => {
            election.settled(Epoch::new(*epoch));
            None
        }
        Happening::Deadline => election.handle_deadline(ctx),
    }
}

proptest! {
    /// Whatever peers say and in whatever order things happen: no panic, no deadline that is always due, nothing said to
    /// oneself, and a result is what the state says.
    #[test]
    fn anything_may_happen(own in 1..=4_i64, missing: bool, happenings in prop::collection::vec(happening(), 1..60)) {
        let zxid = if missing { Zxid::NONE } else { Zxid::from_raw(2) };
        let mut server = Server::new(id(own), &members(1..=3, [4]), durable(1, zxid));
        let mut now = at(0);
        for what in &happenings {
            if matches!(what, Happening::Deadline) {
                now = now.max(server.election.next_deadline().unwrap_or_default());
            }
            let (elected, out) = server.call(now, |election, ctx| happen(election, ctx, what));
            if matches!(what, Happening::Deadline) {
                prop_assert!(server.election.next_deadline().is_none_or(|at| at > now));
            }
            let told: Vec<_> = notifications(&out).into_iter().map(|(to, _)| to).collect();
            prop_assert!(!told.contains(&id(own)));
            let expected = match elected {
                None => continue,
                Some(Elected::Leading) => (ServerState::Leading, id(own)),
                Some(Elected::Following(leader)) => (ServerState::Following, leader),
                Some(Elected::Observing(leader)) => (ServerState::Observing, leader),
            };
            prop_assert_eq!((server.election.state(), server.election.vote().leader), expected);
        }
    }
}
