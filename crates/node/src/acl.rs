//! Whether an identity may do something, and what a list in a request becomes.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use zabra_proto::{AclEntry, AclList, FieldLimit, Put, Reader};
use zabra_tree::NodeAcl;
use zabra_types::{AuthSchemes, Identity, KeeperError, Perms};

/// Whether `who` holds any of the wanted permissions under `acl` (`ZooKeeperServer.checkACL`).
///
/// `skip` is `zookeeper.skipACL`. The super user passes every list, also one that is not known.
pub fn check(
    acl: NodeAcl<'_>,
    want: Perms,
    who: &[Identity],
    schemes: &(impl AuthSchemes + ?Sized),
    skip: bool,
) -> bool {
    if skip {
        return true;
    }
    let list = match acl {
        NodeAcl::Open => return true,
        NodeAcl::List(list) => Some(list),
        NodeAcl::Dangling => None,
    };
    if who.iter().any(Identity::is_super) {
        return true;
    }
    let Some(list) = list else { return false };
    let (mut entries, mut empty) = (list.iter(), true);
    let allowed = entries.any(|(perms, scheme, id)| {
        empty = false;
        perms.intersects(want)
            && (is_anyone(scheme, id)
                || who.iter().any(|have| have.scheme == scheme && schemes.matches(scheme, &have.id, id)))
    });
    // Old servers stored lists without entries; they forbid nothing.
    allowed || empty
}

fn is_anyone(scheme: &str, id: &str) -> bool {
    scheme == "world" && id == "anyone"
}

/// A list as a node will have it: checked and expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoredAcl {
    /// Everybody may do everything.
    Open,
    /// An encoded list.
    List(Box<[u8]>),
    /// A list that is not known, see [`NodeAcl::Dangling`].
    Dangling,
}

impl StoredAcl {
    /// A copy of what a node has.
    pub(crate) fn of(acl: NodeAcl<'_>) -> Self {
        match acl {
            NodeAcl::Open => Self::Open,
            NodeAcl::List(list) => Self::List(list.as_bytes().into()),
            NodeAcl::Dangling => Self::Dangling,
        }
    }

    /// For [`check`].
    pub(crate) fn view(&self) -> NodeAcl<'_> {
        match self {
            Self::Open => NodeAcl::Open,
            Self::List(bytes) => match decode(bytes) {
                Some(list) => NodeAcl::List(list),
                None => NodeAcl::Dangling,
            },
            Self::Dangling => NodeAcl::Dangling,
        }
    }

    /// For a transaction.
    pub(crate) fn list(&self) -> AclList<'_> {
        match self.view() {
            NodeAcl::List(list) => list,
            NodeAcl::Open | NodeAcl::Dangling => AclList::OPEN,
        }
    }
}

fn decode(bytes: &[u8]) -> Option<AclList<'_>> {
    AclList::decode(&mut Reader::with_limit(bytes, FieldLimit(i32::MAX as usize))).ok()
}

