//! What the coordinator itself does on the servers: the folders of scenarios, and what counters ended with.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use zabra_testkit::{Body, Ensemble, RawClient, RawRequest};

use crate::Failure;
use crate::scenario::Scenario;

const SESSION_MS: i32 = 20_000;
const TRY_MAX: Duration = Duration::from_secs(30);

/// Makes the folder of a scenario where its contenders do not.
pub(crate) fn prepare(ensemble: &Ensemble, root: &str, scenario: &Scenario) -> Result<(), Failure> {
    let mut paths = vec!["/contention"];
    if scenario.name != "counter" {
        paths.push(root);
    }
    with_client(ensemble, |client| {
        for path in &paths {
            client.call(&RawRequest::create(*path, b"", 0))?;
        }
        Ok(())
    })
}

/// What the counters of a scenario ended with.
pub(crate) fn values(
    ensemble: &Ensemble,
    root: &str,
    scenario: &Scenario,
) -> Result<BTreeMap<String, i64>, Failure> {
    if scenario.name != "counter" {
        return Ok(BTreeMap::new());
    }
    with_client(ensemble, |client| {
        // The newest, not what this server knows.
        client.call(&RawRequest::path(zabra_proto::OpCode::Sync, root))?;
        let reply = client.call(&RawRequest::read(zabra_proto::OpCode::GetData, root, false))?;
        let value = match &reply.body {
            Body::DataStat(data, _) => data.0.as_deref().and_then(|bytes| bytes.try_into().ok()),
            _ => None,
        };
        Ok(value.map(|bytes| (root.to_owned(), i64::from_be_bytes(bytes))).into_iter().collect())
    })
}

/// Does something with a client of the first server, again if need be.
pub(crate) fn with_client<T>(
    ensemble: &Ensemble,
    work: impl Fn(&mut RawClient) -> std::io::Result<T>,
) -> Result<T, Failure> {
    let start = Instant::now();
    loop {
        let tried = RawClient::connect(ensemble.server(1).addr(), SESSION_MS)
            .and_then(|(mut client, _)| work(&mut client));
        match tried {
            Ok(done) => return Ok(done),
            Err(error) if start.elapsed() > TRY_MAX => return Err(error.into()),
            // An election, perhaps.
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
