//! Members that cannot all be right: addresses that two of them have, or that others cannot reach.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use zabra_types::ServerId;

use super::report::{NoticeKind, Report, Subject};
use super::settings::{Endpoint, Host, Membership, ServerSpec};

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Quorum,
    Election,
    Clients,
}

impl Use {
    const fn shown(self) -> &'static str {
        match self {
            Self::Quorum => "quorum port",
            Self::Election => "election port",
            Self::Clients => "client port",
        }
    }
}

/// Looks for places that two servers are said to listen at. The genuine server does not, and one of the two then never
/// takes part, or each believes to speak with the other.
pub(super) fn check(
    servers: &BTreeMap<ServerId, ServerSpec>,
    report: &mut Report,
    subject: &impl Fn(&str) -> Subject,
) {
    let mut taken: BTreeMap<(String, u16), (ServerId, Use)> = BTreeMap::new();
    for server in servers.values() {
        for (host, port, what) in places(server) {
            // Each machine has an address of that name for itself.
            if host.is_any() || port == 0 {
                continue;
            }
            match taken.entry((host.to_string().to_ascii_lowercase(), port)) {
                Entry::Vacant(place) => {
                    place.insert((server.id, what));
                }
                Entry::Occupied(place) => {
                    let (other, other_use) = *place.get();
                    let whose =
                        if other == server.id { "this".to_owned() } else { format!("server {other}'s") };
                    let text = format!(
                        "the {} {}:{port} is {whose} {} too; every server needs ports of its own",
                        what.shown(),
                        place.key().0,
                        other_use.shown()
                    );
                    report.problem(subject(&format!("server.{}", server.id)), text);
                }
            }
        }
    }
    check_reach(servers, report, subject);
}

fn places(server: &ServerSpec) -> Vec<(&Host, u16, Use)> {
    let mut places = Vec::new();
    for address in &server.addresses {
        places.push((&address.host, address.quorum_port, Use::Quorum));
        places.push((&address.host, address.election_port, Use::Election));
    }
    if let Some(client) = &server.client {
        places.push((&client.host, client.port, Use::Clients));
    }
    places
}

/// Remarks on servers that are on this machine only in the eyes of whoever reads the line.
fn check_reach(
    servers: &BTreeMap<ServerId, ServerSpec>,
    report: &mut Report,
    subject: &impl Fn(&str) -> Subject,
) {
    let hosts =
        || servers.values().flat_map(|server| server.addresses.iter().map(move |at| (server, &at.host)));
    let elsewhere = hosts().find(|(_, host)| !is_loopback(host) && !host.is_any());
    let Some((_, elsewhere)) = elsewhere else { return };
    for (server, host) in hosts().filter(|(_, host)| is_loopback(host)) {
        let text = format!(
            "{host} is another machine to each server: one at {elsewhere} cannot reach this one by it"
        );
        report.notice(NoticeKind::Ensemble, subject(&format!("server.{}", server.id)), text);
    }
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Any => false,
        Host::Ip(ip) => ip.is_loopback(),
        Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
    }
}

/// Looks at the members with the eyes of the server that this configuration is for.
pub(super) fn check_own(
    id: ServerId,
    membership: &Membership,
    client: Option<&Endpoint>,
    report: &mut Report,
    subject: &impl Fn(&str) -> Subject,
) {
    for server in membership.servers.values().filter(|server| server.id != id) {
        for address in server.addresses.iter().filter(|address| address.host.is_any()) {
            let text =
                format!("no server can be reached at {}; only a server's own line may say so", address.host);
            report.problem(subject(&format!("server.{}", server.id)), text);
        }
    }
    let (Some(own), Some(client)) = (membership.servers.get(&id), client) else { return };
    for address in &own.addresses {
        let same_host = client.host.is_any() || address.host.is_any() || client.host == address.host;
        for (port, what) in [(address.quorum_port, Use::Quorum), (address.election_port, Use::Election)] {
            // What the own line itself says of clients has been looked at.
            if same_host && port == client.port && own.client.as_ref().is_none_or(|said| said.host.is_any()) {
                let text = format!("{port} is the {} of this server, server.{id}, too", what.shown());
                report.problem(subject("clientPort"), text);
            }
        }
    }
}
