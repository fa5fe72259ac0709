//! The four-letter words, in the form of client-protocol §12.

use std::collections::{BTreeMap, BTreeSet};

use zabra_proto::OpCode;
use zabra_server::config::FourLetterWords;
use zabra_testkit::{RawClient, RawRequest, four_letter};

use crate::common::{PATIENCE, Running, succeed, without_numbers};

/// A server with a client that made two nodes, one of them ephemeral, and left watches of all kinds.
fn watched() -> (Running, RawClient, String) {
    let running = Running::start();
    let (mut client, connected) = running.client();
    for request in [
        RawRequest::create("/a", b"x", 0),
        RawRequest::create("/a/e", b"y", 1),
        RawRequest::read(OpCode::GetData, "/a", true),
        RawRequest::read(OpCode::GetChildren, "/a", true),
    ] {
        succeed(&mut client, &request);
    }
    assert_ne!(client.call(&RawRequest::read(OpCode::Exists, "/nope", true)).unwrap().err, 0);
    (running, client, format!("0x{:x}", connected.session))
}

#[test]
fn words_without_a_state_answer_without_a_newline() {
    let running = Running::start();
    assert_eq!(running.word("ruok"), "imok");
    assert_eq!(running.word("isro"), "rw");
    assert_eq!(running.word("gtmk"), "306");
    assert_eq!(running.word("hash"), "");
}

#[test]
fn words_are_answered_in_the_genuine_form() {
    let (running, _client, session) = watched();
    let version = format!("Zookeeper version: 3.9.5-zabra-{}, built on ", env!("CARGO_PKG_VERSION"));
    for word in ["srvr", "stat"] {
        let answer = running.word(word);
        assert!(answer.starts_with(&version), "{answer}");
        let clients = "Clients:\n /N.N.N.N:N[N](queued=N,recved=N,sent=N)\n /N.N.N.N:N[N](queued=N,recved=N,sent=N)\n\n";
        let expected = format!(
            "{}Latency min/avg/max: N/N.N/N\nReceived: N\nSent: N\nConnections: N\nOutstanding: N\nZxid: X\n\
             Mode: standalone\nNode count: N\n",
            if word == "stat" { clients } else { "" },
        );
        let (_, behind_version) = answer.split_once('\n').unwrap();
        assert_eq!(without_numbers(behind_version), expected, "{answer}");
    }
    assert!(running.word("srvr").contains("\nZxid: 0x3\nMode: standalone\nNode count: 7\n"));
    assert_eq!(running.word("wchs"), "1 connections watching 2 paths\nTotal watches:2\n");
    assert_eq!(running.word("wchc"), format!("{session}\n\t/a\n\t/nope\n\n"));
    assert_eq!(running.word("wchp"), format!("/a\n\t{session}\n/nope\n\t{session}\n\n"));
    assert_eq!(without_numbers(&running.word("dirs")), "datadir_size: N\nlogdir_size: N\n");
    assert_eq!(
        without_numbers(&running.word("conf")),
        without_numbers(&format!(
            "clientPort=1\nsecureClientPort=-1\ndataDir={0}/version-2\ndataDirSize=1\ndataLogDir={0}/version-2\n\
             dataLogSize=1\ntickTime=3000\nmaxClientCnxns=60\nminSessionTimeout=6000\nmaxSessionTimeout=60000\n\
             clientPortListenBacklog=-1\nserverId=0\n",
            running.server().config().storage.data_dir.display(),
        )),
    );
    let port = running.address().port();
    assert!(running.word("conf").starts_with(&format!("clientPort={port}\n")));
    let date = "Fri Nov N N:N:N UTC N";
    let dump = running.word("dump");
    let dump = dump
        .lines()
        .map(|line| match line.split_once(" expire at ") {
            Some((count, _)) => format!("{count} expire at {date}:\n"),
            None => format!("{line}\n"),
        })
        .collect::<String>();
    assert_eq!(
        without_numbers(&dump),
        without_numbers(&format!(
            "SessionTracker dump:\nSession Sets (1)/(1):\n1 expire at {date}:\n\t{session}\nephemeral nodes dump:\n\
             Sessions with Ephemerals (1):\n{session}:\n\t/a/e\nConnections dump:\nConnections Sets (1)/(2):\n\
             2 expire at {date}:\n\tip: /127.0.0.1:1 sessionId: {session}\n\tip: /127.0.0.1:1 sessionId: 0x0\n",
        )),
    );
}

