//! The commands about the ensemble that this server is a member of.

use serde_json::{Map, Value, json};
use zabra_zab::Role;

use super::commands::fields;
use super::json::Fields;
use super::request::Parameters;
use crate::config::{Endpoint, PeerAddress, PeerRole};
use crate::core::Core;
use crate::ensemble::Ensemble;
use crate::observe::ensemble::learners;

/// Who leads.
pub(super) fn leader(core: &Core, _: &Parameters) -> Fields {
    let Some(ensemble) = &core.ensemble else {
        return fields([("error", "server is not initialized".into())]);
    };
    let leader = match ensemble.standing().role {
        Role::Leading(_) | Role::PreparingToLead => Some(ensemble.id()),
        Role::Following { leader, .. } | Role::Observing { leader, .. } | Role::Synchronizing(leader) => {
            Some(leader)
        }
        Role::Looking => None,
    };
    let host = leader.and_then(|leader| ensemble.settings.membership.servers.get(&leader)).map(|server| {
        server.addresses.iter().map(|address| address.host.to_string()).collect::<Vec<_>>().join("|")
    });
    fields([
        ("is_leader", is_leader(ensemble).into()),
        ("leader_id", leader.map_or(-1, |leader| leader.get()).into()),
        ("leader_ip", host.unwrap_or_default().into()),
    ])
}

/// The observers of this leader.
pub(super) fn observers(core: &Core, _: &Parameters) -> Fields {
    let learners = learners(core).unwrap_or_default();
    let links = core.ensemble.as_ref().and_then(Ensemble::links);
    let shown: Vec<Value> = learners
        .observers()
        .filter_map(|observer| {
            let status = links?.status(observer.link)?;
            Some(json!({
                "remote_socket_address": format!("/{}", status.remote),
                "sid": observer.server.map_or(-1, |server| server.get()),
                "established": status.established_ms,
                "queued_packets": status.waiting,
                "queued_packets_size": status.waiting_bytes,
                "packets_received": status.received,
                "packets_sent": status.sent,
            }))
        })
        .collect();
    fields([("synced_observers", learners.observers().count().into()), ("observers", shown.into())])
}

/// Who votes.
pub(super) fn voting_view(core: &Core, _: &Parameters) -> Fields {
    let Some(ensemble) = &core.ensemble else { return fields([("current_config", json!({}))]) };
    let voters = ensemble.settings.membership.with_role(PeerRole::Participant);
    let config: Map<_, _> = voters
        .map(|server| {
            let own = (server.id == ensemble.id()).then(|| core.config.listen.client.clone()).flatten();
            let client = server.client.clone().or(own).map(|client| client.to_string());
            let view = json!({
                "server_addresses": endpoints(&server.addresses, |address| address.quorum_port),
                "election_addresses": endpoints(&server.addresses, |address| address.election_port),
                "client_address": client.unwrap_or_default(),
                "learner_type": server.role.to_string(),
            });
            (server.id.to_string(), view)
        })
        .collect();
    fields([("current_config", config.into())])
}

/// Where this server stands.
pub(super) fn zab_state(core: &Core, _: &Parameters) -> Fields {
    let serving = core.is_running();
    let Some(ensemble) = core.ensemble.as_ref().filter(|_| serving) else {
        return fields([("voting", false.into()), ("zabstate", "".into())]);
    };
    let own = ensemble.settings.membership.servers.get(&ensemble.id());
    let addresses = |port| address_set(own.map_or(&[], |own| &own.addresses), port);
    let last = core.shown_zxid(&core.tree.read());
    fields([
        ("myid", ensemble.id().get().into()),
        ("is_leader", is_leader(ensemble).into()),
        ("quorum_address", addresses(|address| address.quorum_port)),
        ("election_address", addresses(|address| address.election_port)),
        ("client_address", core.config.listen.client.as_ref().map(ToString::to_string).into()),
        ("voting", (ensemble.settings.role == PeerRole::Participant).into()),
        ("last_zxid", format!("0x{:x}", last.raw()).into()),
        ("zab_epoch", last.epoch().get().into()),
        ("zab_counter", last.counter().into()),
        ("zabstate", "broadcast".into()),
    ])
}

fn is_leader(ensemble: &Ensemble) -> bool {
    matches!(ensemble.standing().role, Role::Leading(_))
}

fn endpoints(addresses: &[PeerAddress], port: fn(&PeerAddress) -> u16) -> Vec<String> {
    let endpoint = |address: &PeerAddress| Endpoint::new(address.host.clone(), port(address)).to_string();
    addresses.iter().map(endpoint).collect()
}

/// As the genuine server shows a `MultipleAddresses`. Nothing is probed: all of them count as reachable.
fn address_set(addresses: &[PeerAddress], port: fn(&PeerAddress) -> u16) -> Value {
    let all = endpoints(addresses, port);
    let one = all.first().cloned().unwrap_or_default();
    let ports: Vec<_> = addresses.iter().map(port).collect();
    json!({
        "empty": addresses.is_empty(),
        "all_addresses": all,
        "wildcard_addresses": ports.iter().map(|port| Endpoint::any(*port).to_string()).collect::<Vec<_>>(),
        "all_ports": ports,
        "all_host_strings": addresses.iter().map(|address| address.host.to_string()).collect::<Vec<_>>(),
        "reachable_address": one,
        "all_reachable_addresses": all,
        "all_reachable_addresses_or_all": all,
        "reachable_or_one": one,
        "one": one,
    })
}
