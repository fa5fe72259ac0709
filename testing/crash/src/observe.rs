//! What the server shows after a restart.

use crate::history::Session;
use crate::slot::shake_hands;
use crate::world::SessionKey;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use zabra_proto::OpCode;
use zabra_testkit::{AclRow, Body, RawClient, RawRequest, Reply, Shape, four_letter};
use zabra_types::Stat;

const FOUR_LETTER_TIMEOUT: Duration = Duration::from_secs(20);
/// Requests sent together.
const BATCH_LEN: usize = 300;

/// A node as the server shows it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) data: Vec<u8>,
    pub(crate) stat: Stat,
    pub(crate) acl: Vec<AclRow>,
}

/// What a restarted server shows.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    /// Its last transaction, before anybody connected.
    pub(crate) zxid: i64,
    /// The figures of `mntr`, before anybody connected.
    pub(crate) figures: BTreeMap<String, i64>,
    /// Every node.
    pub(crate) nodes: BTreeMap<String, Seen>,
    /// Which sessions could be renewed, by slot and session.
    pub(crate) renewed: BTreeMap<(usize, SessionKey), bool>,
    /// Its last transaction when all this had been found out.
    pub(crate) zxid_after: i64,
}

/// Looks at everything. `sessions` are those to renew.
pub(crate) fn observe<'a>(
    addr: SocketAddr,
    sessions: impl IntoIterator<Item = (usize, SessionKey, &'a Session)>,
) -> Result<Observed, String> {
    let zxid = last_zxid(addr)?;
    let figures = figures(addr)?;
    let mut client = RawClient::open(addr).map_err(|error| format!("connecting: {error}"))?;
    let connected = shake_hands(&mut client, None)?;
    if !connected.is_accepted() {
        return Err(format!("the server refused a new session: {connected:?}"));
    }
    let nodes = dump(&mut client)?;
    let mut renewed = BTreeMap::new();
    for (slot, key, session) in sessions {
        renewed.insert((slot, key), renew(addr, session)?);
    }
    let goodbye =
        client.call(&RawRequest::bare(OpCode::CloseSession)).map_err(|error| format!("closing: {error}"))?;
    if goodbye.err != 0 {
        return Err(format!("the observer's session could not be closed: {goodbye:?}"));
    }
    Ok(Observed { zxid, figures, nodes, renewed, zxid_after: last_zxid(addr)? })
}

/// The last transaction, as `srvr` tells.
pub(crate) fn last_zxid(addr: SocketAddr) -> Result<i64, String> {
    let answer =
        four_letter(addr, "srvr", FOUR_LETTER_TIMEOUT).map_err(|error| format!("asking srvr: {error}"))?;
    answer
        .lines()
        .find_map(|line| line.strip_prefix("Zxid: 0x"))
        .and_then(|hex| i64::from_str_radix(hex.trim(), 16).ok())
        .ok_or_else(|| format!("no Zxid in the answer to srvr: {answer:?}"))
}

/// The whole numbers of `mntr`.
fn figures(addr: SocketAddr) -> Result<BTreeMap<String, i64>, String> {
    let answer =
        four_letter(addr, "mntr", FOUR_LETTER_TIMEOUT).map_err(|error| format!("asking mntr: {error}"))?;
    let line = |line: &str| {
        let (key, value) = line.split_once('\t')?;
        Some((key.to_owned(), value.parse().ok()?))
    };
    Ok(answer.lines().filter_map(line).collect())
}

/// Whether a session can be renewed, with everything about it as it was.
fn renew(addr: SocketAddr, session: &Session) -> Result<bool, String> {
    let mut client = RawClient::open(addr).map_err(|error| format!("connecting: {error}"))?;
    let connected = shake_hands(&mut client, Some(session))?;
    if !connected.is_accepted() {
        return Ok(false);
    }
    let now =
        Session { id: connected.session, password: connected.password, timeout_ms: connected.timeout_ms };
    if now == *session { Ok(true) } else { Err(format!("{session:x?} was renewed as {now:x?}")) }
}

/// Every node, level by level.
fn dump(client: &mut RawClient) -> Result<BTreeMap<String, Seen>, String> {
    let mut nodes = BTreeMap::new();
    let mut level = vec!["/".to_owned()];
    while !level.is_empty() {
        let mut below = Vec::new();
        for paths in level.chunks(BATCH_LEN) {
            below.extend(dump_paths(client, paths, &mut nodes)?);
        }
        level = below;
    }
    Ok(nodes)
}

/// Adds the nodes at these paths; the paths of their children.
fn dump_paths(
    client: &mut RawClient,
    paths: &[String],
    nodes: &mut BTreeMap<String, Seen>,
) -> Result<Vec<String>, String> {
    let requests: Vec<_> = paths
        .iter()
        .flat_map(|path| {
            [
                RawRequest::read(OpCode::GetData, path, false),
                RawRequest::path(OpCode::GetAcl, path),
                RawRequest::read(OpCode::GetChildren, path, false),
            ]
        })
        .collect();
    client.send_all((1..).zip(&requests)).map_err(|error| format!("sending: {error}"))?;
    let mut below = Vec::new();
    for path in paths {
        let mut read = |op: OpCode| -> Result<Body, String> {
            let reply: Reply = client
                .receive_reply(Shape::of(op.code()))
                .map_err(|error| format!("reading {path}: {error}"))?;
            if reply.err == 0 { Ok(reply.body) } else { Err(format!("reading {path}: {reply:?}")) }
        };
        let (data, acl, names) = (read(OpCode::GetData)?, read(OpCode::GetAcl)?, read(OpCode::GetChildren)?);
        let (Body::DataStat(data, stat), Body::AclStat(Some(acl), _), Body::Names(Some(names))) =
            (data, acl, names)
        else {
            return Err(format!("reading {path}: a reply of another shape"));
        };
        for name in names.iter().filter_map(|name| name.0.as_deref()) {
            let name = String::from_utf8_lossy(name);
            below.push(if path == "/" { format!("/{name}") } else { format!("{path}/{name}") });
        }
        nodes.insert(path.clone(), Seen { data: data.0.unwrap_or_default(), stat, acl });
    }
    Ok(below)
}
