//! Who may do what.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// ACL switches, authentication providers and super users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether no ACL is checked at all (`skipACL`).
    pub skip_acl: bool,
    /// Whether the server a client is on checks before it forwards (`enableEagerACLCheck`).
    pub eager_acl_check: bool,
    /// Providers beside `digest` and `ip` (`authProvider.N`), in the order of their suffixes.
    pub providers: Vec<AuthProvider>,
    /// The `digest` scheme.
    pub digest: DigestAuth,
    /// Super users of the other schemes.
    pub super_users: SuperUsers,
    /// Which schemes a session must have used (`enforce.auth.*`, `sessionRequireClientSASLAuth`); `None` is any.
    pub enforced: Option<EnforcedAuth>,
    /// The names of this ensemble (`ensembleAuthName`); empty takes any.
    pub ensemble_names: BTreeSet<String>,
    /// Whether the admin server takes the client's address from `X-Forwarded-For`
    /// (`IPAuthenticationProvider.usexforwardedfor`).
    pub use_x_forwarded_for: bool,
    /// SASL of clients.
    pub sasl: Sasl,
}

/// Text that is not shown by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// From plain text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The plain text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One line `authProvider.N=class`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthProvider {
    /// What follows `authProvider.`; a number by custom.
    pub suffix: String,
    /// The class named.
    pub class: ProviderClass,
}

/// The provider classes that come with ZooKeeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderClass {
    /// Scheme `sasl`.
    Sasl,
    /// Scheme `x509`.
    X509,
    /// Scheme `ensemble`.
    Ensemble,
    /// Scheme `ip`.
    Ip,
    /// Scheme `digest`.
    Digest,
    /// Scheme `auth`, a sample.
    Key,
    /// Somebody's own class.
    Other(String),
}

impl ProviderClass {
    /// By its full Java name.
    pub fn new(name: &str) -> Self {
        match name.strip_prefix("org.apache.zookeeper.server.auth.") {
            Some("SASLAuthenticationProvider") => Self::Sasl,
            Some("X509AuthenticationProvider") => Self::X509,
            Some("EnsembleAuthenticationProvider") => Self::Ensemble,
            Some("IPAuthenticationProvider") => Self::Ip,
            Some("DigestAuthenticationProvider") => Self::Digest,
            Some("KeyAuthenticationProvider") => Self::Key,
            _ => Self::Other(name.to_owned()),
        }
    }

    /// The scheme it adds; unknown for somebody's own class.
    pub const fn scheme(&self) -> Option<&'static str> {
        match self {
            Self::Sasl => Some("sasl"),
            Self::X509 => Some("x509"),
            Self::Ensemble => Some("ensemble"),
            Self::Ip => Some("ip"),
            Self::Digest => Some("digest"),
            Self::Key => Some("auth"),
            Self::Other(_) => None,
        }
    }
}

/// The `digest` scheme. Mirrors `DigestAuthenticationProvider`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestAuth {
    /// Whether it is there (`DigestAuthenticationProvider.enabled`).
    pub enabled: bool,
    /// The hash of its ids (`DigestAuthenticationProvider.digestAlg`).
    pub algorithm: DigestAlgorithm,
    /// The id that makes a super user, `super:` and the base64 of the hash
    /// (`DigestAuthenticationProvider.superDigest`).
    pub super_digest: Option<Secret>,
}

impl Default for DigestAuth {
    fn default() -> Self {
        Self { enabled: true, algorithm: DigestAlgorithm::Sha1, super_digest: None }
    }
}

/// Hashes that `digest` ids can be made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// `SHA1` or `SHA-1`.
    Sha1,
    /// `SHA-256`.
    Sha256,
    /// `SHA-384`.
    Sha384,
    /// `SHA-512`.
    Sha512,
}

/// Super users of other schemes than `digest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuperUsers {
    /// A certificate's subject (`X509AuthenticationProvider.superUser`).
    pub x509: Option<String>,
    /// SASL ids (`superUser`, `superUser.*`).
    pub sasl: BTreeSet<String>,
}

/// The schemes that let a session work. Mirrors `AuthenticationHelper`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnforcedAuth {
    /// One of these must have been used; never empty.
    pub schemes: Vec<String>,
}

/// SASL of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// The JAAS file (`java.security.auth.login.config`).
    pub login_config: Option<PathBuf>,
    /// The section in it (`sasl.serverconfig`), if somebody named one; else `Server`.
    pub section: Option<String>,
    /// Whether a session goes on although SASL failed (`allowSaslFailedClients`).
    pub allow_failed_clients: bool,
    /// The password of the user `super` in DIGEST-MD5 (`SASLAuthenticationProvider.superPassword`).
    pub super_password: Option<Secret>,
    /// `name/host@REALM` loses its host (`kerberos.removeHostFromPrincipal`).
    pub remove_host: bool,
    /// `name@REALM` loses its realm (`kerberos.removeRealmFromPrincipal`).
    pub remove_realm: bool,
    /// Whether hosts in service names are looked up (`kerberos.canonicalizeHostNames`).
    pub canonicalize_host_names: bool,
    /// The least time between two logins (`kerberos.minReLoginTimeMs`).
    pub relogin_min: Duration,
    /// Mapping rules of principals (`security.auth_to_local`).
    pub auth_to_local: String,
    /// The realm of the server's principal (`server.realm`).
    pub server_realm: Option<String>,
    /// Whether every user counts as allowed (`letAnySaslUserDoX`): a name, or `None`.
    pub let_any_user_do: Option<String>,
}

impl Default for Sasl {
    fn default() -> Self {
        Self {
            login_config: None,
            section: None,
            allow_failed_clients: false,
            super_password: None,
            remove_host: false,
            remove_realm: false,
            canonicalize_host_names: false,
            relogin_min: Duration::from_secs(60),
            auth_to_local: "DEFAULT".to_owned(),
            server_realm: None,
            let_any_user_do: None,
        }
    }
}
