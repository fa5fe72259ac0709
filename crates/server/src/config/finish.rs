//! Brings together the settings that depend on each other. Mirrors the second half of
//! `QuorumPeerConfig.parseProperties` and the checks that the Java server makes as it starts.

use std::collections::BTreeSet;

use super::draft::{Draft, millis};
use super::report::NoticeKind;
use super::settings::{
    AuthProvider, ConnectionThrottle, Endpoint, EnforcedAuth, FourLetterWords, Host, LargeRequests,
    MetricsProvider, ProviderClass, Sessions, Storage,
};
use super::suggest;

/// The words that the server knows.
const WORDS: [&str; 19] = [
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst", "srvr",
    "stat", "stmk", "wchc", "wchp", "wchs", "*",
];

impl Draft {
    /// Everything except who the members are.
    pub(super) fn finish(&mut self) {
        self.finish_directories();
        self.finish_ports();
        self.finish_sessions();
        self.finish_storage();
        self.finish_requests();
        self.finish_connection_throttle();
        self.finish_providers();
        self.finish_enforced_auth();
        self.finish_words();
        self.finish_metrics();
        self.finish_quorum();
        self.warn_of_risks();
    }

    fn adjusted(&mut self, key: &str, text: impl Into<String>) {
        let subject = self.subject(key);
        self.report.notice(NoticeKind::Adjusted, subject, text);
    }

    fn wrong(&mut self, key: &str, text: impl Into<String>) {
        let subject = self.subject(key);
        self.report.problem(subject, text);
    }

    fn finish_directories(&mut self) {
        let storage = &mut self.config.storage;
        if let Some(path) = self.data_dir.take() {
            storage.data_log_dir.clone_from(&path);
            storage.data_dir = path;
        }
        if let Some(path) = self.data_log_dir.take() {
            storage.data_log_dir = path;
        }
        if storage.data_dir.as_os_str().is_empty() && !self.was_given("dataDir") {
            self.wrong(
                "dataDir",
                "is missing: the directory of snapshots and, without dataLogDir, of the log",
            );
        }
    }

    fn finish_ports(&mut self) {
        let host = |address: &Option<String>| address.as_deref().map_or(Host::Any, Host::new);
        if let Some(port) = self.client_port {
            self.config.listen.client = Some(Endpoint::new(host(&self.client_address), port));
        } else if self.client_address.is_some() && !self.was_given("clientPort") {
            self.wrong("clientPortAddress", "is of no use without clientPort");
        }
        if let Some(port) = self.secure_client_port {
            self.config.listen.secure_client = Some(Endpoint::new(host(&self.secure_client_address), port));
        } else if self.secure_client_address.is_some() && !self.was_given("secureClientPort") {
            self.wrong("secureClientPortAddress", "is of no use without secureClientPort");
        }
    }

    fn finish_sessions(&mut self) {
        let sessions = &mut self.config.sessions;
        if let Some(ms) = self.tick_time_ms {
            sessions.tick_time = millis(ms);
        }
        sessions.timeout_min =
            self.session_timeout_min_ms.map_or(sessions.tick_time * Sessions::TIMEOUT_MIN_TICKS, millis);
        sessions.timeout_max =
            self.session_timeout_max_ms.map_or(sessions.tick_time * Sessions::TIMEOUT_MAX_TICKS, millis);
        let (min, max) = (sessions.timeout_min, sessions.timeout_max);
        if min > max {
            let key =
                if self.session_timeout_min_ms.is_some() { "minSessionTimeout" } else { "maxSessionTimeout" };
            let text = format!(
                "minSessionTimeout ({} ms) must not be greater than maxSessionTimeout ({} ms)",
                min.as_millis(),
                max.as_millis()
            );
            self.wrong(key, text);
        }
    }

