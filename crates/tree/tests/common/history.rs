//! Random histories: wishes, turned into the transactions that preparation would make of them.

use super::model::{Model, Node, parent_of};
use proptest::prelude::*;
use std::borrow::Cow;
use zabra_proto::{AclList, CreateTxn, SubTxn, Txn, TxnHeader, TxnType, encode_txn};
use zabra_types::{Acl, EphemeralOwner, KeeperError, Perms, SessionId, StatPersisted, WallTime, Xid, Zxid};

/// Something a client may wish. Numbers are taken modulo what there is to choose from.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Create {
        parent: u16,
        name: u8,
        kind: u8,
        session: u8,
        data: u8,
        acl: u8,
    },
    Delete {
        node: u16,
    },
    SetData {
        node: u16,
        data: u8,
    },
    SetAcl {
        node: u16,
        acl: u8,
    },
    /// A quota on one of the nodes below the root, or its end.
    Quota {
        name: u8,
        data: u8,
    },
    CreateSession {
        session: u8,
        timeout_ms: i32,
    },
    CloseSession {
        session: u8,
        listed: bool,
    },
    Error,
    Multi(Vec<Self>),
}

const NAMES: [&str; 6] = ["a", "b", "c", "d-0000000007", "é漢", "zookeeper"];

fn single() -> impl Strategy<Value = Wish> {
    prop_oneof![
        8 => any::<(u16, u8, u8, u8, u8, u8)>().prop_map(|(parent, name, kind, session, data, acl)| Wish::Create {
            parent, name, kind, session, data, acl
        }),
        5 => any::<u16>().prop_map(|node| Wish::Delete { node }),
        3 => any::<(u16, u8)>().prop_map(|(node, data)| Wish::SetData { node, data }),
        2 => any::<(u16, u8)>().prop_map(|(node, acl)| Wish::SetAcl { node, acl }),
    ]
}

pub(crate) fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        16 => single(),
        1 => any::<(u8, u8)>().prop_map(|(name, data)| Wish::Quota { name, data }),
        1 => any::<(u8, i32)>().prop_map(|(session, timeout_ms)| Wish::CreateSession { session, timeout_ms }),
        2 => any::<(u8, bool)>().prop_map(|(session, listed)| Wish::CloseSession { session, listed }),
        1 => Just(Wish::Error),
        2 => proptest::collection::vec(single(), 0..5).prop_map(Wish::Multi),
    ]
}

fn session_id(number: u8) -> SessionId {
    SessionId::from_raw(0x0100_0000_0000_0000 + i64::from(number % 3))
}

fn data(number: u8) -> Option<Vec<u8>> {
    match number % 8 {
        0 => None,
        1 => Some(vec![]),
        2 => Some(vec![number; 100]),
        3 => Some(vec![number; 5_000]),
        4 => Some(vec![number; 70_000]),
        _ => Some(vec![number; usize::from(number % 40)]),
    }
}

fn acl(number: u8) -> Vec<u8> {
    AclList::encode_entries(&[match number % 4 {
        0 | 1 => Acl::world(Perms::ALL),
        2 => Acl::world(Perms::READ),
        _ => Acl::new(Perms::ALL, "digest", "user:hash"),
    }])
}

/// A history so far: the model after it and every transaction as the log has it.
pub(crate) struct History {
    pub(crate) model: Model,
    pub(crate) txns: Vec<Vec<u8>>,
}

/// A transaction with what it borrows owned.
#[derive(Clone)]
enum Made {
    Create { path: String, data: Option<Vec<u8>>, acl: Vec<u8>, owner: EphemeralOwner, parent_cversion: i32 },
    Delete { path: String },
    SetData { path: String, data: Option<Vec<u8>>, version: i32 },
    SetAcl { path: String, acl: Vec<u8>, version: i32 },
    Error(KeeperError),
}

impl Made {
    fn kind(&self) -> TxnType {
        match self {
            Self::Create { owner, .. } => match owner {
                EphemeralOwner::Container => TxnType::CreateContainer,
                EphemeralOwner::Ttl(_) => TxnType::CreateTtl,
                EphemeralOwner::Persistent => TxnType::Create,
                EphemeralOwner::Session(_) => TxnType::Create2,
            },
            Self::Delete { .. } => TxnType::Delete,
            Self::SetData { .. } => TxnType::SetData,
            Self::SetAcl { .. } => TxnType::SetAcl,
            Self::Error(_) => TxnType::Error,
        }
    }

