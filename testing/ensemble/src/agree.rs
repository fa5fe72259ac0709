//! What is true of an ensemble whenever nothing is being written.

use std::time::Duration;

use zabra_testkit::{Ensemble, RawRequest, four_letter};

use crate::Failure;
use crate::client::{Client, expect};
use crate::tapped::wait_for;
use crate::tree;

/// Who may read everything: whoever writes restricted nodes lets this user read them.
pub(crate) const READER: (&str, &[u8]) = ("digest", b"reader:secret");

const SESSION_TIMEOUT_MS: i32 = 30_000;

/// All servers show the same tree and have processed the same transactions, and none has met a transaction that left
/// another digest than it says, but for as many as are known for each.
pub(crate) fn expect_agreement(
    ensemble: &Ensemble,
    name: impl Fn(u8) -> String,
    known_mismatches: impl Fn(u8) -> u64,
) -> Result<(), Failure> {
    let ids: Vec<u8> = ensemble.members().map(|member| member.id()).collect();
    wait_for("the same zxid at all servers", || {
        let zxids: Option<Vec<String>> =
            ids.iter().map(|id| word_line(ensemble, *id, "srvr", "Zxid")).collect();
        zxids.filter(|zxids| zxids.iter().all(|zxid| *zxid == zxids[0])).map(drop)
    })?;
    let mut trees = Vec::new();
    for member in ensemble.members() {
        let name = name(member.id());
        let mut client = Client::connect(member.server().addr(), &name, SESSION_TIMEOUT_MS)?;
        client.ok(&RawRequest::auth(READER.0, Some(READER.1)))?;
        trees.push((name, tree::read(&mut client)?));
        client.close()?;
    }
    let (first, others) = trees.split_first().ok_or("an ensemble has servers")?;
    for other in others {
        tree::expect_same((&first.0, &first.1), (&other.0, &other.1))?;
    }
    for id in ids {
        let mismatches = digest_mismatches(ensemble, id)?;
        expect(mismatches == known_mismatches(id), || {
            format!("{mismatches} transactions left another digest at {} than they say", name(id))
        })?;
    }
    Ok(())
}

/// How many transactions left another digest at a server than they say.
pub(crate) fn digest_mismatches(ensemble: &Ensemble, id: u8) -> Result<u64, Failure> {
    let count =
        word_line(ensemble, id, "mntr", "zk_digest_mismatches_count").ok_or("mntr counts mismatches")?;
    Ok(count.parse()?)
}

/// What follows `key` in the answer to a four-letter word.
fn word_line(ensemble: &Ensemble, id: u8, word: &str, key: &str) -> Option<String> {
    let answer = four_letter(ensemble.server(id).addr(), word, Duration::from_secs(30)).ok()?;
    let value = |line: &str| {
        let rest = line.strip_prefix(key)?;
        rest.starts_with([':', '\t', ' ']).then(|| rest.trim_start_matches(':').trim().to_owned())
    };
    answer.lines().find_map(value)
}
