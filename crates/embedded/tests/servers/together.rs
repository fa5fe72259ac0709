//! An ensemble.

use zabra_embedded::blocking::Ensemble;
use zabra_embedded::{Error, Standing};

use crate::{Client, EPHEMERAL};

fn addresses(ensemble: &Ensemble) -> Vec<std::net::SocketAddr> {
    ensemble.connect_string().split(',').map(|address| address.parse().unwrap()).collect()
}

#[test]
fn it_outlives_its_leaders() {
    let ensemble = Ensemble::start(3).unwrap();
    let addresses = addresses(&ensemble);
    assert_eq!(addresses.len(), 3);
    let mut leaders = Vec::new();
    for round in 0..3 {
        let leader = ensemble.leader().unwrap();
        leaders.push(leader);
        let survivor = addresses[(leader + 1) % 3];
        let mut client = Client::connect(survivor);
        client.create(&format!("/{round}"), 0);
        ensemble.kill(leader);
        let next = ensemble.leader().unwrap();
        assert_ne!(next, leader);
        ensemble.wait_serving().unwrap();
        assert!(Client::connect(survivor).exists(&format!("/{round}")));
        ensemble.restart(leader).unwrap();
        assert!(Client::connect(addresses[leader]).exists("/zookeeper"));
    }
    ensemble.kill(0);
    ensemble.kill(1);
    ensemble.restart(0).unwrap();
    ensemble.wait_serving().unwrap();
    let mut client = Client::connect(addresses[0]);
    assert!((0..3).all(|round| client.exists(&format!("/{round}"))));
}

#[test]
fn sessions_end_and_connections_break_wherever_they_are() {
    let ensemble = Ensemble::start(3).unwrap();
    let addresses = addresses(&ensemble);
    let mut clients: Vec<_> = addresses.iter().map(|&address| Client::connect(address)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.create(&format!("/{number}"), EPHEMERAL);
    }
    for (number, client) in clients.iter_mut().enumerate().take(2) {
        ensemble.expire(client.session()).unwrap();
        client.wait_closed();
        // On every server.
        for &address in &addresses {
            assert!(!Client::connect(address).exists(&format!("/{number}")));
        }
        assert!(client.renew(addresses[2]).is_err());
    }
    let mut last = clients.pop().unwrap();
    ensemble.cut(last.session()).unwrap();
    last.wait_closed();
    last.renew(addresses[0]).unwrap();
    assert!(last.exists("/2"));
    assert!(ensemble.cut_all() >= 1);
    last.wait_closed();
    last.renew(addresses[1]).unwrap();
    assert!(last.exists("/2"));
}

#[test]
fn a_frozen_leader_is_replaced() {
    let ensemble = Ensemble::builder(3).set("syncLimit", "5").start_blocking().unwrap();
    assert_eq!(addresses(&ensemble), ensemble.addresses());
    let leader = ensemble.leader().unwrap();
    ensemble.pause(leader);
    let next = ensemble.leader().unwrap();
    assert_ne!(next, leader);
    assert_eq!(ensemble.standings()[leader], None);
    ensemble.resume(leader);
    // It learns that it leads no more.
    while ensemble.standings()[leader] != Some(Standing::Following) {
        std::thread::yield_now();
    }
    ensemble.wait_serving().unwrap();
}

#[test]
fn observers_observe() {
    let ensemble = zabra_embedded::Ensemble::builder(2).observers(1);
    zabra_embedded::blocking::block_on(async {
        let ensemble = ensemble.start().await.unwrap();
        assert_eq!(ensemble.server(2).standing().await, Some(Standing::Observing));
        assert!(Client::connect(ensemble.server(2).address()).exists("/zookeeper"));
    });
    for servers in [0, 1, 101] {
        assert!(matches!(Ensemble::start(servers), Err(Error::Servers(count)) if count == servers));
    }
}