    fn txn(&self) -> Txn<'_> {
        match self {
            Self::Create { path, data, acl, owner, parent_cversion } => {
                let create = CreateTxn {
                    path: Cow::Borrowed(path),
                    data: data.as_deref(),
                    acl: AclList::from_encoded(acl).unwrap(),
                    ephemeral: matches!(owner, EphemeralOwner::Session(_)),
                    parent_cversion: *parent_cversion,
                };
                match owner {
                    EphemeralOwner::Container => Txn::CreateContainer(create),
                    EphemeralOwner::Ttl(ttl_ms) => Txn::CreateTtl(create, *ttl_ms),
                    _ => Txn::Create(create),
                }
            }
            Self::Delete { path } => Txn::Delete { path: Cow::Borrowed(path) },
            Self::SetData { path, data, version } => {
                Txn::SetData { path: Cow::Borrowed(path), data: data.as_deref(), version: *version }
            }
            Self::SetAcl { path, acl, version } => Txn::SetAcl {
                path: Cow::Borrowed(path),
                acl: AclList::from_encoded(acl).unwrap(),
                version: *version,
            },
            Self::Error(error) => Txn::Error { code: error.code() },
        }
    }
}

impl History {
    pub(crate) fn new() -> Self {
        Self { model: Model::new(), txns: Vec::new() }
    }

    pub(crate) fn of(wishes: &[Wish]) -> Self {
        let mut history = Self::new();
        for wish in wishes {
            history.grant(wish);
        }
        history
    }

    fn next_zxid(&self) -> i64 {
        self.txns.len() as i64 + 1
    }

    /// Makes the transaction of a wish, applies it to the model and logs it.
    pub(crate) fn grant(&mut self, wish: &Wish) {
        let zxid = self.next_zxid();
        match wish {
            Wish::CreateSession { session, timeout_ms } => {
                self.model.sessions.insert(session_id(*session), *timeout_ms);
                let txn = Txn::CreateSession { timeout_ms: *timeout_ms };
                self.log(session_id(*session), TxnType::CreateSession, &txn);
            }
            Wish::CloseSession { session, listed } => {
                let session = session_id(*session);
                self.model.sessions.remove(&session);
                let paths = self.model.ephemerals().remove(&session).unwrap_or_default();
                for path in &paths {
                    self.model.delete(path, zxid);
                }
                let paths = listed.then(|| paths.into_iter().map(Cow::Owned).collect());
                self.log(session, TxnType::CloseSession, &Txn::CloseSession { paths });
            }
            Wish::Quota { name, data } => {
                let path = format!("/zookeeper/quota/{}", NAMES[usize::from(*name) % 4]);
                let limits = format!("{path}/zookeeper_limits");
                let stats = format!("{path}/zookeeper_stats");
                let create = |path: &str| {
                    let text = format!("count={data},bytes=-1").into_bytes();
                    (path.to_string(), Some(text))
                };
                let steps = if self.model.nodes.contains_key(&limits) {
                    vec![(limits, None), (stats, None), (path, None)]
                } else {
                    [path, limits, stats].iter().map(|path| create(path)).collect()
                };
                let mut made = Vec::new();
                for (path, data) in steps {
                    let step = match data {
                        Some(data) => self.create(path, Some(data), acl(0), EphemeralOwner::Persistent),
                        None => self.delete(path),
                    };
                    self.model_apply(&step, zxid);
                    made.push(step);
                }
                self.log_multi(&made);
            }
            Wish::Multi(wishes) => {
                let before = self.model.clone();
                let mut made = Vec::new();
                let mut failed = false;
                for wish in wishes {
                    // One header, one session.
                    let step = if failed {
                        Made::Error(KeeperError::RuntimeInconsistency)
                    } else {
                        self.make(wish, Some(session_id(0)))
                    };
                    failed |= matches!(step, Made::Error(_));
                    self.model_apply(&step, zxid);
                    made.push(step);
                }
                if failed {
                    self.model = before;
                }
                self.log_multi(&made);
            }
            Wish::Error => self.log_single(&Made::Error(KeeperError::BadVersion), SessionId::NONE),
            single => {
                let made = self.make(single, None);
                self.model_apply(&made, zxid);
                let session = match &made {
                    Made::Create { owner: EphemeralOwner::Session(session), .. } => *session,
                    _ => session_id(0),
                };
                self.log_single(&made, session);
            }
        }
    }

