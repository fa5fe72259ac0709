//! Asking servers how they are, with the word `srvr`, as `zkServer.sh status` does.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a server may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// How long it may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// No answer is longer; `wchp` and `dump` of a busy server are long.
const ANSWER_LEN_MAX: u64 = 64 << 20;

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It serves clients.
    Serving(Facts),
    /// It runs, and serves nobody: it looks for a leader, or takes over a leader's history.
    NotServing,
    /// It does not answer the word, because `4lw.commands.whitelist` leaves it out.
    Mute,
    /// Nothing that could be understood came.
    Unreachable(String),
}

/// The lines of `srvr`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// `standalone`, `leader`, `follower`, `observer` or `read-only`.
    pub(crate) mode: String,
    /// What it runs.
    pub(crate) version: String,
    /// The last transaction.
    pub(crate) zxid: String,
    /// Clients connected.
    pub(crate) connections: String,
    /// Requests that wait for their answer.
    pub(crate) outstanding: String,
    /// Least, average and greatest, in milliseconds.
    pub(crate) latency: String,
    /// Nodes in its tree.
    pub(crate) nodes: String,
}

impl Answer {
    /// The part that it has in its ensemble, if it serves.
    pub(crate) fn mode(&self) -> Option<&str> {
        self.facts().map(|facts| facts.mode.as_str())
    }

    /// What it says, if it serves.
    pub(crate) fn facts(&self) -> Option<&Facts> {
        match self {
            Self::Serving(facts) => Some(facts),
            Self::NotServing | Self::Mute | Self::Unreachable(_) => None,
        }
    }
}

impl fmt::Display for Answer {
    /// The mode, or what there is in its place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serving(facts) => &facts.mode,
            Self::NotServing => "not serving",
            Self::Mute => "srvr is not in its 4lw.commands.whitelist",
            Self::Unreachable(why) => why,
        })
    }
}

/// Asks the server at an address, `host:port`.
pub(crate) async fn ask(address: &str) -> Answer {
    match timeout(CONNECT_MAX + ANSWER_MAX, talk(address, "srvr")).await {
        Ok(Ok(text)) => read(&text),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Answer::Unreachable("nobody listens".to_owned())
        }
        Ok(Err(error)) => Answer::Unreachable(error.to_string()),
        Err(_) => Answer::Unreachable("no answer".to_owned()),
    }
}

/// What the server at an address, `host:port`, answers to a four-letter word. Mirrors `FourLetterWordMain`.
pub(crate) async fn answer_to(address: &str, word: &str) -> io::Result<String> {
    timeout(CONNECT_MAX + ANSWER_MAX, talk(address, word))
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")))
}

async fn talk(address: &str, word: &str) -> io::Result<String> {
    let connect = timeout(CONNECT_MAX, TcpStream::connect(address)).await;
    let mut stream = connect.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.write_all(word.as_bytes()).await?;
    let mut text = Vec::new();
    stream.take(ANSWER_LEN_MAX).read_to_end(&mut text).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn read(text: &str) -> Answer {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    };
    let mode = value("Mode");
    if !mode.is_empty() {
        return Answer::Serving(Facts {
            mode,
            version: value("Zookeeper version"),
            zxid: value("Zxid"),
            connections: value("Connections"),
            outstanding: value("Outstanding"),
            latency: value("Latency min/avg/max"),
            nodes: value("Node count"),
        });
    }
    if text.contains("not currently serving requests") {
        Answer::NotServing
    } else if text.contains("not in the whitelist") || text.contains("not executed") {
        Answer::Mute
    } else {
        let line = text.lines().next().unwrap_or("it closed the connection without a word");
        Answer::Unreachable(line.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say() {
        let genuine = "Zookeeper version: 3.9.5-1234, built on 2025-01-01 00:00 UTC\nLatency min/avg/max: 0/0.5/12\n\
                       Received: 4\nSent: 3\nConnections: 2\nOutstanding: 0\nZxid: 0x100000007\nMode: leader\n\
                       Node count: 9\nProposal sizes last/min/max: 32/32/36\n";
        let answer = read(genuine);
        assert_eq!((answer.mode(), answer.to_string().as_str()), (Some("leader"), "leader"));
        let facts = answer.facts().unwrap();
        assert_eq!(
            [&facts.zxid, &facts.connections, &facts.outstanding, &facts.latency, &facts.nodes],
            ["0x100000007", "2", "0", "0/0.5/12", "9"]
        );
        assert_eq!(facts.version, "3.9.5-1234, built on 2025-01-01 00:00 UTC");
        for (text, answer) in [
            ("This ZooKeeper instance is not currently serving requests\n", Answer::NotServing),
            ("srvr is not executed because it is not in the whitelist.\n", Answer::Mute),
            ("SSH-2.0-OpenSSH\r\n", Answer::Unreachable("SSH-2.0-OpenSSH".to_owned())),
            ("", Answer::Unreachable("it closed the connection without a word".to_owned())),
        ] {
            assert_eq!(read(text), answer);
        }
    }

    #[tokio::test]
    async fn somebody_else_is_told_from_nobody() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let talk = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut word = [0; 4];
            stream.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"srvr");
            stream.write_all(b"Mode: observer\n").await.unwrap();
        });
        assert_eq!(ask(&address).await.mode(), Some("observer"));
        talk.await.unwrap();
        assert_eq!(ask(&address).await, Answer::Unreachable("nobody listens".to_owned()));
    }
}
