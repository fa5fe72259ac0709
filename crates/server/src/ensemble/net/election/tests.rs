use std::collections::BTreeMap;

use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zabra_proto::ServerState;
use zabra_types::Zxid;

use super::*;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

struct Member {
    port: ElectionPort,
    heard: UnboundedReceiver<Input>,
}

impl Member {
    async fn hear(&mut self) -> Input {
        timeout(LONG, self.heard.recv()).await.expect("nothing heard").unwrap()
    }

    /// The next vote of a server, whatever else is heard.
    async fn vote_of(&mut self, server: i64) -> i64 {
        loop {
            if let Input::Notified { from, notification } = self.hear().await
                && from == id(server)
            {
                return notification.election_epoch;
            }
        }
    }

    async fn until(&mut self, wanted: &Input) {
        while self.hear().await != *wanted {}
    }

    fn tell(&self, to: i64, round: i64) {
        self.port.notify(id(to), &vote(round));
    }
}

fn id(number: i64) -> ServerId {
    ServerId::new(number)
}

fn vote(round: i64) -> Notification {
    Notification {
        state: ServerState::Looking,
        leader: id(1),
        zxid: Zxid::ZERO,
        election_epoch: round,
        peer_epoch: 0,
        version: Notification::VERSION,
        config: Some("version=0".to_owned()),
    }
}

fn free_port() -> u16 {
    zabra_testkit::free_port().unwrap()
}

fn at(port: u16) -> Endpoint {
    Endpoint::new(Host::new("127.0.0.1"), port)
}

fn options(own: i64, ports: &BTreeMap<i64, u16>) -> ElectionOptions {
    let members = ports.iter().filter(|&(&other, _)| other != own);
    ElectionOptions {
        id: id(own),
        listen: vec![at(ports[&own])],
        bind_tries: Some(1),
        addresses: vec![format!("127.0.0.1:{}", ports[&own])],
        members: members.map(|(&other, &port)| (id(other), vec![at(port)])).collect(),
        membership: "version=0".to_owned(),
        dial_timeout: LONG,
        hello_timeout: LONG,
        opening: None,
    }
}

fn start(options: ElectionOptions) -> Member {
    let (sender, heard) = unbounded_channel();
    let hear: Hear = Arc::new(move |inputs| {
        for input in inputs {
            // Nobody listens any more at the end of a test.
            let _ = sender.send(input);
        }
    });
    let port = ElectionPort::start(options, hear, Arc::new(|why| panic!("{why}")));
    Member { port, heard }
}

fn ports(ids: impl IntoIterator<Item = i64>) -> BTreeMap<i64, u16> {
    ids.into_iter().map(|id| (id, free_port())).collect()
}

fn hello(server: i64, addresses: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    ElectionHello { server: id(server), addresses: addresses.to_vec() }.encode(&mut bytes);
    bytes
}

fn frame(round: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    vote(round).encode(&mut bytes);
    bytes
}

/// Connects as soon as it listens.
async fn connect(port: u16) -> TcpStream {
    loop {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => return stream,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Tells a vote until it is heard: a server that listens later is not called by itself.
async fn meet(from: &Member, to: i64, own: i64, other: &mut Member, round: i64) {
    let mut again = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            heard = other.vote_of(own) => {
                if heard == round { return }
            }
            _ = again.tick() => from.tell(to, round),
        }
    }
}

#[tokio::test]
async fn two_servers_talk_whoever_begins() {
    for (first, second) in [(1, 2), (2, 1)] {
        let ports = ports([1, 2]);
        let mut a = start(options(first, &ports));
        let mut b = start(options(second, &ports));
        meet(&a, second, first, &mut b, 7).await;
        meet(&b, first, second, &mut a, 8).await;
    }
}

