use std::io::{BufRead, Write};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use zabra_proto::{PacketKind, Txn, TxnHeader};
use zabra_storage::{SharedTree, receive_database, send_database};
use zabra_tree::TreeOptions;
use zabra_types::{OwnerRules, SessionId, WallTime, Xid};

use super::*;
use crate::config::Host;
use crate::ensemble::Holds;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

fn id(number: i64) -> ServerId {
    ServerId::new(number)
}

fn zxid(raw: i64) -> Zxid {
    Zxid::from_raw(raw)
}

/// A server's data: a tree with so many sessions, and a log of ten transactions.
struct Data(Tree);

const OPTIONS: TreeOptions = TreeOptions {
    owner_rules: OwnerRules { extended_types: true, emulate_353_ttl: false },
    digest: true,
    hash_seed: [1, 2],
};

impl Data {
    fn new(sessions: i64) -> Self {
        let mut tree = Tree::new(OPTIONS);
        for n in 1..=sessions {
            let header = TxnHeader {
                session: SessionId::from_raw(n),
                cxid: Xid::default(),
                zxid: zxid(n),
                time: WallTime::from_millis(1),
                kind: -10,
            };
            tree.apply(&header, &Txn::CreateSession { timeout_ms: 1000 }, &mut ());
        }
        Self(tree)
    }
}

impl SharedTree for Data {
    fn look<R>(&self, look: impl FnOnce(&Tree) -> R) -> R {
        look(&self.0)
    }
}

