//! Changing a node on condition, and knowing whether it happened.

use bytes::Bytes;
use zabra_client::{Client, Error, Outcome};
use zabra_types::Stat;

use super::retry::{Backoff, EXPIRIES_MAX, through_sessions};

/// Sets the data of a node if it has this version still. `None` when it has not, or is gone.
///
/// After a lost reply, what the node holds may tell whether it happened: not if its version is unchanged, nor if the next
/// version has other data. Everything else can be another's doing as well as ours.
///
/// # Errors
/// An error of [unknown](Outcome::Unknown) outcome when that cannot be found out.
pub(crate) async fn set_if(
    client: &Client,
    path: &str,
    version: i32,
    data: &Bytes,
) -> Result<Option<Stat>, Error> {
    let mut backoff = Backoff::default();
    let mut expiries = 0;
    loop {
        let error = match client.set(path, data.clone()).version(version).await {
            Ok(stat) => return Ok(Some(stat)),
            Err(error) if error.is_bad_version() || error.is_no_node() => return Ok(None),
            Err(error) => error,
        };
        match error {
            Error::SessionExpired { .. } if expiries < EXPIRIES_MAX => expiries += 1,
            _ if error.is_passing() => {}
            _ => return Err(error),
        }
        backoff.pause().await;
        if error.outcome() == Outcome::DidNotHappen {
            continue;
        }
        // The server reached now may be behind the one that has done it.
        if through_sessions(|| client.sync(path)).await.is_err() {
            return Err(error);
        }
        match through_sessions(|| client.get(path)).await {
            Ok((_, stat)) if stat.version == version => {}
            Ok((found, stat)) if stat.version == version.wrapping_add(1) && found != *data => {
                return Ok(None);
            }
            _ => return Err(error),
        }
    }
}
