//! The database as a leader sends it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::cell::RefCell;
use std::io::{BufReader, Cursor, Read};

use common::{apply, dump, fixture_options, history, tree_of, zxid};
use proptest::prelude::*;
use zabra_proto::{FieldLimit, Put, put_persisted};
use zabra_storage::{
    DatabaseReceiver, DatabaseSender, SharedTree, SnapshotOptions, SnapshotProblem, receive_database,
    send_database, stream_snapshot,
};
use zabra_tree::{LoadError, Progress, Tree};
use zabra_types::StatPersisted;

fn sent(tree: &Tree) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert_eq!(send_database(tree, &mut bytes).unwrap(), tree.last_zxid());
    bytes
}

fn received(bytes: &[u8], raw: i64) -> Result<Tree, (u64, SnapshotProblem)> {
    receive_database(bytes, zxid(raw), fixture_options(), FieldLimit::default())
}

#[test]
fn it_is_the_body_of_a_snapshot_file_and_a_signature() {
    let tree = tree_of(&history(90));
    let mut file = Vec::new();
    stream_snapshot(&tree, SnapshotOptions::default(), &mut file).unwrap();
    let bytes = sent(&tree);
    let body = bytes.strip_suffix(b"\0\0\0\x0aBenWasHere").unwrap();
    assert!(body.ends_with(b"\0\0\0\x01/"));
    assert_eq!(body, &file[16..16 + body.len()]);
    // Three seals, the digest and the last zxid.
    assert_eq!(file.len(), 16 + body.len() + 3 * 13 + 20 + 8);
}

#[test]
fn what_is_sent_is_received() {
    for count in [0, 1, 90] {
        let tree = tree_of(&history(count));
        assert_eq!(dump(&received(&sent(&tree), count).unwrap()), dump(&tree));
    }
}

/// So many nodes that the tree is built on another thread than reads them.
#[test]
fn large_trees_are_received_and_judged() {
    let many = |odd_one: Option<&str>| {
        let mut bytes = Vec::new();
        bytes.put_count(0);
        bytes.put_count(0);
        let children = (0..20_000).map(|number| format!("/d/{number}"));
        let paths = ["", "/d"].into_iter().map(str::to_owned).chain(children);
        for path in
            paths.chain(odd_one.map(str::to_owned)).chain((0..5000).map(|number| format!("/d/7/{number}")))
        {
            bytes.put_text(&path);
            bytes.put_buffer(Some(path.as_bytes()));
            bytes.put_i64(-1);
            put_persisted(&mut bytes, &StatPersisted::default());
        }
        bytes.put_text("/");
        bytes.put_text("BenWasHere");
        received(&bytes, 1)
    };
    let tree = many(None).unwrap();
    tree.check().unwrap();
    assert_eq!(tree.node_count(), 25_006);
    assert_eq!(tree.get("/d/7/4999").unwrap().data(), Some(&b"/d/7/4999"[..]));
    for (odd_one, expected) in [
        ("/e/1", LoadError::MissingParent { path: "/e/1".to_owned() }),
        ("/d/8", LoadError::Duplicate { path: "/d/8".to_owned() }),
        ("/d/", LoadError::NotAPath { path: "/d/".to_owned() }),
    ] {
        match many(Some(odd_one)) {
            Err((_, SnapshotProblem::Tree(error))) => assert_eq!(error, expected),
            other => panic!("{odd_one}: {other:?}"),
        }
    }
}

#[test]
fn what_follows_is_left_in_the_stream() {
    let tree = tree_of(&history(50));
    let bytes = sent(&tree);
    for capacity in [1, 7, 1000, bytes.len(), bytes.len() + 3, 1 << 20] {
        let mut stream = BufReader::with_capacity(capacity, Cursor::new([&bytes[..], b"packet"].concat()));
        let tree = receive_database(&mut stream, zxid(50), fixture_options(), FieldLimit::default()).unwrap();
        assert_eq!(tree.last_zxid(), zxid(50));
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"packet", "{capacity}");
    }
}

