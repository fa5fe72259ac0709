//! The password that goes with a session.

use crate::SessionId;

/// Bytes of a session password.
pub const SESSION_PASSWORD_LEN: usize = 16;

/// The password of a session, computed from its id so that any member of an ensemble can check it.
///
/// It is no secret: whoever knows the id can compute it. Mirrors `ZooKeeperServer.generatePasswd`, a
/// `java.util.Random` seeded with the id and a constant, because mixed ensembles must agree on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPassword([u8; SESSION_PASSWORD_LEN]);

impl SessionPassword {
    /// The password in a refusal.
    pub const ZERO: Self = Self([0; SESSION_PASSWORD_LEN]);

    /// A password a server has given.
    pub const fn from_bytes(bytes: [u8; SESSION_PASSWORD_LEN]) -> Self {
        Self(bytes)
    }

    /// The password of `session`.
    pub fn of(session: SessionId) -> Self {
        const SECRET: u64 = 0xB341_5C00;
        const MULTIPLIER: u64 = 0x5_DEEC_E66D;
        const MASK: u64 = (1 << 48) - 1;
        let mut state = ((session.raw() as u64 ^ SECRET) ^ MULTIPLIER) & MASK;
        let mut bytes = [0; SESSION_PASSWORD_LEN];
        for word in bytes.chunks_exact_mut(4) {
            state = (state.wrapping_mul(MULTIPLIER).wrapping_add(0xB)) & MASK;
            word.copy_from_slice(&((state >> 16) as u32).to_le_bytes());
        }
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; SESSION_PASSWORD_LEN] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn vectors_from_the_genuine_server() {
        let cases = [
            (0x1_i64, "054cc74a37327db215e702e20c73f005"),
            (0x0100_001b_2ebd_0000, "19f85a36324a43111f4f6838cbd2b523"),
            (0x0100_001b_2ebd_0008, "b2002c3632a73d38c966a29368195a8c"),
        ];
        for (id, hex) in cases {
            let password = SessionPassword::of(SessionId::from_raw(id));
            let shown: String = password.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(shown, hex);
        }
    }
}
