//! Creating one node.

use crate::core::Reply;
use crate::ops::mode::ModeChoice;
use crate::ops::{Operation, protect, sendable, tree};
use crate::pending::Asked;
use crate::{Acl, Client, CreateMode, Error, Pending, Stat};
use bytes::Bytes;
use std::borrow::Cow;
use std::time::Duration;
use uuid::Uuid;
use zabra_proto::{AclEntry, CreateKind, Request};
use zabra_types::{KeeperError, parent_of};

/// What a create made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Created {
    /// The node's path, with the number of a sequential node and the prefix of a protected one.
    pub path: String,
    /// The new node's.
    pub stat: Stat,
}

/// Creates a node: see [`Client::create`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Debug)]
pub struct Create(Plan);

/// What is to be created. The builder itself is no `Clone`: two creates protected by one GUID would be taken for one.
#[derive(Clone, Debug)]
struct Plan {
    client: Client,
    path: String,
    data: Option<Bytes>,
    mode: ModeChoice,
    acl: Option<Vec<Acl>>,
    protection: Option<Uuid>,
    parents: Option<CreateMode>,
    idempotent: bool,
}

impl Client {
    /// Creates a node: persistent, and open to everybody, unless the builder is told otherwise.
    ///
    /// ```
    /// # use zabra_client::{Acl, Client, Perms};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = zabra_embedded::Server::start().await?;
    /// # let client = Client::connect(&server.connect_string()).await?;
    /// client.create("/app/members", "").parents().await?;
    /// let member = client.create("/app/members/m-", "here").ephemeral().sequential().await?;
    /// assert_eq!(member.path, "/app/members/m-0000000000");
    /// assert_eq!(member.stat.ephemeral_owner, client.session_id().raw());
    /// client.create("/app/notice", "read me").acl([Acl::world(Perms::READ)]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `NodeExists`, `NoNode` for a missing parent, `NoAuth`, `NoChildrenForEphemerals`, `InvalidAcl`, `QuotaExceeded`;
    /// `Unimplemented` for a time to live on a server that has not `extendedTypesEnabled`.
    pub fn create(&self, path: impl Into<String>, data: impl AsRef<[u8]>) -> Create {
        Create(Plan {
            client: self.clone(),
            path: path.into(),
            data: Some(Bytes::copy_from_slice(data.as_ref())),
            mode: ModeChoice::default(),
            acl: None,
            protection: None,
            parents: None,
            idempotent: false,
        })
    }
}

impl Create {
    /// The kind of node, in one word.
    pub const fn mode(mut self, mode: CreateMode) -> Self {
        self.0.mode.set(mode);
        self
    }

    /// A node that goes with this client's session.
    pub const fn ephemeral(mut self) -> Self {
        self.0.mode.ephemeral = true;
        self
    }

    /// A node whose name the server completes by ten digits, which grow with each child created. The path may end in a
    /// slash: then the digits are the name.
    pub const fn sequential(mut self) -> Self {
        self.0.mode.sequential = true;
        self
    }

    /// A node that the server removes some time after its last child went.
    pub const fn container(mut self) -> Self {
        self.0.mode.container = true;
        self
    }

    /// A node that the server removes when it has no children and has not been set for this long, a millisecond at least.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.0.mode.ttl = Some(ttl);
        self
    }

    /// The access control list; everybody may do everything without.
    pub fn acl(mut self, acl: impl IntoIterator<Item = Acl>) -> Self {
        self.0.acl = Some(acl.into_iter().collect());
        self
    }

    /// Null for data, which is not the same as no bytes, instead of what was given.
    pub fn null(mut self) -> Self {
        self.0.data = None;
        self
    }

    /// Marks the node so that it is found again when the connection breaks before the answer: its name begins with
    /// `_c_`, a random GUID and `-`, as Curator's does. An unknown outcome then resolves itself. When the session ends
    /// meanwhile, an ephemeral node is made in the next one; through a view that is pinned to the session, the outcome
    /// remains unknown, and the node is gone or going.
    pub fn protected(mut self) -> Self {
        self.0.protection = Some(Uuid::new_v4());
        self
    }

    /// Creates missing parents first, as persistent nodes without data that are open to everybody.
    pub const fn parents(mut self) -> Self {
        self.0.parents = Some(CreateMode::Persistent);
        self
    }

    /// Creates missing parents first, as containers.
    pub const fn parents_as_containers(mut self) -> Self {
        self.0.parents = Some(CreateMode::Container);
        self
    }

    /// Says that it is enough that the node is there as asked for: when the connection breaks before the answer, the
    /// request is sent again, and a second attempt that finds a node with the same data, not set since, takes it for the
    /// first one's success. Means nothing for sequential nodes, whose names differ: protect those.
    pub const fn idempotent(mut self) -> Self {
        self.0.idempotent = true;
        self
    }
}

