//! The settings in force that `conf` and the admin command `configuration` show.

use crate::config::{PeerAddress, PeerRole};
use crate::core::Core;
use crate::stats::millis;

/// The settings in the terms of the genuine server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConfigurationView {
    /// The port that clients connect to.
    pub(crate) client_port: u16,
    /// The TLS port; -1 when there is none.
    pub(crate) secure_client_port: i32,
    /// The tick in milliseconds.
    pub(crate) tick_ms: u64,
    /// Connections from one address; 0 is no limit.
    pub(crate) max_client_cnxns: u32,
    /// The least session timeout in milliseconds.
    pub(crate) min_session_timeout_ms: u64,
    /// The greatest.
    pub(crate) max_session_timeout_ms: u64,
    /// The listen backlog; -1 leaves it to the system.
    pub(crate) listen_backlog: i64,
    /// The id of this server; 0 when it is alone.
    pub(crate) server_id: i64,
}

/// Reads the settings.
pub(crate) fn read(core: &Core) -> ConfigurationView {
    let (listen, sessions) = (&core.config.listen, &core.config.sessions);
    ConfigurationView {
        client_port: core.client_address.get().map_or(0, |address| address.port()),
        secure_client_port: listen.secure_client.as_ref().map_or(-1, |endpoint| endpoint.port.into()),
        tick_ms: millis(sessions.tick_time),
        max_client_cnxns: listen.connections_per_host_max.unwrap_or(0),
        min_session_timeout_ms: millis(sessions.timeout_min),
        max_session_timeout_ms: millis(sessions.timeout_max),
        listen_backlog: listen.backlog.map_or(-1, i64::from),
        server_id: core.ensemble.as_ref().map_or(0, |ensemble| ensemble.id().get()),
    }
}

/// What a member of an ensemble was told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberView {
    /// Ticks that a learner may take to synchronize.
    pub(crate) init_limit: u32,
    /// Ticks that a learner may fall behind.
    pub(crate) sync_limit: u32,
    /// The ports of its election addresses.
    pub(crate) election_ports: String,
    /// The ports of its quorum addresses.
    pub(crate) quorum_ports: String,
    /// Whether it only observes.
    pub(crate) is_observer: bool,
    /// The members, as servers tell them each other.
    pub(crate) membership: String,
}

/// Reads the settings of a member; none when this server is alone.
pub(crate) fn read_member(core: &Core) -> Option<MemberView> {
    let ensemble = core.ensemble.as_ref()?;
    let settings = &ensemble.settings;
    let ports = |port: fn(&PeerAddress) -> u16| {
        let addresses = settings.membership.servers.get(&settings.id).map_or(&[][..], |own| &own.addresses);
        addresses.iter().map(|address| port(address).to_string()).collect::<Vec<_>>().join("|")
    };
    Some(MemberView {
        init_limit: settings.init_limit_ticks,
        sync_limit: settings.sync_limit_ticks,
        election_ports: ports(|address| address.election_port),
        quorum_ports: ports(|address| address.quorum_port),
        is_observer: settings.role == PeerRole::Observer,
        membership: ensemble.members.text.clone(),
    })
}

/// The text of the configuration file as it was at the start; empty without a file. Secrets are left out: the admin
/// server tells it to whoever asks.
pub(crate) fn initial(core: &Core) -> String {
    core.config.source.text().map_or_else(String::new, without_secrets)
}

fn without_secrets(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.split_once(['=', ':']) {
            Some((key, _)) if is_secret(key) => {
                let end = if line.ends_with('\n') { "\n" } else { "" };
                format!("{key}=***{end}")
            }
            _ => line.to_owned(),
        })
        .collect()
}

fn is_secret(key: &str) -> bool {
    let key = key.trim().to_ascii_lowercase();
    // The path of a file that holds a password is none.
    !key.ends_with("path") && (key.contains("password") || key.contains("superdigest"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        let text = "tickTime=2000\n ssl.keyStore.password = abc\nssl.keyStore.passwordPath=/p\n\
                    DigestAuthenticationProvider.superDigest=super:x";
        let shown = "tickTime=2000\n ssl.keyStore.password =***\nssl.keyStore.passwordPath=/p\n\
                     DigestAuthenticationProvider.superDigest=***";
        assert_eq!(without_secrets(text), shown);
    }
}
