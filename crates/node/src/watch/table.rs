//! Who watches what.

use super::paths::Paths;
use super::recursive::Recursive;
use super::sparse::SparseMap;
use alloc::vec::Vec;
use core::fmt;
use zabra_types::WatcherType;

/// A connection, by the small number the server gives it while it is open.
///
/// Numbers are dense: a new connection takes the least one, or any that was freed. Tables are indexed by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(u32);

impl ConnId {
    /// From its number, which must be below 2^28.
    pub const fn new(number: u32) -> Self {
        assert!(number < SparseMap::<4>::NUMBERS, "connections are numbered densely");
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How a watch was set, which says what it hears and whether it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WatchKind {
    /// By exists or getData: created, deleted, data changed; goes with the first event.
    Data,
    /// By getChildren: deleted, children changed; goes with the first event.
    Children,
    /// By addWatch: created, deleted, data and children changed; stays.
    Persistent,
    /// By addWatch: created, deleted, data changed, here and everywhere below; stays.
    PersistentRecursive,
}

impl WatchKind {
    const fn bit(self) -> u8 {
        match self {
            Self::Data => DATA,
            Self::Children => CHILDREN,
            Self::Persistent => PERSISTENT,
            Self::PersistentRecursive => RECURSIVE,
        }
    }
}

const DATA: u8 = 1;
const CHILDREN: u8 = 2;
const PERSISTENT: u8 = 4;
const RECURSIVE: u8 = 8;
/// The kinds that the genuine server keeps in its table of data watches.
const DATA_TABLE: u8 = DATA | PERSISTENT | RECURSIVE;
/// The kinds that the genuine server keeps in its table of child watches.
const CHILD_TABLE: u8 = CHILDREN | PERSISTENT;

/// What `wchs` tells. As in the genuine server watches set by getChildren alone are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchSummary {
    /// Connections that watch something.
    pub connections: usize,
    /// Watched paths.
    pub paths: usize,
    /// Pairs of them.
    pub watches: usize,
}

/// How many connections an event found, for the metrics named `node_…_watch_count`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// In the genuine server's table of data watches.
    pub data: usize,
    /// In its table of child watches, those that had the event already included.
    pub children: usize,
}

/// Which connection watches which path, and how (`WatchManager`, both of them).
///
/// Paths are texts and not checked: a watch on something that is no path never fires. A pair of path and connection
/// has four bits, one per [`WatchKind`]; they stand with the path, and the connection only knows which paths it has.
/// Watches belong to a connection and go with it: the caller must not add any after [`WatchTable::remove_conn`].
#[derive(Debug)]
pub struct WatchTable {
    paths: Paths,
    /// The paths of each connection, by its number.
    conns: Vec<SparseMap<1>>,
    /// The recursive watches again, to be found from below.
    recursive: Recursive,
    data_watches: usize,
    child_watches: usize,
    /// Who is told of the event in hand. Kept to be used again.
    told: Vec<u32>,
}

impl Default for WatchTable {
    /// An empty table with a hash key that everybody knows.
    fn default() -> Self {
        Self::new([0; 2])
    }
}

