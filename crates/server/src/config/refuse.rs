//! What a configuration may ask for that this server does not do, where going on without it would break a
//! promise.

use super::report::Refusal;
use super::settings::{Config, Mode};

impl Config {
    /// Everything for which this server must refuse to start. Empty is good.
    pub fn refusals(&self) -> Vec<Refusal> {
        const NO_TLS: &str =
            "TLS is not served yet, and without it the port would be open to everybody or to nobody";
        let mut refusals = Vec::new();
        let mut refuse = |there: bool, key: &'static str, text: &str| {
            if there {
                refusals.push(Refusal { key, text: text.to_owned() });
            }
        };
        let ensemble = matches!(self.mode, Mode::Ensemble(_));
        refuse(
            self.listen.client.is_none() && self.listen.secure_client.is_none(),
            "clientPort",
            "is missing, so nobody could connect",
        );
        refuse(self.listen.secure_client.is_some(), "secureClientPort", NO_TLS);
        refuse(self.listen.port_unification, "client.portUnification", NO_TLS);
        refuse(
            ensemble && self.reconfig_enabled,
            "reconfigEnabled",
            "the members of an ensemble cannot be changed while it runs yet; all its servers must have it off",
        );
        refuse(
            ensemble && self.quorum.oracle.is_some(),
            "oraclePath",
            "an oracle that decides for two servers is not asked yet",
        );
        refuse(ensemble && self.quorum.tls, "sslQuorum", NO_TLS);
        refuse(ensemble && self.quorum.port_unification, "portUnification", NO_TLS);
        refuse(
            ensemble && self.quorum.auth.is_some(),
            "quorum.auth.enableSasl",
            "SASL between servers is not served yet",
        );
        refuse(self.admin.enabled && self.admin.force_https, "admin.forceHttps", NO_TLS);
        refuse(self.admin.enabled && self.admin.port_unification, "admin.portUnification", NO_TLS);
        refuse(self.metrics.https.is_some(), "metricsProvider.httpsPort", NO_TLS);
        if let Some(enforced) = &self.access.enforced {
            for scheme in &enforced.schemes {
                if !matches!(scheme.as_str(), "digest" | "ip") {
                    let text = format!("the scheme {scheme} is not served yet, so nobody could use it");
                    refuse(true, "enforce.auth.schemes", &text);
                }
            }
        }
        refusals
    }
}
