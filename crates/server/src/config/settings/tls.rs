//! TLS, once for clients (`ssl.*`) and once for servers (`ssl.quorum.*`).

use std::path::PathBuf;
use std::time::Duration;

use super::Secret;

/// TLS of one kind of port. Mirrors `ClientX509Util` and `QuorumX509Util`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The version of the context (`….protocol`); `None` is the newest.
    pub protocol: Option<String>,
    /// The versions to offer (`….enabledProtocols`); empty is `protocol` alone.
    pub enabled_protocols: Vec<String>,
    /// The cipher suites to offer (`….ciphersuites`); empty is the default choice.
    pub cipher_suites: Vec<String>,
    /// The own key and certificate (`….keyStore.*`).
    pub key_store: TlsStore,
    /// The certificate authorities (`….trustStore.*`).
    pub trust_store: TlsStore,
    /// Whether the name of the peer is checked (`….hostnameVerification`).
    pub hostname_verification: bool,
    /// Whether a server checks the name of its client too (`….clientHostnameVerification`).
    pub client_hostname_verification: bool,
    /// Whether the check may fall back to a reverse look-up (`….allowReverseDnsLookup`).
    pub allow_reverse_dns: bool,
    /// Whether revocation lists are asked (`….crl`).
    pub crl: bool,
    /// Whether OCSP is asked (`….ocsp`).
    pub ocsp: bool,
    /// Whether the other side needs a certificate (`….clientAuth`).
    pub client_auth: ClientAuth,
    /// How long a port for both waits for the first bytes (`….handshakeDetectionTimeoutMillis`).
    pub detection_timeout: Duration,
    /// Which provider judges client certificates (`ssl.authProvider`).
    pub auth_provider: String,
    /// Whether changed stores are read again (`client.certReload`, `sslQuorumReloadCertFiles`).
    pub reload: bool,
    /// Whether only approved algorithms are used (`fips-mode`).
    pub fips: bool,
}

impl Tls {
    /// What holds on client ports when nothing is configured.
    pub(crate) fn client() -> Self {
        Self {
            protocol: None,
            enabled_protocols: Vec::new(),
            cipher_suites: Vec::new(),
            key_store: TlsStore::default(),
            trust_store: TlsStore::default(),
            hostname_verification: true,
            client_hostname_verification: false,
            allow_reverse_dns: false,
            crl: false,
            ocsp: false,
            client_auth: ClientAuth::Need,
            detection_timeout: Duration::from_secs(5),
            auth_provider: "x509".to_owned(),
            reload: false,
            fips: true,
        }
    }

    /// What holds between servers when nothing is configured.
    pub(crate) fn quorum() -> Self {
        Self { client_hostname_verification: true, ..Self::client() }
    }
}

/// A key store or a trust store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsStore {
    /// The file.
    pub location: Option<PathBuf>,
    /// Its password.
    pub password: Option<Secret>,
    /// A file with its password, which wins over `password`.
    pub password_path: Option<PathBuf>,
    /// Its format (`JKS`, `PEM`, `PKCS12`, `BCFKS`); `None` goes by the ending of the file's name.
    pub format: Option<String>,
}

/// Whether the other side needs a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// It is not asked for one.
    None,
    /// It is asked, and may come without.
    Want,
    /// It is refused without.
    #[default]
    Need,
}
