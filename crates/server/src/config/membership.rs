//! The lines that say who the servers of an ensemble are: `server.N`, `group.N`, `weight.N`, `version`.

use std::collections::BTreeMap;

use zabra_types::ServerId;

use super::clashes;
use super::draft::Draft;
use super::java;
use super::keys::Wrong;
use super::report::{NoticeKind, Report, Subject};
use super::settings::{Endpoint, Host, Membership, PeerAddress, PeerRole, ServerSpec};
use super::suggest;

/// The lines of one file, each valid by itself.
#[derive(Debug, Default)]
pub(super) struct MemberLines {
    servers: BTreeMap<ServerId, ServerSpec>,
    groups: BTreeMap<i64, Vec<ServerId>>,
    weights: BTreeMap<ServerId, i64>,
    /// The version of the list; the name of a dynamic file has it too.
    pub(super) version: i64,
}

/// `server.N`.
pub(super) fn server(draft: &mut Draft, number: &str, value: &str) -> Result<(), Wrong> {
    let id = server_id(number, "server")?;
    draft.members.servers.insert(id, parse_server(id, value)?);
    Ok(())
}

/// `group.N`.
pub(super) fn group(draft: &mut Draft, number: &str, value: &str) -> Result<(), Wrong> {
    let group =
        java::parse_integer(number).ok_or_else(|| Wrong::expected("expected a number after group."))?;
    let ids = java::split(value, ':').into_iter().map(|id| java::parse_integer(id).map(ServerId::new));
    let ids = ids.collect::<Option<_>>();
    let ids = ids.ok_or_else(|| Wrong::expected("expected server ids with : between them, as in 1:2:3"))?;
    draft.members.groups.insert(group, ids);
    Ok(())
}

/// `weight.N`.
pub(super) fn weight(draft: &mut Draft, number: &str, value: &str) -> Result<(), Wrong> {
    let id = server_id(number, "weight")?;
    let votes =
        java::parse_integer(value).ok_or_else(|| Wrong::expected("expected a whole number of votes"))?;
    draft.members.weights.insert(id, votes);
    Ok(())
}

/// `version`.
pub(super) fn version(draft: &mut Draft, value: &str) -> Result<(), Wrong> {
    draft.members.version =
        i64::from_str_radix(value, 16).map_err(|_| Wrong::expected("expected a hexadecimal number"))?;
    Ok(())
}

fn server_id(number: &str, word: &str) -> Result<ServerId, Wrong> {
    java::parse_integer(number)
        .map(ServerId::new)
        .ok_or_else(|| Wrong::expected(format!("expected a number after {word}.")))
}

/// `host:port:port[:role]`, more of them after `|`, then `;` and `[host:]port` for clients.
fn parse_server(id: ServerId, value: &str) -> Result<ServerSpec, Wrong> {
    let parts = java::split(value, ';');
    let (members, client) = match parts[..] {
        [members] => (members, None),
        [members, client] => (members, Some(parse_client(client)?)),
        _ => return Err(Wrong::expected(format!("{FORM}; only one ; can be there"))),
    };
    let mut addresses = Vec::new();
    let mut role = None;
    for member in java::split(members, '|') {
        let (address, said) = parse_address(member)?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
        match (role, said) {
            (Some(role), Some(said)) if role != said => {
                return Err(Wrong::expected("all addresses of a server must have the same role"));
            }
            (_, Some(said)) => role = Some(said),
            (_, None) => {}
        }
    }
    Ok(ServerSpec { id, addresses, role: role.unwrap_or_default(), client })
}

const FORM: &str = "expected host:quorumPort:electionPort[:role][;[clientHost:]clientPort]";

fn parse_address(text: &str) -> Result<(PeerAddress, Option<PeerRole>), Wrong> {
    let (host, rest) = split_host(text)?;
    let (quorum, election, role) = match rest[..] {
        [quorum, election] => (quorum, election, None),
        [quorum, election, role] => (quorum, election, Some(parse_role(role)?)),
        [_] => return Err(Wrong::expected(format!("the election port is missing; {FORM}"))),
        _ => return Err(Wrong::expected(FORM)),
    };
    let quorum_port = parse_port(quorum)?;
    let election_port = parse_port(election)?;
    if quorum_port == election_port {
        return Err(Wrong::expected(format!(
            "quorum port and election port must differ, both are {quorum_port}"
        )));
    }
    // Java looks up the empty name as the loopback address.
    let host = Host::new(if host.is_empty() { "localhost" } else { host });
    Ok((PeerAddress { host, quorum_port, election_port }, role))
}

fn parse_client(text: &str) -> Result<Endpoint, Wrong> {
    let (first, rest) = split_host(text)?;
    match rest[..] {
        [] => Ok(Endpoint::new(Host::new("0.0.0.0"), parse_port(first)?)),
        [port] => Ok(Endpoint::new(Host::new(first), parse_port(port)?)),
        _ => Err(Wrong::expected(format!("expected [clientHost:]clientPort after ;, found {text}"))),
    }
}

/// Splits at colons, with IPv6 addresses in brackets kept whole. Mirrors `ConfigUtils.getHostAndPort`.
fn split_host(text: &str) -> Result<(&str, Vec<&str>), Wrong> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let Some((host, rest)) = bracketed.split_once(']') else {
            return Err(Wrong::expected(format!("{text} begins with [ but has no ]")));
        };
        return match rest.strip_prefix(':') {
            Some("") => Err(Wrong::expected(format!("{text} has no port after the colon"))),
            Some(rest) => Ok((host, java::split(rest, ':'))),
            None if rest.is_empty() => Ok((host, Vec::new())),
            None => Err(Wrong::expected(format!("expected : after [{host}]"))),
        };
    }
    let pieces = java::split(text, ':');
    if pieces.len() > 4 {
        return Err(Wrong::expected(format!("{FORM}; an IPv6 address must be in brackets")));
    }
    Ok((pieces[0], pieces[1..].to_vec()))
}

