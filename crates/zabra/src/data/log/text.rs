//! A transaction in words, as `TxnLogToolkit` prints it, and as JSON.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use zabra_proto::{AclList, CreateTxn, DecodeError, SubTxn, Txn, TxnType, decode_txn};

use crate::java_time;

/// The line of a transaction, line breaks inside and at its end as the genuine tool has them.
pub(super) fn line(payload: &[u8]) -> Result<String, DecodeError> {
    let (header, txn, _) = decode_txn(payload)?;
    let mut line = format!(
        "{} session 0x{:x} cxid 0x{:x} zxid 0x{:x} {} {}",
        java_time::short_with_zone(header.time.millis()),
        header.session.raw(),
        i64::from(header.cxid.raw()),
        header.zxid.raw(),
        type_name(header.kind),
        body(&txn),
    );
    if !line.ends_with('\n') {
        line.push('\n');
    }
    Ok(line)
}

/// A transaction as JSON.
pub(super) fn json(payload: &[u8]) -> Result<Value, DecodeError> {
    let (header, txn, digest) = decode_txn(payload)?;
    let mut object = json!({
        "zxid": format!("0x{:x}", header.zxid.raw()),
        "session": format!("0x{:x}", header.session.raw()),
        "cxid": header.cxid.raw(),
        "time": java_time::iso(header.time.millis()),
    });
    if let Value::Object(fields) = &mut object {
        fields.extend(fields_of(header.kind, &txn));
        if let Some(digest) = digest {
            fields.insert("digest".to_owned(), json!(format!("0x{:x}", digest.digest)));
        }
    }
    Ok(object)
}

/// The name of a type. Mirrors `Request.op2String`.
fn type_name(kind: i32) -> String {
    let name = match TxnType::from_code(kind) {
        Some(TxnType::CreateSession) => "createSession",
        Some(TxnType::CloseSession) => "closeSession",
        Some(TxnType::Error) => "error",
        Some(TxnType::Create) => "create",
        Some(TxnType::Delete) => "delete",
        Some(TxnType::SetData) => "setData",
        Some(TxnType::SetAcl) => "setACL",
        Some(TxnType::Check) => "check",
        Some(TxnType::Multi) => "multi",
        Some(TxnType::Create2) => "create2",
        Some(TxnType::Reconfig) => "reconfig",
        Some(TxnType::CreateContainer) => "createContainer",
        Some(TxnType::DeleteContainer) => "deleteContainer",
        Some(TxnType::CreateTtl) => "createTTL",
        None => return format!("unknown {kind}"),
    };
    name.to_owned()
}

fn body(txn: &Txn<'_>) -> String {
    match txn {
        // These go through the genuine tool's general form, which ends each record with a line break.
        Txn::CreateSession { timeout_ms } => format!("{timeout_ms}\n"),
        Txn::CloseSession { paths: None } => String::new(),
        Txn::CloseSession { paths: Some(paths) } => {
            let paths: Vec<_> = paths.iter().map(|path| jute_text(path)).collect();
            format!("v{{{}}}\n", paths.join(","))
        }
        Txn::Error { code } => format!("{code}\n"),
        Txn::Delete { path } => format!("{}\n", jute_text(path)),
        Txn::Check { path, version } => format!("{},{version}\n", jute_text(path)),
        Txn::SetAcl { path, acl, version } => {
            let entries: Vec<_> = acl.iter().map(|entry| format!("s{{{}}}", acl_entry(entry))).collect();
            format!("{},v{{{}}},{version}\n", jute_text(path), entries.join(","))
        }
        // These have forms of their own.
        Txn::Create(create) => {
            format!("{},{},{}", created(create), create.ephemeral, create.parent_cversion)
        }
        Txn::CreateContainer(create) => format!("{},{}", created(create), create.parent_cversion),
        Txn::CreateTtl(create, ttl_ms) => {
            format!("{},{},{ttl_ms}", created(create), create.parent_cversion)
        }
        Txn::SetData { path, data, version } => format!("{path},{},{version}", text_of(*data)),
        Txn::Multi(subs) => {
            let subs: Vec<_> =
                subs.iter().map(|sub| format!("{}:{}", type_name(sub.kind), sub_body(&sub.txn))).collect();
            subs.join(";")
        }
    }
}

/// A part of a multi. 3.9 prints its bytes as if they were text, which nobody can read; this is the form of 3.10.
fn sub_body(txn: &Txn<'_>) -> String {
    match txn {
        Txn::Error { code } => code.to_string(),
        Txn::Delete { path } => path.to_string(),
        Txn::Check { path, version } => format!("{path},{version}"),
        txn => body(txn),
    }
}

fn created(create: &CreateTxn<'_>) -> String {
    format!("{},{},{}", create.path, text_of(create.data), acl_list(create.acl))
}

fn text_of(data: Option<&[u8]>) -> String {
    String::from_utf8_lossy(data.unwrap_or_default()).into_owned()
}

/// A Java list of records, each of which ends with a line break.
fn acl_list(acl: AclList<'_>) -> String {
    let mut text = String::from("[");
    for (at, entry) in acl.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}{}", if at == 0 { "" } else { ", " }, acl_entry(entry));
    }
    text.push(']');
    text
}

