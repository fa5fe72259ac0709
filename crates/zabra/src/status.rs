//! `zabra status`: how servers are, as `zkServer.sh status` tells, for any number of them.

use serde_json::{Value, json};

use crate::cli::StatusArguments;
use crate::ensemble::aligned;
use crate::exit::{Code, Failure};
use crate::probe::{self, Answer};
use crate::stdio::print;

/// Asks the servers, at the same time, and shows a line for each. Fails when one of them serves nobody.
pub(crate) fn run(arguments: &StatusArguments) -> Result<(), Failure> {
    let servers = servers(&arguments.servers)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Unexpected, format!("cannot start: {error}")))?;
    let answers = runtime.block_on(async {
        let asked: Vec<_> = servers
            .iter()
            .map(|server| {
                let server = server.clone();
                tokio::spawn(async move { probe::ask(&server).await })
            })
            .collect();
        let mut answers = Vec::new();
        for answer in asked {
            answers.push(answer.await.unwrap_or_else(|error| Answer::Unreachable(error.to_string())));
        }
        answers
    });
    print(&if arguments.json {
        json_of(&servers, &answers).to_string()
    } else {
        table(&servers, &answers).trim_end().to_owned()
    })?;
    let silent: Vec<_> = servers
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| answer.mode().is_none())
        .map(|(at, _)| at.as_str())
        .collect();
    if silent.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(Code::Unexpected, format!("not serving clients: {}", silent.join(", "))))
    }
}

/// The addresses, each with a port.
fn servers(given: &[String]) -> Result<Vec<String>, Failure> {
    let parts = given.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|part| !part.is_empty());
    let servers: Vec<_> = parts.map(with_port).collect();
    if servers.is_empty() {
        return Err(Failure::new(
            Code::Invocation,
            "no server is named; expected host:port, as in 127.0.0.1:2181",
        ));
    }
    Ok(servers)
}

/// `host`, `host:port`, or an IPv6 address with or without brackets.
fn with_port(part: &str) -> String {
    if part.parse::<std::net::Ipv6Addr>().is_ok() {
        return format!("[{part}]:2181");
    }
    let has_port = part.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { part.to_owned() } else { format!("{part}:2181") }
}

fn table(servers: &[String], answers: &[Answer]) -> String {
    let head =
        ["server", "zxid", "nodes", "connections", "outstanding", "latency ms", "mode"].map(str::to_owned);
    let body = servers.iter().zip(answers).map(|(server, answer)| {
        let facts = answer.facts().cloned().unwrap_or_default();
        let filled = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        [
            server.clone(),
            filled(facts.zxid),
            filled(facts.nodes),
            filled(facts.connections),
            filled(facts.outstanding),
            filled(facts.latency),
            answer.to_string(),
        ]
    });
    aligned(&[head].into_iter().chain(body).collect::<Vec<_>>())
}

fn json_of(servers: &[String], answers: &[Answer]) -> Value {
    let number = |text: &str| text.parse::<u64>().ok();
    let servers = servers.iter().zip(answers).map(|(server, answer)| match answer.facts() {
        Some(facts) => json!({
            "server": server,
            "mode": facts.mode,
            "zxid": facts.zxid,
            "nodes": number(&facts.nodes),
            "connections": number(&facts.connections),
            "outstanding": number(&facts.outstanding),
            "latency_ms": facts.latency,
            "version": facts.version,
        }),
        None => json!({ "server": server, "mode": null, "state": answer.to_string() }),
    });
    Value::Array(servers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Facts;

    #[test]
    fn addresses_may_leave_out_the_port() {
        let given = ["a:1,b, c:3".to_owned(), "[::1]:4".to_owned(), "::1".to_owned(), "[::1]".to_owned()];
        assert_eq!(servers(&given).unwrap(), ["a:1", "b:2181", "c:3", "[::1]:4", "[::1]:2181", "[::1]:2181"]);
        assert!(servers(&[" , ".to_owned()]).is_err());
    }

    #[test]
    fn a_line_for_each() {
        let facts = Facts {
            mode: "leader".to_owned(),
            version: "3.9.5".to_owned(),
            zxid: "0x100000007".to_owned(),
            connections: "2".to_owned(),
            outstanding: "0".to_owned(),
            latency: "0/0.5/12".to_owned(),
            nodes: "9".to_owned(),
        };
        let servers = ["a:2181".to_owned(), "b:2181".to_owned()];
        let answers = [Answer::Serving(facts), Answer::Unreachable("nobody listens".to_owned())];
        assert_eq!(
            table(&servers, &answers),
            "server  zxid         nodes  connections  outstanding  latency ms  mode\n\
             a:2181  0x100000007  9      2            0            0/0.5/12    leader\n\
             b:2181  -            -      -            -            -           nobody listens\n"
        );
        let json = json_of(&servers, &answers);
        assert_eq!((&json[0]["nodes"], &json[0]["mode"]), (&json!(9), &json!("leader")));
        assert_eq!((&json[1]["mode"], &json[1]["state"]), (&Value::Null, &json!("nobody listens")));
    }
}
