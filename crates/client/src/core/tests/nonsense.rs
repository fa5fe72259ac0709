//! Servers that say anything at all.

use super::world::{hosts, options};
use crate::core::watches::{WatchKind, WatcherId};
use crate::core::*;
use bytes::BytesMut;
use zabra_proto::{ConnectResponse, OpCode, Put, ReplyHeader, begin_frame, end_frame};
use zabra_types::{SessionId, SessionPassword, Xid, Zxid};

/// Bytes that are more or less like a server's.
fn nonsense(random: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    let at = begin_frame(&mut bytes);
    let session = SessionId::from_raw(7);
    let timeout_ms = if random.u8(..) < 240 { 6000 } else { random.i32(..) };
    let password = SessionPassword::of(session);
    ConnectResponse { timeout_ms, session, password, read_only: Some(random.bool()) }.encode(&mut bytes);
    end_frame(&mut bytes, at);
    let mut expected = 0;
    for _ in 0..random.usize(..10) {
        let at = begin_frame(&mut bytes);
        let xid = match random.u8(..10) {
            0 => random.i32(..),
            1..4 => *random.choice([-1, -2, -4, -8].iter()).unwrap(),
            _ => {
                expected += 1;
                expected
            }
        };
        let err = *random.choice([0, 0, 0, -101, -112, -115, 5].iter()).unwrap();
        ReplyHeader { xid: Xid::from_raw(xid), zxid: Zxid::from_raw(random.i64(..)), err }.encode(&mut bytes);
        bytes.put_i32(random.i32(-1..6));
        bytes.put_i32(3);
        bytes.put_text(random.choice(["/", "/a", "", "a", "//"].iter()).unwrap());
        end_frame(&mut bytes, at);
    }
    for _ in 0..random.usize(..3) {
        let at = random.usize(..bytes.len());
        bytes[at] = random.u8(..);
    }
    bytes.truncate(random.usize(..bytes.len() * 2));
    bytes
}

#[test]
fn every_call_ends_once_whatever_servers_say() {
    for seed in 0..20_000 {
        let mut random = Rng::with_seed(seed);
        let options = CoreOptions { renew_expired: random.bool(), ..options() };
        let mut now = Now::default();
        let mut core = Core::new(options, hosts(1), seed, now);
        let mut out = Vec::new();
        core.handle_deadline(now, &mut out);
        core.handle(now, Input::Dialled(true), &mut out);
        for id in 0..5 {
            let watcher = WatcherId(id);
            let ask = WatchAsk { watcher, path: "/a".to_owned(), kind: WatchKind::Exists };
            let effect = WatchEffect::Add(Box::new(ask));
            let call = Call { id: CallId(id), op: OpCode::Exists, body: Vec::new(), effect, pinned: None };
            core.handle(now, Input::Submit(call), &mut out);
        }
        core.handle(now, Input::Close(Some(CallId(5))), &mut out);
        let mut inbox = BytesMut::new();
        let bytes = nonsense(&mut random);
        for part in bytes.chunks(random.usize(1..100)) {
            inbox.extend_from_slice(part);
            core.received(now, &mut inbox, &mut out);
            core.watches.check();
        }
        core.handle(now, Input::Closed { written: random.u64(..200) }, &mut out);
        // No server is there any more.
        while let Some(due) = core.next_deadline() {
            now = due;
            core.handle_deadline(now, &mut out);
            core.handle(now, Input::Dialled(false), &mut out);
        }
        let done =
            |id| out.iter().filter(|o| matches!(o, Output::Done(done, _) if *done == CallId(id))).count();
        let over = |id| out.iter().filter(|o| **o == Output::Unwatched(WatcherId(id))).count();
        for id in 0..5 {
            assert_eq!((done(id), over(id)), (1, 1), "call {id}, SEED={seed}");
        }
        assert_eq!(done(5), 1, "closing, SEED={seed}");
    }
}
