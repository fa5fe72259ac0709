//! The decided history as a plain map of nodes, made a second time and simply, to compare what clients are told with.

use std::collections::{BTreeMap, BTreeSet};

use zabra_proto::{CreateTxn, Txn, TxnHeader, decode_txn};
use zabra_types::{KeeperError, SessionId, Xid, Zxid};

use crate::messages::{Answer, NodeView};

/// The decided history.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Each node as it was from each transaction on that changed it.
    nodes: BTreeMap<String, Vec<(Zxid, Option<NodeView>)>>,
    /// Each session, and the transaction that ended it.
    sessions: BTreeMap<SessionId, Option<Zxid>>,
    /// What each transaction answers, and to whom.
    answers: BTreeMap<Zxid, (SessionId, Xid, Answer)>,
}

impl Model {
    pub(crate) fn new() -> Self {
        let mut model = Self::default();
        for path in ["/", "/zookeeper"] {
            let node = NodeView {
                data: String::new(),
                version: 0,
                czxid: Zxid::ZERO,
                mzxid: Zxid::ZERO,
                owner: None,
            };
            model.put(path, Zxid::ZERO, Some(node));
        }
        model
    }

    /// Applies the next transaction. What is wrong with it, if anything.
    pub(crate) fn apply(&mut self, payload: &[u8]) -> Result<(), String> {
        let (header, txn, _) = decode_txn(payload).map_err(|error| error.to_string())?;
        let answer = self.apply_txn(&header, &txn)?;
        self.answers.insert(header.zxid, (header.session, header.cxid, answer));
        Ok(())
    }

    fn apply_txn(&mut self, header: &TxnHeader, txn: &Txn<'_>) -> Result<Answer, String> {
        let zxid = header.zxid;
        Ok(match txn {
            Txn::CreateSession { .. } => {
                if self.sessions.insert(header.session, None).is_some() {
                    return Err(format!("session {} begins a second time", header.session));
                }
                Answer::Done
            }
            Txn::CloseSession { paths } => {
                self.close_session(header, paths.iter().flatten().map(|path| &**path).collect())?;
                Answer::Done
            }
            Txn::Error { code } => Answer::Error(*code),
            Txn::Create(create) => self.create(header, create)?,
            Txn::Delete { path } => {
                let owner =
                    self.node(path, zxid).ok_or_else(|| format!("{path} is deleted and not there"))?.owner;
                let _ = owner;
                self.put(path, zxid, None);
                Answer::Done
            }
            Txn::SetData { path, data, version } => {
                let mut node =
                    self.node(path, zxid).cloned().ok_or_else(|| format!("{path} is set and not there"))?;
                if node.version + 1 != *version {
                    return Err(format!("{path} goes from version {} to {version}", node.version));
                }
                node.data = String::from_utf8_lossy(data.unwrap_or_default()).into_owned();
                node.version = *version;
                node.mzxid = zxid;
                self.put(path, zxid, Some(node));
                Answer::Set(*version)
            }
            Txn::Multi(subs) => {
                if subs.iter().any(|sub| matches!(sub.txn, Txn::Error { .. })) {
                    let codes = subs.iter().map(|sub| match sub.txn {
                        Txn::Error { code } => Answer::Error(code),
                        _ => Answer::Error(0),
                    });
                    return Ok(Answer::Multi(codes.collect()));
                }
                let parts = subs.iter().map(|sub| self.apply_txn(header, &sub.txn));
                Answer::Multi(parts.collect::<Result<_, _>>()?)
            }
            other => return Err(format!("nobody asked for {other:?}")),
        })
    }

    fn create(&mut self, header: &TxnHeader, create: &CreateTxn<'_>) -> Result<Answer, String> {
        let path = &*create.path;
        if self.node(path, header.zxid).is_some() {
            return Err(format!("{path} is created and there already"));
        }
        if create.ephemeral && self.sessions.get(&header.session) != Some(&None) {
            return Err(format!("{path} is created for session {}, which does not live", header.session));
        }
        let node = NodeView {
            data: String::from_utf8_lossy(create.data.unwrap_or_default()).into_owned(),
            version: 0,
            czxid: header.zxid,
            mzxid: header.zxid,
            owner: create.ephemeral.then_some(header.session),
        };
        self.put(path, header.zxid, Some(node));
        Ok(Answer::Created(path.to_owned()))
    }

