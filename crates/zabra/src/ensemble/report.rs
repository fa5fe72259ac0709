//! What a local ensemble looks like, for people and for programs.

use serde_json::{Value, json};

use super::layout::{Layout, Member};
use crate::probe::Answer;

/// How a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) member: Member,
    /// Its process, while it runs.
    pub(super) pid: Option<u32>,
    /// Its mode, or what there is to say in its place.
    pub(super) state: String,
    /// Whether it serves clients.
    pub(super) serves: bool,
}

impl Row {
    /// What a server said when it was asked.
    pub(super) fn of(member: &Member, pid: Option<u32>, answer: &Answer) -> Self {
        let serves = answer.mode().is_some();
        let state = match answer {
            Answer::Unreachable(_) if pid.is_some() => "starting".to_owned(),
            answer => answer.to_string(),
        };
        Self { member: member.clone(), pid, state, serves }
    }
}

/// Whether the ensemble serves: it has a leader, and as many voters as decide take part.
pub(super) fn serves(layout: &Layout, rows: &[Row]) -> bool {
    let leads = rows.iter().any(|row| row.serves && row.state == "leader");
    let voters = rows.iter().filter(|row| row.serves && !row.member.observer).count();
    leads && voters > layout.voters() / 2
}

/// The table that people see, with the connect string below.
pub(super) fn table(layout: &Layout, rows: &[Row]) -> String {
    let head = ["server", "clients", "pid", "mode"].map(str::to_owned);
    let body = rows.iter().map(|row| {
        let pid = row.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        [row.member.id.to_string(), row.member.address(), pid, row.state.clone()]
    });
    let lines = aligned(&[head].into_iter().chain(body).collect::<Vec<_>>());
    format!("{lines}connect: {}", layout.connect_string())
}

/// Rows of cells as lines, all columns but the last padded.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// The same for programs.
pub(super) fn json(layout: &Layout, rows: &[Row]) -> Value {
    let servers = rows.iter().map(|row| {
        json!({
            "id": row.member.id,
            "clients": row.member.address(),
            "observer": row.member.observer,
            "pid": row.pid,
            "mode": row.serves.then_some(&row.state),
            "state": row.state,
            "config": row.member.config_file(),
            "log": row.member.log_file(),
        })
    });
    json!({
        "dir": layout.dir,
        "serves": serves(layout, rows),
        "connect": layout.connect_string(),
        "servers": servers.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::layout::Ports;
    use super::*;
    use crate::probe::Facts;

    fn ensemble(states: &[&str]) -> (Layout, Vec<Row>) {
        let members: Vec<_> = (1..)
            .zip(states)
            .map(|(id, state)| Member {
                id,
                home: Path::new("/e").join(format!("server.{id}")),
                observer: *state == "observer",
                ports: Ports { clients: 2180 + id as u16, quorum: 1, election: 2 },
            })
            .collect();
        let rows = members.iter().zip(states).map(|(member, state)| {
            let answer = match *state {
                "gone" => Answer::Unreachable("nobody listens".to_owned()),
                "looking" => Answer::NotServing,
                mode => Answer::Serving(Facts { mode: mode.to_owned(), ..Facts::default() }),
            };
            Row::of(member, (*state != "gone").then_some(70), &answer)
        });
        let rows = rows.collect();
        (Layout { dir: "/e".into(), members }, rows)
    }

    #[test]
    fn it_serves_with_a_leader_and_a_quorum() {
        for (states, expected) in [
            (&["leader", "follower", "gone"][..], true),
            (&["leader", "looking", "gone"], false),
            (&["follower", "follower", "gone"], false),
            (&["leader", "follower", "observer", "looking", "looking", "looking"], false),
            (&["gone", "follower", "leader", "follower", "gone"], true),
        ] {
            let (layout, rows) = ensemble(states);
            assert_eq!(serves(&layout, &rows), expected, "{states:?}");
        }
    }

    #[test]
    fn people_and_programs_see_the_same() {
        let (layout, rows) = ensemble(&["leader", "looking", "gone"]);
        assert_eq!(
            table(&layout, &rows),
            "server  clients         pid  mode\n\
             1       127.0.0.1:2181  70   leader\n\
             2       127.0.0.1:2182  70   not serving\n\
             3       127.0.0.1:2183  -    nobody listens\n\
             connect: 127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
        );
        let value = json(&layout, &rows);
        assert_eq!(value["servers"][0]["mode"], "leader");
        assert_eq!(value["servers"][1]["mode"], Value::Null);
        assert_eq!(value["servers"][2]["pid"], Value::Null);
        assert_eq!((&value["serves"], &value["connect"]), (&json!(false), &json!(layout.connect_string())));
    }

    #[test]
    fn a_process_that_does_not_answer_yet_is_starting() {
        let (layout, _) = ensemble(&["leader"]);
        let row = Row::of(&layout.members[0], Some(7), &Answer::Unreachable("nobody listens".to_owned()));
        assert_eq!((row.state.as_str(), row.serves), ("starting", false));
    }
}
