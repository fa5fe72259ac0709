//! What a client writes the server reads as the same, what the server writes the client reads as the same, and no part
//! of either is taken for the whole.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use zabra_proto::{
    AclAnswer, AclEntry, AddWatch, Auth, Check, Children, Create, CreateKind, Created, Data, DecodeError,
    Delete, MultiOp, MultiRead, MultiResult, PathOnly, PathWatch, Put, ReadResult, Reader, Reconfig,
    ReplyHeader, Request, SetAcl, SetData, SetWatches, WatchQuery, WatcherEvent, get_stat, put_event,
    put_multi_read_results, put_multi_results, put_stat, read_client_infos, read_multi_read_results,
    read_multi_results, read_names,
};
use zabra_types::{Acl, EventType, Perms, Stat, Zxid};

/// Values for the fields of any record.
#[derive(Clone, Debug)]
struct Parts {
    path: String,
    text: Option<String>,
    data: Option<Vec<u8>>,
    acl: Vec<Acl>,
    number: i32,
    long: i64,
    flag: bool,
    names: Vec<String>,
    stat: Stat,
}

prop_compose! {
    fn stats()(longs in any::<[i64; 6]>(), ints in any::<[i32; 5]>()) -> Stat {
        Stat {
            czxid: longs[0], mzxid: longs[1], ctime: longs[2], mtime: longs[3], version: ints[0],
            cversion: ints[1], aversion: ints[2], ephemeral_owner: longs[4], data_length: ints[3],
            num_children: ints[4], pzxid: longs[5],
        }
    }
}

prop_compose! {
    fn parts()(
        path in "/.{0,12}", text in option::of(".{0,12}"), data in option::of(vec(any::<u8>(), 0..20)),
        acl in vec((any::<i32>(), "[a-z]{0,6}", ".{0,8}"), 0..3), number in any::<i32>(),
        long in any::<i64>(), flag in any::<bool>(), names in vec(".{0,6}", 0..4), stat in stats(),
    ) -> Parts {
        let acl = acl.iter().map(|(perms, scheme, id)| Acl::new(Perms::from_raw(*perms), scheme, id));
        Parts { path, text, data, acl: acl.collect(), number, long, flag, names, stat }
    }
}

impl Parts {
    fn path(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.path)
    }

    fn some_path(&self) -> Option<Cow<'_, str>> {
        Some(self.path())
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        self.text.as_deref().map(Cow::Borrowed)
    }

    fn names(&self) -> Vec<Cow<'_, str>> {
        self.names.iter().map(|name| Cow::Borrowed(name.as_str())).collect()
    }

    fn create(&self, kind: CreateKind, flags: i32) -> Create<'_> {
        Create {
            kind,
            path: self.some_path(),
            data: self.data.as_deref(),
            acl: Some(self.acl.iter().map(AclEntry::of).collect()),
            flags,
            ttl_ms: (kind == CreateKind::Ttl).then_some(self.long),
        }
    }

    fn read(&self) -> PathWatch<'_> {
        PathWatch { path: self.path(), watch: self.flag }
    }

    fn query(&self) -> WatchQuery<'_> {
        WatchQuery { path: self.path(), watcher_type: self.number }
    }

    fn set_data(&self) -> SetData<'_> {
        SetData { path: self.some_path(), data: self.data.as_deref(), version: self.number }
    }

    fn delete(&self) -> Delete<'_> {
        Delete { path: self.some_path(), version: self.number }
    }

    fn multi_op(&self, which: usize) -> MultiOp<'_> {
        match which % 7 {
            0 => MultiOp::Create(self.create(CreateKind::Create, 0)),
            1 => MultiOp::Create(self.create(CreateKind::Create2, 3)),
            2 => MultiOp::Create(self.create(CreateKind::Container, 4)),
            3 => MultiOp::Create(self.create(CreateKind::Ttl, 5)),
            4 => MultiOp::Delete(self.delete()),
            5 => MultiOp::SetData(self.set_data()),
            _ => MultiOp::Check(Check { path: self.some_path(), version: self.number }),
        }
    }

    fn multi_result(&self, which: usize) -> MultiResult<'_> {
        match which % 6 {
            0 => MultiResult::Create(self.path()),
            1 => MultiResult::Create2(Created { path: self.path(), stat: self.stat }),
            2 => MultiResult::Delete,
            3 => MultiResult::SetData(self.stat),
            4 => MultiResult::Check,
            _ => MultiResult::Error(self.number),
        }
    }

    fn read_result(&self, which: usize) -> ReadResult<'_> {
        match which % 3 {
            0 => ReadResult::GetData(Data { data: self.data.as_deref(), stat: self.stat }),
            1 => ReadResult::GetChildren(self.names()),
            _ => ReadResult::Error(self.number),
        }
    }
}

