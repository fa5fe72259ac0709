//! Which schemes this server knows, and asking them.

use crate::{DigestAlgorithm, digest, ensemble, ip, ip_identity};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use zabra_types::{AuthSchemes, Identity};

/// What an operator decides about authentication.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthOptions {
    /// `zookeeper.DigestAuthenticationProvider.enabled`.
    pub digest_enabled: bool,
    /// `zookeeper.DigestAuthenticationProvider.digestAlg`.
    pub digest_algorithm: DigestAlgorithm,
    /// `zookeeper.DigestAuthenticationProvider.superDigest`: the digest identity that is the super user.
    pub super_digest: Option<String>,
    /// The names of `zookeeper.ensembleAuthName`, where the ensemble provider is configured; empty takes any name.
    pub ensemble: Option<BTreeSet<String>>,
}

impl Default for AuthOptions {
    /// The genuine server's defaults.
    fn default() -> Self {
        Self {
            digest_enabled: true,
            digest_algorithm: DigestAlgorithm::default(),
            super_digest: None,
            ensemble: None,
        }
    }
}

impl fmt::Debug for AuthOptions {
    /// Keeps the super user's digest out of logs: it can be guessed at offline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthOptions")
            .field("digest_enabled", &self.digest_enabled)
            .field("digest_algorithm", &self.digest_algorithm)
            .field("super_digest", &self.super_digest.as_ref().map(|_| "***"))
            .field("ensemble", &self.ensemble)
            .finish()
    }
}

/// Why an auth packet was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No such scheme, or it does not accept what was sent: the client is told `AuthFailed`, then the connection
    /// closes.
    Failed,
    /// The client wants another ensemble: the connection closes without a word, so that it tries the next server.
    WrongEnsemble,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "authentication failed",
            Self::WrongEnsemble => "the client looks for another ensemble",
        })
    }
}

impl core::error::Error for Refused {}

/// The registered providers.
///
/// `ip` is always there, `digest` unless switched off, `ensemble` when configured. Mirrors `ProviderRegistry`.
#[derive(Clone, Debug, Default)]
pub struct Providers {
    options: AuthOptions,
}

/// A provider that is registered here.
#[derive(Clone, Copy)]
enum Provider<'a> {
    Ip,
    Digest,
    Ensemble(&'a BTreeSet<String>),
}

impl Providers {
    /// The providers these options ask for.
    pub const fn new(options: AuthOptions) -> Self {
        Self { options }
    }

    /// The names of the registered schemes.
    pub fn schemes(&self) -> impl Iterator<Item = &'static str> {
        [ip::SCHEME, digest::SCHEME, ensemble::SCHEME].into_iter().filter(|scheme| self.exists(scheme))
    }

    /// Takes an auth packet and adds what it proves to `identities`, each identity once.
    ///
    /// `proof` is what the packet carries, in the scheme's own form; `None` for null.
    ///
    /// # Errors
    /// See [`Refused`]. Nothing has been added then.
    pub fn authenticate(
        &self,
        scheme: &str,
        proof: Option<&[u8]>,
        remote: IpAddr,
        identities: &mut Vec<Identity>,
    ) -> Result<(), Refused> {
        match self.provider(scheme).ok_or(Refused::Failed)? {
            Provider::Ip => add(identities, ip_identity(remote)),
            Provider::Digest => {
                // Bytes that are no UTF-8 are hashed as their replacement, as in the genuine server.
                let proof = String::from_utf8_lossy(proof.ok_or(Refused::Failed)?);
                let id = self.options.digest_algorithm.identity(&proof);
                if self.options.super_digest.as_ref() == Some(&id) {
                    add(identities, Identity::new(Identity::SUPER, ""));
                }
                add(identities, Identity { scheme: digest::SCHEME.into(), id });
            }
            Provider::Ensemble(names) => {
                if !ensemble::is_ours(names, proof.unwrap_or_default()) {
                    return Err(Refused::WrongEnsemble);
                }
            }
        }
        Ok(())
    }

    fn provider(&self, scheme: &str) -> Option<Provider<'_>> {
        match scheme {
            ip::SCHEME => Some(Provider::Ip),
            digest::SCHEME => self.options.digest_enabled.then_some(Provider::Digest),
            ensemble::SCHEME => self.options.ensemble.as_ref().map(Provider::Ensemble),
            _ => None,
        }
    }
}

fn add(identities: &mut Vec<Identity>, identity: Identity) {
    if !identities.contains(&identity) {
        identities.push(identity);
    }
}

impl AuthSchemes for Providers {
    fn exists(&self, scheme: &str) -> bool {
        self.provider(scheme).is_some()
    }

