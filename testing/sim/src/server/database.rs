//! A database on its way to a learner: encoded a bit at a time, while the tree goes on changing.

use zabra_storage::{DatabaseSender, receive_database};
use zabra_tree::{Progress, Tree, TreeOptions};
use zabra_types::Zxid;

use super::boot::LIMIT;
use crate::messages::{Database, TxnId};

/// A database that is being sent.
#[derive(Debug)]
pub(super) struct Sending {
    sender: DatabaseSender,
    bytes: Vec<u8>,
    /// What the tree held when it was begun.
    history: Vec<TxnId>,
}

impl Sending {
    pub(super) fn begin(tree: &Tree, history: &[TxnId]) -> Self {
        Self { sender: DatabaseSender::new(tree), bytes: Vec::new(), history: history.to_vec() }
    }

    /// Goes on a bit. The database, when it is complete.
    pub(super) fn step(&mut self, tree: &Tree) -> Option<Database> {
        match self.sender.fill(tree, &mut self.bytes) {
            Progress::More => None,
            Progress::Done => Some(Database {
                bytes: std::mem::take(&mut self.bytes),
                history: std::mem::take(&mut self.history),
            }),
        }
    }
}

/// The tree in a database that came behind a SNAP packet.
pub(super) fn read(bytes: &[u8], zxid: Zxid) -> Result<Tree, String> {
    receive_database(bytes, zxid, TreeOptions::default(), LIMIT)
        .map_err(|(offset, problem)| format!("a leader's database is wrong at byte {offset}: {problem}"))
}
