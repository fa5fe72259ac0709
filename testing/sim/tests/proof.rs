//! The simulator proves itself: the same seed is the same run, and bugs that are put back are found.
//!
//! In a test build only the bugs that show within a few seeds are tried; `zabra-sim --prove` tries all of them.

use zabra_sim::{Sabotage, Settings, run};

#[test]
fn a_seed_is_a_run() {
    for seed in [1, 17, 230] {
        let settings = Settings { sabotage: None, traced: true };
        let (first, second) = (run(seed, settings), run(seed, settings));
        assert_eq!(first.fingerprint, second.fingerprint, "seed {seed}");
        assert!(first.trace == second.trace, "seed {seed} prints another thing the second time");
        assert!(first.violation.is_none(), "seed {seed}: {:?}", first.violation);
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