impl Depot for Data {
    fn read_log(
        &self,
        after: Zxid,
        before: Zxid,
        each: &mut dyn FnMut(Zxid, &[u8]) -> io::Result<()>,
    ) -> Result<(), String> {
        for n in after.raw() + 1..before.raw() {
            if n > 10 {
                return Err("there is no more".to_owned());
            }
            each(zxid(n), &[n as u8; 3]).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn write_snapshot(&self, out: &mut dyn Write) -> Result<(), String> {
        send_database(self, out).map(drop).map_err(|error| error.to_string())
    }

    fn read_snapshot(&self, zxid: Zxid, input: &mut dyn BufRead) -> Result<(Tree, Hold), String> {
        let tree = receive_database(input, zxid, OPTIONS, FieldLimit::default())
            .map_err(|(at, problem)| format!("{at}: {problem}"))?;
        Ok((tree, Holds::default().hold()))
    }
}

struct Server {
    links: Links,
    heard: UnboundedReceiver<Input>,
    port: u16,
}

impl Server {
    async fn hear(&mut self) -> Input {
        timeout(LONG, self.heard.recv()).await.expect("nothing heard").unwrap()
    }

    /// The link that somebody begins.
    async fn accepted(&mut self) -> LinkId {
        match self.hear().await {
            Input::Accepted(link) => link,
            other => panic!("{other:?}"),
        }
    }

    async fn packet(&mut self) -> QuorumPacket {
        match self.hear().await {
            Input::Packet { packet, .. } => packet,
            other => panic!("{other:?}"),
        }
    }

    async fn connect(&self) -> TcpStream {
        loop {
            match TcpStream::connect(("127.0.0.1", self.port)).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }
}

/// A server whose only fellow, number 1, is on the quorum port `leader`.
fn start(data: Data, leader: u16, queue_bytes_max: usize) -> Server {
    start_with(data, leader, |options| options.queue_bytes_max = queue_bytes_max)
}

fn start_with(data: Data, leader: u16, change: impl FnOnce(&mut LinkOptions)) -> Server {
    let port = zabra_testkit::free_port().unwrap();
    let at = |port| vec![Endpoint::new(Host::new("127.0.0.1"), port)];
    let mut options = LinkOptions {
        listen: at(port),
        bind_tries: Some(1),
        members: [(id(1), at(leader))].into(),
        dial_timeout: LONG,
        field_limit: FieldLimit(100_000),
        links_max: 3,
        queue_bytes_max: 1 << 20,
        stall_max: LONG,
        progress_pause: LONG,
        opening: None,
    };
    change(&mut options);
    let (sender, heard) = unbounded_channel();
    let hear: Hear = Arc::new(move |inputs| {
        for input in inputs {
            // Nobody listens any more at the end of a test.
            let _ = sender.send(input);
        }
    });
    let links = Links::start(options, Arc::new(data), hear, Arc::new(|why| panic!("{why}")));
    Server { links, heard, port }
}

/// A leader and a learner with a link between them: theirs, in this order.
async fn pair(leader: Data) -> (Server, LinkId, Server, LinkId) {
    let mut leader = start(leader, 0, 1 << 20);
    drop(leader.connect().await);
    let probe = leader.accepted().await;
    assert_eq!(leader.hear().await, Input::Closed(probe));
    assert!(leader.links.forget(probe));
    let mut learner = start(Data::new(0), leader.port, 1 << 20);
    let ours = LinkId(7);
    learner.links.connect(ours, id(1));
    assert_eq!(learner.hear().await, Input::Connected(ours));
    let theirs = leader.accepted().await;
    (leader, theirs, learner, ours)
}

fn ping(n: i64) -> QuorumPacket {
    QuorumPacket::bare(PacketKind::Ping, zxid(n))
}

fn bytes_of(packet: &QuorumPacket) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(&mut bytes);
    bytes
}

#[tokio::test]
async fn packets_go_both_ways_in_order() {
    let (mut leader, theirs, mut learner, ours) = pair(Data::new(0)).await;
    for n in 0..1000 {
        learner.links.send(ours, &ping(n));
    }
    learner.links.flush();
    for n in 0..1000 {
        assert_eq!(leader.packet().await, ping(n));
    }
    let big = QuorumPacket::with_data(PacketKind::Proposal, zxid(5), Bytes::from(vec![9; 100_000]));
    leader.links.send(theirs, &big);
    leader.links.flush();
    assert_eq!(learner.packet().await, big);
    leader.links.close(theirs, &CloseReason::NotLeading);
    assert!(!leader.links.is_open(theirs));
    assert_eq!(learner.hear().await, Input::Closed(ours));
    leader.links.send(theirs, &ping(0));
}

#[tokio::test]
async fn a_database_and_pieces_of_the_log_keep_their_place_among_packets() {
    const SESSIONS: i64 = 100_000;
    let (mut leader, theirs, mut learner, ours) = pair(Data::new(SESSIONS)).await;
    let snap = QuorumPacket::bare(PacketKind::Snap, zxid(SESSIONS));
    leader.links.send(theirs, &ping(1));
    leader.links.send(theirs, &snap);
    leader.links.send_snapshot(theirs);
    leader.links.send(theirs, &ping(2));
    leader.links.send_log(theirs, zxid(3), zxid(6));
    leader.links.send(theirs, &ping(3));
    leader.links.flush();
    assert_eq!(learner.packet().await, ping(1));
    assert_eq!(learner.packet().await, snap);
    assert_eq!(learner.hear().await, Input::SnapshotReceived(ours));
    let (tree, _hold) = learner.links.take_snapshot(ours).unwrap();
    assert_eq!((tree.sessions().len(), tree.last_zxid()), (SESSIONS as usize, zxid(SESSIONS)));
    assert_eq!(learner.packet().await, ping(2));
    for n in [4, 5] {
        let data = Bytes::from(vec![n as u8; 3]);
        assert_eq!(learner.packet().await, QuorumPacket::with_data(PacketKind::Proposal, zxid(n), data));
        assert_eq!(learner.packet().await, QuorumPacket::bare(PacketKind::Commit, zxid(n)));
    }
    assert_eq!(learner.packet().await, ping(3));
    assert_eq!(leader.hear().await, Input::HistorySent(theirs));
    assert_eq!(leader.hear().await, Input::HistorySent(theirs));

    // What is missing in the log ends the link, and says so after the end of the history.
    leader.links.send_log(theirs, zxid(8), zxid(20));
    leader.links.flush();
    assert_eq!(leader.hear().await, Input::HistorySent(theirs));
    assert_eq!(leader.hear().await, Input::Closed(theirs));
}

#[tokio::test]
async fn a_database_in_small_pieces_is_one_too() {
    let mut learner = start(Data::new(0), 0, 1 << 20);
    let mut stream = learner.connect().await;
    let link = learner.accepted().await;
    let mut bytes = bytes_of(&QuorumPacket::bare(PacketKind::Snap, zxid(3)));
    Data::new(3).write_snapshot(&mut bytes).unwrap();
    ping(1).encode(&mut bytes);
    for piece in bytes.chunks(11) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    assert_eq!(learner.packet().await.kind, PacketKind::Snap);
    assert_eq!(learner.hear().await, Input::SnapshotReceived(link));
    assert_eq!(learner.packet().await, ping(1));
}

#[tokio::test]
async fn a_database_that_goes_on_coming_is_not_silence() {
    let mut learner = start_with(Data::new(0), 0, |options| options.progress_pause = Duration::ZERO);
    let mut stream = learner.connect().await;
    let link = learner.accepted().await;
    let mut bytes = bytes_of(&QuorumPacket::bare(PacketKind::Snap, zxid(3)));
    Data::new(3).write_snapshot(&mut bytes).unwrap();
    let (most, last) = bytes.split_at(bytes.len() - 1);
    stream.write_all(&most[..30]).await.unwrap();
    assert_eq!(learner.packet().await.kind, PacketKind::Snap);
    // Wherever the network cuts the rest, there is more than the first piece.
    stream.write_all(&most[30..]).await.unwrap();
    assert_eq!(learner.hear().await, Input::SnapshotProgress(link));
    stream.write_all(last).await.unwrap();
    loop {
        match learner.hear().await {
            Input::SnapshotProgress(_) => {}
            heard => break assert_eq!(heard, Input::SnapshotReceived(link)),
        }
    }
}

#[tokio::test]
async fn who_cannot_be_reached_is_told() {
    let nobody = zabra_testkit::free_port().unwrap();
    let mut learner = start(Data::new(0), nobody, 1 << 20);
    learner.links.connect(LinkId(1), id(1));
    assert_eq!(learner.hear().await, Input::NotConnected(LinkId(1)));
    learner.links.connect(LinkId(2), id(99));
    assert_eq!(learner.hear().await, Input::NotConnected(LinkId(2)), "no member");
}

#[tokio::test]
async fn nonsense_costs_only_its_own_link() {
    let mut leader = start(Data::new(0), 0, 1 << 20);
    let mut good = leader.connect().await;
    let good_link = leader.accepted().await;
    let oversized = [&bytes_of(&ping(1))[..12], &[0, 1, 0x86, 0xa1]].concat();
    let no_database = [bytes_of(&QuorumPacket::bare(PacketKind::Snap, zxid(1))), vec![0xff; 16]].concat();
    let half_a_database =
        [bytes_of(&QuorumPacket::bare(PacketKind::Snap, zxid(1))), vec![0, 0, 0, 1, 0, 0]].concat();
    for (nonsense, told, ends) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], 0, false),
        (&oversized, 0, false),
        (&no_database, 1, false),
        (&half_a_database, 1, true),
    ] {
        let mut stream = leader.connect().await;
        let link = leader.accepted().await;
        stream.write_all(nonsense).await.unwrap();
        if ends {
            stream.shutdown().await.unwrap();
        }
        for _ in 0..told {
            leader.packet().await;
        }
        assert_eq!(leader.hear().await, Input::Closed(link), "{nonsense:?}");
        assert!(leader.links.forget(link));
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0, "{nonsense:?}");
    }
    // A packet of a kind from the future is passed over.
    let mut unknown = bytes_of(&ping(1));
    unknown[3] = 77;
    good.write_all(&[unknown, bytes_of(&ping(2))].concat()).await.unwrap();
    assert_eq!(leader.hear().await, Input::Packet { link: good_link, packet: ping(2) });
}