#[test]
fn connections_are_shown_in_full_and_reset() {
    let (running, mut client, session) = watched();
    let line = |answer: &str| {
        answer.lines().find(|line| line.contains(&format!(",sid={session},"))).unwrap_or_default().to_owned()
    };
    let answer = running.word("cons");
    assert!(answer.ends_with(")\n\n"), "{answer}");
    let shown = line(&answer);
    assert!(shown.contains("[1](queued=0,recved=6,sent=6,sid="), "{shown}");
    assert!(
        shown.contains(",lop=EXIS,est=") && shown.contains(",to=10000,lcxid=0x5,lzxid=0x3,lresp="),
        "{shown}"
    );
    assert_eq!(running.word("crst"), "Connection stats reset.\n");
    let shown = line(&running.word("cons"));
    assert!(shown.contains("(queued=0,recved=0,sent=0,sid=") && shown.contains(",lop=NA,"), "{shown}");
    assert!(!shown.contains("lcxid") && shown.contains(",lzxid=0xffffffffffffffff,"), "{shown}");
    succeed(&mut client, &RawRequest::read(OpCode::GetData, "/a", false));
    assert!(line(&running.word("cons")).contains("(queued=0,recved=1,sent=1,"));
}

#[test]
fn statistics_are_reset() {
    let (running, _client, _) = watched();
    assert_eq!(running.word("srst"), "Server stats reset.\n");
    // The answer to srst, and srvr itself.
    assert!(running.word("srvr").contains("\nReceived: 1\nSent: 1\n"));
}

#[test]
fn the_environment_has_the_genuine_keys() {
    let answer = Running::start().word("envi");
    let keys: Vec<&str> = answer.lines().map(|line| line.split('=').next().unwrap()).collect();
    let expected = "Environment: zookeeper.version host.name java.version java.vendor java.home java.class.path \
                    java.library.path java.io.tmpdir java.compiler os.name os.arch os.version user.name user.home \
                    user.dir os.memory.free os.memory.max os.memory.total";
    let expected: Vec<&str> = expected.split(' ').filter(|key| !key.is_empty()).collect();
    assert_eq!(keys.iter().map(|key| key.trim_end_matches(':')).collect::<Vec<_>>()[1..], expected[1..]);
}

#[test]
fn the_trace_mask_is_set_by_eight_bytes() {
    let running = Running::start();
    let mut client = RawClient::open(running.address()).unwrap();
    // In pieces, and behind a half-closed connection.
    client.send_bytes(b"stmk\0\0\0\0").unwrap();
    client.send_bytes(&[0, 0, 1, 2]).unwrap();
    client.shutdown_write().unwrap();
    assert_eq!(client.receive_to_end(PATIENCE).unwrap(), b"258");
    assert_eq!(running.word("gtmk"), "258");
    let mut client = RawClient::open(running.address()).unwrap();
    client.send_bytes(b"stmk\0").unwrap();
    client.shutdown_write().unwrap();
    assert_eq!(client.receive_to_end(PATIENCE).unwrap(), b"");
    assert_eq!(running.word("gtmk"), "258");
}

#[test]
fn half_closed_and_talkative_clients_get_the_whole_answer() {
    let running = Running::start();
    for sent in [&b"ruok"[..], b"ruok\r\n", b"ruokruok"] {
        let mut client = RawClient::open(running.address()).unwrap();
        client.send_bytes(sent).unwrap();
        client.shutdown_write().unwrap();
        assert_eq!(client.receive_to_end(PATIENCE).unwrap(), b"imok");
    }
}

