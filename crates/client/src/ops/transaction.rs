//! Several writes, all or none.

use crate::core::Reply;
use crate::error::{MultiError, op_name};
use crate::ops::create::kind_of;
use crate::ops::mode::ModeChoice;
use crate::ops::{Created, Operation, start};
use crate::pending::Asked;
use crate::{Acl, Client, CreateMode, Error, Outcome, Pending, Stat};
use bytes::Bytes;
use std::borrow::Cow;
use std::time::Duration;
use zabra_proto::{
    AclEntry, Check, CreateKind, DecodeError, DecodeReason, Delete, MultiOp, OpCode, Request, SetData,
    read_multi_results,
};
use zabra_types::KeeperError;

/// Several writes that happen at once or not at all: see [`Client::transaction`].
#[must_use = "nothing is sent before .commit()"]
#[derive(Clone, Debug)]
pub struct Transaction {
    client: Client,
    steps: Vec<Step>,
}

/// What one operation of a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MultiResult {
    /// The version was the expected one.
    Checked,
    /// The node that was made.
    Created(Created),
    /// The node's Stat afterwards.
    Set(Stat),
    /// The node is gone.
    Deleted,
}

#[derive(Clone, Debug)]
struct Step {
    /// As the user named it.
    path: String,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Check { version: i32 },
    Create { data: Option<Bytes>, mode: ModeChoice, acl: Vec<Acl> },
    Set { data: Option<Bytes>, version: i32 },
    Delete { version: i32 },
}

impl Client {
    /// Begins a transaction: several writes that the server executes one after another with nothing in between, each
    /// seeing what those before it did, or not at all.
    ///
    /// ```
    /// # use zabra_client::{Client, Error, KeeperError};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = zabra_embedded::Server::start().await?;
    /// # let client = Client::connect(&server.connect_string()).await?;
    /// client.transaction().create("/jobs", "").create("/jobs/1", "dig a hole").commit().await?;
    /// // Take the job only if it is as it was when it was read, and nobody else took one of that name.
    /// let taken = client.transaction().check("/jobs", 0).delete("/jobs/1", 0).create("/done-1", "").commit().await?;
    /// assert_eq!(taken.len(), 3);
    ///
    /// let refused = client.transaction().create("/other", "").set("/jobs/1", "fill it", 0).commit().await;
    /// let Err(Error::Multi(refused)) = refused else { panic!("there is no such job") };
    /// assert_eq!((refused.index, refused.error), (1, KeeperError::NoNode));
    /// assert!(client.exists("/other").await?.is_none(), "all or nothing");
    /// # Ok(())
    /// # }
    /// ```
    pub fn transaction(&self) -> Transaction {
        Transaction { client: self.clone(), steps: Vec::new() }
    }
}

impl Transaction {
    /// Goes on only if the node has this version; -1 only asks that it is there.
    pub fn check(self, path: impl Into<String>, version: i32) -> Self {
        self.step(path, Action::Check { version })
    }

    /// Creates a persistent node with the [default ACL](Client::default_acl).
    pub fn create(self, path: impl Into<String>, data: impl AsRef<[u8]>) -> Self {
        self.create_mode(path, data, CreateMode::Persistent)
    }

    /// Creates a node of any kind without a time to live, with the [default ACL](Client::default_acl).
    pub fn create_mode(self, path: impl Into<String>, data: impl AsRef<[u8]>, mode: CreateMode) -> Self {
        let acl = self.client.default_acl();
        self.create_with(path, data, mode, acl)
    }

    /// Creates a node of any kind without a time to live.
    pub fn create_with(
        self,
        path: impl Into<String>,
        data: impl AsRef<[u8]>,
        mode: CreateMode,
        acl: impl IntoIterator<Item = Acl>,
    ) -> Self {
        let mut choice = ModeChoice::default();
        choice.set(mode);
        let data = Some(Bytes::copy_from_slice(data.as_ref()));
        self.step(path, Action::Create { data, mode: choice, acl: acl.into_iter().collect() })
    }

    /// Creates a persistent node that the server removes when it has no children and has not been set for this long.
    pub fn create_ttl(
        self,
        path: impl Into<String>,
        data: impl AsRef<[u8]>,
        ttl: Duration,
        acl: impl IntoIterator<Item = Acl>,
    ) -> Self {
        let mode = ModeChoice { ttl: Some(ttl), ..ModeChoice::default() };
        let data = Some(Bytes::copy_from_slice(data.as_ref()));
        self.step(path, Action::Create { data, mode, acl: acl.into_iter().collect() })
    }

    /// Sets data, if the node has this version; -1 for any.
    pub fn set(self, path: impl Into<String>, data: impl AsRef<[u8]>, version: i32) -> Self {
        self.step(path, Action::Set { data: Some(Bytes::copy_from_slice(data.as_ref())), version })
    }

    /// Null for data, which is not the same as no bytes, in what was added last, if that has data at all.
    pub fn null(mut self) -> Self {
        if let Some(Action::Create { data, .. } | Action::Set { data, .. }) =
            self.steps.last_mut().map(|step| &mut step.action)
        {
            *data = None;
        }
        self
    }

