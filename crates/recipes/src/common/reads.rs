//! Reading many nodes.

use bytes::Bytes;
use zabra_client::{Client, Error, Stat};

use super::retry::through_cuts;

/// How many reads are under way at a time.
const UNDER_WAY_MAX: usize = 128;

/// The data of nodes, in the order of the paths and through connection losses; `None` for a node that is not there.
pub(crate) async fn get_all(client: &Client, paths: &[String]) -> Result<Vec<Option<(Bytes, Stat)>>, Error> {
    let mut found = Vec::with_capacity(paths.len());
    for paths in paths.chunks(UNDER_WAY_MAX) {
        let reads: Vec<_> = paths.iter().map(|path| client.get(path).send()).collect();
        for (path, read) in paths.iter().zip(reads) {
            let answer = match read.await {
                Err(error) if error.is_passing() => through_cuts(|| client.get(path)).await,
                answer => answer,
            };
            found.push(match answer {
                Err(error) if error.is_no_node() => None,
                answer => Some(answer?),
            });
        }
    }
    Ok(found)
}