#[tokio::test]
async fn the_newest_vote_waits_for_a_server_that_is_not_there_yet() {
    let ports = ports([1, 2]);
    let mut two = start(options(2, &ports));
    for round in 1..=3 {
        two.tell(1, round);
    }
    two.until(&Input::PeerDown(id(1))).await;
    let mut one = start(options(1, &ports));
    loop {
        two.port.dial_all();
        match two.hear().await {
            Input::PeerUp(peer) if peer == id(1) => break,
            _ => {}
        }
    }
    assert_eq!(one.vote_of(2).await, 3, "only the newest counts");
}

#[tokio::test]
async fn the_end_of_a_server_is_heard_at_once_and_so_is_its_return() {
    let ports = ports([1, 2]);
    let mut one = start(options(1, &ports));
    let mut stream = connect(ports[&1]).await;
    stream.write_all(&hello(2, &["127.0.0.1:1".to_owned()])).await.unwrap();
    one.until(&Input::PeerUp(id(2))).await;
    drop(stream);
    one.until(&Input::PeerDown(id(2))).await;
    // The vote waits for the next connection.
    one.port.inner.slots.lock().put(id(2), frame(5));
    let mut stream = connect(ports[&1]).await;
    stream.write_all(&hello(2, &["127.0.0.1:1".to_owned()])).await.unwrap();
    one.until(&Input::PeerUp(id(2))).await;
    let mut bytes = vec![0; frame(5).len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, frame(5));
}

#[tokio::test]
async fn a_second_connection_takes_the_place_of_the_first() {
    let ports = ports([1, 2]);
    let mut one = start(options(1, &ports));
    let mut first = connect(ports[&1]).await;
    first.write_all(&hello(2, &["127.0.0.1:1".to_owned()])).await.unwrap();
    one.until(&Input::PeerUp(id(2))).await;
    let mut second = connect(ports[&1]).await;
    second.write_all(&hello(2, &["127.0.0.1:1".to_owned()])).await.unwrap();
    assert_eq!(one.hear().await, Input::PeerUp(id(2)));
    assert_eq!(first.read(&mut [0; 8]).await.unwrap_or(0), 0, "the first is closed");
    second.write_all(&frame(4)).await.unwrap();
    assert_eq!(one.vote_of(2).await, 4);
}

#[tokio::test]
async fn a_smaller_id_is_called_back_where_it_says() {
    let ports = ports([1, 2]);
    let mut two = start(options(2, &ports));
    // Not where the configuration says.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let where_to = listener.local_addr().unwrap().to_string();
    for (addresses, server) in [(vec!["0.0.0.0:1".to_owned(), where_to.clone()], 1), (vec![where_to], -7)] {
        let mut stream = connect(ports[&2]).await;
        stream.write_all(&hello(server, &addresses)).await.unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0, "this connection is closed");
        let (mut called, _) = listener.accept().await.unwrap();
        let expected = hello(2, &[format!("127.0.0.1:{}", ports[&2])]);
        let mut bytes = vec![0; expected.len()];
        called.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, expected);
        called.write_all(&frame(9)).await.unwrap();
        assert_eq!(two.vote_of(server).await, 9);
    }
}

/// A process that begins right after another ended asks before that end has been noticed.
#[tokio::test]
async fn a_server_that_begins_again_at_once_is_called_back() {
    let ports = ports([1, 2]);
    let mut two = start(options(2, &ports));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plea = hello(1, &[listener.local_addr().unwrap().to_string()]);
    for _ in 0..2 {
        connect(ports[&2]).await.write_all(&plea).await.unwrap();
        let (_called, _) = listener.accept().await.unwrap();
        two.until(&Input::PeerUp(id(1))).await;
        let mut again = connect(ports[&2]).await;
        again.write_all(&plea).await.unwrap();
        assert_eq!(again.read(&mut [0; 8]).await.unwrap_or(0), 0, "it is heard");
    }
    timeout(LONG, listener.accept()).await.expect("it is called once more").unwrap();
}

