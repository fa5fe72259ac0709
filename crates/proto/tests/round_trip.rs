//! What is encoded decodes to the same; every prefix fails; nothing panics.

use std::borrow::Cow;

use proptest::prelude::*;
use zabra_proto::{
    AclList, CreateTxn, OpCode, Reader, Request, SubTxn, Txn, TxnDigest, TxnHeader, TxnType, decode_txn,
    encode_txn,
};
use zabra_types::{Acl, Perms, SessionId, WallTime, Xid, Zxid};

fn header(kind: i32) -> TxnHeader {
    TxnHeader {
        session: SessionId::from_raw(0x0100_0022_cc60_0000),
        cxid: Xid::from_raw(0),
        zxid: Zxid::from_raw(1),
        time: WallTime::from_millis(0x01a1_fc91_9152),
        kind,
    }
}

#[test]
fn the_first_entry_of_a_fresh_server() {
    let golden = [
        0x01, 0, 0, 0x22, 0xcc, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x01, 0xa1, 0xfc, 0x91,
        0x91, 0x52, 0xff, 0xff, 0xff, 0xf6, 0, 0, 0x27, 0x10, 0, 0, 0, 2, 0, 0, 0, 0, 0x51, 0xc6, 0xd6, 0x60,
    ];
    let (header, txn, digest) = decode_txn(&golden).unwrap();
    assert_eq!(txn, Txn::CreateSession { timeout_ms: 10_000 });
    assert_eq!(digest, Some(TxnDigest { version: 2, digest: 0x51c6_d660 }));
    let mut again = Vec::new();
    encode_txn(&mut again, &header, &txn, digest);
    assert_eq!(again, golden);
}

fn acl_bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec((any::<i32>(), "[a-z]{1,6}", ".{0,8}"), 0..4).prop_map(|entries| {
        let acls: Vec<Acl> = entries
            .into_iter()
            .map(|(perms, scheme, id)| Acl::new(Perms::from_raw(perms), &scheme, &id))
            .collect();
        AclList::encode_entries(&acls)
    })
}

#[derive(Clone, Debug)]
struct Parts {
    path: String,
    data: Option<Vec<u8>>,
    acl: Vec<u8>,
    number: i32,
    long: i64,
    flag: bool,
    paths: Vec<String>,
}

prop_compose! {
    fn parts()(
        path in "/.{0,20}", data in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        acl in acl_bytes(), number in any::<i32>(), long in any::<i64>(), flag in any::<bool>(),
        paths in proptest::collection::vec("/[a-z]{1,8}", 0..4),
    ) -> Parts {
        Parts { path, data, acl, number, long, flag, paths }
    }
}

fn single(which: usize, p: &Parts) -> (TxnType, Txn<'_>) {
    let path = || Cow::Borrowed(p.path.as_str());
    let acl = AclList::from_encoded(&p.acl).expect("made by encode_entries");
    let create =
        CreateTxn { path: path(), data: p.data.as_deref(), acl, ephemeral: false, parent_cversion: p.number };
    match which {
        0 => (TxnType::Create, Txn::Create(CreateTxn { ephemeral: p.flag, ..create })),
        1 => (TxnType::Create2, Txn::Create(CreateTxn { ephemeral: p.flag, ..create })),
        2 => (TxnType::CreateContainer, Txn::CreateContainer(create)),
        3 => (TxnType::CreateTtl, Txn::CreateTtl(create, p.long)),
        4 => (TxnType::Delete, Txn::Delete { path: path() }),
        5 => (TxnType::DeleteContainer, Txn::Delete { path: path() }),
        6 => (TxnType::SetData, Txn::SetData { path: path(), data: p.data.as_deref(), version: p.number }),
        7 => (TxnType::SetAcl, Txn::SetAcl { path: path(), acl, version: p.number }),
        8 => (TxnType::Error, Txn::Error { code: p.number }),
        9 => (TxnType::Check, Txn::Check { path: path(), version: p.number }),
        10 => (TxnType::Reconfig, Txn::SetData { path: path(), data: p.data.as_deref(), version: p.number }),
        11 => (TxnType::CreateSession, Txn::CreateSession { timeout_ms: p.number }),
        _ => (
            TxnType::CloseSession,
            Txn::CloseSession { paths: Some(p.paths.iter().map(|p| Cow::Borrowed(p.as_str())).collect()) },
        ),
    }
}

proptest! {
    #[test]
    fn transactions(p in parts(), which in 0usize..13, subs in proptest::collection::vec((0usize..10, parts()), 0..4),
                    multi in any::<bool>(), digest in proptest::option::of(any::<u64>())) {
        let digest = digest.map(|digest| TxnDigest { version: 2, digest });
        let (kind, txn) = if multi || which == 9 {
            let subs = subs.iter().map(|(which, p)| {
                let (kind, txn) = single(*which, p);
                SubTxn { kind: kind.code(), txn }
            }).collect();
            (TxnType::Multi, Txn::Multi(subs))
        } else {
            single(which, &p)
        };
        let header = header(kind.code());
        let mut bytes = Vec::new();
        encode_txn(&mut bytes, &header, &txn, digest);
        let decoded = decode_txn(&bytes).unwrap();
        prop_assert_eq!(&decoded, &(header, txn, digest));
        let mut again = Vec::new();
        encode_txn(&mut again, &decoded.0, &decoded.1, decoded.2);
        prop_assert_eq!(&again, &bytes);
        bytes.push(0);
        prop_assert!(decode_txn(&bytes).is_err(), "a byte more");
    }

    #[test]
    fn every_cut_of_a_transaction_fails_or_reads_as_its_older_form(p in parts(), which in 0usize..9) {
        let (kind, txn) = single(which, &p);
        let mut bytes = Vec::new();
        encode_txn(&mut bytes, &header(kind.code()), &txn, None);
        for len in 0..bytes.len() {
            let old_form = kind == TxnType::Create && len == bytes.len() - 4;
            prop_assert_eq!(decode_txn(&bytes[..len]).is_ok(), old_form, "cut at {}", len);
        }
    }

    #[test]
    fn requests_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for &op in OpCode::ALL {
            let _ = Request::decode(op, &mut Reader::new(&bytes));
        }
        let _ = decode_txn(&bytes);
    }
}

#[test]
fn a_closed_session_without_record_keeps_its_digest() {
    let mut bytes = Vec::new();
    let digest = TxnDigest { version: 2, digest: 0x0000_0000_7000_0000 };
    encode_txn(&mut bytes, &header(-11), &Txn::CloseSession { paths: None }, Some(digest));
    let (_, txn, read) = decode_txn(&bytes).unwrap();
    assert_eq!((txn, read), (Txn::CloseSession { paths: None }, Some(digest)));
}
