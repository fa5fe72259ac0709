//! The forms in which zkCli shows times, Stats, bytes and access control lists.

use std::fmt::Write as _;

use base64::Engine as _;
use serde_json::{Value, json};
use zabra_types::{Acl, Perms, Stat};

use crate::java_time::date;

/// The eleven lines of a Stat.
pub(crate) fn stat(stat: &Stat) -> String {
    format!(
        "cZxid = {:#x}\nctime = {}\nmZxid = {:#x}\nmtime = {}\npZxid = {:#x}\ncversion = {}\ndataVersion = {}\n\
         aclVersion = {}\nephemeralOwner = {:#x}\ndataLength = {}\nnumChildren = {}",
        stat.czxid,
        date(stat.ctime),
        stat.mzxid,
        date(stat.mtime),
        stat.pzxid,
        stat.cversion,
        stat.version,
        stat.aversion,
        stat.ephemeral_owner,
        stat.data_length,
        stat.num_children,
    )
}

/// A Stat as JSON: ids in hex as everywhere, times in milliseconds.
pub(crate) fn stat_json(stat: &Stat) -> Value {
    json!({
        "czxid": format!("{:#x}", stat.czxid),
        "mzxid": format!("{:#x}", stat.mzxid),
        "pzxid": format!("{:#x}", stat.pzxid),
        "ctime": stat.ctime,
        "mtime": stat.mtime,
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
        "ephemeralOwner": format!("{:#x}", stat.ephemeral_owner),
        "dataLength": stat.data_length,
        "numChildren": stat.num_children,
    })
}

/// Bytes as base64, the way Java writes it.
pub(crate) fn base64(data: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(data)
}

/// Reads base64 the way Java does: with or without the padding at its end.
pub(crate) fn from_base64(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    let padding = base64::engine::DecodePaddingMode::Indifferent;
    let settings = base64::engine::GeneralPurposeConfig::new().with_decode_padding_mode(padding);
    base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, settings).decode(text)
}

/// Adds data to a JSON object: as text under `data` if it is text, else as base64 under `dataBase64`. Null data is null.
pub(crate) fn put_data(object: &mut Value, data: Option<&[u8]>) {
    match data.map(|data| (str::from_utf8(data), data)) {
        None => object["data"] = Value::Null,
        Some((Ok(text), _)) => object["data"] = text.into(),
        Some((Err(_), data)) => {
            object["dataBase64"] = base64(data).into();
        }
    }
}

/// An access control list as JSON.
pub(crate) fn acl_json(acl: &[Acl]) -> Value {
    acl.iter()
        .map(|entry| json!({ "scheme": entry.scheme, "id": entry.id, "perms": entry.perms.to_string() }))
        .collect()
}

/// Reads `scheme:id:perms,…`. What cannot be read is left out and told, as zkCli does (`AclParser`).
pub(crate) fn parse_acl(text: &str, mut tell: impl FnMut(String)) -> Vec<Acl> {
    let mut entries = Vec::new();
    for part in java_split(text, ',') {
        match (part.find(':'), part.rfind(':')) {
            (Some(first), Some(last)) if first != last => {
                let perms = parse_perms(&part[last + 1..], &mut tell);
                entries.push(Acl::new(perms, &part[..first], &part[first + 1..last]));
            }
            _ => tell(format!("{part} does not have the form scheme:id:perm")),
        }
    }
    entries
}

fn parse_perms(letters: &str, tell: &mut impl FnMut(String)) -> Perms {
    let mut perms = Perms::default();
    for letter in letters.chars() {
        perms = perms
            | match letter {
                'r' => Perms::READ,
                'w' => Perms::WRITE,
                'c' => Perms::CREATE,
                'd' => Perms::DELETE,
                'a' => Perms::ADMIN,
                other => {
                    tell(format!("Unknown perm type: {other}"));
                    continue;
                }
            };
    }
    perms
}

/// `String.split`: empty parts at the end do not count, unless the whole text is empty.
pub(crate) fn java_split(text: &str, separator: char) -> Vec<&str> {
    let mut parts: Vec<_> = text.split(separator).collect();
    while parts.len() > 1 && parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    if !text.is_empty() && parts == [""] { Vec::new() } else { parts }
}

/// Bytes in the frame that Netty draws around them (`ByteBufUtil.prettyHexDump`).
pub(crate) fn hex_dump(data: &[u8]) -> String {
    if data.is_empty() {
        return String::new();
    }
    const RULE: &str = "+--------+-------------------------------------------------+----------------+";
    let mut text = format!(
        "         +-------------------------------------------------+\n         \
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n{RULE}"
    );
    for (row, bytes) in data.chunks(16).enumerate() {
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, " {byte:02x}");
            hex
        });
        let shown: String =
            bytes.iter().map(|byte| if matches!(byte, 0x20..0x7f) { *byte as char } else { '.' }).collect();
        let _ = write!(text, "\n|{:08x}|{hex:<48} |{shown:<16}|", row * 16);
    }
    text.push('\n');
    text.push_str(RULE);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_dumps_are_nettys() {
        let long: Vec<u8> = (0x3e..0x50).chain([0x7f]).collect();
        assert_eq!(
            hex_dump(&long),
            "\x20        +-------------------------------------------------+
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |
+--------+-------------------------------------------------+----------------+
|00000000| 3e 3f 40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d |>?@ABCDEFGHIJKLM|
|00000010| 4e 4f 7f                                        |NO.             |
+--------+-------------------------------------------------+----------------+"
        );
        assert_eq!(hex_dump(&[]), "");
    }

    #[test]
    fn access_control_lists_are_read_as_far_as_they_can_be() {
        for (text, entries, told) in [
            ("world:anyone:cdrwa", &["world:anyone:cdrwa"][..], &[][..]),
            ("digest:a:b:rw,ip:::1:r", &["digest:a:b:rw", "ip:::1:r"], &[]),
            ("foo", &[], &["foo does not have the form scheme:id:perm"]),
            ("foo:bar", &[], &["foo:bar does not have the form scheme:id:perm"]),
            (
                "world:anyone:rq,foo,",
                &["world:anyone:r"],
                &["Unknown perm type: q", "foo does not have the form scheme:id:perm"],
            ),
            ("", &[], &[" does not have the form scheme:id:perm"]),
            (",", &[], &[]),
        ] {
            let mut said = Vec::new();
            let acl: Vec<_> = parse_acl(text, |line| said.push(line)).iter().map(Acl::to_string).collect();
            assert_eq!(
                (acl.iter().map(String::as_str).collect(), said),
                (entries.to_vec(), told.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()),
                "{text}"
            );
        }
    }

    #[test]
    fn data_in_json_is_text_where_it_can_be() {
        for (data, expected) in [
            (None, json!({ "data": null })),
            (Some(&b"abc"[..]), json!({ "data": "abc" })),
            (Some(&[0xff][..]), json!({ "dataBase64": "/w==" })),
        ] {
            let mut object = json!({});
            put_data(&mut object, data);
            assert_eq!(object, expected);
        }
    }
}
