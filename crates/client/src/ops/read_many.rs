//! Several reads in one request.

use crate::core::Reply;
use crate::error::refused;
use crate::ops::{Operation, sendable};
use crate::pending::Asked;
use crate::{Client, Error, Pending, Stat};
use bytes::Bytes;
use std::borrow::Cow;
use zabra_proto::{MultiRead, OpCode, PathWatch, Request, read_multi_read_results};

/// Several reads in one request: see [`Client::read_many`].
#[must_use = "nothing is sent before .send() or .await"]
#[derive(Clone, Debug)]
pub struct ReadMany {
    client: Client,
    reads: Vec<(OpCode, String)>,
}

/// What one of several reads found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadResult {
    /// The data and Stat of a node; null data reads as empty.
    Data(Bytes, Stat),
    /// The names of a node's children, sorted.
    Children(Vec<String>),
}

impl Client {
    /// Begins a list of reads that the server answers together, each for itself (`multi` with reads). Other clients'
    /// writes may happen between two of them. Needs a server of 3.6 or newer.
    ///
    /// ```
    /// # use zabra_client::{Client, ReadResult};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = zabra_embedded::Server::start().await?;
    /// # let client = Client::connect(&server.connect_string()).await?;
    /// client.create("/a", "x").await?;
    /// let results = client.read_many().get("/a").children("/a").get("/none").await?;
    /// assert!(matches!(&results[0], Ok(ReadResult::Data(data, _)) if data == "x"));
    /// assert!(matches!(&results[1], Ok(ReadResult::Children(names)) if names.is_empty()));
    /// assert!(matches!(&results[2], Err(error) if error.is_no_node()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_many(&self) -> ReadMany {
        ReadMany { client: self.clone(), reads: Vec::new() }
    }
}

impl ReadMany {
    /// Reads the data and Stat of a node.
    pub fn get(self, path: impl Into<String>) -> Self {
        self.read(OpCode::GetData, path)
    }

    /// Lists the names of a node's children.
    pub fn children(self, path: impl Into<String>) -> Self {
        self.read(OpCode::GetChildren, path)
    }

    fn read(mut self, op: OpCode, path: impl Into<String>) -> Self {
        self.reads.push((op, path.into()));
        self
    }
}

impl Operation for ReadMany {
    type Output = Vec<Result<ReadResult, Error>>;

    fn client(&self) -> &Client {
        &self.client
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<Self::Output> {
        let reads = self.reads.iter().map(|(op, path)| {
            let read = PathWatch { path: self.client.view.full(path)?, watch: false };
            Ok(if *op == OpCode::GetData { MultiRead::GetData(read) } else { MultiRead::GetChildren(read) })
        });
        match reads.collect() {
            Ok(reads) => {
                self.client.call_transaction(&Request::MultiRead(reads), self.reads.clone(), results)
            }
            Err(error) => Pending::failed(error),
        }
    }
}

sendable!(ReadMany => Vec<Result<ReadResult, Error>>);

fn results(reply: &Reply, asked: &mut Asked) -> Result<Vec<Result<ReadResult, Error>>, Error> {
    let results = asked.read(reply, read_multi_read_results)?;
    if results.len() != asked.steps.len() {
        return Err(asked.miscounted(results.len()));
    }
    let asked = std::mem::take(&mut asked.steps);
    let pairs = results.into_iter().zip(asked);
    Ok(pairs
        .map(|(result, (op, path))| {
            Ok(match result {
                zabra_proto::ReadResult::GetData(answer) => {
                    let data = answer.data.map(|data| reply.body.slice_ref(data));
                    ReadResult::Data(data.unwrap_or_default(), answer.stat)
                }
                zabra_proto::ReadResult::GetChildren(names) => {
                    let mut names: Vec<String> = names.into_iter().map(Cow::into_owned).collect();
                    names.sort_unstable();
                    ReadResult::Children(names)
                }
                zabra_proto::ReadResult::Error(code) => return Err(refused(code, op, path)),
            })
        })
        .collect())
}
