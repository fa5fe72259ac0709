//! What genuine servers said to each other, see `testing/fixtures/quorum`: everything is read, and written back to the
//! same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use zabra_proto::{
    AckEpochData, ElectionHello, FieldLimit, ForwardedRequest, LearnerInfo, Notification, OpCode, PacketKind,
    QuorumPacket, Reader, ReceivedPacket, Request, RevalidateAsk, RevalidateReply, SessionTouch, Txn,
    decode_txn, encode_txn, read_protocol_version, read_touches, split_notification, split_packet,
};

/// A line of a fixture.
struct Line {
    /// Whether the side speaks that made the connection.
    dialler: bool,
    what: String,
    bytes: Vec<u8>,
}

fn fixtures() -> Vec<(PathBuf, Vec<Line>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/fixtures/quorum");
    let mut fixtures = Vec::new();
    for scenario in entries(&folder).into_iter().filter(|path| path.is_dir()) {
        for file in entries(&scenario) {
            let text = fs::read_to_string(&file).expect("a fixture is text");
            let lines = text.lines().filter(|line| !line.starts_with('#')).map(line).collect();
            fixtures.push((file, lines));
        }
    }
    assert!(!fixtures.is_empty(), "nothing in {}", folder.display());
    fixtures
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder of the fixtures is there");
    entries.flatten().map(|entry| entry.path()).collect()
}

fn line(text: &str) -> Line {
    let [side, what, digits] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16));
    let bytes = bytes.collect::<Result<_, _>>().expect("bytes are hexadecimal");
    Line { dialler: side == ">", what: what.to_owned(), bytes }
}

fn is_quorum(path: &Path) -> bool {
    path.to_string_lossy().contains("-quorum-")
}

#[test]
fn packets_are_read_and_written_back() {
    let mut kinds = BTreeSet::new();
    for (path, lines) in fixtures().iter().filter(|(path, _)| is_quorum(path)) {
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.what != "DATABASE") {
            let at = format!("{}, item {number}, {}", path.display(), line.what);
            let packet = decode(&line.bytes);
            assert_eq!(packet.kind.to_string(), line.what, "{at}");
            let mut again = Vec::new();
            packet.encode(&mut again);
            assert_eq!(again, line.bytes, "{at}");
            let expected = rebuilt(&packet, line.dialler, &at);
            assert_eq!(packet, expected, "{at}");
            kinds.insert(packet.kind);
        }
    }
    assert_eq!(kinds.len(), PacketKind::ALL.len(), "only {kinds:?} were recorded");
}

fn decode(bytes: &[u8]) -> QuorumPacket {
    match QuorumPacket::decode(&Bytes::copy_from_slice(bytes), FieldLimit::default()) {
        Ok(ReceivedPacket::Known(packet)) => packet,
        other => panic!("{other:?}"),
    }
}

