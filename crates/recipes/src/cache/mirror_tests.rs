//! The mirror against a server that is a map, with replies that come late and connections that break.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use zabra_types::{Stat, Zxid};

use super::mirror::{Answer, Ask, Change, Contents, Mirror, Scope, children_in};
use super::{CacheEvent, CachedNode};

fn scope(root: &str, depth_min: usize, depth_max: usize) -> Scope {
    Scope { root: root.to_owned(), depth_min, depth_max, accept: None, keep_data: true }
}

/// A tree of nodes without a server around it.
#[derive(Default)]
struct Tree {
    zxid: i64,
    nodes: BTreeMap<String, (Bytes, Stat)>,
}

impl Tree {
    fn parent(path: &str) -> &str {
        path.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    fn children(&self, path: &str) -> Vec<String> {
        let names = self.nodes.keys().filter(|child| Self::parent(child) == path);
        names.map(|child| child.rsplit('/').next().unwrap().to_owned()).collect()
    }

    fn read(&self, path: &str) -> Option<(Bytes, Stat)> {
        let (data, stat) = self.nodes.get(path)?;
        let num_children = i32::try_from(self.children(path).len()).unwrap();
        Some((data.clone(), Stat { num_children, ..*stat }))
    }

    /// Creates, sets or deletes a node; what watches are told.
    fn change(&mut self, path: &str, delete: bool) -> Option<(String, Change, Zxid)> {
        let zxid = self.zxid + 1;
        let parent = Self::parent(path).to_owned();
        let change = match (self.nodes.contains_key(path), delete) {
            (true, true) if self.children(path).is_empty() => {
                self.nodes.remove(path);
                Change::Deleted
            }
            (false, false) if parent.is_empty() || self.nodes.contains_key(&parent) => {
                let stat = Stat { czxid: zxid, mzxid: zxid, pzxid: zxid, ..Stat::default() };
                self.nodes.insert(path.to_owned(), (Bytes::from(zxid.to_string()), stat));
                Change::Written
            }
            (true, false) => {
                let (data, stat) = self.nodes.get_mut(path).unwrap();
                *data = Bytes::from(zxid.to_string());
                stat.mzxid = zxid;
                stat.version += 1;
                self.zxid = zxid;
                return Some((path.to_owned(), Change::Written, Zxid::from_raw(zxid)));
            }
            _ => return None,
        };
        self.zxid = zxid;
        if let Some((_, stat)) = self.nodes.get_mut(&parent) {
            stat.cversion += 1;
            stat.pzxid = zxid;
        }
        Some((path.to_owned(), change, Zxid::from_raw(zxid)))
    }
}

/// What a listener can check: the events alone tell the contents.
#[derive(Default)]
struct Listener {
    nodes: Contents,
    /// What the deleted nodes of each path were last.
    gone: BTreeMap<String, i64>,
    initialized: usize,
    suspended: bool,
}

impl Listener {
    fn hear(&mut self, event: CacheEvent) {
        let rises = |old: &CachedNode, new: &CachedNode| {
            assert!(
                (new.stat.czxid, new.stat.mzxid) > (old.stat.czxid, old.stat.mzxid),
                "{old:?} became {new:?}"
            );
        };
        match event {
            CacheEvent::Created(node) => {
                let gone = self.gone.get(&node.path).copied().unwrap_or(0);
                assert!(node.stat.czxid > gone, "{node:?} is back from the dead");
                assert!(self.nodes.insert(node.path.clone(), node).is_none());
            }
            CacheEvent::Changed { old, new } => {
                rises(&old, &new);
                let heard = self.nodes.insert(new.path.clone(), new).expect("a change of what was created");
                assert_eq!((heard.stat.mzxid, &heard.data), (old.stat.mzxid, &old.data));
            }
            CacheEvent::Deleted(old) => {
                let heard = self.nodes.remove(&old.path).expect("a deletion of what was created");
                assert_eq!(heard.stat.mzxid, old.stat.mzxid);
                self.gone.insert(old.path.clone(), old.stat.mzxid);
            }
            CacheEvent::Initialized => self.initialized += 1,
            CacheEvent::Suspended => assert!(!std::mem::replace(&mut self.suspended, true)),
            CacheEvent::Resumed => assert!(std::mem::replace(&mut self.suspended, false)),
            CacheEvent::Failed { .. } | CacheEvent::Missed(_) => panic!("nothing was refused"),
        }
    }
}

/// One connection: what the client sent, and what the server sent back but was not handed over yet.
struct Run {
    rng: fastrand::Rng,
    tree: Tree,
    mirror: Mirror,
    contents: Contents,
    listener: Listener,
    sent: VecDeque<Ask>,
    /// In the order of the server: how many events came before each reply.
    replies: VecDeque<(usize, Ask, Answer)>,
    events: VecDeque<(String, Change, Zxid)>,
    handed: usize,
    come: usize,
    with_zxids: bool,
    connected: bool,
}

impl Run {
    fn new(seed: u64, scope: Scope) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let with_zxids = rng.bool();
        Self {
            rng,
            tree: Tree::default(),
            mirror: Mirror::new(scope),
            contents: Contents::new(),
            listener: Listener::default(),
            sent: VecDeque::new(),
            replies: VecDeque::new(),
            events: VecDeque::new(),
            handed: 0,
            come: 0,
            with_zxids,
            connected: false,
        }
    }

