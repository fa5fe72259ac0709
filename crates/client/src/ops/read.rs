//! Reads of one node, with and without a watch.

use crate::core::WatchKind;
use crate::ops::{Operation, sendable};
use crate::pending::{Asked, Decode};
use crate::{Client, OneShot, Pending, Stat};
use bytes::Bytes;
use std::borrow::Cow;
use zabra_proto::{PathWatch, Reader, Request};
use zabra_types::KeeperError;

/// Reads the data and Stat of a node: see [`Client::get`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct Get(ReadOf);

/// Reads the data and Stat of a node and tells null from empty: see [`Get::or_null`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct GetOrNull(ReadOf);

/// Looks whether a node is there: see [`Client::exists`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct Exists(ReadOf);

/// Lists the names of a node's children: see [`Client::children`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct ChildNames(ReadOf);

/// Lists the names of a node's children with its Stat: see [`Client::children_stat`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct ChildrenStat(ReadOf);

/// A read that leaves a watch: it results in what the read does, and the watch.
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct Watched<R>(R);

impl Client {
    /// Reads the data and Stat of a node. Data that is null reads as empty, see [`Get::or_null`].
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`; see [`Error`](crate::Error) for those that every request has.
    pub fn get(&self, path: impl Into<String>) -> Get {
        Get(ReadOf::new(self, path))
    }

    /// Looks whether a node is there.
    ///
    /// # Errors
    /// `NoAuth`. A missing node is no error.
    pub fn exists(&self, path: impl Into<String>) -> Exists {
        Exists(ReadOf::new(self, path))
    }

    /// Lists the names of a node's children, sorted.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`.
    pub fn children(&self, path: impl Into<String>) -> ChildNames {
        ChildNames(ReadOf::new(self, path))
    }

    /// Lists the names of a node's children, sorted, with the node's Stat.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`.
    pub fn children_stat(&self, path: impl Into<String>) -> ChildrenStat {
        ChildrenStat(ReadOf::new(self, path))
    }
}

impl Get {
    /// Tells data that is null from data that is empty.
    pub fn or_null(self) -> GetOrNull {
        GetOrNull(self.0)
    }
}

macro_rules! watchable {
    ($($builder:ident, $request:ident, $kind:ident, $output:ty, $decode:ident, $when:literal;)*) => { $(
        impl $builder {
            /// Leaves a watch that fires once:
            #[doc = $when]
            pub fn watch(self) -> Watched<Self> {
                Watched(self)
            }
        }

        impl Operation for $builder {
            type Output = $output;

            fn client(&self) -> &Client {
                &self.0.client
            }

            fn attempt(&self, _: Option<&crate::Error>) -> Pending<$output> {
                self.0.send(|read| Request::$request(read), $decode)
            }
        }

        impl Operation for Watched<$builder> {
            type Output = ($output, OneShot);

            fn client(&self) -> &Client {
                &self.0.0.client
            }

            fn attempt(&self, _: Option<&crate::Error>) -> Pending<Self::Output> {
                self.0.0.send_watching(|read| Request::$request(read), WatchKind::$kind, |reply, asked| {
                    Ok(($decode(reply, asked)?, OneShot::new(asked.take_watcher())))
                })
            }
        }

        sendable!($builder => $output);
        sendable!(Watched<$builder> => ($output, OneShot));
    )* };
}

watchable! {
    Get, GetData, Data, (Bytes, Stat), data, "when the node's data is set or the node is deleted.";
    GetOrNull, GetData, Data, (Option<Bytes>, Stat), data_or_null, "when the node's data is set or the node is deleted.";
    Exists, Exists, Exists, Option<Stat>, stat_if_there, "when the node is created, set or deleted.";
    ChildNames, GetChildren, Children, Vec<String>, names, "when a child is created or deleted, or the node deleted.";
    ChildrenStat, GetChildren2, Children, (Vec<String>, Stat), names_and_stat,
        "when a child is created or deleted, or the node deleted.";
}

/// What all reads are made with.
#[derive(Clone, Debug)]
struct ReadOf {
    client: Client,
    path: String,
}

impl ReadOf {
    fn new(client: &Client, path: impl Into<String>) -> Self {
        Self { client: client.clone(), path: path.into() }
    }

    fn send<T>(&self, request: fn(PathWatch<'_>) -> Request<'_>, decode: Decode<T>) -> Pending<T> {
        match self.client.view.full(&self.path) {
            Ok(path) => self.client.call(&self.path, &request(PathWatch { path, watch: false }), decode),
            Err(error) => Pending::failed(error),
        }
    }

    fn send_watching<T>(
        &self,
        request: fn(PathWatch<'_>) -> Request<'_>,
        kind: WatchKind,
        decode: Decode<T>,
    ) -> Pending<T> {
        match self.client.view.full(&self.path) {
            Ok(path) => {
                let request = request(PathWatch { path: Cow::Borrowed(&path), watch: true });
                self.client.call_watching(&self.path, &path, kind, &request, decode)
            }
            Err(error) => Pending::failed(error),
        }
    }
}

use crate::Error;
use crate::core::Reply;

fn data_or_null(reply: &Reply, asked: &mut Asked) -> Result<(Option<Bytes>, Stat), Error> {
    let answer = asked.read(reply, zabra_proto::Data::decode)?;
    Ok((answer.data.map(|data| reply.body.slice_ref(data)), answer.stat))
}

pub(crate) fn data(reply: &Reply, asked: &mut Asked) -> Result<(Bytes, Stat), Error> {
    let (data, stat) = data_or_null(reply, asked)?;
    Ok((data.unwrap_or_default(), stat))
}

fn stat_if_there(reply: &Reply, asked: &mut Asked) -> Result<Option<Stat>, Error> {
    if reply.err == KeeperError::NoNode.code() {
        return Ok(None);
    }
    asked.read(reply, zabra_proto::get_stat).map(Some)
}

pub(crate) fn names(reply: &Reply, asked: &mut Asked) -> Result<Vec<String>, Error> {
    asked.read(reply, sorted_names)
}

fn names_and_stat(reply: &Reply, asked: &mut Asked) -> Result<(Vec<String>, Stat), Error> {
    asked.read(reply, |reader| Ok((sorted_names(reader)?, zabra_proto::get_stat(reader)?)))
}

/// Servers list children in no order that means anything.
pub(crate) fn sorted_names(reader: &mut Reader<'_>) -> Result<Vec<String>, zabra_proto::DecodeError> {
    let mut names: Vec<String> = zabra_proto::read_names(reader)?.into_iter().map(Cow::into_owned).collect();
    names.sort_unstable();
    Ok(names)
}