/// The packet put together from what its body says.
fn rebuilt(packet: &QuorumPacket, from_learner: bool, at: &str) -> QuorumPacket {
    let data = packet.data.as_deref();
    let epoch = packet.zxid.epoch();
    match packet.kind {
        PacketKind::FollowerInfo | PacketKind::ObserverInfo => {
            QuorumPacket::introduction(packet.kind, epoch, &LearnerInfo::decode(data).expect(at))
        }
        PacketKind::LeaderInfo => {
            assert_eq!(read_protocol_version(data), Ok(0x1_0000), "{at}");
            QuorumPacket::leader_info(epoch)
        }
        PacketKind::AckEpoch => QuorumPacket::ack_epoch(packet.zxid, AckEpochData::decode(data).expect(at)),
        PacketKind::NewLeader => QuorumPacket::new_leader(epoch, packet.data.clone().expect(at)),
        PacketKind::UpToDate => QuorumPacket::up_to_date(),
        PacketKind::Request => {
            let request = ForwardedRequest::decode(data).expect(at);
            check_request(&request, at);
            request.to_packet(packet.identities.clone())
        }
        PacketKind::Revalidate if from_learner => RevalidateAsk::decode(data).expect(at).to_packet(),
        PacketKind::Revalidate => RevalidateReply::decode(data).expect(at).to_packet(packet.zxid),
        PacketKind::Ping if from_learner => {
            let touches = read_touches(data).map(|touch| touch.expect(at));
            SessionTouch::ping_reply(packet.zxid, touches)
        }
        PacketKind::Proposal | PacketKind::Inform => {
            let payload = data.expect(at);
            let mut again = Vec::new();
            let (header, txn, digest) = decode_txn(payload).expect(at);
            assert_eq!(header.zxid, packet.zxid, "{at}");
            encode_txn(&mut again, &header, &txn, digest);
            QuorumPacket::with_data(packet.kind, packet.zxid, again.into())
        }
        PacketKind::InformAndActivate => {
            let (_, payload) = data.expect(at).split_first_chunk::<8>().expect(at);
            assert!(matches!(decode_txn(payload).expect(at).1, Txn::SetData { .. }), "{at}");
            packet.clone()
        }
        PacketKind::CommitAndActivate => {
            assert_eq!(data.map(<[u8]>::len), Some(8), "{at}");
            packet.clone()
        }
        PacketKind::Ack
        | PacketKind::Commit
        | PacketKind::Ping
        | PacketKind::Sync
        | PacketKind::Diff
        | PacketKind::Trunc
        | PacketKind::Snap => QuorumPacket::bare(packet.kind, packet.zxid),
    }
}

/// The body is what the client sent, the timeout when it begins a session.
fn check_request(request: &ForwardedRequest<'_>, at: &str) {
    let mut reader = Reader::new(request.body);
    match OpCode::from_code(request.op) {
        Some(OpCode::CreateSession) => assert_eq!(reader.i32("timeout"), Ok(20_000), "{at}"),
        Some(op) => drop(Request::decode(op, &mut reader).expect(at)),
        None => panic!("{at}: unknown operation {}", request.op),
    }
    assert_eq!(reader.rest(), b"", "{at}");
}

#[test]
fn a_stream_is_cut_where_its_packets_end() {
    for (path, lines) in fixtures().iter().filter(|(path, _)| is_quorum(path)) {
        for side in [true, false] {
            let mut said = lines.iter().filter(|line| line.dialler == side).peekable();
            while said.peek().is_some() {
                // What follows a database is a stream of its own.
                let packets: Vec<_> = said.by_ref().take_while(|line| line.what != "DATABASE").collect();
                let mut stream = packets.iter().flat_map(|line| line.bytes.clone()).collect::<Vec<u8>>();
                for packet in packets {
                    let cut = split_packet(&stream, FieldLimit::default());
                    assert_eq!(cut, Ok(Some(packet.bytes.len())), "{}", path.display());
                    stream.drain(..packet.bytes.len());
                }
                assert!(stream.is_empty());
            }
        }
    }
}

#[test]
fn votes_are_read_and_written_back() {
    let mut states = BTreeSet::new();
    for (path, lines) in fixtures().iter().filter(|(path, _)| !is_quorum(path)) {
        for (number, line) in lines.iter().enumerate() {
            let at = format!("{}, item {number}, {}", path.display(), line.what);
            let mut again = Vec::new();
            if line.what == "HELLO" {
                let (hello, len) = ElectionHello::decode(&line.bytes).expect(&at).expect(&at);
                assert_eq!((hello.addresses.len(), len), (1, line.bytes.len()), "{at}");
                hello.encode(&mut again);
            } else {
                let (frame, rest) = split_notification(&line.bytes).expect(&at).expect(&at);
                assert_eq!(rest, b"", "{at}");
                let vote = Notification::decode(frame).expect(&at);
                vote.encode(&mut again);
                states.insert(vote.state);
            }
            assert_eq!(again, line.bytes, "{at}");
        }
    }
    assert!(states.len() >= 3, "only {states:?} were recorded");
}
