//! A server that speaks the protocol and means nothing by it: no answer may panic, and none may be taken for another.

use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zabra_client::{Client, Error, Outcome, WatcherType};
use zabra_proto::{ConnectResponse, OpCode, Reader, ReplyHeader, RequestHeader, begin_frame, end_frame};
use zabra_types::{SessionId, SessionPassword, Zxid};

/// Answers every request with success and this body.
async fn answer_all(mut stream: TcpStream, body: Vec<u8>) -> std::io::Result<()> {
    frame(&mut stream).await?;
    let session = SessionId::from_raw(7);
    let password = SessionPassword::of(session);
    let response = ConnectResponse { timeout_ms: 30_000, session, password, read_only: Some(false) };
    reply(&mut stream, |out| response.encode(out)).await?;
    loop {
        let request = frame(&mut stream).await?;
        let header = RequestHeader::decode(&mut Reader::new(&request)).unwrap();
        let answer = ReplyHeader { xid: header.xid, zxid: Zxid::from_raw(9), err: 0 };
        let is_close = header.op == OpCode::CloseSession.code();
        reply(&mut stream, |out| {
            answer.encode(out);
            out.extend_from_slice(&body);
        })
        .await?;
        if is_close {
            return Ok(());
        }
    }
}

async fn frame(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let len = stream.read_i32().await?;
    let mut frame = vec![0; usize::try_from(len).unwrap()];
    stream.read_exact(&mut frame).await?;
    Ok(frame)
}

async fn reply(stream: &mut TcpStream, fill: impl FnOnce(&mut Vec<u8>)) -> std::io::Result<()> {
    let mut out = Vec::new();
    let at = begin_frame(&mut out);
    fill(&mut out);
    end_frame(&mut out, at);
    stream.write_all(&out).await
}

/// That an answer is understood, or said not to make sense; and what the request has done.
#[track_caller]
fn check<T>(result: Result<T, Error>, is_write: bool) {
    match result {
        Ok(_) => {}
        // Inside of a transaction's answer, a refusal with a code that nobody knows is a refusal.
        Err(Error::BadReply { op: "transaction", .. } | Error::Multi(_)) => {}
        Err(Error::BadReply { outcome, .. }) => {
            assert_eq!(outcome, if is_write { Outcome::Happened } else { Outcome::DidNotHappen });
        }
        Err(other) => panic!("{other:?}"),
    }
}

async fn ask_everything(body: Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // It ends when the client goes.
        let _ = answer_all(stream, body).await;
    });
    let client = Client::builder()
        .connect_within(Duration::from_secs(20))
        .connect(&address.to_string())
        .await
        .unwrap();
    check(client.create("/a", []).await, true);
    check(client.get("/a").await, false);
    check(client.get("/a").or_null().watch().await, false);
    check(client.exists("/a").await, false);
    check(client.children("/a").await, false);
    check(client.children_stat("/a").watch().await, false);
    check(client.set("/a", []).await, true);
    check(client.acl("/a").await, false);
    check(client.set_acl("/a", []).await, true);
    check(client.whoami().await, false);
    check(client.ephemerals("/").await, false);
    check(client.all_children_number("/").await, false);
    check(client.sync("/").await, false);
    check(client.check_watches("/a", WatcherType::Any).await, false);
    check(client.reconfig().await, true);
    check(client.transaction().check("/a", 0).create("/b", []).commit().await, true);
    check(client.read_many().get("/a").children("/b").await, false);
    client.close().await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_answer_is_too_strange(body in prop_oneof![vec(any::<u8>(), 0..90), vec(0..3_u8, 0..150), vec(Just(0xff), 0..30)]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ask_everything(body));
    }
}