    /// Deletes a node, if it has this version; -1 for any.
    pub fn delete(self, path: impl Into<String>, version: i32) -> Self {
        self.step(path, Action::Delete { version })
    }

    /// How many operations there are.
    pub const fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is no operation.
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Puts the transaction into the session's queue, as `send` does for other operations. It results in what each
    /// operation did, in their order.
    ///
    /// # Errors
    /// [`Error::Multi`] names the operation that the server refused; nothing was done then.
    pub fn commit(self) -> Pending<Vec<MultiResult>> {
        start(self)
    }

    fn step(mut self, path: impl Into<String>, action: Action) -> Self {
        self.steps.push(Step { path: path.into(), action });
        self
    }
}

impl Operation for Transaction {
    type Output = Vec<MultiResult>;

    fn client(&self) -> &Client {
        &self.client
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<Vec<MultiResult>> {
        let ops = match self.steps.iter().map(|step| step.encode(&self.client)).collect() {
            Ok(ops) => ops,
            Err(error) => return Pending::failed(error),
        };
        // What the server refuses is named by its place: the names go along to find it again.
        let steps: Vec<(OpCode, String)> =
            self.steps.iter().map(|step| (step.op(), step.path.clone())).collect();
        self.client.call_transaction(&Request::Multi(ops), steps, results)
    }
}

impl Step {
    const fn op(&self) -> OpCode {
        match self.action {
            Action::Check { .. } => OpCode::Check,
            Action::Create { .. } => OpCode::Create2,
            Action::Set { .. } => OpCode::SetData,
            Action::Delete { .. } => OpCode::Delete,
        }
    }

    fn encode(&self, client: &Client) -> Result<MultiOp<'_>, Error> {
        let view = &client.view;
        Ok(match &self.action {
            Action::Check { version } => {
                MultiOp::Check(Check { path: Some(view.full(&self.path)?), version: *version })
            }
            Action::Set { data, version } => MultiOp::SetData(SetData {
                path: Some(view.full(&self.path)?),
                data: data.as_deref(),
                version: *version,
            }),
            Action::Delete { version } => {
                MultiOp::Delete(Delete { path: Some(view.full(&self.path)?), version: *version })
            }
            Action::Create { data, mode, acl } => {
                let (mode, ttl_ms) = mode.resolve()?;
                let path: Cow<'_, str> = if mode.is_sequential() {
                    view.full_sequential(&self.path)?
                } else {
                    view.full(&self.path)?
                };
                let kind: CreateKind = kind_of(mode);
                let acl = Some(acl.iter().map(AclEntry::of).collect());
                MultiOp::Create(zabra_proto::Create {
                    kind,
                    path: Some(path),
                    data: data.as_deref(),
                    acl,
                    flags: mode.flags(),
                    ttl_ms,
                })
            }
        })
    }
}

fn results(reply: &Reply, asked: &mut Asked) -> Result<Vec<MultiResult>, Error> {
    let results = asked.read(reply, read_multi_results)?;
    if results.len() != asked.steps.len() {
        return Err(asked.miscounted(results.len()));
    }
    // Every result of a failed transaction is an error; those before the culprit carry no code.
    let refused = results.iter().enumerate().find_map(|(index, result)| match result {
        zabra_proto::MultiResult::Error(code) if *code != 0 => Some((index, *code)),
        _ => None,
    });
    if let Some((index, code)) = refused {
        return Err(refusal(index, code, asked));
    }
    let view = &asked.view;
    let made = |path: &str, stat| Created { path: view.strip(path).to_owned(), stat };
    let results = results.into_iter().map(|result| {
        Some(match result {
            zabra_proto::MultiResult::Create(path) => MultiResult::Created(made(&path, Stat::default())),
            zabra_proto::MultiResult::Create2(create) => {
                MultiResult::Created(made(&create.path, create.stat))
            }
            zabra_proto::MultiResult::Delete => MultiResult::Deleted,
            zabra_proto::MultiResult::SetData(stat) => MultiResult::Set(stat),
            zabra_proto::MultiResult::Check => MultiResult::Checked,
            zabra_proto::MultiResult::Error(_) => return None,
        })
    });
    results.collect::<Option<_>>().ok_or_else(|| nonsense(Outcome::Unknown, 0, asked))
}

fn refusal(index: usize, code: i32, asked: &Asked) -> Error {
    let step = asked.steps.get(index);
    let (Some((op, path)), Some(error)) = (step, KeeperError::from_code(code)) else {
        return nonsense(Outcome::DidNotHappen, code, asked);
    };
    Error::Multi(MultiError { index, error, op: op_name(*op), path: path.clone() })
}

fn nonsense(outcome: Outcome, code: i32, asked: &Asked) -> Error {
    let source = DecodeError { field: "multi err", reason: DecodeReason::Unknown(code) };
    Error::BadReply { outcome, op: op_name(asked.op), path: asked.path.clone(), source }
}
