//! Setting data.

use crate::core::Reply;
use crate::ops::{ANY_VERSION, Operation, sendable};
use crate::pending::Asked;
use crate::{Client, Error, Pending, Stat};
use bytes::Bytes;
use zabra_proto::{Request, SetData, get_stat};

/// Sets the data of a node: see [`Client::set`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct Set {
    client: Client,
    path: String,
    data: Option<Bytes>,
    version: i32,
    idempotent: bool,
}

impl Client {
    /// Sets the data of a node; results in its Stat afterwards.
    ///
    /// ```
    /// # use zabra_client::Client;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = zabra_embedded::Server::start().await?;
    /// # let client = Client::connect(&server.connect_string()).await?;
    /// client.create("/count", "41").await?;
    /// // Add one, whoever else does the same at the same time.
    /// loop {
    ///     let (data, stat) = client.get("/count").await?;
    ///     let next = std::str::from_utf8(&data)?.parse::<u64>()? + 1;
    ///     match client.set("/count", next.to_string()).version(stat.version).await {
    ///         Ok(_) => break,
    ///         Err(error) if error.is_bad_version() => continue,
    ///         Err(error) => return Err(error.into()),
    ///     }
    /// }
    /// assert_eq!(client.get("/count").await?.0, "42");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`, `BadVersion`, `QuotaExceeded`.
    pub fn set(&self, path: impl Into<String>, data: impl AsRef<[u8]>) -> Set {
        Set {
            client: self.clone(),
            path: path.into(),
            data: Some(Bytes::copy_from_slice(data.as_ref())),
            version: ANY_VERSION,
            idempotent: false,
        }
    }
}

impl Set {
    /// Only if the node has this version.
    pub const fn version(mut self, version: i32) -> Self {
        self.version = version;
        self
    }

    /// Sets null, which is not the same as no bytes, instead of the data given.
    pub fn null(mut self) -> Self {
        self.data = None;
        self
    }

    /// Says that setting it twice is as good as once: when the connection breaks before the answer, the request is sent
    /// again. With a version, a second attempt that finds the node one version on and with exactly this data takes that for
    /// the first one's success: right only if nobody else writes the same data, so put something of the writer's own
    /// into it, such as the session's id and a number.
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }
}

impl Operation for Set {
    type Output = Stat;

    fn client(&self) -> &Client {
        &self.client
    }

    fn is_repeatable(&self) -> bool {
        self.idempotent
    }

    fn attempt(&self, earlier: Option<&Error>) -> Pending<Stat> {
        let full = match self.client.view.full(&self.path) {
            Ok(full) => full,
            Err(error) => return Pending::failed(error),
        };
        let request =
            Request::SetData(SetData { path: Some(full), data: self.data.as_deref(), version: self.version });
        let pending = self.client.call(&self.path, &request, stat);
        if earlier.is_none() || self.version == ANY_VERSION {
            return pending;
        }
        let set = self.clone();
        Pending::steps(self.client.session.runtime(), async move {
            match pending.await {
                Err(error) if error.is_bad_version() => set.own_change(error).await,
                result => result,
            }
        })
    }
}

impl Set {
    /// The Stat after the change, if the node is exactly as an earlier attempt would have left it.
    async fn own_change(&self, refusal: Error) -> Result<Stat, Error> {
        let (data, stat) = self.client.get(&self.path).or_null().send().await?;
        let is_own = stat.version == self.version.wrapping_add(1) && data == self.data;
        if is_own { Ok(stat) } else { Err(refusal) }
    }
}

sendable!(Set => Stat);

pub(crate) fn stat(reply: &Reply, asked: &mut Asked) -> Result<Stat, Error> {
    asked.read(reply, get_stat)
}