#[tokio::test]
async fn nothing_is_accepted_before_the_server_has_opened() {
    let ports = ports([1, 2]);
    let opening = Opening::of(1);
    let mut one = start(ElectionOptions { opening: Some(opening.clone()), ..options(1, &ports) });
    opening.tried().await;
    let mut early = TcpStream::connect(("127.0.0.1", ports[&1])).await.expect("it listens");
    early.write_all(&[hello(2, &["127.0.0.1:1".to_owned()]), frame(1)].concat()).await.unwrap();
    tokio::task::yield_now().await;
    assert!(one.heard.try_recv().is_err());
    opening.open().await;
    assert_eq!(one.vote_of(2).await, 1);
}

#[tokio::test]
async fn nonsense_costs_only_its_own_connection() {
    let ports = ports([1, 2, 3]);
    let mut one = start(options(1, &ports));
    let mut good = connect(ports[&1]).await;
    // In two pieces and together with a vote: genuine servers need one piece, this one does not.
    let greeting = hello(3, &["127.0.0.1:1".to_owned()]);
    good.write_all(&greeting[..9]).await.unwrap();
    good.flush().await.unwrap();
    let mut silent = connect(ports[&1]).await;
    good.write_all(&[&greeting[9..], &frame(1)].concat()).await.unwrap();
    assert_eq!(one.vote_of(3).await, 1);

    let oversized = [hello(2, &["127.0.0.1:1".to_owned()]), vec![0x7f, 0, 0, 0]].concat();
    let empty = [hello(2, &["127.0.0.1:1".to_owned()]), vec![0; 4]].concat();
    let own = hello(1, &["127.0.0.1:1".to_owned()]);
    for nonsense in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0xff; 40], oversized, empty, own] {
        let mut stream = connect(ports[&1]).await;
        stream.write_all(&nonsense).await.unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0, "{nonsense:?}");
    }
    // A frame that is no notification is passed over.
    good.write_all(&[&[0, 0, 0, 5, 1, 2, 3, 4, 5][..], &frame(2)].concat()).await.unwrap();
    assert_eq!(one.vote_of(3).await, 2);
    silent.write_all(&[hello(2, &["127.0.0.1:1".to_owned()]), frame(3)].concat()).await.unwrap();
    assert_eq!(one.vote_of(2).await, 3, "a late greeting is one all the same");
}

#[tokio::test]
async fn a_port_that_is_shut_is_free_and_its_connections_have_ended() {
    let ports = ports([1, 2]);
    let mut one = start(options(1, &ports));
    let mut two = connect(ports[&1]).await;
    two.write_all(&hello(2, &["127.0.0.1:1".to_owned()])).await.unwrap();
    one.until(&Input::PeerUp(id(2))).await;
    one.port.shut();
    assert_eq!(two.read(&mut [0; 8]).await.unwrap_or(0), 0);
    // The listener goes when its task notices.
    let address = ("127.0.0.1", ports[&1]);
    timeout(LONG, async { while TcpStream::connect(address).await.is_ok() {} }).await.unwrap();
}

#[tokio::test]
async fn who_says_nothing_is_closed_in_time() {
    let ports = ports([1, 2]);
    let one = start(ElectionOptions { hello_timeout: Duration::from_millis(50), ..options(1, &ports) });
    let mut silent = connect(ports[&1]).await;
    assert_eq!(timeout(LONG, silent.read(&mut [0; 8])).await.unwrap().unwrap_or(0), 0);
    drop(one);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_does_not_hold_up_another() {
    let ports = ports([1, 2, 3]);
    let mut options_of_3 = options(3, &ports);
    // A listener whose queue is full does not answer.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let black_hole = full.local_addr().unwrap().as_socket().unwrap();
    let _fill: Vec<_> = (0..4)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&black_hole.into());
            socket
        })
        .collect();
    options_of_3.members.insert(id(1), vec![at(black_hole.port())]);
    let three = start(options_of_3);
    let mut two = start(options(2, &ports));
    three.tell(1, 1);
    meet(&three, 2, 3, &mut two, 6).await;
}