impl WatchTable {
    /// An empty table. A `hash_key` that clients cannot know keeps them from choosing paths that collide.
    pub fn new(hash_key: [u64; 2]) -> Self {
        Self {
            paths: Paths::new(hash_key.into()),
            conns: Vec::new(),
            recursive: Recursive::default(),
            data_watches: 0,
            child_watches: 0,
            told: Vec::new(),
        }
    }

    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.paths.len() == 0
    }

    /// Number of watches: pairs of path and connection, counted apart for data and children (`zk_watch_count`).
    pub fn watch_count(&self) -> usize {
        self.data_watches + self.child_watches
    }

    /// Sets a watch; false when the connection has it already.
    pub fn add(&mut self, path: &str, conn: ConnId, kind: WatchKind) -> bool {
        let path = self.paths.intern(path);
        let old = self.paths.watchers(path).get(conn.0);
        self.change(path, conn.0, old, old | kind.bit())
    }

    /// Whether the connection has a watch of this type on the path.
    pub fn contains(&self, path: &str, conn: ConnId, wanted: WatcherType) -> bool {
        let kinds = self.paths.find(path).map_or(0, |path| self.paths.watchers(path).get(conn.0));
        kinds & bits_of(wanted) != 0
    }

    /// Removes the connection's watches of this type on the path; false when there is none.
    pub fn remove(&mut self, path: &str, conn: ConnId, wanted: WatcherType) -> bool {
        let Some(path) = self.paths.find(path) else { return false };
        let old = self.paths.watchers(path).get(conn.0);
        self.change(path, conn.0, old, old & !bits_of(wanted))
    }

    /// Removes all watches of a connection that is gone.
    pub fn remove_conn(&mut self, conn: ConnId) {
        let Some(paths) = self.conns.get_mut(conn.0 as usize).map(core::mem::take) else { return };
        for (path, _) in paths.iter() {
            let old = self.paths.watchers(path).get(conn.0);
            self.change(path, conn.0, old, 0);
        }
        while self.conns.last().is_some_and(SparseMap::is_empty) {
            self.conns.pop();
        }
    }

    /// A node was created or its data changed: tells each connection that hears of it once.
    pub fn trigger_data(&mut self, path: &str, deliver: impl FnMut(ConnId)) -> Fired {
        if self.is_empty() {
            return Fired::default();
        }
        self.fire(path, DATA_TABLE, deliver)
    }

    /// A node was deleted: tells each connection that hears of it once. Watches on its children go as well.
    pub fn trigger_deleted(&mut self, path: &str, deliver: impl FnMut(ConnId)) -> Fired {
        if self.is_empty() {
            return Fired::default();
        }
        self.fire(path, DATA_TABLE | CHILD_TABLE, deliver)
    }

    /// A child of `path` was created or deleted: tells each connection that hears of it once.
    pub fn trigger_children(&mut self, path: &str, deliver: impl FnMut(ConnId)) -> Fired {
        if self.is_empty() {
            return Fired::default();
        }
        self.fire(path, CHILD_TABLE, deliver)
    }

    /// What `wchs` tells.
    pub fn summary(&self) -> WatchSummary {
        WatchSummary {
            connections: self.by_conn().count(),
            paths: self.by_path().count(),
            watches: self.data_watches,
        }
    }

    /// What `wchp` tells: each path with its connections, in no particular order. Watches set by getChildren alone
    /// are left out.
    pub fn by_path(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = ConnId>)> {
        self.paths.iter().filter_map(|(text, watchers)| {
            let mut conns = watchers.iter().filter(|&(_, kinds)| kinds & DATA_TABLE != 0).peekable();
            conns.peek()?;
            Some((text, conns.map(|(conn, _)| ConnId(conn))))
        })
    }

    /// What `wchc` tells: each connection with its paths. Watches set by getChildren alone are left out.
    pub fn by_conn(&self) -> impl Iterator<Item = (ConnId, impl Iterator<Item = &str>)> {
        (0..).zip(&self.conns).filter_map(move |(conn, paths)| {
            let watched = move |path: u32| self.paths.watchers(path).get(conn) & DATA_TABLE != 0;
            let mut paths = paths.iter().filter(move |&(path, _)| watched(path)).peekable();
            paths.peek()?;
            Some((ConnId(conn), paths.map(|(path, _)| self.paths.text(path))))
        })
    }

    /// Tells everybody whom an event on `path` reaches through the kinds in `table`, and takes the watches away that
    /// hear once.
    fn fire(&mut self, path: &str, table: u8, mut deliver: impl FnMut(ConnId)) -> Fired {
        let mut told = core::mem::take(&mut self.told);
        let mut fired = Fired::default();
        if table & RECURSIVE != 0 && !self.recursive.is_empty() {
            self.recursive.ancestors(path, |conn| told.push(conn));
            told.sort_unstable();
            told.dedup();
        }
        let from_above = told.len();
        fired.data = from_above;
        if let Some(path) = self.paths.find(path) {
            let Self { paths, conns, data_watches, child_watches, .. } = self;
            paths.watchers_mut(path).rewrite(|conn, kinds| {
                if kinds & table == 0 {
                    return kinds;
                }
                let told_already = from_above > 0 && told[..from_above].binary_search(&conn).is_ok();
                if !told_already {
                    told.push(conn);
                }
                let (in_data, in_children) = (kinds & DATA_TABLE != 0, kinds & CHILD_TABLE != 0);
                fired.data += usize::from(table & DATA != 0 && in_data && !told_already);
                fired.children += usize::from(table & CHILDREN != 0 && in_children);
                let left = kinds & !(table & (DATA | CHILDREN));
                if left == kinds {
                    return kinds;
                }
                *data_watches -= usize::from(in_data && left & DATA_TABLE == 0);
                *child_watches -= usize::from(in_children && left & CHILD_TABLE == 0);
                if left == 0 {
                    conns[conn as usize].set(path, 0);
                }
                left
            });
            paths.settle(path);
        }
        for &conn in &told {
            deliver(ConnId(conn));
        }
        told.clear();
        self.told = told;
        fired
    }

    /// Gives a pair of path and connection other kinds. The only way they change, but for [`WatchTable::fire`].
    fn change(&mut self, path: u32, conn: u32, old: u8, new: u8) -> bool {
        if old == new {
            return false;
        }
        self.paths.watchers_mut(path).set(conn, new);
        let count = |watches: &mut usize, table: u8| {
            *watches = *watches + usize::from(new & table != 0) - usize::from(old & table != 0);
        };
        count(&mut self.data_watches, DATA_TABLE);
        count(&mut self.child_watches, CHILD_TABLE);
        if (old ^ new) & RECURSIVE != 0 {
            let text = self.paths.text(path);
            if new & RECURSIVE != 0 {
                self.recursive.add(text, conn);
            } else {
                self.recursive.remove(text, conn);
            }
        }
        if old == 0 {
            let at = conn as usize;
            if self.conns.len() <= at {
                self.conns.resize_with(at + 1, SparseMap::default);
            }
            self.conns[at].set(path, 1);
        }
        if new == 0 {
            if let Some(paths) = self.conns.get_mut(conn as usize) {
                paths.set(path, 0);
            }
            self.paths.settle(path);
        }
        true
    }
}

/// The kinds a check or removal speaks of. Each but `Any` means exactly its own: a persistent watch is not found as
/// a data watch.
const fn bits_of(wanted: WatcherType) -> u8 {
    match wanted {
        WatcherType::Data => DATA,
        WatcherType::Children => CHILDREN,
        WatcherType::Persistent => PERSISTENT,
        WatcherType::PersistentRecursive => RECURSIVE,
        WatcherType::Any => DATA | CHILDREN | PERSISTENT | RECURSIVE,
    }
}