fn acl_entry((perms, scheme, id): (zabra_types::Perms, &str, &str)) -> String {
    format!("{},s{{{},{}}}", perms.raw(), jute_text(scheme), jute_text(id))
}

/// A text as jute's own text format has it.
fn jute_text(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\0' | '\n' | '\r' | ',' | '}' | '%' => {
                let _ = write!(out, "%{:02X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

fn fields_of(kind: i32, txn: &Txn<'_>) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("type".to_owned(), type_name(kind).into());
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    let mut put_created = |create: &CreateTxn<'_>| {
        put("path", json!(create.path));
        put("data", data_json(create.data));
        put("acl", acl_json(create.acl));
        put("ephemeral", create.ephemeral.into());
        put("parent_cversion", create.parent_cversion.into());
    };
    match txn {
        Txn::CreateSession { timeout_ms } => put("timeout_ms", (*timeout_ms).into()),
        Txn::CloseSession { paths } => put("deleted", json!(paths)),
        Txn::Error { code } => put("error", (*code).into()),
        Txn::Create(create) | Txn::CreateContainer(create) => put_created(create),
        Txn::CreateTtl(create, ttl_ms) => {
            put_created(create);
            put("ttl_ms", (*ttl_ms).into());
        }
        Txn::Delete { path } => put("path", json!(path)),
        Txn::SetData { path, data, version } => {
            put("path", json!(path));
            put("data", data_json(*data));
            put("version", (*version).into());
        }
        Txn::SetAcl { path, acl, version } => {
            put("path", json!(path));
            put("acl", acl_json(*acl));
            put("aversion", (*version).into());
        }
        Txn::Check { path, version } => {
            put("path", json!(path));
            put("version", (*version).into());
        }
        Txn::Multi(subs) => {
            let part = |sub: &SubTxn<'_>| Value::Object(fields_of(sub.kind, &sub.txn));
            put("txns", subs.iter().map(part).collect());
        }
    }
    fields
}

fn data_json(data: Option<&[u8]>) -> Value {
    data.map_or(Value::Null, |data| json!({ "base64": STANDARD.encode(data) }))
}

fn acl_json(acl: AclList<'_>) -> Value {
    acl.iter()
        .map(|(perms, scheme, id)| json!({ "perms": perms.raw(), "scheme": scheme, "id": id }))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zabra_proto::{TxnHeader, encode_txn};
    use zabra_types::{Acl, Perms, SessionId, WallTime, Xid, Zxid};

    use super::*;

    fn acl() -> Vec<u8> {
        let entry = |perms, scheme: &str, id: &str| Acl {
            perms: Perms::from_raw(perms),
            scheme: scheme.to_owned(),
            id: id.to_owned(),
        };
        AclList::encode_entries(&[entry(31, "world", "anyone"), entry(1, "digest", "a,b:c}%")])
    }

    #[test]
    fn bodies_are_those_of_the_genuine_tool() {
        let acl = acl();
        let acl = AclList::from_encoded(&acl).unwrap();
        let create =
            CreateTxn { path: "/a".into(), data: Some(b"d\xff"), acl, ephemeral: true, parent_cversion: 3 };
        let list = "[31,s{'world,'anyone}\n, 1,s{'digest,'a%2Cb:c%7D%25}\n]";
        let delete = SubTxn { kind: 2, txn: Txn::Delete { path: "/a".into() } };
        let error = SubTxn { kind: -1, txn: Txn::Error { code: -2 } };
        let cases = [
            (Txn::CreateSession { timeout_ms: 30_000 }, "30000\n".to_owned()),
            (Txn::CloseSession { paths: None }, String::new()),
            (Txn::CloseSession { paths: Some(vec!["/a".into(), "/b".into()]) }, "v{'/a,'/b}\n".to_owned()),
            (Txn::Create(create.clone()), format!("/a,d\u{fffd},{list},true,3")),
            (Txn::CreateTtl(create, 99), format!("/a,d\u{fffd},{list},3,99")),
            (Txn::SetData { path: "/a".into(), data: None, version: 4 }, "/a,,4".to_owned()),
            (Txn::Delete { path: "/a\n".into() }, "'/a%0A\n".to_owned()),
            (Txn::Multi(vec![delete, error]), "delete:/a;error:-2".to_owned()),
        ];
        for (txn, text) in cases {
            assert_eq!(body(&txn), text);
        }
        assert_eq!(type_name(15), "create2");
        assert_eq!(type_name(99), "unknown 99");
    }

    proptest! {
        #[test]
        fn anything_is_printed_or_refused(
            time: i64,
            kind in prop_oneof![-12_i32..24, any::<i32>()],
            record in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let header = TxnHeader {
                session: SessionId::from_raw(time),
                cxid: Xid::from_raw(kind),
                zxid: Zxid::from_raw(time),
                time: WallTime::from_millis(time),
                kind,
            };
            let mut payload = Vec::new();
            encode_txn(&mut payload, &header, &Txn::CloseSession { paths: None }, None);
            payload.extend(record);
            prop_assert_eq!(line(&payload).is_ok(), json(&payload).is_ok());
        }
    }
}