    fn make(&self, wish: &Wish, header_session: Option<SessionId>) -> Made {
        // Quotas come and go as a whole.
        let touchable = |path: &&String| !path.starts_with("/zookeeper/quota/");
        let paths: Vec<&String> = self.model.nodes.keys().filter(touchable).collect();
        let pick = |number: u16| paths[usize::from(number) % paths.len()].clone();
        match wish {
            Wish::Create { parent, name, kind, session, data: bytes, acl: list } => {
                let parent = pick(*parent);
                let depth = parent.matches('/').count();
                if depth > 3 || self.model.nodes[&parent].stat.ephemeral_owner > 0 {
                    return Made::Error(KeeperError::NoChildrenForEphemerals);
                }
                if parent == "/zookeeper/quota" {
                    return Made::Error(KeeperError::BadArguments);
                }
                let prefix = if parent == "/" { "" } else { &parent };
                let path = format!("{prefix}/{}", NAMES[usize::from(*name) % NAMES.len()]);
                let owner = match kind % 8 {
                    0 | 1 => EphemeralOwner::Session(header_session.unwrap_or(session_id(*session))),
                    2 => EphemeralOwner::Container,
                    3 => EphemeralOwner::Ttl(i64::from(*session) + 1),
                    _ => EphemeralOwner::Persistent,
                };
                self.create(path, data(*bytes), acl(*list), owner)
            }
            Wish::Delete { node } => self.delete(pick(*node)),
            Wish::SetData { node, data: bytes } => {
                let path = pick(*node);
                let version = self.model.nodes[&path].stat.version + 1;
                Made::SetData { path, data: data(*bytes), version }
            }
            Wish::SetAcl { node, acl: list } => {
                let path = pick(*node);
                let version = self.model.nodes[&path].stat.aversion + 1;
                Made::SetAcl { path, acl: acl(*list), version }
            }
            other => panic!("{other:?} is not a single operation"),
        }
    }

    fn create(&self, path: String, data: Option<Vec<u8>>, acl: Vec<u8>, owner: EphemeralOwner) -> Made {
        if self.model.nodes.contains_key(&path) {
            return Made::Error(KeeperError::NodeExists);
        }
        let parent_cversion = self.model.nodes[&parent_of(&path)].stat.cversion + 1;
        Made::Create { path, data, acl, owner, parent_cversion }
    }

    fn delete(&self, path: String) -> Made {
        if path == "/" || path.starts_with("/zookeeper") && path.matches('/').count() < 3 {
            return Made::Error(KeeperError::BadArguments);
        }
        match self.model.children(&path)[..] {
            [] => Made::Delete { path },
            _ => Made::Error(KeeperError::NotEmpty),
        }
    }

    fn model_apply(&mut self, made: &Made, zxid: i64) {
        let model = &mut self.model;
        match made.clone() {
            Made::Create { path, data, acl, owner, .. } => {
                let stat = StatPersisted {
                    czxid: zxid,
                    mzxid: zxid,
                    pzxid: zxid,
                    ctime: time(zxid),
                    mtime: time(zxid),
                    ephemeral_owner: owner.raw(),
                    ..StatPersisted::default()
                };
                model.create(&path, Node { data, acl, stat }, zxid);
            }
            Made::Delete { path } => model.delete(&path, zxid),
            Made::SetData { path, data, version } => {
                let node = model.nodes.get_mut(&path).unwrap();
                node.data = data;
                node.stat.mzxid = zxid;
                node.stat.mtime = time(zxid);
                node.stat.version = version;
                model.set_quota_usage();
            }
            Made::SetAcl { path, acl, version } => {
                let node = model.nodes.get_mut(&path).unwrap();
                node.acl = acl;
                node.stat.aversion = version;
            }
            Made::Error(_) => {}
        }
    }

    fn log_single(&mut self, made: &Made, session: SessionId) {
        self.log(session, made.kind(), &made.txn());
    }

    fn log_multi(&mut self, made: &[Made]) {
        let subs = made.iter().map(|made| SubTxn { kind: made.kind().code(), txn: made.txn() }).collect();
        self.log(session_id(0), TxnType::Multi, &Txn::Multi(subs));
    }

    fn log(&mut self, session: SessionId, kind: TxnType, txn: &Txn<'_>) {
        let mut payload = Vec::new();
        encode_txn(&mut payload, &self.header(session, kind), txn, None);
        self.txns.push(payload);
    }

    fn header(&self, session: SessionId, kind: TxnType) -> TxnHeader {
        TxnHeader {
            session,
            cxid: Xid::from_raw(0),
            zxid: Zxid::from_raw(self.next_zxid()),
            time: WallTime::from_millis(time(self.next_zxid())),
            kind: kind.code(),
        }
    }
}

fn time(zxid: i64) -> i64 {
    1_700_000_000_000 + zxid * 1000
}
