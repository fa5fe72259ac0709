//! Who a connection has proved to be, and what is asked of those who judge it.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

/// One identity a connection has proved: its address, a user, a certificate's subject, ...
///
/// Mirrors the `Id` of a connection's `authInfo`. A connection holds several and never loses one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// How it was proved: `ip`, `digest`, `super`, ...
    pub scheme: String,
    /// The identity, in the scheme's own form.
    pub id: String,
}

impl Identity {
    /// The scheme of the super user, whom every access control list lets pass.
    pub const SUPER: &'static str = "super";

    /// An identity from its parts.
    pub fn new(scheme: &str, id: &str) -> Self {
        Self { scheme: scheme.to_owned(), id: id.to_owned() }
    }

    /// Whether every access control list lets it pass.
    pub fn is_super(&self) -> bool {
        self.scheme == Self::SUPER
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, self.id)
    }
}

/// What the configured authentication providers answer about identities and entries of access control lists.
///
/// `world` and `auth` are no providers: no method knows them. Mirrors `ProviderRegistry` with
/// `ServerAuthenticationProvider`.
pub trait AuthSchemes {
    /// Whether a provider is registered for `scheme`.
    fn exists(&self, scheme: &str) -> bool;

    /// Whether `id` may stand in an access control list under `scheme`; false for a scheme without provider.
    fn is_valid_id(&self, scheme: &str, id: &str) -> bool;

    /// Whether a connection with the identity `connection_id` is meant by the entry `acl_id`, both of `scheme`; false
    /// for a scheme without provider.
    fn matches(&self, scheme: &str, connection_id: &str, acl_id: &str) -> bool;

    /// Whether an identity of `scheme` replaces an `auth` entry of an access control list.
    fn authenticates(&self, scheme: &str) -> bool;

    /// The user of an identity, as whoAmI tells it; empty for a scheme without provider.
    fn user_name<'a>(&self, scheme: &str, id: &'a str) -> &'a str;
}

/// No provider at all: nodes are open to everybody or to nobody.
#[derive(Clone, Copy, Debug)]
pub struct NoSchemes;

impl AuthSchemes for NoSchemes {
    fn exists(&self, _: &str) -> bool {
        false
    }

    fn is_valid_id(&self, _: &str, _: &str) -> bool {
        false
    }

    fn matches(&self, _: &str, _: &str, _: &str) -> bool {
        false
    }

    fn authenticates(&self, _: &str) -> bool {
        false
    }

    fn user_name<'a>(&self, _: &str, _: &'a str) -> &'a str {
        ""
    }
}
