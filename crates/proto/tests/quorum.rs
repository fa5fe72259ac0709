//! What servers say to each other: bytes of a genuine ensemble, every cut of them, and whatever else may come.

use bytes::Bytes;
use proptest::prelude::*;
use zabra_proto::{
    AckEpochData, ElectionHello, FieldLimit, ForwardedRequest, LearnerInfo, Notification, OpCode,
    PROTOCOL_VERSION, PacketKind, QuorumPacket, ReceivedPacket, RevalidateAsk, RevalidateReply, ServerState,
    SessionTouch, read_protocol_version, read_touches, split_notification, split_packet,
};
use zabra_types::{Epoch, Identity, ServerId, SessionId, Xid, Zxid};

const SESSION: SessionId = SessionId::from_raw(0x0100_001b_45e5_0000);

/// Bytes from hexadecimal digits; whatever else there is separates. `"text"` stands for itself.
fn hex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, part) in text.split('"').enumerate() {
        if at % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u32> = part.chars().filter_map(|c| c.to_digit(16)).collect();
        bytes.extend(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8));
    }
    bytes
}

fn encoded(packet: &QuorumPacket) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(&mut out);
    out
}

fn decoded(bytes: &[u8]) -> QuorumPacket {
    assert_eq!(split_packet(bytes, FieldLimit::default()), Ok(Some(bytes.len())));
    match QuorumPacket::decode(&Bytes::copy_from_slice(bytes), FieldLimit::default()) {
        Ok(ReceivedPacket::Known(packet)) => packet,
        other => panic!("{other:?}"),
    }
}