    fn change_something(&mut self) {
        const PATHS: [&str; 8] = ["/r", "/r/a", "/r/a/x", "/r/a/x/deep", "/r/b", "/r/b/y", "/other", "/rr"];
        let path = PATHS[self.rng.usize(..PATHS.len())];
        let delete = self.rng.u8(..10) < 4;
        if let Some(event) = self.tree.change(path, delete)
            && self.connected
        {
            self.events.push_back(event);
            self.come += 1;
        }
    }

    fn serve(&mut self) {
        let Some(ask) = self.sent.pop_front() else { return };
        let answer = match &ask {
            Ask::Data(path) => Answer::Data(self.tree.read(path)),
            Ask::Stat(path) => Answer::Stat(self.tree.read(path).map(|(_, stat)| stat)),
            Ask::Children(path) => {
                Answer::Children(self.tree.nodes.contains_key(path).then(|| self.tree.children(path)))
            }
        };
        self.replies.push_back((self.come, ask, answer));
    }

    fn hand_event(&mut self) {
        if let Some((path, change, zxid)) = self.events.pop_front() {
            self.handed += 1;
            self.mirror.changed(&mut self.contents, &path, change, self.with_zxids.then_some(zxid));
        }
    }

    /// Events that came before a reply are handed over before it; later ones may be as well.
    fn hand_reply(&mut self) {
        let Some((events_before, ask, answer)) = self.replies.pop_front() else { return };
        while self.handed < events_before {
            self.hand_event();
        }
        self.mirror.answered(&mut self.contents, ask, answer);
    }

    fn ask(&mut self) {
        self.sent.extend(self.mirror.next_ask());
    }

    fn cut(&mut self) {
        self.connected = false;
        self.mirror.lost();
        self.sent.clear();
        self.replies.clear();
        self.events.clear();
        (self.handed, self.come) = (0, 0);
    }

    fn connect(&mut self) {
        self.connected = true;
        self.mirror.begin(&self.contents);
    }

    fn step(&mut self) {
        match self.rng.u8(..100) {
            0..=24 => self.change_something(),
            25..=44 => self.serve(),
            45..=59 => self.hand_event(),
            60..=79 => self.hand_reply(),
            80..=96 => self.ask(),
            _ if self.connected => self.cut(),
            _ => self.connect(),
        }
        self.listen();
    }

    fn listen(&mut self) {
        for event in self.mirror.take_events() {
            self.listener.hear(event);
        }
    }

    fn finish(&mut self) {
        if !self.connected {
            self.connect();
        }
        for _ in 0..10_000 {
            self.ask();
            self.serve();
            self.hand_event();
            self.hand_reply();
        }
        self.listen();
    }
}

fn shown(contents: &Contents) -> Vec<(&str, i64, &[u8])> {
    contents.values().map(|node| (node.path.as_str(), node.stat.mzxid, &*node.data)).collect()
}

#[test]
fn whatever_happens_the_mirror_ends_equal_to_the_tree() {
    type Wanted = fn(&str) -> bool;
    let forms: [(usize, usize, Wanted); 4] = [
        (0, usize::MAX, |path| path == "/r" || path.starts_with("/r/")),
        (0, 0, |path| path == "/r"),
        (1, 1, |path| matches!(path, "/r/a" | "/r/b")),
        (0, 2, |path| path == "/r" || path.starts_with("/r/") && path != "/r/a/x/deep"),
    ];
    for seed in 0..4_000 {
        let (depth_min, depth_max, wanted) = forms[seed as usize % forms.len()];
        let mut run = Run::new(seed, scope("/r", depth_min, depth_max));
        for _ in 0..run.rng.usize(..600) {
            run.step();
        }
        run.finish();
        assert!(run.mirror.is_in_step(), "seed {seed}");
        let tree: Vec<_> = run.tree.nodes.iter().filter(|(path, _)| wanted(path)).collect();
        let expected: Vec<_> =
            tree.iter().map(|(path, (data, stat))| (path.as_str(), stat.mzxid, &**data)).collect();
        assert_eq!(shown(&run.contents), expected, "seed {seed}");
        assert_eq!(shown(&run.listener.nodes), expected, "seed {seed}: what the events tell");
        assert_eq!((run.listener.initialized, run.listener.suspended), (1, false), "seed {seed}");
    }
}