/// A client that saw the end of its connection may ask at once who is connected.
#[test]
fn whoever_was_answered_is_no_longer_listed() {
    let running = Running::start();
    for round in 0..200 {
        running.word("ruok");
        let connections = running.word("cons");
        assert_eq!(connections.matches("queued=").count(), 1, "round {round}: {connections}");
    }
}

#[test]
fn words_that_are_not_listed_are_not_executed() {
    let running = Running::start_with(|config| {
        config.four_letter_words = FourLetterWords::Listed(BTreeSet::from(["ruok".to_owned()]));
    });
    assert_eq!(running.word("ruok"), "imok");
    assert!(running.word("srvr").contains("Mode: standalone"));
    for word in ["isro", "mntr", "stmk", "wchc"] {
        let told = format!("{word} is not executed because it is not in the whitelist.\n");
        assert_eq!(running.word(word), told);
    }
    let mut client = RawClient::open(running.address()).unwrap();
    client.send_bytes(&[0xff, 0xf4, 0xff, 0xfd]).unwrap();
    let told = client.receive_to_end(PATIENCE).unwrap();
    assert_eq!(told, b"telnet close is not executed because it is not in the whitelist.\n");
}

#[test]
fn read_only_mode_allows_isro() {
    let running = Running::start_with(|config| {
        config.four_letter_words = FourLetterWords::default();
        config.read_only_mode = true;
    });
    assert_eq!(running.word("isro"), "rw");
}

#[test]
fn the_telnet_close_sequence_closes() {
    let running = Running::start();
    let mut client = RawClient::open(running.address()).unwrap();
    client.send_bytes(&[0xff, 0xf4, 0xff, 0xfd]).unwrap();
    assert_eq!(client.receive_to_end(PATIENCE).unwrap(), b"");
}

#[test]
fn digests_are_kept_for_every_128th_transaction() {
    let (running, mut client, _) = watched();
    for _ in 0..256 {
        succeed(&mut client, &RawRequest::set_data("/a", Some(b"z"), -1));
    }
    let answer = four_letter(running.address(), "hash", PATIENCE).unwrap();
    let zxids: Vec<&str> = answer.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(zxids, ["80", "100"]);
    assert!(answer.lines().all(|line| line.split_once(": ").unwrap().1.parse::<i64>().is_ok()), "{answer}");
}

/// The keys of a genuine standalone server.
const MONITOR_KEYS: &str = include_str!("monitor_keys.txt");

#[test]
fn the_monitor_has_every_genuine_key_once() {
    let (running, _client, _) = watched();
    let answer = running.word("mntr");
    let mut values: BTreeMap<&str, &str> = BTreeMap::new();
    for line in answer.lines() {
        let (key, value) = line.split_once('\t').unwrap();
        assert!(values.insert(key, value).is_none(), "{key} comes twice");
    }
    let expected: BTreeSet<&str> = MONITOR_KEYS.lines().filter(|line| !line.is_empty()).collect();
    let missing: Vec<_> = expected.iter().filter(|key| !values.contains_key(*key)).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
    let more: Vec<_> =
        values.keys().filter(|key| !expected.contains(*key) && !key.ends_with("_namespace")).collect();
    assert!(more.is_empty(), "more: {more:?}");
    for (key, value) in [
        ("zk_server_state", "standalone"),
        ("zk_znode_count", "7"),
        ("zk_ephemerals_count", "1"),
        ("zk_watch_count", "3"),
        ("zk_global_sessions", "1"),
        ("zk_num_alive_connections", "2"),
        ("zk_approximate_data_size", "52"),
        ("zk_connection_drop_probability", "0.0"),
        ("zk_cnt_updatelatency", "3"),
        ("zk_cnt_readlatency", "3"),
    ] {
        assert_eq!(values[key], value, "{key}");
    }
    assert!(answer.starts_with("zk_version\t3.9.5-zabra-"));
    assert!(values["zk_open_file_descriptor_count"].parse::<u64>().unwrap() > 0);
}