#[tokio::test]
async fn who_does_not_read_is_closed() {
    let mut leader = start(Data::new(0), 0, 500_000);
    let _silent = leader.connect().await;
    let link = leader.accepted().await;
    let packet = QuorumPacket::with_data(PacketKind::Proposal, zxid(1), Bytes::from(vec![1; 50_000]));
    // The system's buffers are finite, too.
    let ended = timeout(LONG, async {
        loop {
            leader.links.send(link, &packet);
            leader.links.flush();
            tokio::task::yield_now().await;
            if let Ok(input) = leader.heard.try_recv() {
                break input;
            }
        }
    });
    assert_eq!(ended.await.unwrap(), Input::Closed(link));
}

#[tokio::test]
async fn who_takes_nothing_of_a_database_is_closed() {
    // More than the system's buffers take.
    let data = Data::new(1_000_000);
    let mut leader = start_with(data, 0, |options| options.stall_max = Duration::from_millis(50));
    let _silent = leader.connect().await;
    let link = leader.accepted().await;
    leader.links.send_snapshot(link);
    leader.links.flush();
    assert_eq!(leader.hear().await, Input::HistorySent(link));
    assert_eq!(leader.hear().await, Input::Closed(link));
}

#[tokio::test]
async fn a_port_that_is_shut_is_free_and_its_links_have_ended() {
    let (leader, _, mut learner, ours) = pair(Data::new(0)).await;
    leader.links.shut();
    assert_eq!(learner.hear().await, Input::Closed(ours));
    // The listener goes when its task notices.
    let address = ("127.0.0.1", leader.port);
    timeout(LONG, async { while TcpStream::connect(address).await.is_ok() {} }).await.unwrap();
}

#[tokio::test]
async fn links_are_limited() {
    let mut leader = start(Data::new(0), 0, 1 << 20);
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(leader.connect().await);
        leader.accepted().await;
    }
    let mut refused = leader.connect().await;
    assert_eq!(refused.read(&mut [0; 8]).await.unwrap_or(0), 0);
    // Whoever leaves makes room.
    drop(kept);
    let Input::Closed(link) = leader.hear().await else { panic!("no end heard") };
    assert!(leader.links.forget(link));
    let _again = leader.connect().await;
    while !matches!(leader.hear().await, Input::Accepted(_)) {}
}
