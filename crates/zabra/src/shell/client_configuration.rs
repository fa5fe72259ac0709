//! The file behind `-client-configuration`: properties of the Java client (`ZKClientConfig`).

use std::path::Path;
use std::time::Duration;

use zabra_client::ClientBuilder;
use zabra_server::config::properties::Properties;

use super::fault::Fault;
use crate::stdio::tell;

/// What of such a file means something here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientConfiguration {
    packet_len_max: Option<usize>,
    request_timeout: Option<Duration>,
    keep_watches: Option<bool>,
}

impl ClientConfiguration {
    /// Reads a file. Fails when it asks for something without which the connection would not be what its writer wants;
    /// says what it passes over.
    pub(crate) fn load(file: &Path) -> Result<Self, Fault> {
        let failed = |why: String| Fault { code: 2, ..Fault::new(format!("{}: {why}", file.display())) };
        let bytes = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
        let properties = Properties::parse(&bytes)
            .map_err(|malformed| failed(malformed.first().map_or_else(String::new, ToString::to_string)))?;
        let mut configuration = Self::default();
        for (entry, _) in properties.effective() {
            let number = || {
                let why =
                    || failed(format!("line {}: {} is a number, not {}", entry.line, entry.key, entry.value));
                entry.value.parse::<u32>().map_err(|_| why())
            };
            let yes = entry.value.eq_ignore_ascii_case("true");
            match entry.key.as_str() {
                "jute.maxbuffer" => configuration.packet_len_max = Some(number()? as usize),
                "zookeeper.request.timeout" => {
                    let limit = Duration::from_millis(number()?.into());
                    configuration.request_timeout = Some(limit).filter(|limit| !limit.is_zero());
                }
                "zookeeper.disableAutoWatchReset" => configuration.keep_watches = Some(!yes),
                "zookeeper.client.secure" if yes => {
                    return Err(failed(format!(
                        "line {}: connections by TLS are not supported yet",
                        entry.line
                    )));
                }
                // These are their defaults, or choose between implementations.
                "zookeeper.client.secure" | "zookeeper.clientCnxnSocket" => {}
                "zookeeper.sasl.client" if !yes => {}
                other => tell(&format!(
                    "zabra: {}: line {}: {other} is not considered",
                    file.display(),
                    entry.line
                )),
            }
        }
        Ok(configuration)
    }

    /// Sets a client up so.
    pub(crate) fn apply(&self, mut builder: ClientBuilder) -> ClientBuilder {
        if let Some(len) = self.packet_len_max {
            builder = builder.packet_len_max(len);
        }
        if let Some(limit) = self.request_timeout {
            builder = builder.connect_within(limit);
        }
        if let Some(keep) = self.keep_watches {
            builder = builder.reset_watches(keep);
        }
        builder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<ClientConfiguration, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("client.cfg");
        std::fs::write(&file, text).unwrap();
        ClientConfiguration::load(&file).map_err(|fault| fault.text)
    }

    #[test]
    fn what_can_be_honoured_is() {
        let configuration =
            load("jute.maxbuffer=4194304\nzookeeper.request.timeout=0\nzookeeper.client.secure=false")
                .unwrap();
        assert_eq!(
            configuration,
            ClientConfiguration { packet_len_max: Some(4 << 20), ..Default::default() }
        );
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        assert!(load("zookeeper.client.secure=true").unwrap_err().contains("TLS"));
        assert!(
            load("jute.maxbuffer=much").unwrap_err().contains("line 1: jute.maxbuffer is a number, not much")
        );
    }
}
