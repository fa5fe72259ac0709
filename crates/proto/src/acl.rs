//! Access control lists on the wire and on disk.

use crate::{DecodeError, DecodeReason, Put, Reader};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use zabra_types::{Acl, Perms};

/// An entry as a client sent it: not checked, texts may be null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclEntry<'a> {
    /// What is allowed.
    pub perms: Perms,
    /// The scheme.
    pub scheme: Option<Cow<'a, str>>,
    /// The identity.
    pub id: Option<Cow<'a, str>>,
}

/// Reads the list in a request; `None` for null.
pub fn read_acl_vector<'a>(reader: &mut Reader<'a>) -> Result<Option<Vec<AclEntry<'a>>>, DecodeError> {
    let Some(count) = reader.count("acl")? else { return Ok(None) };
    let mut entries = Vec::with_capacity(count.min(reader.rest().len() / 12));
    for _ in 0..count {
        entries.push(AclEntry {
            perms: Perms::from_raw(reader.i32("acl perms")?),
            scheme: reader.text("acl scheme")?,
            id: reader.text("acl id")?,
        });
    }
    Ok(Some(entries))
}

/// A checked access control list in its encoded form, as transactions carry it and the tree interns it.
///
/// Invariant: the bytes are a count and that many well-formed entries with valid UTF-8 and no nulls, or the null
/// vector, which means the open list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AclList<'a>(&'a [u8]);

/// `world:anyone` with all permissions, encoded.
const OPEN: &[u8] = b"\0\0\0\x01\0\0\0\x1f\0\0\0\x05world\0\0\0\x06anyone";

impl<'a> AclList<'a> {
    /// Everybody may do everything.
    pub const OPEN: AclList<'static> = AclList(OPEN);

    /// Reads and checks a list, leaving the reader behind it.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = reader.rest();
        if start.starts_with(OPEN) {
            return reader.take("acl", OPEN.len()).map(Self);
        }
        if let Some(count) = reader.count("acl")? {
            for _ in 0..count {
                reader.i32("acl perms")?;
                for field in ["acl scheme", "acl id"] {
                    let bytes =
                        reader.buffer(field)?.ok_or(DecodeError { field, reason: DecodeReason::Null })?;
                    if core::str::from_utf8(bytes).is_err() {
                        return Err(DecodeError { field, reason: DecodeReason::Unknown(0) });
                    }
                }
            }
        }
        Ok(Self(&start[..start.len() - reader.rest().len()]))
    }

    /// Encodes entries; wrap the result with [`AclList::from_encoded`].
    pub fn encode_entries(entries: &[Acl]) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + entries.len() * 32);
        out.put_count(entries.len());
        for entry in entries {
            out.put_i32(entry.perms.raw());
            out.put_text(&entry.scheme);
            out.put_text(&entry.id);
        }
        out
    }

    /// Checks bytes made by [`AclList::encode_entries`] or kept from another list.
    pub fn from_encoded(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let list = Self::decode(&mut reader)?;
        reader.finish("acl")?;
        Ok(list)
    }

    /// The encoded bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether everybody may do everything (also the null list, which the genuine server stores as open).
    pub fn is_open(self) -> bool {
        self.0 == OPEN || self.0 == [0xff; 4]
    }

    /// The entries: permissions, scheme, id.
    pub fn iter(self) -> impl Iterator<Item = (Perms, &'a str, &'a str)> {
        let mut reader = Reader::new(self.0);
        let count = reader.count("acl").ok().flatten().unwrap_or(0);
        (0..count).map_while(move |_| {
            let perms = Perms::from_raw(reader.i32("acl perms").ok()?);
            let scheme = core::str::from_utf8(reader.buffer("acl scheme").ok()??).ok()?;
            let id = core::str::from_utf8(reader.buffer("acl id").ok()??).ok()?;
            Some((perms, scheme, id))
        })
    }

    /// The entries as owned values.
    pub fn to_acls(self) -> Vec<Acl> {
        self.iter().map(|(perms, scheme, id)| Acl::new(perms, scheme, id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_round_trip() {
        let acls = [Acl::new(Perms::READ, "digest", "u:x"), Acl::world(Perms::ALL)];
        let bytes = AclList::encode_entries(&acls);
        let list = AclList::from_encoded(&bytes).unwrap();
        assert_eq!(list.to_acls(), acls);
        assert!(!list.is_open());
        assert!(AclList::OPEN.is_open());
        assert_eq!(AclList::encode_entries(&[Acl::world(Perms::ALL)]), AclList::OPEN.as_bytes());
        for len in 0..bytes.len() {
            assert!(AclList::from_encoded(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn the_null_list_is_open() {
        let list = AclList::from_encoded(&[0xff; 4]).unwrap();
        assert!(list.is_open());
        assert_eq!(list.iter().count(), 0);
    }
}
