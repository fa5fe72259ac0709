//! Whole peers under everything that can happen to them.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use crate::testing;
use crate::testing::cluster::{Cluster, Event};
use crate::{Input, Options, Role};

fn cluster(voters: i64, observers: i64) -> Cluster {
    let members = testing::members(1..=voters, voters + 1..=voters + observers);
    Cluster::new(members, |id| Options {
        tick: Duration::from_millis(100),
        notification_min: Duration::from_millis(20),
        notification_max: Duration::from_secs(1),
        finalize_wait: Duration::from_millis(20),
        observer_delay: Duration::from_millis(20),
        // Little, so that learners fall behind it.
        history_len: 4,
        ..testing::options(id)
    })
}

#[derive(Clone, Copy, Debug)]
enum Action {
    /// One of the things that can happen.
    Next(usize),
    /// As many things in the order of their kinds.
    Run(usize),
    Propose,
    Crash(usize),
    Start(usize),
    Cut(usize),
    TakeSnapshot(usize),
    PassTime(usize),
    /// Two servers do not hear each other any more, or do again.
    Part(usize, usize),
    /// A server stands still, or goes on.
    Sleep(usize),
    /// Its disk fails, or it has no zxids left.
    StepDown(usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        60 => any::<usize>().prop_map(Action::Next),
        10 => (1..60usize).prop_map(Action::Run),
        20 => Just(Action::Propose),
        2 => any::<usize>().prop_map(Action::Crash),
        5 => any::<usize>().prop_map(Action::Start),
        2 => any::<usize>().prop_map(Action::Cut),
        1 => any::<usize>().prop_map(Action::TakeSnapshot),
        3 => (1..30usize).prop_map(Action::PassTime),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(one, other)| Action::Part(one, other)),
        1 => any::<usize>().prop_map(Action::Sleep),
        1 => any::<usize>().prop_map(Action::StepDown),
    ]
}

fn act(cluster: &mut Cluster, action: Action) {
    let all: Vec<_> = cluster.servers.keys().copied().collect();
    let pick = |number: usize| all[number % all.len()];
    match action {
        Action::Next(number) => {
            let events = cluster.events();
            if !events.is_empty() {
                cluster.happen(events[number % events.len()]);
            }
        }
        Action::Run(steps) => {
            for step in 0..steps {
                let events = cluster.events();
                if events.is_empty() {
                    break;
                }
                cluster.happen(events[step % events.len()]);
            }
        }
        Action::Propose => {
            for id in all {
                cluster.propose(id);
            }
        }
        Action::Crash(number) => cluster.crash(pick(number)),
        Action::Start(number) if cluster.servers[&pick(number)].peer.is_none() => cluster.start(pick(number)),
        Action::Start(_) => {}
        Action::Cut(number) => cluster.cut(pick(number)),
        Action::TakeSnapshot(number) => {
            let server = cluster.servers.get_mut(&pick(number)).unwrap();
            if server.peer.is_none() {
                server.disk.take_snapshot();
            }
        }
        Action::PassTime(times) => {
            for _ in 0..times {
                cluster.happen(Event::Deadline);
            }
        }
        Action::Part(one, other) => {
            let pair = [pick(one), pick(other)];
            if !cluster.parted.remove(&pair) {
                cluster.parted.insert(pair);
            }
        }
        Action::Sleep(number) => {
            let id = pick(number);
            if !cluster.asleep.remove(&id) {
                cluster.asleep.insert(id);
            }
        }
        Action::StepDown(number) => cluster.input(pick(number), Input::StepDown),
    }
}

/// Everything runs, nothing fails any more: until one leads and all others follow or observe it.
fn heal(cluster: &mut Cluster) {
    cluster.parted.clear();
    cluster.asleep.clear();
    for id in cluster.servers.keys().copied().collect::<Vec<_>>() {
        if cluster.servers[&id].peer.is_none() {
            cluster.start(id);
        }
    }
    for step in 0..20_000 {
        let events = cluster.events();
        match events.get(step % events.len().max(1)) {
            Some(event) => cluster.happen(*event),
            None if is_healed(cluster) => return,
            None => cluster.pass_time(),
        }
    }
    panic!("no leader that all follow, but {:?}", roles(cluster));
}

fn roles(cluster: &Cluster) -> Vec<Role> {
    cluster.running().into_iter().filter_map(|id| cluster.role(id)).collect()
}

fn is_healed(cluster: &Cluster) -> bool {
    let roles = roles(cluster);
    let leads = roles.iter().filter(|role| matches!(role, Role::Leading(_))).count();
    let learns =
        roles.iter().filter(|role| matches!(role, Role::Following { .. } | Role::Observing { .. })).count();
    leads == 1 && leads + learns == cluster.servers.len()
}

fn settle(cluster: &mut Cluster) {
    for _ in 0..20_000 {
        match cluster.events().first() {
            Some(event) => cluster.happen(*event),
            None => return,
        }
    }
    panic!("{:?} go on without end", roles(cluster));
}

/// After all that happened, the ensemble still decides, and all have the same.
fn check_progress(cluster: &mut Cluster) {
    heal(cluster);
    for id in cluster.running() {
        cluster.propose(id);
    }
    settle(cluster);
    let last = cluster.decided.last().expect("something is decided").0;
    for (id, server) in &cluster.servers {
        let end = server.tree.last().map(|(zxid, _)| *zxid);
        assert!(server.tree == cluster.decided, "{id} has all up to {end:?}, not to {last}");
    }
}

#[test]
fn an_ensemble_elects_synchronizes_and_decides() {
    for (voters, observers) in [(1, 0), (1, 1), (2, 0), (3, 0), (3, 2), (5, 1)] {
        let mut cluster = cluster(voters, observers);
        for _ in 0..3 {
            check_progress(&mut cluster);
        }
        assert_eq!(cluster.decided.len(), 3);
    }
}

/// Few enough to be run with every build, unless `PROPTEST_CASES` says how many.
pub(super) fn config(few: u32) -> ProptestConfig {
    let given = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { given.cases } else { few };
    ProptestConfig { cases, max_shrink_iters: 2_000, failure_persistence: None, ..given }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn nothing_decided_is_lost_whatever_happens(
        voters in 1..=5i64,
        observers in 0..=1i64,
        actions in proptest::collection::vec(action(), 1..600),
    ) {
        let mut cluster = cluster(voters, observers);
        for id in cluster.servers.keys().copied().collect::<Vec<_>>() {
            cluster.start(id);
        }
        for action in actions {
            act(&mut cluster, action);
        }
        check_progress(&mut cluster);
    }
}
