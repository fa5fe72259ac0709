//! Random histories against the naive tree, and snapshots taken in the middle of them.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod common;

use common::history::{History, Wish, wish};
use common::snapshot::Writer;
use common::{assert_same, dump, options};
use proptest::prelude::*;
use zabra_proto::{Reader, decode_txn};
use zabra_tree::{DigestCheck, Outcome, SnapshotDigest, SubOutcome, Tree};

fn apply(tree: &mut Tree, payload: &[u8]) -> Outcome {
    let (header, txn, _) = decode_txn(payload).unwrap();
    let outcome = tree.apply(&header, &txn, &mut ());
    assert_eq!(tree.check(), Ok(()), "after {txn:?}");
    outcome
}

/// A step of a snapshot in progress: how many transactions come before it, and how many bytes it may take.
type Step = (usize, usize);

/// Takes a snapshot from after `before` transactions on, while the rest of the history goes on, loads it, replays
/// and compares.
fn check_fuzzy_snapshot(history: &History, before: usize, steps: &[Step], genuine: bool) {
    let mut live = Tree::new(options());
    let mut txns = history.txns.iter();
    for payload in txns.by_ref().take(before) {
        apply(&mut live, payload);
    }
    let mut writer = Writer::begin(&live, genuine);
    let mut steps = steps.iter().cycle();
    let mut done = false;
    while !done {
        let (between, budget) = steps.next().unwrap();
        for payload in txns.by_ref().take(*between) {
            apply(&mut live, payload);
        }
        done = writer.step(&live, *budget);
    }
    let snapshot = writer.finish(&live);
    for payload in txns {
        apply(&mut live, payload);
    }

    let mut loaded = snapshot.load().unwrap();
    assert_eq!(loaded.last_zxid(), snapshot.zxid);
    for payload in &history.txns[snapshot.zxid.raw() as usize..] {
        apply(&mut loaded, payload);
    }
    assert_same(&dump(&loaded), &dump(&live));
    assert_eq!(loaded.last_zxid(), live.last_zxid());
    let compared = loaded.snapshot_digest();
    assert!(
        matches!(compared, SnapshotDigest::None | SnapshotDigest::Compared(DigestCheck::Match)),
        "{compared:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_tree_is_the_model(wishes in proptest::collection::vec(wish(), 1..120)) {
        let mut history = History::new();
        let mut tree = Tree::new(options());
        for wish in &wishes {
            history.grant(wish);
            let outcome = apply(&mut tree, history.txns.last().unwrap());
            if let Outcome::Multi(parts) = &outcome {
                let failed = parts.iter().any(|part| matches!(part, SubOutcome::Error(code) if *code != 0));
                let wished = match wish { Wish::Multi(wishes) => wishes.len(), _ => 3 };
                prop_assert_eq!(parts.len(), wished);
                prop_assert!(!failed || parts.iter().all(|part| matches!(part, SubOutcome::Error(_))));
            }
        }
        let expected = history.model.dump();
        assert_same(&dump(&tree), &expected);
        for path in history.model.nodes.keys() {
            let below = format!("{}/", path.trim_end_matches('/'));
            let count = history.model.nodes.keys().filter(|other| *other != "/" && other.starts_with(&below)).count();
            prop_assert_eq!(tree.descendants(path), Some(count as u64));
            let mut out = Vec::new();
            let node = tree.get(path).unwrap();
            node.put_children(&mut out);
            let listed = Reader::new(&out).texts("children").unwrap().unwrap();
            prop_assert_eq!(common::sorted(listed), history.model.children(path));
        }
    }

    #[test]
    fn a_snapshot_at_rest_loads_as_the_same_tree(wishes in proptest::collection::vec(wish(), 0..80), genuine: bool) {
        let history = History::of(&wishes);
        check_fuzzy_snapshot(&history, wishes.len(), &[(0, 100)], genuine);
    }

    #[test]
    fn a_fuzzy_snapshot_and_a_replay_make_the_same_tree(
        wishes in proptest::collection::vec(wish(), 1..120),
        before in 0_usize..60,
        steps in proptest::collection::vec((0_usize..6, 0_usize..400), 1..10),
        genuine: bool,
    ) {
        let mut wishes = wishes;
        for wish in &mut wishes {
            // An end of a session that does not say what it deletes cannot be replayed onto a fuzzy state: a deletion
            // that the snapshot missed leaves no trace at the parent. That is why they are listed.
            if let Wish::CloseSession { listed, .. } = wish {
                *listed = true;
            }
        }
        check_fuzzy_snapshot(&History::of(&wishes), before.min(wishes.len()), &steps, genuine);
    }
}
