//! Where contenders meet, and as what they come.

use bytes::Bytes;
use zabra_client::{Acl, Client};
use zabra_types::CreateMode;

use crate::common::path::checked;
use crate::common::{Entry, NameStyle, Participant, Result, Rule, local_address, participants};

/// The path of a lock, and what all its contenders have in common.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) client: Client,
    pub(crate) path: String,
    pub(crate) style: NameStyle,
    pub(crate) data: Option<Bytes>,
    pub(crate) acl: Option<Vec<Acl>>,
}

impl Place {
    pub(crate) fn new(client: &Client, path: String) -> Result<Self> {
        let (client, path) = (client.clone(), checked(path)?);
        Ok(Self { client, path, style: NameStyle::default(), data: None, acl: None })
    }

    /// What to queue up with: `name` makes a name nobody else has, for the server to number.
    pub(crate) fn entry(&self, name: impl Fn() -> String + Send + Sync + 'static, rule: Rule) -> Entry {
        Entry {
            client: self.client.clone(),
            dir: self.path.clone(),
            name: Box::new(name),
            data: self.data.clone().unwrap_or_else(|| local_address(&self.client)),
            acl: self.acl.clone(),
            mode: CreateMode::EphemeralSequential,
            rule,
            leases: None,
            fence: None,
        }
    }

    pub(crate) async fn participants(&self) -> Result<Vec<Participant>> {
        participants(&self.client, &self.path).await
    }
}