#[test]
fn nothing_is_read_again_that_did_not_change() {
    let mut run = Run::new(1, scope("/r", 0, usize::MAX));
    for path in ["/r", "/r/a", "/r/a/x", "/r/b"] {
        run.tree.change(path, false);
    }
    run.finish();
    run.cut();
    run.tree.change("/r/b", false);
    run.connect();
    let mut asked = Vec::new();
    loop {
        while let Some(ask) = run.mirror.next_ask() {
            asked.push(ask.clone());
            run.sent.push_back(ask);
        }
        if run.sent.is_empty() {
            break;
        }
        run.serve();
        run.hand_reply();
    }
    let stat = |path: &str| Ask::Stat(path.to_owned());
    let data = Ask::Data("/r/b".to_owned());
    assert_eq!(asked, [stat("/r"), stat("/r/a"), stat("/r/a/x"), stat("/r/b"), data]);
}

#[test]
fn many_events_of_one_node_cost_one_read_at_a_time() {
    let mut run = Run::new(1, scope("/r", 0, 0));
    run.tree.change("/r", false);
    run.finish();
    for _ in 0..100 {
        run.tree.change("/r", false);
        run.mirror.changed(&mut run.contents, "/r", Change::Written, None);
    }
    assert!(run.mirror.next_ask().is_some());
    run.mirror.changed(&mut run.contents, "/r", Change::Written, None);
    assert_eq!(run.mirror.next_ask(), None);
}

#[test]
fn what_is_not_accepted_takes_what_is_below_it_along() {
    let accept = |path: &str| !path.ends_with("/b");
    let mut run = Run::new(1, Scope { accept: Some(Box::new(accept)), ..scope("/r", 0, usize::MAX) });
    for path in ["/r", "/r/a", "/r/b", "/r/b/y"] {
        run.tree.change(path, false);
    }
    run.finish();
    run.mirror.changed(&mut run.contents, "/r/b/y", Change::Written, None);
    assert_eq!(run.mirror.next_ask(), None);
    assert_eq!(run.contents.keys().collect::<Vec<_>>(), ["/r", "/r/a"]);
}

#[test]
fn the_whole_tree_can_be_mirrored() {
    let mut mirror = Mirror::new(scope("/", 0, usize::MAX));
    let mut contents = Contents::new();
    mirror.begin(&contents);
    assert_eq!(mirror.next_ask(), Some(Ask::Data("/".to_owned())));
    let stat = Stat { num_children: 1, ..Stat::default() };
    mirror.answered(&mut contents, Ask::Data("/".to_owned()), Answer::Data(Some((Bytes::new(), stat))));
    assert_eq!(mirror.next_ask(), Some(Ask::Children("/".to_owned())));
    mirror.answered(
        &mut contents,
        Ask::Children("/".to_owned()),
        Answer::Children(Some(vec!["a".to_owned()])),
    );
    assert_eq!(mirror.next_ask(), Some(Ask::Data("/a".to_owned())));
}

#[test]
fn a_refused_read_is_told_and_does_not_stop_the_rest() {
    let mut mirror = Mirror::new(scope("/r", 0, usize::MAX));
    let mut contents = Contents::new();
    mirror.begin(&contents);
    let ask = mirror.next_ask().unwrap();
    mirror.refused(ask, zabra_client::Error::BadArgument("refused".to_owned()));
    assert!(mirror.is_in_step());
    let events = mirror.take_events();
    assert!(
        matches!(&events[..], [CacheEvent::Failed { path, .. }, CacheEvent::Initialized] if path == "/r")
    );
    mirror.changed(&mut contents, "/r", Change::Written, None);
    assert_eq!(mirror.next_ask(), Some(Ask::Data("/r".to_owned())));
}

#[test]
fn children_are_found_among_whatever_sorts_between_them() {
    let node = |path: &str| {
        let node = CachedNode { path: path.to_owned(), data: Bytes::new(), stat: Stat::default() };
        (path.to_owned(), std::sync::Arc::new(node))
    };
    let paths = [
        "/",
        "/t",
        "/t!",
        "/t/a",
        "/t/a!",
        "/t/a!/x",
        "/t/a-b",
        "/t/a/x",
        "/t/a/x/y",
        "/t/a/\u{10fffe}",
        "/t/a0",
        "/t/z/only-below",
        "/t0",
        "/u",
    ];
    let contents: Contents = paths.map(node).into();
    let children =
        |parent: &str| children_in(&contents, parent).map(|node| node.path.clone()).collect::<Vec<_>>();
    assert_eq!(children("/t"), ["/t/a", "/t/a!", "/t/a-b", "/t/a0"]);
    assert_eq!(children("/"), ["/t", "/t!", "/t0", "/u"]);
    assert_eq!(children("/t/a"), ["/t/a/x", "/t/a/\u{10fffe}"]);
    assert!(children("/u").is_empty() && children("/nothing").is_empty());
}
