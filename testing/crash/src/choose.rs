//! Which request comes next.

use crate::action::{Action, Create, Data, Op, tag};
use crate::world::World;
use zabra_testkit::Rng;

/// Above this many nodes, deletions are preferred.
const NODES_MANY: usize = 60;
const ENTRIES_MANY: usize = 12;
/// Operations of a multi.
const MULTI_LEN: usize = 6;
/// The longest data of an ordinary node, and of a rare one.
const DATA_LEN: usize = 300;
const LONG_DATA_LEN: usize = 20_000;

/// Names data after the request it is for, so that no two nodes ever hold the same.
pub(crate) struct Namer {
    pub(crate) slot: usize,
    pub(crate) round: u64,
    /// The place of the request in its round.
    pub(crate) at: usize,
    /// Data of this request so far.
    parts: usize,
}

impl Namer {
    pub(crate) const fn new(slot: usize, round: u64, at: usize) -> Self {
        Self { slot, round, at, parts: 0 }
    }

    fn data(&mut self, rng: &mut Rng) -> Data {
        let mut data = format!("w{} r{} #{}.{}|", self.slot, self.round, self.at, self.parts).into_bytes();
        self.parts += 1;
        let len = if rng.one_in(60) { rng.below(LONG_DATA_LEN) } else { rng.below(DATA_LEN) };
        data.extend(rng.bytes(len));
        data.into()
    }
}

/// The slot that wrote this data.
pub(crate) fn slot_of(data: &[u8]) -> Option<usize> {
    tag(data).strip_prefix('w')?.split(' ').next()?.parse().ok()
}

/// Something a session can do in this world; some of it is meant to be refused.
pub(crate) fn action(rng: &mut Rng, world: &World, namer: &mut Namer) -> Action {
    match rng.weighted(&[(82, 0), (11, 1), (4, 2), (3, 3)]) {
        0 => Action::Write(op(rng, world, namer, false)),
        1 => {
            let len = 1 + rng.below(MULTI_LEN);
            Action::Multi((0..len).map(|_| op(rng, world, namer, true)).collect())
        }
        2 => Action::Read(some_path(rng, world)),
        _ => Action::ReadCounter,
    }
}

fn op(rng: &mut Rng, world: &World, namer: &mut Namer, in_multi: bool) -> Op {
    let many = world.paths().len() > NODES_MANY;
    let (creates, deletes) = if many { (8, 30) } else { (24, 14) };
    // What can fail makes a multi fail as a whole: fewer of those.
    let refusable = if in_multi { deletes / 2 } else { deletes };
    match rng.weighted(&[(creates, 0), (30, 1), (refusable, 2), (4, 3), (10, 4), (8, 5), (9, 6)]) {
        0 => create(rng, world, namer),
        1 => {
            let path = some_node(rng, world);
            let version = world.node(&path).map_or(0, |node| node.version);
            Op::Set { data: namer.data(rng), version: some_version(rng, version), path }
        }
        2 => {
            let path = some_path(rng, world);
            let version = world.node(&path).map_or(0, |node| node.version);
            Op::Delete { version: some_version(rng, version), path }
        }
        3 if in_multi => {
            let path = some_node(rng, world);
            let version = world.node(&path).map_or(0, |node| node.version);
            Op::Check { version: some_version(rng, version), path }
        }
        3 => {
            let path = some_node(rng, world);
            let version = world.node(&path).map_or(0, |node| node.aversion);
            Op::SetAcl { acl: rng.below(20) as u32, version: some_version(rng, version), path }
        }
        4 if world.entries().len() < ENTRIES_MANY => {
            Op::Enqueue { data: namer.data(rng), ephemeral: rng.one_in(2) }
        }
        4 | 5 => dequeue(rng, world).unwrap_or_else(|| Op::Count { data: namer.data(rng) }),
        _ => Op::Count { data: namer.data(rng) },
    }
}

fn create(rng: &mut Rng, world: &World, namer: &mut Namer) -> Op {
    let sequential = rng.one_in(4);
    let path = if sequential { format!("{}s-", some_parent(rng, world)) } else { some_free_path(rng, world) };
    Op::Create(Create {
        path,
        data: namer.data(rng),
        ephemeral: rng.one_in(4),
        sequential,
        with_stat: rng.one_in(2),
    })
}

fn dequeue(rng: &mut Rng, world: &World) -> Option<Op> {
    let named: Vec<_> =
        world.entries().iter().filter_map(|(data, entry)| Some((data, entry.path.as_ref()?))).collect();
    if named.is_empty() {
        return None;
    }
    let (data, path) = *rng.pick(&named);
    Some(Op::Dequeue { path: path.clone(), data: data.clone() })
}

/// Mostly one that fits.
fn some_version(rng: &mut Rng, version: i32) -> i32 {
    rng.weighted(&[(10, -1), (9, version), (1, version + 1)])
}

/// Home, or one of a few directories in it, which may not be there.
fn some_parent(rng: &mut Rng, world: &World) -> String {
    const DIRECTORIES: [&str; 6] = ["/", "/", "/", "/a/", "/b/", "/c/"];
    format!("{}{}", world.home(), rng.pick(&DIRECTORIES))
}

/// One of a few dozen paths, whether it is there or not.
fn some_free_path(rng: &mut Rng, world: &World) -> String {
    const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "k", "l", "m"];
    let mut path = some_parent(rng, world);
    path.push_str(NAMES[rng.below(NAMES.len())]);
    path
}

/// A node that is there, home included.
fn some_node(rng: &mut Rng, world: &World) -> String {
    let at = rng.below(world.paths().len());
    world.paths().nth(at).unwrap_or(world.home()).to_owned()
}

/// Mostly a node that is there, never home.
fn some_path(rng: &mut Rng, world: &World) -> String {
    let path = some_node(rng, world);
    if path == world.home() || rng.one_in(12) { some_free_path(rng, world) } else { path }
}
