//! The `ip` scheme: the address a connection comes from, matched under a mask.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;
use core::net::IpAddr;
use zabra_types::Identity;

pub(crate) const SCHEME: &str = "ip";

/// The identity every connection begins with.
///
/// The text is the one Java makes of an address: IPv6 is written in full, without `::`, and an IPv4 address mapped
/// into IPv6 is an IPv4 address. Access control lists of other servers and `whoAmI` know it in this form.
pub fn ip_identity(remote: IpAddr) -> Identity {
    let id = match remote.to_canonical() {
        IpAddr::V4(v4) => format!("{v4}"),
        IpAddr::V6(v6) => {
            let mut text = String::new();
            for (i, group) in v6.segments().into_iter().enumerate() {
                let colon = if i == 0 { "" } else { ":" };
                write!(text, "{colon}{group:x}").expect("writing to a String does not fail");
            }
            text
        }
    };
    Identity { scheme: SCHEME.into(), id }
}

/// Whether `id` is an address with an optional `/bits`.
pub(crate) fn is_valid_id(id: &str) -> bool {
    parse_network(id).is_some()
}

/// Whether the address `connection_id` lies in the network `acl_id`. Families do not mix.
pub(crate) fn matches(connection_id: &str, acl_id: &str) -> bool {
    let (Some((network, bits)), Some(address)) = (parse_network(acl_id), parse_address(connection_id)) else {
        return false;
    };
    network.masked(bits) == address.masked(bits)
}

/// An address as a number, with its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    V4(u32),
    V6(u128),
}

impl Address {
    const fn bits_max(self) -> u32 {
        match self {
            Self::V4(_) => 32,
            Self::V6(_) => 128,
        }
    }

    fn masked(self, bits: u32) -> Self {
        // A shift by the whole width keeps nothing, which is what zero bits mean.
        match self {
            Self::V4(n) => Self::V4(n & u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0)),
            Self::V6(n) => Self::V6(n & u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0)),
        }
    }
}

fn parse_network(text: &str) -> Option<(Address, u32)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (parse_address(address)?, Some(bits)),
        None => (parse_address(text)?, None),
    };
    let bits = match bits {
        // Signed as in the genuine server, which takes "+8".
        Some(bits) => u32::try_from(bits.parse::<i32>().ok()?).ok()?,
        None => address.bits_max(),
    };
    (bits <= address.bits_max()).then_some((address, bits))
}

/// Reads an address with the tolerance of the genuine server: IPv4 parts may have signs and leading zeros, IPv6 may
/// have one `::` that stands for at least one group, and neither embeds the other.
fn parse_address(text: &str) -> Option<Address> {
    if text.contains(':') { parse_v6(text) } else { parse_v4(text) }
}

fn parse_v4(text: &str) -> Option<Address> {
    let mut bytes = [0_u8; 4];
    let mut parts = text.split('.');
    for byte in &mut bytes {
        *byte = u8::try_from(parts.next()?.parse::<i32>().ok()?).ok()?;
    }
    parts.next().is_none().then_some(Address::V4(u32::from_be_bytes(bytes)))
}

fn parse_v6(text: &str) -> Option<Address> {
    let mut halves = text.split("::");
    let (head, tail) = (halves.next()?, halves.next());
    if halves.next().is_some() {
        return None;
    }
    let mut groups = [0_u16; 8];
    match tail {
        None => {
            if read_groups(head, &mut groups)? != 8 {
                return None;
            }
        }
        Some(tail) => {
            let mut behind = [0_u16; 8];
            let (before, after) = (read_groups(head, &mut groups)?, read_groups(tail, &mut behind)?);
            if before + after >= 8 {
                return None;
            }
            groups[8 - after..].copy_from_slice(&behind[..after]);
        }
    }
    Some(Address::V6(groups.into_iter().fold(0, |n, group| (n << 16) | u128::from(group))))
}

/// Reads groups into the front of `groups` and says how many there were; none in an empty text.
fn read_groups(text: &str, groups: &mut [u16; 8]) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let mut count = 0;
    for part in text.split(':') {
        let group = groups.get_mut(count)?;
        if part.is_empty() || part.len() > 4 {
            return None;
        }
        // Signs are taken as the genuine server takes them: "-1" is ffff.
        *group = i32::from_str_radix(part, 16).ok()? as u16;
        count += 1;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        let cases = [
            ("1.2.3.4", true),
            ("1.2.3.4/0", true),
            ("1.2.3.4/32", true),
            ("1.2.3.4/33", false),
            ("1.2.3.4/-1", false),
            ("1.2.3.4/+8", true),
            ("1.2.3.4/", false),
            ("1.2.3.4/8/8", false),
            ("001.2.3.4", true),
            ("1.2.3", false),
            ("1.2.3.4.", false),
            ("1.2.3.256", false),
            ("1.2.3.x", false),
            ("", false),
            ("anyone", false),
            ("::", true),
            ("::1", true),
            ("1::", true),
            ("fe80::1/64", true),
            ("fe80::1/128", true),
            ("fe80::1/129", false),
            ("fe80::1%eth0", false),
            ("1:2:3:4:5:6:7:8", true),
            ("1:2:3:4:5:6:7", false),
            ("1:2:3:4:5:6:7:8:9", false),
            ("1:2:3:4::5:6:7:8", false),
            ("1::2::3", false),
            (":1", false),
            ("1:::2", false),
            ("12345::", false),
            ("g::", false),
            ("::1.2.3.4", false),
        ];
        for (id, valid) in cases {
            assert_eq!(is_valid_id(id), valid, "{id:?}");
        }
    }

    #[test]
    fn matching() {
        let cases = [
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("10.1.2.3", "10.1.2.2/31", true),
            ("10.1.2.3", "9.9.9.9/0", true),
            ("10.1.2.3", "::/0", false),
            ("0:0:0:0:0:0:0:1", "::1", true),
            ("fe80:0:0:0:0:0:0:7", "fe80::/10", true),
            ("fec0:0:0:0:0:0:0:7", "fe80::/10", false),
            ("nonsense", "10.0.0.0/8", false),
            ("10.1.2.3", "nonsense", false),
        ];
        for (connection, acl, expected) in cases {
            assert_eq!(matches(connection, acl), expected, "{connection} in {acl}");
        }
    }

    #[test]
    fn identities_are_spelt_as_java_spells_them() {
        let cases = [
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "0:0:0:0:0:0:0:1"),
            ("2001:db8::ff", "2001:db8:0:0:0:0:0:ff"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
        ];
        for (address, id) in cases {
            assert_eq!(ip_identity(address.parse().unwrap()), Identity::new("ip", id));
        }
    }
}
