//! Nodes that are made and removed for certain, whatever happens to the connection.

use bytes::Bytes;
use zabra_client::{Acl, Client, Create, Created, Error, Outcome, Pending};
use zabra_types::{CreateMode, Stat};

use super::path::{join, name_of, prefixes};
use super::retry::{Backoff, Doubt, may_pass, through_all, through_cuts};

/// Makes `path` and whatever is missing above it, as container nodes (Curator's `creatingParentContainersIfNeeded`):
/// the server removes them some time after their last child is gone.
pub(crate) async fn ensure_container(client: &Client, path: &str) -> Result<(), Error> {
    for prefix in prefixes(path) {
        let made = through_cuts(|| client.create(prefix, Bytes::new()).mode(CreateMode::Container)).await;
        match made {
            Err(error) if !error.is_node_exists() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Makes `path`; its parents are made, as containers, when they are missing.
pub(crate) async fn create_with_parents(
    client: &Client,
    path: &str,
    data: Bytes,
    mode: CreateMode,
) -> Result<Created, Error> {
    loop {
        match client.create(path, data.clone()).mode(mode).await {
            Err(error) if error.is_no_node() => {
                let parent = zabra_types::parent_of(path).unwrap_or("/");
                ensure_container(client, parent).await?;
            }
            answer => return answer,
        }
    }
}

/// A node that was made exactly once.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// Its last component, with the sequence number.
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) stat: Stat,
}

/// The creation of a child that nobody else calls so, exactly once: after a lost reply the children are searched for a
/// name that begins with it.
pub(crate) struct Creation<'a> {
    /// Pinned to one session.
    pub(crate) client: &'a Client,
    pub(crate) dir: &'a str,
    pub(crate) unique: &'a str,
    pub(crate) data: &'a Bytes,
    /// Open to all if not given.
    pub(crate) acl: Option<&'a [Acl]>,
    pub(crate) mode: CreateMode,
}

/// A creation whose first request is on its way.
#[must_use = "it is finished by finish()"]
pub(crate) struct Creating<'a> {
    creation: Creation<'a>,
    path: String,
    first: Pending<Created>,
}

impl<'a> Creation<'a> {
    /// Sends the first request. What is sent after it is done after it.
    pub(crate) fn begin(self) -> Creating<'a> {
        let path = join(self.dir, self.unique);
        let first = self.request(&path).send();
        Creating { creation: self, path, first }
    }

    fn request(&self, path: &str) -> Create {
        let create = self.client.create(path, self.data).mode(self.mode);
        match self.acl {
            Some(acl) => create.acl(acl.iter().cloned()),
            None => create,
        }
    }
}

impl Creating<'_> {
    /// Waits for the reply, and does it again as often as it takes.
    pub(crate) async fn finish(self) -> Result<Made, Error> {
        let Self { creation, path, first } = self;
        let Creation { client, dir, unique, .. } = creation;
        let mut backoff = Backoff::default();
        let mut reply = first.await;
        loop {
            let error = match reply {
                Ok(created) => {
                    let name = name_of(&created.path).to_owned();
                    return Ok(Made { name, path: created.path, stat: created.stat });
                }
                Err(error) => error,
            };
            if error.is_session_over() {
                return Err(error);
            }
            if error.outcome() != Outcome::DidNotHappen {
                if let Some(made) = find(client, dir, unique).await? {
                    return Ok(made);
                }
            } else if error.is_no_node() {
                ensure_container(client, dir).await?;
            }
            match error {
                error if error.is_passing() => backoff.pause().await,
                error if error.is_no_node() => {}
                error => return Err(error),
            }
            reply = creation.request(&path).await;
        }
    }
}

/// The child of `dir` whose name begins with `unique`.
///
/// The search is preceded by a sync: the server reached after the cut may be behind the one that has created the node.
async fn find(client: &Client, dir: &str, unique: &str) -> Result<Option<Made>, Error> {
    through_all(|| client.sync(dir)).await?;
    let children = match through_all(|| client.children(dir)).await {
        Err(error) if error.is_no_node() => return Ok(None),
        children => children?,
    };
    let Some(name) = children.into_iter().find(|child| child.starts_with(unique)) else { return Ok(None) };
    let path = join(dir, &name);
    let stat = through_all(|| client.exists(&path)).await?;
    Ok(stat.map(|stat| Made { name, path, stat }))
}

/// How a deletion ended that was repeated until it was certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deleted {
    /// This call has deleted it, or a lost one before it.
    ByUs,
    /// It was gone before.
    Before,
}

/// Deletes the node for certain (Curator's `guaranteed`): repeated through lost connections until the server answers
/// or the session is over, with which an ephemeral node goes too.
pub(crate) async fn delete_for_certain(client: &Client, path: &str) -> Result<Deleted, Error> {
    let mut backoff = Backoff::default();
    let mut doubt = Doubt::default();
    loop {
        match client.delete(path).await {
            Ok(()) => return Ok(Deleted::ByUs),
            Err(error) if error.is_no_node() => {
                return Ok(if doubt.is_any() { Deleted::ByUs } else { Deleted::Before });
            }
            Err(error) if may_pass(&error) => {
                doubt.note(&error);
                backoff.pause().await;
            }
            Err(error) => return Err(doubt.told(error)),
        }
    }
}