    fn close_session(&mut self, header: &TxnHeader, listed: BTreeSet<&str>) -> Result<(), String> {
        let owned: BTreeSet<String> = self
            .nodes
            .iter()
            .filter(|(_, versions)| {
                let now = versions.last().and_then(|(_, node)| node.as_ref());
                now.is_some_and(|node| node.owner == Some(header.session))
            })
            .map(|(path, _)| path.clone())
            .collect();
        if owned.iter().map(String::as_str).collect::<BTreeSet<_>>() != listed {
            return Err(format!("the end of {} deletes {listed:?}, but it owns {owned:?}", header.session));
        }
        for path in owned {
            self.put(&path, header.zxid, None);
        }
        // A session may be ended twice: by its client and, when the leader has not heard of that, by the leader.
        if let Some(ended @ None) = self.sessions.get_mut(&header.session) {
            *ended = Some(header.zxid);
        }
        Ok(())
    }

    fn put(&mut self, path: &str, zxid: Zxid, node: Option<NodeView>) {
        self.nodes.entry(path.to_owned()).or_default().push((zxid, node));
    }

    /// A node right after a transaction.
    pub(crate) fn node(&self, path: &str, at: Zxid) -> Option<&NodeView> {
        let versions = self.nodes.get(path)?;
        let upto = versions.partition_point(|&(zxid, _)| zxid <= at);
        versions[..upto].last()?.1.as_ref()
    }

    /// What a read of data should have shown right after a transaction.
    pub(crate) fn get(&self, path: &str, at: Zxid) -> Answer {
        self.node(path, at).cloned().map_or(Answer::Error(KeeperError::NoNode.code()), Answer::Data)
    }

    /// What a read of children should have shown right after a transaction.
    pub(crate) fn children(&self, path: &str, at: Zxid) -> Answer {
        if self.node(path, at).is_none() {
            return Answer::Error(KeeperError::NoNode.code());
        }
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let names = self
            .nodes
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .filter(|name| self.node(&format!("{prefix}{name}"), at).is_some());
        Answer::Names(names.map(str::to_owned).collect())
    }

    /// What a transaction answers, and to whom.
    pub(crate) fn answer(&self, zxid: Zxid) -> Option<&(SessionId, Xid, Answer)> {
        self.answers.get(&zxid)
    }

    /// Whether a session began, and the transaction that ended it.
    pub(crate) fn session(&self, session: SessionId) -> Option<Option<Zxid>> {
        self.sessions.get(&session).copied()
    }

    /// The nodes that go with a session, now.
    pub(crate) fn ephemerals(&self) -> impl Iterator<Item = (&str, SessionId)> {
        self.nodes.iter().filter_map(|(path, versions)| {
            let node = versions.last()?.1.as_ref()?;
            Some((path.as_str(), node.owner?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;
    use zabra_proto::{AclList, encode_txn};
    use zabra_types::WallTime;

    fn txn(zxid: i64, txn: &Txn<'_>, kind: i32) -> Vec<u8> {
        let header = TxnHeader {
            session: SessionId::from_raw(7),
            cxid: Xid::from_raw(zxid as i32),
            zxid: Zxid::from_raw(zxid),
            time: WallTime::from_millis(0),
            kind,
        };
        let mut bytes = Vec::new();
        encode_txn(&mut bytes, &header, txn, None);
        bytes
    }

    fn create(path: &'static str, ephemeral: bool) -> Txn<'static> {
        let acl = AclList::OPEN;
        let (path, data) = (Cow::Borrowed(path), Some(&b"x"[..]));
        Txn::Create(CreateTxn { path, data, acl, ephemeral, parent_cversion: 1 })
    }

    #[test]
    fn the_past_stays_as_it_was() {
        let mut model = Model::new();
        let set = Txn::SetData { path: "/a".into(), data: Some(b"y"), version: 1 };
        let close = Txn::CloseSession { paths: Some(vec!["/a/e".into()]) };
        for (zxid, record, kind) in [
            (1, Txn::CreateSession { timeout_ms: 1 }, -10),
            (2, create("/a", false), 1),
            (3, create("/a/e", true), 1),
            (4, set.clone(), 5),
            (5, close, -11),
        ] {
            model.apply(&txn(zxid, &record, kind)).unwrap();
        }
        let at = Zxid::from_raw;
        let names = |names: &[&str]| Answer::Names(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(model.children("/", at(1)), names(&["zookeeper"]));
        assert_eq!(model.children("/a", at(4)), names(&["e"]));
        assert_eq!(model.children("/a", at(5)), names(&[]));
        let data = |at| model.node("/a", at).map(|node| (node.data.clone(), node.version));
        assert_eq!(data(at(3)), Some(("x".to_owned(), 0)));
        assert_eq!(data(at(9)), Some(("y".to_owned(), 1)));
        assert_eq!(model.ephemerals().count(), 0);
        assert!(model.apply(&txn(6, &create("/a", false), 1)).is_err(), "it is there");
        assert!(model.apply(&txn(6, &create("/b", true), 1)).is_err(), "the session is over");
        assert!(model.apply(&txn(6, &set, 5)).is_err(), "it has version 1");
    }
}
