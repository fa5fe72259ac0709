//! Access control lists and identities, good and bad.

use super::paths::some;
use std::borrow::Cow;
use zabra_proto::AclEntry;
use zabra_testkit::{Blob, Rng, open_acl};
use zabra_types::Perms;

/// What the servers of every variant are configured with: `super:secret` is the super user.
pub(crate) const SUPER_DIGEST: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";

/// Auth packets that succeed; the last one makes a super user.
const GOOD_AUTH: &[(&str, &[u8])] = &[
    ("digest", b"u:p"),
    ("digest", b"alice:a"),
    ("digest", b"bob:b"),
    ("digest", b"nocolon"),
    ("digest", b""),
    ("digest", b"a:b:c"),
    ("digest", b":"),
    ("digest", b"u\xff:p"),
    ("ip", b"10.1.2.3"),
    ("ip", b""),
    ("digest", b"super:secret"),
];

const BAD_AUTH: &[(&str, &[u8])] =
    &[("world", b"anyone"), ("auth", b""), ("sasl", b"x"), ("nosuch", b"x"), ("", b""), ("Digest", b"u:p")];

const SCHEMES_AND_IDS: &[(&str, &str)] = &[
    ("world", "anyone"),
    ("world", "anyone"),
    ("auth", ""),
    ("auth", "ignored"),
    ("digest", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ="),
    ("digest", "alice:AIueg8ag5ALfqeEyKdLnva1Wvi0="),
    ("digest", "bob:LcrmCNs/wfVD+i5a5yaz89GyjIM="),
    ("digest", ":x"),
    ("ip", "127.0.0.1"),
    ("ip", "127.0.0.0/8"),
    ("ip", "127.0.0.1/32"),
    ("ip", "0.0.0.0/0"),
    ("ip", "10.0.0.0/8"),
    ("ip", "10.0.0.1"),
    ("ip", "::1"),
    ("ip", "fe80::/10"),
    // From here on mostly refused.
    ("world", "other"),
    ("world", ""),
    ("digest", "a:"),
    ("digest", "a:b:c"),
    ("digest", "nocolon"),
    ("digest", ""),
    ("ip", "1.2.3.4/33"),
    ("ip", "1.2.3.4/-1"),
    ("ip", "1.2.3"),
    ("ip", "1.2.3.4.5"),
    ("ip", "1.2.3.256"),
    ("ip", "1.2.3.4/"),
    ("ip", "1.2.3.4/x"),
    ("ip", "::1/129"),
    ("ip", "::1/128"),
    ("ip", ":::"),
    ("ip", "1:2:3:4:5:6:7:8:9"),
    ("ip", "12345::"),
    ("ip", "host"),
    ("ip", ""),
    ("super", ""),
    ("sasl", "user@REALM"),
    ("x509", "CN=a"),
    ("nosuch", "x"),
    ("", ""),
    ("é", "ü"),
];

/// How many of them are usually accepted.
const GOOD: usize = 16;

const PERMS: &[i32] = &[31, 31, 31, 31, 1, 2, 3, 4, 8, 12, 15, 16, 17, 30, 0, 255, -1, i32::MIN, 32];

/// A list as a request carries it; mostly the open one, so that most operations get somewhere.
pub(crate) fn any(rng: &mut Rng) -> Option<Vec<AclEntry<'static>>> {
    match rng.below(12) {
        0..7 => Some(open_acl()),
        7 if rng.one_in(4) => None,
        7 => Some(Vec::new()),
        _ => Some(some_entries(rng)),
    }
}

/// A list other than the open one.
pub(crate) fn some_entries(rng: &mut Rng) -> Vec<AclEntry<'static>> {
    let all_good = !rng.one_in(4);
    let mut entries: Vec<AclEntry<'static>> = (0..1 + rng.below(4)).map(|_| entry(rng, all_good)).collect();
    if rng.one_in(4) {
        let again = entries[rng.below(entries.len())].clone();
        entries.push(again);
    }
    entries
}

fn entry(rng: &mut Rng, good: bool) -> AclEntry<'static> {
    let from = if good { &SCHEMES_AND_IDS[..GOOD] } else { SCHEMES_AND_IDS };
    let (scheme, id) = *rng.pick(from);
    let null_scheme = !good && rng.one_in(10);
    let null_id = !good && rng.one_in(10);
    AclEntry {
        perms: Perms::from_raw(*rng.pick(PERMS)),
        scheme: (!null_scheme).then_some(Cow::Borrowed(scheme)),
        id: (!null_id).then_some(Cow::Borrowed(id)),
    }
}

/// Scheme and data of an auth packet.
pub(crate) type AuthPacket = (Blob, Blob);

/// An auth packet that is accepted.
pub(crate) fn good_auth(rng: &mut Rng) -> AuthPacket {
    // The super user passes every check, so it must stay rare.
    let choices = if rng.one_in(6) { GOOD_AUTH } else { &GOOD_AUTH[..GOOD_AUTH.len() - 1] };
    let (scheme, auth) = *rng.pick(choices);
    (some(scheme), some(auth))
}

/// An auth packet that ends the connection.
pub(crate) fn bad_auth(rng: &mut Rng) -> AuthPacket {
    let (scheme, auth) = *rng.pick(BAD_AUTH);
    match rng.below(8) {
        0 => (Blob(None), some(auth)),
        1 => (some("digest"), Blob(None)),
        _ => (some(scheme), some(auth)),
    }
}
