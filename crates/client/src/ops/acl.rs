//! Access control lists.

use crate::core::Reply;
use crate::ops::set::stat;
use crate::ops::{ANY_VERSION, Operation, sendable};
use crate::pending::Asked;
use crate::{Acl, Client, Error, Pending, Stat};
use zabra_proto::{AclAnswer, AclEntry, PathOnly, Request};

/// Reads an access control list: see [`Client::acl`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct GetAcl {
    client: Client,
    path: String,
}

/// Sets an access control list: see [`Client::set_acl`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct SetAcl {
    client: Client,
    path: String,
    acl: Vec<Acl>,
    version: i32,
}

impl Client {
    /// Reads the access control list and Stat of a node. Servers hide the hashes of `digest` entries from those who may
    /// not change the list.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`.
    pub fn acl(&self, path: impl Into<String>) -> GetAcl {
        GetAcl { client: self.clone(), path: path.into() }
    }

    /// Sets the access control list of a node; results in its Stat afterwards.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`, `BadVersion`, `InvalidAcl`.
    pub fn set_acl(&self, path: impl Into<String>, acl: impl IntoIterator<Item = Acl>) -> SetAcl {
        SetAcl {
            client: self.clone(),
            path: path.into(),
            acl: acl.into_iter().collect(),
            version: ANY_VERSION,
        }
    }
}

impl SetAcl {
    /// Only if the list has this version (`aversion`, not the version of the data).
    pub const fn version(mut self, aversion: i32) -> Self {
        self.version = aversion;
        self
    }
}

impl Operation for GetAcl {
    type Output = (Vec<Acl>, Stat);

    fn client(&self) -> &Client {
        &self.client
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<Self::Output> {
        match self.client.view.full(&self.path) {
            Ok(path) => self.client.call(&self.path, &Request::GetAcl(PathOnly { path }), acl),
            Err(error) => Pending::failed(error),
        }
    }
}

impl Operation for SetAcl {
    type Output = Stat;

    fn client(&self) -> &Client {
        &self.client
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<Stat> {
        let full = match self.client.view.full(&self.path) {
            Ok(full) => full,
            Err(error) => return Pending::failed(error),
        };
        let request = Request::SetAcl(zabra_proto::SetAcl {
            path: Some(full),
            acl: Some(self.acl.iter().map(AclEntry::of).collect()),
            version: self.version,
        });
        self.client.call(&self.path, &request, stat)
    }
}

sendable!(GetAcl => (Vec<Acl>, Stat));
sendable!(SetAcl => Stat);

fn acl(reply: &Reply, asked: &mut Asked) -> Result<(Vec<Acl>, Stat), Error> {
    let answer = asked.read(reply, AclAnswer::decode)?;
    Ok((answer.acl, answer.stat))
}
