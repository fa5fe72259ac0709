//! What operators are shown.

use std::collections::BTreeMap;
use std::time::Duration;

use zabra_testkit::four_letter;

use super::super::stage::{ALL, Stage};
use crate::Failure;
use crate::client::expect;

/// Every server tells its part, and the leader whom it leads. The leader is 3.
pub(in super::super) fn parts(stage: &Stage) -> Result<(), Failure> {
    for id in ALL {
        let role = match id {
            3 => [("server_state", "leader"), ("peer_state", "leading - broadcast")],
            4 => [("server_state", "observer"), ("peer_state", "observing - broadcast")],
            _ => [("server_state", "follower"), ("peer_state", "following - broadcast")],
        };
        let led =
            [("learners", "3"), ("synced_followers", "2"), ("synced_observers", "1"), ("pending_syncs", "0")];
        let told = mntr(stage, id)?;
        for (key, want) in
            role.into_iter().chain(led.into_iter().filter(|_| id == 3)).chain([("quorum_size", "3")])
        {
            let value = told.get(key).map(String::as_str);
            expect(value == Some(want), || format!("{key} is {value:?} at {}", stage.name(id)))?;
        }
    }
    Ok(())
}

fn mntr(stage: &Stage, id: u8) -> Result<BTreeMap<String, String>, Failure> {
    let text = four_letter(stage.tapped.ensemble.server(id).addr(), "mntr", Duration::from_secs(30))?;
    let pairs = text.lines().filter_map(|line| line.strip_prefix("zk_")?.split_once('\t'));
    Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// Every server tells the membership, as it knows it by itself, in the same words in both places.
pub(in super::super) fn membership(stage: &Stage) -> Result<(), Failure> {
    for id in ALL {
        let mut client = stage.connect(id)?;
        let (data, stat) = client.get("/zookeeper/config")?;
        let text = String::from_utf8(data)?;
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort();
        let [first, .., last, version] = lines[..] else {
            return Err(format!("{text:?} at {}", stage.name(id)).into());
        };
        expect(
            first.starts_with("server.1=127.0.0.1:")
                && first.ends_with(":participant")
                && last.starts_with("server.4=127.0.0.1:")
                && last.ends_with(":observer")
                && version == "version=0"
                && stat.version == -1,
            || format!("{text:?}, {stat:?} at {}", stage.name(id)),
        )?;
        let conf = four_letter(stage.tapped.ensemble.server(id).addr(), "conf", Duration::from_secs(30))?;
        for line in lines {
            expect(conf.lines().any(|told| told == line), || {
                format!("{line} is not in conf at {}", stage.name(id))
            })?;
        }
        client.close()?;
    }
    Ok(())
}