    fn finish_storage(&mut self) {
        let storage = &mut self.config.storage;
        // A third in whole milliseconds, as the Java server has it.
        storage.write_queue_poll_max = self.write_queue_poll_max.unwrap_or_else(|| {
            millis(i64::try_from(storage.flush_delay.as_millis() / 3).unwrap_or(i64::MAX))
        });
        match self.snapshot_size_factor {
            Some(factor) if factor > 1.0 => {
                let default = Storage::default().snapshot_size_factor;
                self.adjusted(
                    "snapshotSizeFactor",
                    format!("more than the whole makes no sense; {default} is used"),
                );
            }
            Some(factor) => storage.snapshot_size_factor = factor,
            None => {}
        }
    }

    fn finish_requests(&mut self) {
        let requests = &mut self.config.requests;
        requests.extra_size = self.extra_size.unwrap_or(requests.packet_max).max(1024);
        let bytes_max = self.large_request_bytes_max.unwrap_or(LargeRequests::BYTES_MAX_DEFAULT);
        requests.large = self.large_request_threshold.map(|threshold| LargeRequests { threshold, bytes_max });
    }

    /// Mirrors the beginning of `BlueThrottle`.
    fn finish_connection_throttle(&mut self) {
        let ConnectionThrottle { global_session_weight: global, local_session_weight: local, .. } =
            self.config.requests.connection_throttle;
        let renew = self.config.requests.connection_throttle.renew_session_weight;
        if global < local {
            self.adjusted(
                "connection_throttle_global_session_weight",
                format!("raised to {local}, a local session's"),
            );
        }
        if renew < local {
            self.adjusted(
                "connection_throttle_renew_session_weight",
                format!("raised to {local}, a local session's"),
            );
        }
        let throttle = &mut self.config.requests.connection_throttle;
        throttle.global_session_weight = global.max(local);
        throttle.renew_session_weight = renew.max(local);
    }

    /// Mirrors `ProviderRegistry`, which skips classes that it cannot load.
    fn finish_providers(&mut self) {
        let mut providers = std::mem::take(&mut self.config.access.providers);
        providers.sort_by(|a, b| a.suffix.cmp(&b.suffix));
        for provider in &providers {
            let text = match &provider.class {
                ProviderClass::Ip | ProviderClass::Ensemble => continue,
                ProviderClass::Digest => {
                    // Named as a class it is there, whatever its own switch says.
                    self.config.access.digest.enabled = true;
                    continue;
                }
                ProviderClass::Sasl => "accepted, but SASL is not supported yet; who tries it is refused",
                ProviderClass::X509 => {
                    "accepted, but certificates are not supported yet; who tries them is refused"
                }
                ProviderClass::Key => "accepted, but this sample is not supported; who tries it is refused",
                ProviderClass::Other(_) => {
                    "classes of other people cannot be loaded; who tries this scheme is refused"
                }
            };
            let subject = self.subject(&format!("authProvider.{}", provider.suffix));
            self.report.notice(NoticeKind::NotYet, subject, text);
        }
        let ensemble = providers.iter().any(|provider| provider.class == ProviderClass::Ensemble);
        self.config.access.providers = providers;
        if self.was_given("ensembleAuthName") && !ensemble {
            let subject = self.subject("ensembleAuthName");
            let text = "nobody looks at it without authProvider.N=org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider";
            self.report.notice(NoticeKind::NoEffect, subject, text);
        }
        self.finish_secure_provider();
    }

    /// A secure port needs a provider that judges certificates. Mirrors `configureSSLAuth`.
    fn finish_secure_provider(&mut self) {
        if self.config.listen.secure_client.is_none() {
            return;
        }
        let scheme = self.config.client_tls.auth_provider.clone();
        let providers = &mut self.config.access.providers;
        if providers.iter().any(|provider| provider.suffix == scheme) {
            return;
        }
        if scheme == "x509" {
            providers.push(AuthProvider { suffix: scheme, class: ProviderClass::X509 });
        } else {
            let text = format!("the secure port needs a class for this scheme, authProvider.{scheme}=…");
            self.wrong("ssl.authProvider", text);
        }
    }