/// How many kinds [`request`] makes.
const KINDS: usize = 27;

fn request(which: usize, p: &Parts) -> Request<'_> {
    match which {
        0 => Request::Create(p.create(CreateKind::Create, p.number)),
        1 => Request::Create(p.create(CreateKind::Create2, p.number)),
        2 => Request::Create(p.create(CreateKind::Container, p.number)),
        3 => Request::Create(p.create(CreateKind::Ttl, p.number)),
        4 => Request::Delete(p.delete()),
        5 => Request::Exists(p.read()),
        6 => Request::GetData(p.read()),
        7 => Request::SetData(p.set_data()),
        8 => Request::GetAcl(PathOnly { path: p.path() }),
        9 => Request::SetAcl(SetAcl {
            path: p.some_path(),
            acl: p.flag.then(|| p.acl.iter().map(AclEntry::of).collect()),
            version: p.number,
        }),
        10 => Request::GetChildren(p.read()),
        11 => Request::GetChildren2(p.read()),
        12 => Request::Sync(p.text()),
        13 => Request::Ping,
        14 => Request::Reconfig(Reconfig {
            joining_servers: p.text(),
            leaving_servers: p.some_path(),
            new_members: None,
            config_version: p.long,
        }),
        15 => Request::CheckWatches(p.query()),
        16 => Request::RemoveWatches(p.query()),
        17 => set_watches(p, Vec::new()),
        18 => set_watches(p, p.names()),
        19 => Request::GetEphemerals(p.text()),
        20 => Request::GetAllChildrenNumber(PathOnly { path: p.path() }),
        21 => Request::AddWatch(AddWatch { path: p.path(), mode: p.number }),
        22 => Request::WhoAmI,
        23 => Request::CloseSession,
        24 => Request::Auth(Auth { scheme: p.text(), auth: p.data.as_deref() }),
        25 => Request::Sasl(p.data.as_deref()),
        _ => Request::MultiRead(vec![
            MultiRead::GetData(p.read()),
            MultiRead::GetChildren(p.read()),
            MultiRead::WithoutPath,
        ]),
    }
}

fn set_watches<'a>(p: &'a Parts, persistent: Vec<Cow<'a, str>>) -> Request<'a> {
    Request::SetWatches(SetWatches {
        relative_zxid: Zxid::from_raw(p.long),
        data: p.names(),
        exists: Vec::new(),
        children: p.names(),
        persistent,
        persistent_recursive: Vec::new(),
    })
}