impl Operation for Create {
    type Output = Created;

    fn client(&self) -> &Client {
        &self.0.client
    }

    fn is_repeatable(&self) -> bool {
        self.0.protection.is_some() || (self.0.idempotent && !self.0.mode.sequential)
    }

    fn is_settled_by(&self, refusal: KeeperError) -> bool {
        // Without a parent there is no node either.
        refusal == KeeperError::NoNode
    }

    fn attempt(&self, earlier: Option<&Error>) -> Pending<Created> {
        let plan = &self.0;
        match earlier {
            None if plan.parents.is_none() => plan.send(),
            None => {
                let first = plan.send();
                let plan = plan.clone();
                plan.client.clone().steps(async move { plan.with_parents(first.await).await })
            }
            Some(_) => {
                let plan = plan.clone();
                plan.client.clone().steps(async move { plan.send_again().await })
            }
        }
    }
}

sendable!(Create => Created);

impl Plan {
    /// The path asked for, with the prefix of a protected node.
    fn marked_path(&self) -> Cow<'_, str> {
        match self.protection {
            None => Cow::Borrowed(&self.path),
            Some(guid) => Cow::Owned(protect::marked(&self.path, guid)),
        }
    }

    fn send(&self) -> Pending<Created> {
        match self.try_send() {
            Ok(pending) => pending,
            Err(error) => Pending::failed(error),
        }
    }

    fn try_send(&self) -> Result<Pending<Created>, Error> {
        let (mode, ttl_ms) = self.mode.resolve()?;
        let path = self.marked_path();
        let view = &self.client.view;
        let full = if mode.is_sequential() { view.full_sequential(&path)? } else { view.full(&path)? };
        let acl = match &self.acl {
            Some(acl) => acl.iter().map(AclEntry::of).collect(),
            None => view.acl_entries(),
        };
        let request = Request::Create(zabra_proto::Create {
            kind: kind_of(mode),
            path: Some(full),
            data: self.data.as_deref(),
            acl: Some(acl),
            flags: mode.flags(),
            ttl_ms,
        });
        Ok(self.client.call(&path, &request, created))
    }

    /// Goes on after the first attempt, making the parents when they are missing.
    async fn with_parents(&self, first: Result<Created, Error>) -> Result<Created, Error> {
        let (Some(mode), Err(error)) = (self.parents, &first) else { return first };
        let Some(parent) = parent_of(&self.path).filter(|_| error.is_no_node()) else { return first };
        tree::ensure_path(&self.client, parent, mode).await?;
        self.send().await
    }

    /// Attempts it again, after one that may have happened.
    async fn send_again(&self) -> Result<Created, Error> {
        if let Some(guid) = self.protection
            && let Some(found) = protect::find(&self.client, &self.path, guid, self.mode.ephemeral).await?
        {
            return Ok(found);
        }
        match self.with_parents(self.send().await).await {
            Err(error) if error.is_node_exists() && self.protection.is_none() => self.own_node(error).await,
            result => result,
        }
    }

    /// The node, if it is as an earlier attempt would have left it.
    async fn own_node(&self, refusal: Error) -> Result<Created, Error> {
        let (data, stat) = self.client.get(&self.path).or_null().send().await?;
        let owner = if self.mode.ephemeral { self.client.session.session_id().raw() } else { 0 };
        let is_own = data == self.data && stat.version == 0 && stat.ephemeral_owner == owner;
        if is_own { Ok(Created { path: self.path.clone(), stat }) } else { Err(refusal) }
    }
}

/// The operation that makes nodes of this mode and tells their Stat.
pub(crate) const fn kind_of(mode: CreateMode) -> CreateKind {
    match mode {
        CreateMode::Container => CreateKind::Container,
        CreateMode::PersistentWithTtl | CreateMode::PersistentSequentialWithTtl => CreateKind::Ttl,
        _ => CreateKind::Create2,
    }
}

fn created(reply: &Reply, asked: &mut Asked) -> Result<Created, Error> {
    let made = asked.read(reply, zabra_proto::Created::decode)?;
    Ok(Created { path: asked.view.strip(&made.path).to_owned(), stat: made.stat })
}