/// Packets of a 3.9.5 ensemble, and what they are here.
fn golden_packets() -> Vec<(&'static str, &'static str, QuorumPacket)> {
    let epoch = Epoch::new;
    let zxid = Zxid::from_raw(0x1_0000_0001);
    let info =
        LearnerInfo { server: Some(ServerId::new(2)), protocol_version: PROTOCOL_VERSION, config_version: 0 };
    let forwarded = |cxid, op: OpCode, body| ForwardedRequest {
        session: SESSION,
        cxid: Xid::from_raw(cxid),
        op: op.code(),
        body,
    };
    let identities =
        vec![Identity::new("ip", "127.0.0.1"), Identity::new("digest", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=")];
    let create = b"\0\0\0\x03/z2\0\0\0\x01k\0\0\0\x01\0\0\0\x1f\0\0\0\x05world\0\0\0\x06anyone\0\0\0\x01";
    let txn = hex("0100 0014443e0000 00000000 0000000100000001 000001a1fc845a36 fffffff6 00002710
                   00000002 0000000051c6d660");
    vec![
        (
            "the first words of a follower",
            "0000000b 0000000000000000 00000014 0000000000000002 00010000 0000000000000000 ffffffff",
            QuorumPacket::introduction(PacketKind::FollowerInfo, epoch(0), &info),
        ),
        (
            "the first words of an observer",
            "00000010 0000000300000000 00000014 0000000000000002 00010000 0000000000000000 ffffffff",
            QuorumPacket::introduction(PacketKind::ObserverInfo, epoch(3), &info),
        ),
        (
            "a leader proposes an epoch",
            "00000011 0000000100000000 00000004 00010000 ffffffff",
            QuorumPacket::leader_info(epoch(1)),
        ),
        (
            "the promise of a server without data",
            "00000012 0000000000000000 00000004 00000000 ffffffff",
            QuorumPacket::ack_epoch(Zxid::ZERO, AckEpochData(Some(epoch(0)))),
        ),
        (
            "no second promise",
            "00000012 0000000100000001 00000004 ffffffff ffffffff",
            QuorumPacket::ack_epoch(zxid, AckEpochData(None)),
        ),
        (
            "NEWLEADER",
            "0000000a 0000000100000000 00000009 \"version=0\" ffffffff",
            QuorumPacket::new_leader(epoch(1), Bytes::from_static(b"version=0")),
        ),
        (
            "NEWLEADER acknowledged",
            "00000003 0000000100000000 ffffffff ffffffff",
            QuorumPacket::ack_new_leader(epoch(1)),
        ),
        ("UPTODATE", "0000000c ffffffffffffffff ffffffff ffffffff", QuorumPacket::up_to_date()),
        (
            "a session begins",
            "00000001 ffffffffffffffff 00000014 0100001b45e50000 00000000 fffffff6 00007530 ffffffff",
            forwarded(0, OpCode::CreateSession, &[0, 0, 0x75, 0x30]).to_packet(None),
        ),
        (
            "a client creates a node",
            "00000001 ffffffffffffffff 0000003b 0100001b45e50000 00000001 00000001
             00000003 2f7a32 00000001 6b 00000001 0000001f 00000005 \"world\" 00000006 \"anyone\" 00000001
             00000002 00000002 \"ip\" 00000009 \"127.0.0.1\"
             00000006 \"digest\" 0000001e \"u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=\"",
            forwarded(1, OpCode::Create, create).to_packet(Some(identities.clone())),
        ),
        (
            "a session ends",
            "00000001 ffffffffffffffff 00000010 0100001b45e50000 00000002 fffffff5
             00000001 00000002 \"ip\" 00000009 \"127.0.0.1\"",
            forwarded(2, OpCode::CloseSession, &[]).to_packet(Some(identities[..1].to_vec())),
        ),
        (
            "may this session move to me",
            "00000006 ffffffffffffffff 0000000c 0100001b45e50000 00007530 ffffffff",
            RevalidateAsk { session: SESSION, timeout_ms: 30_000 }.to_packet(),
        ),
        (
            "it may",
            "00000006 ffffffffffffffff 00000009 0100001b45e50000 01 ffffffff",
            RevalidateReply { session: SESSION, valid: true }.to_packet(Zxid::NONE),
        ),
        (
            "a PING is answered, nobody was heard of",
            "00000005 0000000100000001 00000000 ffffffff",
            SessionTouch::ping_reply(zxid, []),
        ),
        (
            "a PING is answered, one session was heard of",
            "00000005 0000000100000001 0000000c 0100001b45e50000 00007530 ffffffff",
            SessionTouch::ping_reply(zxid, [SessionTouch { session: SESSION, timeout_ms: 30_000 }]),
        ),
        (
            "a transaction is proposed",
            "00000002 0000000100000001 00000030
             0100 0014443e0000 00000000 0000000100000001 000001a1fc845a36 fffffff6 00002710
             00000002 0000000051c6d660 ffffffff",
            QuorumPacket::with_data(PacketKind::Proposal, zxid, txn.into()),
        ),
    ]
}

#[test]
fn packets_of_a_genuine_ensemble() {
    for (name, golden, packet) in golden_packets() {
        let golden = hex(golden);
        assert_eq!(encoded(&packet), golden, "{name}");
        assert_eq!(decoded(&golden), packet, "{name}");
    }
}

#[test]
fn packets_are_cut_where_they_end_and_not_before() {
    for (name, golden, _) in golden_packets() {
        let mut bytes = hex(golden);
        let len = bytes.len();
        for cut in 0..len {
            assert_eq!(split_packet(&bytes[..cut], FieldLimit::default()), Ok(None), "{name}: {cut}");
            let cut_packet = QuorumPacket::decode(&bytes[..cut].to_vec().into(), FieldLimit::default());
            assert!(cut_packet.is_err(), "{name}: {cut}");
        }
        bytes.extend_from_slice(&[0; 30]);
        assert_eq!(split_packet(&bytes, FieldLimit::default()), Ok(Some(len)), "{name}");
    }
}

#[test]
fn bodies_of_a_genuine_ensemble() {
    let data = |hexed: &str| decoded(&hex(hexed)).data;
    let info = data("0000000b 0000000000000000 00000014 0000000000000002 00010000 0000000000000000 ffffffff");
    let learner =
        LearnerInfo { server: Some(ServerId::new(2)), protocol_version: PROTOCOL_VERSION, config_version: 0 };
    assert_eq!(LearnerInfo::decode(info.as_deref()), Ok(learner));
    let proposed = data("00000011 0000000100000000 00000004 00010000 ffffffff");
    assert_eq!(read_protocol_version(proposed.as_deref()), Ok(PROTOCOL_VERSION));
    let touched = data("00000005 0000000100000001 0000000c 0100001b45e50000 00007530 ffffffff");
    let touches: Vec<_> = read_touches(touched.as_deref()).collect();
    assert_eq!(touches, [Ok(SessionTouch { session: SESSION, timeout_ms: 30_000 })]);
}

#[test]
fn the_greeting_of_a_genuine_server() {
    let golden = hex("ffffffffffff0000 0000000000000001 0000000e \"127.0.0.1:2381\"");
    let hello = ElectionHello { server: ServerId::new(1), addresses: vec!["127.0.0.1:2381".into()] };
    assert_eq!(ElectionHello::decode(&golden), Ok(Some((hello.clone(), golden.len()))));
    let mut again = Vec::new();
    hello.encode(&mut again);
    assert_eq!(again, golden);
}

#[test]
fn the_vote_of_a_genuine_follower() {
    let config = "server.1=127.0.0.1:2281:2381:participant\nserver.2=127.0.0.1:2282:2382:participant\n\
                  server.3=127.0.0.1:2283:2383:participant\nversion=100000000";
    assert_eq!(config.len(), 140);
    let golden = hex(&format!(
        "000000b8 00000001 0000000000000002 0000000000000000 0000000000000001 0000000000000001 00000002 0000008c
         \"{config}\""
    ));
    let vote = Notification {
        state: ServerState::Following,
        leader: ServerId::new(2),
        zxid: Zxid::ZERO,
        election_epoch: 1,
        peer_epoch: 1,
        version: 2,
        config: Some(config.into()),
    };
    let (frame, rest) = split_notification(&golden).unwrap().unwrap();
    assert_eq!((Notification::decode(frame), rest), (Ok(vote.clone()), &[][..]));
    let mut again = Vec::new();
    vote.encode(&mut again);
    assert_eq!(again, golden);
}

fn packet() -> impl Strategy<Value = QuorumPacket> {
    let kind = proptest::sample::select(PacketKind::ALL);
    let data = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..60));
    let identity = ("[a-z0-9]{0,6}", ".{0,12}").prop_map(|(scheme, id)| Identity { scheme, id });
    let identities = proptest::option::of(proptest::collection::vec(identity, 0..4));
    (kind, any::<i64>(), data, identities).prop_map(|(kind, zxid, data, identities)| QuorumPacket {
        kind,
        zxid: Zxid::from_raw(zxid),
        data: data.map(Bytes::from),
        identities,
    })
}

fn notification() -> impl Strategy<Value = Notification> {
    const STATES: [ServerState; 4] =
        [ServerState::Looking, ServerState::Following, ServerState::Leading, ServerState::Observing];
    let state = proptest::sample::select(&STATES[..]);
    (state, any::<(i64, i64, i64, i64)>(), ".{0,80}").prop_map(|(state, numbers, config)| Notification {
        state,
        leader: ServerId::new(numbers.0),
        zxid: Zxid::from_raw(numbers.1),
        election_epoch: numbers.2,
        peer_epoch: numbers.3,
        version: Notification::VERSION,
        config: Some(config),
    })
}

proptest! {
    #[test]
    fn packets_round_trip_in_a_stream(packets in proptest::collection::vec(packet(), 0..5)) {
        let mut stream = Vec::new();
        packets.iter().for_each(|packet| packet.encode(&mut stream));
        let mut stream = Bytes::from(stream);
        for packet in packets {
            let len = split_packet(&stream, FieldLimit::default()).unwrap().unwrap();
            let received = QuorumPacket::decode(&stream.split_to(len), FieldLimit::default());
            prop_assert_eq!(received, Ok(ReceivedPacket::Known(packet)));
        }
        prop_assert!(stream.is_empty());
    }

    #[test]
    fn every_cut_of_a_packet_asks_for_more(packet in packet()) {
        let bytes = encoded(&packet);
        for cut in 0..bytes.len() {
            prop_assert_eq!(split_packet(&bytes[..cut], FieldLimit::default()), Ok(None));
            prop_assert!(QuorumPacket::decode(&bytes[..cut].to_vec().into(), FieldLimit::default()).is_err());
        }
    }

    #[test]
    fn what_is_cut_from_any_bytes_can_be_read(
        code in 0i32..25, bytes in proptest::collection::vec(prop_oneof![Just(0), Just(0xff), any::<u8>()], 0..120),
    ) {
        let bytes = [&code.to_be_bytes()[..], &bytes].concat();
        let limit = FieldLimit(50);
        if let Ok(Some(len)) = split_packet(&bytes, limit) {
            prop_assert!(QuorumPacket::decode(&bytes[..len].to_vec().into(), limit).is_ok());
        }
    }

    #[test]
    fn bodies_never_panic(data in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40))) {
        let data = data.as_deref();
        let _ = (LearnerInfo::decode(data), AckEpochData::decode(data), ForwardedRequest::decode(data));
        let _ = (RevalidateAsk::decode(data), RevalidateReply::decode(data), read_protocol_version(data));
        prop_assert_eq!(read_touches(data).count(), data.map_or(0, <[u8]>::len).div_ceil(12));
    }

    #[test]
    fn votes_round_trip(vote in notification()) {
        let mut bytes = Vec::new();
        vote.encode(&mut bytes);
        let (frame, rest) = split_notification(&bytes).unwrap().unwrap();
        prop_assert_eq!((Notification::decode(frame), rest), (Ok(vote), &[][..]));
    }

    #[test]
    fn greetings_round_trip(
        server in any::<i64>(), addresses in proptest::collection::vec("([a-z.]{1,20}|\\[[0-9a-f:]{2,8}\\]):[0-9]{1,4}", 1..4),
    ) {
        let hello = ElectionHello { server: ServerId::new(server), addresses };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        prop_assert_eq!(ElectionHello::decode(&bytes), Ok(Some((hello, bytes.len()))));
    }

    #[test]
    fn the_election_port_never_panics(
        head in proptest::sample::select(vec![vec![], hex("ffffffffffff0001"), hex("00000030 00000000")]),
        bytes in proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..100),
    ) {
        let bytes = [head, bytes].concat();
        let _ = ElectionHello::decode(&bytes);
        if let Ok(Some((frame, _))) = split_notification(&bytes) {
            let _ = Notification::decode(frame);
        }
        let _ = Notification::decode(&bytes);
    }
}