    fn is_valid_id(&self, scheme: &str, id: &str) -> bool {
        match self.provider(scheme) {
            Some(Provider::Ip) => ip::is_valid_id(id),
            Some(Provider::Digest) => digest::is_valid_id(id),
            Some(Provider::Ensemble(_)) | None => false,
        }
    }

    fn matches(&self, scheme: &str, connection_id: &str, acl_id: &str) -> bool {
        match self.provider(scheme) {
            Some(Provider::Ip) => ip::matches(connection_id, acl_id),
            Some(Provider::Digest) => connection_id == acl_id,
            Some(Provider::Ensemble(_)) | None => false,
        }
    }

    fn authenticates(&self, scheme: &str) -> bool {
        matches!(self.provider(scheme), Some(Provider::Digest))
    }

    fn user_name<'a>(&self, scheme: &str, id: &'a str) -> &'a str {
        match self.provider(scheme) {
            Some(Provider::Digest) => digest::user_of(id),
            Some(Provider::Ip | Provider::Ensemble(_)) => id,
            None => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec;

    const REMOTE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 7));

    fn prove(options: AuthOptions, scheme: &str, proof: Option<&[u8]>) -> Result<Vec<Identity>, Refused> {
        let mut identities = Vec::new();
        Providers::new(options).authenticate(scheme, proof, REMOTE, &mut identities)?;
        Ok(identities)
    }

    #[test]
    fn auth_packets() {
        let user = Identity::new("digest", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=");
        let (defaults, super_user, off, blue) = (
            AuthOptions::default(),
            AuthOptions { super_digest: Some(user.id.clone()), ..AuthOptions::default() },
            AuthOptions { digest_enabled: false, ..AuthOptions::default() },
            AuthOptions { ensemble: Some(BTreeSet::from(["blue".into()])), ..AuthOptions::default() },
        );
        let cases: Vec<(&AuthOptions, &str, Option<&[u8]>, _)> = vec![
            (&defaults, "digest", Some(b"u:p"), Ok(vec![user.clone()])),
            (&defaults, "digest", None, Err(Refused::Failed)),
            (&super_user, "digest", Some(b"u:p"), Ok(vec![Identity::new("super", ""), user])),
            (&off, "digest", Some(b"u:p"), Err(Refused::Failed)),
            (&defaults, "ip", None, Ok(vec![Identity::new("ip", "10.0.0.7")])),
            (&defaults, "world", Some(b"anyone"), Err(Refused::Failed)),
            (&defaults, "auth", Some(b""), Err(Refused::Failed)),
            (&defaults, "super", Some(b""), Err(Refused::Failed)),
            (&defaults, "ensemble", Some(b"blue"), Err(Refused::Failed)),
            (&blue, "ensemble", Some(b"blue"), Ok(vec![])),
            (&blue, "ensemble", None, Ok(vec![])),
            (&blue, "ensemble", Some(b"red"), Err(Refused::WrongEnsemble)),
        ];
        for (options, scheme, proof, expected) in cases {
            assert_eq!(prove(options.clone(), scheme, proof), expected, "{scheme} {proof:?}");
        }
    }

    #[test]
    fn an_identity_is_held_once() {
        let providers = Providers::default();
        let mut identities = vec![ip_identity(REMOTE)];
        for _ in 0..2 {
            providers.authenticate("ip", None, REMOTE, &mut identities).unwrap();
            providers.authenticate("digest", Some(b"u:p"), REMOTE, &mut identities).unwrap();
        }
        assert_eq!(identities.len(), 2);
    }

    #[test]
    fn what_node_asks() {
        let providers = Providers::default();
        assert_eq!(providers.schemes().collect::<Vec<_>>(), ["ip", "digest"]);
        for (scheme, exists, authenticates, user) in [
            ("ip", true, false, "a:b"),
            ("digest", true, true, "a"),
            ("world", false, false, ""),
            ("auth", false, false, ""),
            ("super", false, false, ""),
            ("sasl", false, false, ""),
        ] {
            assert_eq!(providers.exists(scheme), exists, "{scheme}");
            assert_eq!(providers.authenticates(scheme), authenticates, "{scheme}");
            assert_eq!(providers.user_name(scheme, "a:b"), user, "{scheme}");
        }
        assert!(providers.is_valid_id("digest", "a:b") && !providers.is_valid_id("world", "anyone"));
        assert!(providers.matches("ip", "10.0.0.7", "10.0.0.0/8"));
        assert!(!providers.matches("digest", "a:b", "a:c"));
    }

    #[test]
    fn the_super_digest_is_not_shown() {
        let options = AuthOptions { super_digest: Some("super:secret".into()), ..AuthOptions::default() };
        assert!(!format!("{:?}", Providers::new(options)).contains("secret"));
    }
}