    /// Mirrors `AuthenticationHelper`.
    fn finish_enforced_auth(&mut self) {
        let (key, schemes) = if self.require_sasl {
            ("sessionRequireClientSASLAuth", vec!["sasl".to_owned()])
        } else if self.enforce_auth {
            ("enforce.auth.schemes", std::mem::take(&mut self.enforced_schemes))
        } else {
            return;
        };
        if schemes.is_empty() {
            self.wrong(
                "enforce.auth.enabled",
                "needs enforce.auth.schemes, the schemes that are good enough",
            );
            return;
        }
        let access = &self.config.access;
        let mut known: BTreeSet<&str> = access.providers.iter().filter_map(|p| p.class.scheme()).collect();
        known.insert("ip");
        if access.digest.enabled {
            known.insert("digest");
        }
        // A class of somebody else may bring any scheme.
        let anything = access.providers.iter().any(|provider| provider.class.scheme().is_none());
        let missing: Vec<_> = schemes
            .iter()
            .filter(|scheme| !anything && !known.contains(scheme.as_str()))
            .map(|scheme| {
                let hint = suggest::hint(scheme, known.iter().copied());
                format!("no provider has the scheme {scheme}{hint}")
            })
            .collect();
        for text in missing {
            self.wrong(key, text);
        }
        self.config.access.enforced = Some(EnforcedAuth { schemes });
    }

    /// Mirrors `FourLetterCommands.isEnabled`.
    fn finish_words(&mut self) {
        for word in std::mem::take(&mut self.words) {
            if !WORDS.contains(&word.as_str()) {
                let subject = self.subject("4lw.commands.whitelist");
                let text = format!("there is no word {word}{}", suggest::hint(&word, WORDS));
                self.report.notice(NoticeKind::BadValue, subject, text);
            }
            match &mut self.config.four_letter_words {
                words if word == "*" => *words = FourLetterWords::All,
                FourLetterWords::Listed(words) => {
                    words.insert(word);
                }
                FourLetterWords::All => {}
            }
        }
        if self.config.read_only_mode
            && let FourLetterWords::Listed(words) = &mut self.config.four_letter_words
        {
            words.insert("isro".to_owned());
        }
    }

    fn finish_metrics(&mut self) {
        let metrics = &mut self.config.metrics;
        let endpoint = |port| Endpoint::new(self.metrics_host.clone(), port);
        metrics.https = self.metrics_tls_port.map(endpoint);
        metrics.http = match self.metrics_port {
            // Whoever asks for TLS alone does not get a plain port beside it.
            None if metrics.https.is_some() => None,
            port => Some(endpoint(port.unwrap_or(7000))),
        };
        if metrics.provider != MetricsProvider::Prometheus {
            (metrics.http, metrics.https) = (None, None);
        }
    }

    fn finish_quorum(&mut self) {
        if let Some(on) = self.observer_sync {
            self.config.quorum.observer_sync = on;
        }
        let auth = self.quorum_auth.clone();
        if !self.quorum_sasl {
            for (key, required) in [
                ("quorum.auth.serverRequireSasl", auth.server_required),
                ("quorum.auth.learnerRequireSasl", auth.learner_required),
            ] {
                if required {
                    self.wrong(key, "needs quorum.auth.enableSasl=true");
                }
            }
        } else if auth.server_required && !auth.learner_required {
            let text = "needs quorum.auth.learnerRequireSasl=true, or this server could not join itself";
            self.wrong("quorum.auth.serverRequireSasl", text);
        }
        self.config.quorum.auth = self.quorum_sasl.then_some(auth);
    }

    fn warn_of_risks(&mut self) {
        let risks = [
            (
                !self.config.storage.force_sync,
                "forceSync",
                "a write that was answered can be lost in a power failure",
            ),
            (
                self.config.access.skip_acl,
                "skipACL",
                "anybody who can connect may read and change everything",
            ),
        ];
        for (there, key, text) in risks {
            if there {
                let subject = self.subject(key);
                self.report.notice(NoticeKind::Risk, subject, text);
            }
        }
    }
}
