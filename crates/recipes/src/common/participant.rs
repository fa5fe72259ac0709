//! Who stands in a queue of contenders.

use bytes::Bytes;
use zabra_client::Client;

use super::path::join;
use super::retry::through_cuts;
use super::{Fence, Result, name};

/// One contender for a lock or an election, as its node tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Its node.
    pub path: String,
    /// What it wrote about itself: its identity, in most recipes and libraries.
    pub data: Bytes,
    /// The token it has, or will have when its turn comes.
    pub fence: Fence,
    /// The session it will end with.
    pub session: zabra_types::SessionId,
    /// When it began to wait, in milliseconds of the server's clock since 1970.
    pub since_millis: i64,
}

impl Participant {
    /// Its data as text.
    pub fn id(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }
}

/// The contenders under `dir` in the order of their turns; none when there is no such node.
pub(crate) async fn participants(client: &Client, dir: &str) -> Result<Vec<Participant>> {
    let mut children = match through_cuts(|| client.children(dir)).await {
        Err(error) if error.is_no_node() => return Ok(Vec::new()),
        children => children?,
    };
    children.retain(|child| name::sequence(child).is_some());
    name::sort_by_sequence(&mut children);
    read(client, dir, children).await
}

/// What the children of `dir` say of themselves, whatever they are called, the oldest first.
pub(crate) async fn holders(client: &Client, dir: &str) -> Result<Vec<Participant>> {
    let children = match through_cuts(|| client.children(dir)).await {
        Err(error) if error.is_no_node() => return Ok(Vec::new()),
        children => children?,
    };
    let mut holders = read(client, dir, children).await?;
    holders.sort_by_key(|holder| holder.fence);
    Ok(holders)
}

/// The nodes are asked for all at once; those that are gone by then are left out.
async fn read(client: &Client, dir: &str, children: Vec<String>) -> Result<Vec<Participant>> {
    let paths: Vec<String> = children.iter().map(|child| join(dir, child)).collect();
    let sent: Vec<_> = paths.iter().map(|path| client.get(path).send()).collect();
    let mut found = Vec::with_capacity(paths.len());
    for (path, reply) in paths.into_iter().zip(sent) {
        let read = match reply.await {
            Err(error) if error.is_passing() => through_cuts(|| client.get(&path)).await,
            read => read,
        };
        match read {
            Ok((data, stat)) => found.push(Participant {
                path,
                data,
                fence: Fence::from_czxid(stat.czxid),
                session: zabra_types::SessionId::from_raw(stat.ephemeral_owner),
                since_millis: stat.ctime,
            }),
            Err(error) if error.is_no_node() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}
