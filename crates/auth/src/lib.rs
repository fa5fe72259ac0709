//! Authentication providers: what a connection must send to prove an identity, and which entries of an access control
//! list that identity matches.
//!
//! Start with [`Providers`], the registry, configured by [`AuthOptions`]. It implements
//! [`AuthSchemes`](zabra_types::AuthSchemes), through which `node` judges. `world` and `auth` are no providers: they
//! are words of access control lists and cannot be proved.
#![no_std]

extern crate alloc;

mod digest;
mod ensemble;
mod ip;
mod registry;

pub use digest::{DigestAlgorithm, UnknownAlgorithm};
pub use ip::ip_identity;
pub use registry::{AuthOptions, Providers, Refused};
