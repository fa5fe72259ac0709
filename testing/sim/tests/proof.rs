//! The simulator proves itself: the same seed is the same run, and bugs that are put back are found.
//!
//! In a test build only the bugs that show within a few seeds are tried; `zabra-sim --prove` tries all of them.

use zabra_sim::{Sabotage, Settings, run};

#[test]
fn nothing_is_wrong_in_a_few_worlds() {
    let decided = |seed| {
        let outcome = run(seed, Settings::default());
        assert_eq!(outcome.violation, None, "cargo run --release -p zabra-sim -- --seed {seed} --trace");
        outcome.counts.decided
    };
    let decided: u64 = (0..20).map(decided).sum();
    assert!(decided > 1000, "worlds in which nothing happens show nothing: {decided}");
}

#[test]
fn a_seed_is_a_run() {
    for seed in [1, 17, 230] {
        let settings = Settings { sabotage: None, traced: true };
        let (first, second) = (run(seed, settings), run(seed, settings));
        assert_eq!(first.fingerprint, second.fingerprint, "seed {seed}");
        assert!(first.trace == second.trace, "seed {seed} prints another thing the second time");
        assert!(first.violation.is_none(), "seed {seed}: {:?}", first.violation);
        // Telling it changes nothing.
        assert_eq!(run(seed, Settings::default()).fingerprint, first.fingerprint, "seed {seed}");
    }
}

#[test]
fn bugs_that_are_put_back_are_found() {
    for sabotage in [
        Sabotage::AckBeforeFlush,
        Sabotage::CommitOutOfOrder,
        Sabotage::AckProposalBeforeNewLeader,
        Sabotage::ForgetAcceptedEpoch,
        Sabotage::AckNewLeaderBeforeLogging,
    ] {
        let settings = Settings { sabotage: Some(sabotage), traced: false };
        assert!((0..60).any(|seed| run(seed, settings).violation.is_some()), "{sabotage:?} goes unnoticed");
    }
}
