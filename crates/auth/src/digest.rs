//! The `digest` scheme: a user and the hash of user and password.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::str::FromStr;
use sha2::Digest;

pub(crate) const SCHEME: &str = "digest";

/// How `user:password` is hashed (`zookeeper.DigestAuthenticationProvider.digestAlg`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// SHA-1, the default.
    #[default]
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA-512/224.
    Sha512_224,
    /// SHA-512/256.
    Sha512_256,
}

/// A name that is no hash we compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm(pub String);

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no digest algorithm; known are SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, SHA-512/224 and \
             SHA-512/256",
            self.0
        )
    }
}

impl core::error::Error for UnknownAlgorithm {}

impl FromStr for DigestAlgorithm {
    type Err = UnknownAlgorithm;

    /// Reads a name as Java knows it, in any case.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "SHA" | "SHA1" | "SHA-1" => Self::Sha1,
            "SHA-224" | "SHA224" => Self::Sha224,
            "SHA-256" | "SHA256" => Self::Sha256,
            "SHA-384" | "SHA384" => Self::Sha384,
            "SHA-512" | "SHA512" => Self::Sha512,
            "SHA-512/224" | "SHA512/224" => Self::Sha512_224,
            "SHA-512/256" | "SHA512/256" => Self::Sha512_256,
            _ => return Err(UnknownAlgorithm(name.to_owned())),
        })
    }
}

impl DigestAlgorithm {
    /// The identity that `user:password` proves: the text before the first colon, a colon, and the hash of the whole
    /// in base64 (`DigestAuthenticationProvider.generateDigest`).
    pub fn identity(self, user_and_password: &str) -> String {
        let user = user_of(user_and_password);
        let mut id = String::with_capacity(user.len() + 32);
        id.push_str(user);
        id.push(':');
        STANDARD.encode_string(self.hash(user_and_password.as_bytes()), &mut id);
        id
    }

    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
            Self::Sha224 => sha2::Sha224::digest(bytes).to_vec(),
            Self::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Self::Sha384 => sha2::Sha384::digest(bytes).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
            Self::Sha512_224 => sha2::Sha512_224::digest(bytes).to_vec(),
            Self::Sha512_256 => sha2::Sha512_256::digest(bytes).to_vec(),
        }
    }
}

/// Whether `id` has two parts around a colon, the second not empty. Colons at the end do not count, as Java's
/// `split` drops the empty parts there.
pub(crate) fn is_valid_id(id: &str) -> bool {
    id.trim_end_matches(':').split(':').count() == 2
}

/// The text before the first colon.
pub(crate) fn user_of(id: &str) -> &str {
    id.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_of_the_reference() {
        assert_eq!(DigestAlgorithm::Sha1.identity("u:p"), "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=");
    }

    #[test]
    fn only_the_first_colon_parts_user_from_password() {
        let id = DigestAlgorithm::Sha1.identity("u:p:q");
        assert!(id.starts_with("u:") && id != DigestAlgorithm::Sha1.identity("u:p"));
        assert!(DigestAlgorithm::Sha1.identity("no colon").starts_with("no colon:"));
    }

    #[test]
    fn other_algorithms_by_name() {
        let sha256: DigestAlgorithm = "sha-256".parse().unwrap();
        // echo -n u:p | sha256sum | xxd -r -p | base64
        assert_eq!(sha256.identity("u:p"), "u:/Y8xRBngpX5duYn15uUqIRaIaCviy5TEwSk419hCwuA=");
        for name in ["SHA", "SHA1", "sha-1"] {
            assert_eq!(name.parse(), Ok(DigestAlgorithm::Sha1));
        }
        assert_eq!("MD5".parse::<DigestAlgorithm>(), Err(UnknownAlgorithm("MD5".to_owned())));
    }

    #[test]
    fn ids() {
        let cases = [
            ("u:h", true),
            (":x", true),
            ("a:", false),
            ("a", false),
            ("", false),
            (":", false),
            ("a:b:c", false),
            ("a:b:", true),
            ("a::", false),
            ("::b", false),
        ];
        for (id, valid) in cases {
            assert_eq!(is_valid_id(id), valid, "{id:?}");
        }
    }
}