/// Checks the list of a create or setACL and puts the connection's identities in the place of `auth`
/// (`PrepRequestProcessor.fixupACL`).
///
/// `limit` bounds the encoded result: many `auth` entries times many identities is more than any client needs and
/// more than a frame could carry back.
///
/// # Errors
/// `InvalidAcl`, or `MarshallingError` where the genuine server stumbles over a null id.
pub(crate) fn expand(
    entries: Option<&[AclEntry<'_>]>,
    who: &[Identity],
    schemes: &(impl AuthSchemes + ?Sized),
    limit: FieldLimit,
) -> Result<StoredAcl, KeeperError> {
    let entries = entries.filter(|entries| !entries.is_empty()).ok_or(KeeperError::InvalidAcl)?;
    if let [AclEntry { perms: Perms::ALL, scheme: Some(scheme), id: Some(id) }] = entries
        && is_anyone(scheme, id)
    {
        return Ok(StoredAcl::Open);
    }
    let mut out = Vec::with_capacity(4 + entries.len() * 32);
    let mut count = 0;
    out.put_count(0);
    let mut put = |perms: Perms, scheme: &str, id: &str| {
        count += 1;
        out.put_i32(perms.raw());
        out.put_text(scheme);
        out.put_text(id);
        if out.len() > limit.0 { Err(KeeperError::InvalidAcl) } else { Ok(()) }
    };
    for entry in once_each(entries)? {
        let (scheme, id) = (entry.scheme.as_deref(), entry.id.as_deref());
        match (scheme.ok_or(KeeperError::InvalidAcl)?, id) {
            ("auth", _) => {
                let mut proved = who.iter().filter(|have| schemes.authenticates(&have.scheme)).peekable();
                proved.peek().ok_or(KeeperError::InvalidAcl)?;
                proved.try_for_each(|have| put(entry.perms, &have.scheme, &have.id))?;
            }
            ("world", None) => return Err(KeeperError::MarshallingError),
            (scheme, Some(id)) if is_anyone(scheme, id) || schemes.is_valid_id(scheme, id) => {
                put(entry.perms, scheme, id)?;
            }
            (scheme, None) if schemes.exists(scheme) => return Err(KeeperError::MarshallingError),
            _ => return Err(KeeperError::InvalidAcl),
        }
    }
    out[..4].copy_from_slice(&i32::to_be_bytes(count));
    Ok(StoredAcl::List(out.into_boxed_slice()))
}

/// The entries without those that repeat an earlier one.
///
/// The genuine server compares each entry with those before it field by field, and stumbles over a null it has to
/// compare: a null scheme behind equal permissions, a null id behind equal permissions and scheme.
fn once_each<'e, 'a>(entries: &'e [AclEntry<'a>]) -> Result<Vec<&'e AclEntry<'a>>, KeeperError> {
    let mut seen: BTreeSet<(Perms, Option<&str>, Option<&str>)> = BTreeSet::new();
    let mut once = Vec::with_capacity(entries.len());
    for entry in entries {
        let (perms, scheme, id) = (entry.perms, entry.scheme.as_deref(), entry.id.as_deref());
        let next = seen.range((perms, scheme, None)..).next().filter(|next| next.0 == perms);
        let stumbles = match (scheme, id) {
            (None, _) => next.is_some(),
            (_, None) => next.is_some_and(|next| next.1 == scheme),
            _ => false,
        };
        if stumbles {
            return Err(KeeperError::MarshallingError);
        }
        if seen.insert((perms, scheme, id)) {
            once.push(entry);
        }
    }
    Ok(once)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Schemes;
    use alloc::borrow::Cow;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec;
    use zabra_types::Acl;

    fn who(ids: &[(&str, &str)]) -> Vec<Identity> {
        ids.iter().map(|(scheme, id)| Identity::new(scheme, id)).collect()
    }

    #[test]
    fn checking() {
        let (anybody, alice) =
            (who(&[("ip", "10.0.0.1")]), who(&[("ip", "10.0.0.1"), ("digest", "alice:x")]));
        let super_user = who(&[("super", "")]);
        let read = vec![Acl::world(Perms::READ)];
        let hers =
            vec![Acl::new(Perms::WRITE, "digest", "alice:x"), Acl::new(Perms::READ, "digest", "bob:x")];
        let unknown = vec![Acl::new(Perms::ALL, "sasl", "alice:x"), Acl::new(Perms::ALL, "world", "alice")];
        let cases = [
            (&read, Perms::READ, &anybody, true),
            (&read, Perms::WRITE, &anybody, false),
            (&read, Perms::READ | Perms::ADMIN, &anybody, true),
            (&read, Perms::WRITE, &super_user, true),
            (&hers, Perms::WRITE, &alice, true),
            (&hers, Perms::WRITE, &anybody, false),
            (&hers, Perms::READ, &alice, false),
            (&unknown, Perms::READ, &alice, false),
            (&vec![], Perms::ADMIN, &anybody, true),
        ];
        for (acls, want, who, expected) in cases {
            let bytes = AclList::encode_entries(acls);
            let acl = NodeAcl::List(AclList::from_encoded(&bytes).unwrap());
            assert_eq!(check(acl, want, who, &Schemes, false), expected, "{acls:?} {want}");
            assert!(check(acl, want, who, &Schemes, true));
        }
        assert!(check(NodeAcl::Open, Perms::ADMIN, &[], &Schemes, false));
        assert!(!check(NodeAcl::Dangling, Perms::READ, &alice, &Schemes, false));
        assert!(check(NodeAcl::Dangling, Perms::READ, &super_user, &Schemes, false));
    }

    fn entry<'a>(perms: i32, scheme: Option<&'a str>, id: Option<&'a str>) -> AclEntry<'a> {
        AclEntry { perms: Perms::from_raw(perms), scheme: scheme.map(Cow::from), id: id.map(Cow::from) }
    }

    fn shown(list: Result<StoredAcl, KeeperError>) -> Result<Vec<String>, KeeperError> {
        list.map(|list| list.list().iter().map(|(p, s, i)| format!("{} {s} {i}", p.raw())).collect())
    }

    #[test]
    fn expanding() {
        use KeeperError::{InvalidAcl, MarshallingError};
        let alice = who(&[("ip", "10.0.0.1"), ("digest", "alice:x"), ("digest", "alice:y"), ("super", "")]);
        type Case<'a> = (Vec<AclEntry<'a>>, Result<Vec<&'a str>, KeeperError>);
        let cases: Vec<Case<'_>> = vec![
            (vec![], Err(InvalidAcl)),
            (vec![entry(31, Some("world"), Some("anyone"))], Ok(vec!["31 world anyone"])),
            (vec![entry(-1, Some("world"), Some("anyone"))], Ok(vec!["-1 world anyone"])),
            (vec![entry(1, Some("world"), Some("other"))], Err(InvalidAcl)),
            (vec![entry(1, Some("world"), None)], Err(MarshallingError)),
            (vec![entry(1, None, Some("anyone"))], Err(InvalidAcl)),
            (vec![entry(1, Some("digest"), Some("a:b"))], Ok(vec!["1 digest a:b"])),
            (vec![entry(1, Some("digest"), Some("a"))], Err(InvalidAcl)),
            (vec![entry(1, Some("digest"), None)], Err(MarshallingError)),
            (vec![entry(1, Some("nobody"), None)], Err(InvalidAcl)),
            (vec![entry(1, Some("super"), Some(""))], Err(InvalidAcl)),
            (vec![entry(3, Some("auth"), None)], Ok(vec!["3 digest alice:x", "3 digest alice:y"])),
            // The first bad entry decides.
            (vec![entry(1, None, None), entry(1, Some("world"), None)], Err(InvalidAcl)),
            (vec![entry(1, Some("world"), None), entry(2, None, None)], Err(MarshallingError)),
            (vec![entry(1, Some("nobody"), None), entry(2, Some("digest"), None)], Err(InvalidAcl)),
            // Unless looking for repeated entries meets a null before.
            (vec![entry(1, Some("nobody"), Some("x")), entry(1, None, None)], Err(MarshallingError)),
            (vec![entry(1, None, None), entry(1, None, None)], Err(MarshallingError)),
            (vec![entry(1, Some("auth"), Some("")), entry(1, Some("auth"), None)], Err(MarshallingError)),
            (vec![entry(1, Some("nobody"), None), entry(1, Some("nobody"), None)], Err(MarshallingError)),
            (vec![entry(1, Some("nobody"), None), entry(1, Some("no"), None)], Err(InvalidAcl)),
            // Only entries equal in the request are taken once.
            (
                vec![
                    entry(1, Some("digest"), Some("alice:x")),
                    entry(1, Some("digest"), Some("alice:x")),
                    entry(1, Some("auth"), Some("")),
                ],
                Ok(vec!["1 digest alice:x", "1 digest alice:x", "1 digest alice:y"]),
            ),
        ];
        for (entries, expected) in cases {
            let expected = expected.map(|list| list.into_iter().map(String::from).collect::<Vec<_>>());
            let list = expand(Some(&entries), &alice, &Schemes, FieldLimit::default());
            assert_eq!(shown(list), expected, "{entries:?}");
        }
        assert_eq!(expand(None, &alice, &Schemes, FieldLimit::default()), Err(InvalidAcl));
        let auth = [entry(3, Some("auth"), None)];
        assert_eq!(expand(Some(&auth), &alice[..1], &Schemes, FieldLimit::default()), Err(InvalidAcl));
        assert_eq!(expand(Some(&auth), &alice, &Schemes, FieldLimit(40)), Err(InvalidAcl));
    }
}