/// Reads `bytes` whole, then with each byte more or less.
fn read_whole<'a, T: PartialEq + std::fmt::Debug>(
    bytes: &'a [u8],
    expected: &T,
    read: impl Fn(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<(), TestCaseError> {
    let mut reader = Reader::new(bytes);
    let read_back = read(&mut reader);
    prop_assert_eq!(read_back.as_ref(), Ok(expected));
    prop_assert!(reader.rest().is_empty());
    for len in 0..bytes.len() {
        prop_assert!(read(&mut Reader::new(&bytes[..len])).is_err(), "cut at {}", len);
    }
    Ok(())
}

proptest! {
    #[test]
    fn requests(p in parts(), which in 0..KINDS) {
        let request = request(which, &p);
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        read_whole(&bytes, &request, |reader| Request::decode(request.op(), reader))?;
    }

    #[test]
    fn multis(parts in vec((0usize..7, parts()), 0..5)) {
        let request = Request::Multi(parts.iter().map(|(which, p)| p.multi_op(*which)).collect());
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        read_whole(&bytes, &request, |reader| Request::decode(request.op(), reader))?;
    }

    #[test]
    fn results_of_multis(parts in vec((0usize..6, parts()), 0..5)) {
        let results: Vec<_> = parts.iter().map(|(which, p)| p.multi_result(*which)).collect();
        let mut bytes = Vec::new();
        put_multi_results(&mut bytes, &results);
        read_whole(&bytes, &results, read_multi_results)?;
        let results: Vec<_> = parts.iter().map(|(which, p)| p.read_result(*which)).collect();
        let mut bytes = Vec::new();
        put_multi_read_results(&mut bytes, &results);
        read_whole(&bytes, &results, read_multi_read_results)?;
    }

    #[test]
    fn answers(p in parts()) {
        let mut bytes = Vec::new();
        put_stat(&mut bytes, &p.stat);
        read_whole(&bytes, &p.stat, get_stat)?;

        let created = Created { path: p.path(), stat: p.stat };
        bytes.clear();
        created.encode(&mut bytes);
        read_whole(&bytes, &created, Created::decode)?;

        let data = Data { data: p.data.as_deref(), stat: p.stat };
        let mut bytes = Vec::new();
        data.encode(&mut bytes);
        read_whole(&bytes, &data, Data::decode)?;

        let children = Children { names: p.names(), stat: p.stat };
        let mut bytes = Vec::new();
        children.encode(&mut bytes);
        read_whole(&bytes, &children, Children::decode)?;
        let names = &bytes[..bytes.len() - Stat::WIRE_LEN];
        read_whole(names, &children.names, read_names)?;

        let acl = AclAnswer { acl: p.acl.clone(), stat: p.stat };
        let mut bytes = Vec::new();
        acl.encode(&mut bytes);
        read_whole(&bytes, &acl, AclAnswer::decode)?;
    }

    #[test]
    fn events(path in "/.{0,12}", zxid in any::<i64>(), code in 1..5) {
        let kind = EventType::from_code(code).unwrap();
        let mut frame = Vec::new();
        put_event(&mut frame, Zxid::from_raw(zxid), kind, &path);
        let expected = WatcherEvent { kind, state: 3, path: Cow::Borrowed(&path) };
        read_whole(&frame[4 + ReplyHeader::LEN..], &expected, WatcherEvent::decode)?;
    }

    #[test]
    fn no_answer_panics(bytes in vec(any::<u8>(), 0..120)) {
        let reader = || Reader::new(&bytes);
        let _ = read_multi_results(&mut reader());
        let _ = read_multi_read_results(&mut reader());
        let _ = read_client_infos(&mut reader());
        let _ = read_names(&mut reader());
        let _ = WatcherEvent::decode(&mut reader());
        let _ = AclAnswer::decode(&mut reader());
    }
}

#[test]
fn the_failed_multi_of_the_reference() {
    let bytes = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
        0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0x99, 0xff, 0xff, 0xff, 0x99, //
        0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xfe, //
        0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff,
    ];
    let expected = vec![MultiResult::Error(0), MultiResult::Error(-103), MultiResult::Error(-2)];
    assert_eq!(read_multi_results(&mut Reader::new(&bytes)), Ok(expected));
}

#[test]
fn identities() {
    let mut bytes = Vec::new();
    bytes.put_count(2);
    for text in ["ip", "127.0.0.1", "digest", "ann"] {
        bytes.put_text(text);
    }
    let infos = read_client_infos(&mut Reader::new(&bytes)).unwrap();
    let shown: Vec<_> = infos.iter().map(|info| format!("{}:{}", info.scheme, info.user)).collect();
    assert_eq!(shown, ["ip:127.0.0.1", "digest:ann"]);
    for len in 0..bytes.len() {
        assert!(read_client_infos(&mut Reader::new(&bytes[..len])).is_err(), "{len}");
    }
}

#[test]
fn an_event_of_a_type_no_server_sends_is_refused() {
    for code in [-1, 0, 5, 6, 7] {
        let mut bytes = Vec::new();
        bytes.put_i32(code);
        bytes.put_i32(3);
        bytes.put_text("/a");
        assert!(WatcherEvent::decode(&mut Reader::new(&bytes)).is_err(), "{code}");
    }
}