/// A tree to which a transaction is applied at each look.
struct Changing(RefCell<(Tree, Vec<Vec<u8>>)>);

impl SharedTree for Changing {
    fn look<R>(&self, look: impl FnOnce(&Tree) -> R) -> R {
        let (tree, waiting) = &mut *self.0.borrow_mut();
        if let Some(payload) = waiting.pop() {
            apply(tree, &payload);
        }
        look(tree)
    }
}

#[test]
fn a_changing_database_is_repaired_by_what_is_sent_behind_it() {
    let payloads = history(90);
    // The SNAP packet was made at 40; five transactions were applied before the sending began.
    let waiting = payloads[45..].iter().rev().cloned().collect();
    let shared = Changing(RefCell::new((tree_of(&payloads[..45]), waiting)));
    let mut sender = DatabaseSender::new(&shared);
    assert_eq!(sender.zxid(), zxid(46));
    let (mut bytes, mut step) = (Vec::new(), Vec::new());
    while sender.fill(&shared, &mut step) == Progress::More {
        bytes.append(&mut step);
    }
    assert_eq!(sender.fill(&shared, &mut step), Progress::Done);
    assert!(step.is_empty());
    let mut tree = received(&bytes, 40).unwrap();
    assert_eq!(tree.last_zxid(), zxid(40));
    payloads[40..].iter().for_each(|payload| apply(&mut tree, payload));
    assert_eq!(dump(&tree), dump(&tree_of(&payloads)));
}

#[test]
fn every_cut_is_noticed() {
    let bytes = sent(&tree_of(&history(8)));
    for len in 0..bytes.len() {
        let (offset, problem) = received(&bytes[..len], 8).unwrap_err();
        assert!(offset <= len as u64);
        assert!(matches!(problem, SnapshotProblem::Stream(_)), "{len}: {problem}");
    }
}

#[test]
fn a_wrong_signature_and_an_endless_record_are_refused() {
    let bytes = sent(&tree_of(&history(3)));
    let changed = [&bytes[..bytes.len() - 1], b"x"].concat();
    assert!(matches!(received(&changed, 3).unwrap_err().1, SnapshotProblem::NoSignature));
    // A path longer than any.
    let end = bytes.len() - 4 - 10 - 4 - 1;
    let endless = [&bytes[..end], &0x7fff_ffff_i32.to_be_bytes()].concat();
    let (offset, problem) = received(&endless, 3).unwrap_err();
    assert_eq!(offset, end as u64);
    assert!(matches!(problem, SnapshotProblem::Record(_)), "{problem}");
}

proptest! {
    #[test]
    fn pieces_of_any_length_are_the_same(cuts in prop::collection::vec(1_usize..400, 1..200)) {
        let tree = tree_of(&history(40));
        let bytes = [&sent(&tree)[..], b"more"].concat();
        let mut receiver = DatabaseReceiver::new(fixture_options(), FieldLimit::default());
        let mut at = 0;
        let mut cuts = cuts.iter().cycle();
        while !receiver.is_complete() {
            let end = bytes.len().min(at + cuts.next().unwrap());
            let taken = receiver.take(&bytes[at..end]).unwrap();
            prop_assert!(receiver.is_complete() || taken == end - at);
            at += taken;
        }
        prop_assert_eq!(&bytes[at..], b"more");
        prop_assert_eq!(receiver.take(b"more").unwrap(), 0);
        prop_assert_eq!(dump(&receiver.finish(zxid(40)).unwrap()), dump(&tree));
    }

    #[test]
    fn garbage_is_an_error(at in 0_usize..4000, value in any::<[u8; 4]>(), random in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = received(&random, 1);
        let mut bytes = sent(&tree_of(&history(12)));
        let at = at.min(bytes.len() - 4);
        bytes[at..at + 4].copy_from_slice(&value);
        let _ = received(&bytes, 1);
    }
}