fn parse_port(text: &str) -> Result<u16, Wrong> {
    java::parse_integer(text)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or_else(|| Wrong::expected(format!("{text} is not a port, 0 to 65535")))
}

fn parse_role(text: &str) -> Result<PeerRole, Wrong> {
    match text.trim().to_ascii_lowercase().as_str() {
        "participant" => Ok(PeerRole::Participant),
        "observer" => Ok(PeerRole::Observer),
        other => Err(Wrong::expected(format!(
            "{text} is not a role, participant or observer{}",
            suggest::hint(other, ["participant", "observer"])
        ))),
    }
}

/// What a list of members must be like beside its lines.
pub(super) struct Rules {
    /// `standaloneEnabled`.
    pub(super) standalone_enabled: bool,
    /// `multiAddress.enabled`.
    pub(super) multi_address: bool,
    /// Whether `oraclePath` is given, which makes groups meaningless.
    pub(super) oracle: bool,
}

impl MemberLines {
    /// Brings the lines together; whatever is wrong or strange about them as a whole goes to `report`. `subject`
    /// tells where a key was given. Mirrors `QuorumPeerConfig.parseDynamicConfig`.
    pub(super) fn finish(
        self,
        rules: &Rules,
        report: &mut Report,
        subject: impl Fn(&str) -> Subject,
    ) -> Membership {
        let Self { servers, mut groups, mut weights, version } = self;
        for server in servers.values() {
            check_server(server, rules, report, &subject);
        }
        clashes::check(&servers, report, &subject);
        if rules.oracle && !(groups.is_empty() && weights.is_empty()) {
            let text = "with an oracle the majority decides; groups and weights are not looked at";
            report.notice(NoticeKind::Adjusted, subject("oraclePath"), text);
            groups.clear();
            weights.clear();
        }
        if !(groups.is_empty() && weights.is_empty()) {
            check_groups(&servers, &groups, &weights, report, &subject);
        }
        let membership = Membership { servers, groups, weights, version };
        check_roles(&membership, rules, report, &subject);
        membership
    }
}

fn check_server(server: &ServerSpec, rules: &Rules, report: &mut Report, subject: &impl Fn(&str) -> Subject) {
    let line = || subject(&format!("server.{}", server.id));
    if server.addresses.len() > 1 && !rules.multi_address {
        report.problem(line(), "several addresses need multiAddress.enabled=true");
    }
    if !(1..=255).contains(&server.id.get()) {
        let text = "the id is outside 1 to 255, so that its sessions may clash with those of another server";
        report.notice(NoticeKind::Ensemble, line(), text);
    }
}

fn check_groups(
    servers: &BTreeMap<ServerId, ServerSpec>,
    groups: &BTreeMap<i64, Vec<ServerId>>,
    weights: &BTreeMap<ServerId, i64>,
    report: &mut Report,
    subject: &impl Fn(&str) -> Subject,
) {
    let mut group_of = BTreeMap::new();
    for (group, ids) in groups {
        for id in ids {
            let line = || subject(&format!("group.{group}"));
            if let Some(other) = group_of.insert(*id, *group) {
                report.problem(line(), format!("server {id} is in group {other} too"));
            }
            if !servers.contains_key(id) {
                report.problem(line(), format!("there is no server.{id}"));
            }
        }
    }
    for server in servers.values() {
        if server.role == PeerRole::Participant && !group_of.contains_key(&server.id) {
            report.problem(subject(&format!("server.{}", server.id)), "the server is in no group");
        }
    }
    for (id, weight) in weights {
        let line = || subject(&format!("weight.{id}"));
        if !servers.contains_key(id) {
            report.notice(NoticeKind::BadValue, line(), format!("there is no server.{id}"));
        }
        if *weight < 0 {
            report.problem(line(), "expected 0 or more votes");
        }
    }
    // A server without a weight of its own has one vote.
    let mut voters = servers.values().filter(|server| server.role == PeerRole::Participant).peekable();
    if voters.peek().is_some() && voters.all(|server| weights.get(&server.id) == Some(&0)) {
        report.problem(subject("weight.N"), "no participant has any votes, so none could be elected");
    }
}

fn check_roles(
    membership: &Membership,
    rules: &Rules,
    report: &mut Report,
    subject: &impl Fn(&str) -> Subject,
) {
    let participants = membership.with_role(PeerRole::Participant).count();
    let observers = membership.with_role(PeerRole::Observer).count();
    match participants {
        0 if !rules.standalone_enabled => {
            report.problem(subject("standaloneEnabled"), "without it at least one server.N must take part");
        }
        0 if observers > 0 => {
            report
                .problem(subject("server.N"), "there are only observers; at least one server must take part");
        }
        1 if rules.standalone_enabled && observers > 0 => {
            let text = "observers need at least two participants, or standaloneEnabled=false";
            report.problem(subject("server.N"), text);
        }
        0 => {}
        1 if rules.standalone_enabled => {
            let text = "there is only one server, so it runs standalone";
            report.notice(NoticeKind::Ensemble, subject("server.N"), text);
        }
        1 | 2 => {
            let text = "no failure is tolerated with less than three participants";
            report.notice(NoticeKind::Ensemble, subject("server.N"), text);
        }
        even if even % 2 == 0 => {
            let text = format!("{even} participants tolerate no more failures than {}", even - 1);
            report.notice(NoticeKind::Ensemble, subject("server.N"), text);
        }
        _ => {}
    }
}
