//! The servers, and which of them is tried next.

use fastrand::Rng;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The wait after the first round without success, and the longest one; it doubles in between.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Clients that lose a server come back spread over this time; it doubles up to the longest pause while connections do not
/// last.
const RECONNECT_SPREAD: Duration = Duration::from_millis(100);

/// A server as the connect string names it. The name is resolved anew for each try.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// Name or address; IPv6 without brackets.
    pub name: String,
    /// The port for clients.
    pub port: u16,
}

impl Host {
    /// The address, when the name is one.
    pub(crate) fn literal(&self) -> Option<SocketAddr> {
        self.name.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port))
    }

    fn is(&self, current: &Current) -> bool {
        *self == current.host || (current.addr.is_some() && self.literal() == current.addr)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// The server a client is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Current {
    pub(crate) host: Host,
    pub(crate) addr: Option<SocketAddr>,
}

/// The next server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) host: Host,
    /// How long to wait before: not at all until every server has been tried since the last connection.
    pub(crate) pause: Duration,
}

/// The list of servers, taken in turns.
///
/// After an update it prefers new or old servers so that the load of all clients together evens out, with the
/// probabilities of the genuine client (`StaticHostProvider.updateServerList`, ZOOKEEPER-1355).
#[derive(Debug)]
pub(crate) struct Hosts {
    hosts: Vec<Host>,
    shuffle: bool,
    /// The server tried last.
    at: Option<usize>,
    /// The server at which a round began.
    round_start: Option<usize>,
    /// Rounds since the last connection.
    rounds: u32,
    /// Connections in a row that did not last.
    brief: u32,
    /// A server known to be a good one.
    preferred: Option<Host>,
    moving: Option<Move>,
}

/// After an update: what is left to try before turns are taken again.
#[derive(Debug)]
struct Move {
    old: Vec<Host>,
    new: Vec<Host>,
    /// How probable it is that a new server is tried while both kinds are left.
    new_share: f32,
}

impl Move {
    fn next(&mut self, random: &mut Rng) -> Option<Host> {
        let take_new = random.f32() <= self.new_share;
        let list = if !self.new.is_empty() && (take_new || self.old.is_empty()) {
            &mut self.new
        } else {
            &mut self.old
        };
        if list.is_empty() { None } else { Some(list.remove(0)) }
    }
}

impl Hosts {
    /// `hosts` is not empty.
    pub(crate) fn new(mut hosts: Vec<Host>, shuffle: bool, random: &mut Rng) -> Self {
        assert!(!hosts.is_empty(), "a connect string names at least one server");
        if shuffle {
            random.shuffle(&mut hosts);
        }
        Self {
            hosts,
            shuffle,
            at: None,
            round_start: None,
            rounds: 0,
            brief: 0,
            preferred: None,
            moving: None,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// The server to try now.
    pub(crate) fn next(&mut self, random: &mut Rng) -> Next {
        let mut tried_all = false;
        if let Some(host) = self.preferred.take() {
            return Next { host, pause: Duration::ZERO };
        }
        if let Some(moving) = &mut self.moving {
            if let Some(host) = moving.next(random) {
                self.at = self.hosts.iter().position(|known| *known == host);
                return Next { host, pause: Duration::ZERO };
            }
            self.moving = None;
            tried_all = true;
        }
        let at = self.at.map_or(0, |at| (at + 1) % self.hosts.len());
        self.at = Some(at);
        let round_over = tried_all || self.round_start == Some(at);
        // The very first server is tried without a wait, and begins the first round.
        self.round_start.get_or_insert(0);
        let pause = if round_over { self.pause(random) } else { Duration::ZERO };
        Next { host: self.hosts[at].clone(), pause }
    }

    /// The wait after another round. Clients that lost the same server do not all come back at the same moment.
    fn pause(&mut self, random: &mut Rng) -> Duration {
        let doubled = PAUSE_MIN * 2_u32.pow(self.rounds.min(8));
        self.rounds += 1;
        doubled.min(PAUSE_MAX).mul_f64(0.5 + random.f64() / 2.0)
    }

    /// A connection was lost. Returns how long to wait before anything else.
    pub(crate) fn lost(&mut self, lasted: bool, random: &mut Rng) -> Duration {
        self.brief = if lasted { 0 } else { self.brief + 1 };
        let spread = RECONNECT_SPREAD * 2_u32.pow(self.brief.saturating_sub(1).min(8));
        spread.min(PAUSE_MAX).mul_f64(random.f64())
    }

    /// Tries this server next.
    pub(crate) fn prefer(&mut self, host: Host) {
        self.preferred = Some(host);
    }

    /// A server took the session: the next round ends with it.
    pub(crate) fn connected(&mut self) {
        self.round_start = self.at;
        self.rounds = 0;
        self.moving = None;
    }

    /// Takes another list. Returns whether the client should leave its present server for the sake of balance.
    /// `hosts` is not empty.
    pub(crate) fn update(
        &mut self,
        mut hosts: Vec<Host>,
        current: Option<&Current>,
        random: &mut Rng,
    ) -> bool {
        assert!(!hosts.is_empty(), "a connect string names at least one server");
        if self.shuffle {
            random.shuffle(&mut hosts);
        }
        let current = match current {
            // In the middle of a move, the server that would be next counts as the present one.
            _ if self.moving.is_some() => Current { host: self.next(random).host, addr: None },
            Some(current) => current.clone(),
            None => Current { host: self.hosts[self.round_start.unwrap_or(0)].clone(), addr: None },
        };
        let stays_listed = hosts.iter().any(|host| host.is(&current));
        let (old, new): (Vec<Host>, Vec<Host>) =
            hosts.iter().cloned().partition(|host| self.hosts.contains(host));
        let (before, after) = (self.hosts.len() as f32, hosts.len() as f32);
        let known = old.len() as f32;
        let new_share = if after > before {
            // There are more servers: each should lose its share of clients to the new ones.
            let leave = !stays_listed || random.f32() <= 1.0 - before / after;
            leave.then_some(1.0)
        } else if stays_listed {
            // There are fewer: the load on this one is to grow.
            None
        } else {
            let old_share = known * (before - after) / (after * (before - known));
            Some(if old_share.is_finite() { 1.0 - old_share } else { 1.0 })
        };
        let at = self.at.map(|at| self.hosts[at].clone());
        self.at = match new_share {
            None => at.and_then(|at| hosts.iter().position(|host| *host == at)),
            Some(_) => None,
        };
        self.round_start = self.at;
        self.moving = new_share.map(|new_share| Move { old, new, new_share });
        self.hosts = hosts;
        self.moving.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(range: std::ops::Range<u16>) -> Vec<Host> {
        range.map(|port| Host { name: "h".to_owned(), port }).collect()
    }

    fn ports(list: &mut Hosts, random: &mut Rng, count: usize) -> Vec<(u16, bool)> {
        let mut next = || list.next(random);
        (0..count).map(|_| next()).map(|next| (next.host.port, !next.pause.is_zero())).collect()
    }

    #[test]
    fn servers_take_turns_and_a_full_round_is_told() {
        let mut random = Rng::with_seed(1);
        let mut list = Hosts::new(hosts(1..4), false, &mut random);
        let first = ports(&mut list, &mut random, 5);
        assert_eq!(first, [(1, false), (2, false), (3, false), (1, true), (2, false)]);
        list.connected();
        assert_eq!(ports(&mut list, &mut random, 3), [(3, false), (1, false), (2, true)]);
    }

    #[test]
    fn one_server_is_tried_at_once_and_then_with_waits() {
        let mut random = Rng::with_seed(1);
        let mut list = Hosts::new(hosts(1..2), true, &mut random);
        assert_eq!(ports(&mut list, &mut random, 2), [(1, false), (1, true)]);
        list.connected();
        assert_eq!(ports(&mut list, &mut random, 1), [(1, true)]);
    }

    /// How many of many clients, spread evenly over `before`, sit on each port after an update to `after`.
    fn spread(before: std::ops::Range<u16>, after: std::ops::Range<u16>, clients: u64) -> Vec<u64> {
        let mut load = vec![0; usize::from(before.end.max(after.end))];
        for seed in 0..clients {
            let mut random = Rng::with_seed(seed);
            let mut list = Hosts::new(hosts(before.clone()), true, &mut random);
            let host = list.next(&mut random).host;
            list.connected();
            let current = Current { host: host.clone(), addr: None };
            let moves = list.update(hosts(after.clone()), Some(&current), &mut random);
            let at = if moves { list.next(&mut random).host.port } else { host.port };
            load[usize::from(at)] += 1;
        }
        load
    }

    #[test]
    fn an_update_keeps_the_load_even() {
        let clients = 9000;
        let cases = [(0..3, 0..5), (0..5, 0..3), (0..3, 2..5), (0..4, 3..5), (0..1, 0..2), (0..2, 2..4)];
        for (before, after) in cases {
            let load = spread(before.clone(), after.clone(), clients);
            let fair = clients / (after.end - after.start) as u64;
            for (port, load) in load.iter().enumerate() {
                let fair = if after.contains(&(port as u16)) { fair } else { 0 };
                let off = load.abs_diff(fair);
                assert!(
                    off * 10 <= fair,
                    "{before:?} to {after:?}: {load} clients on {port}, {fair} are fair"
                );
            }
        }
    }

    #[test]
    fn the_present_server_is_known_by_its_address_too() {
        let mut random = Rng::with_seed(1);
        let mut list = Hosts::new(hosts(1..2), true, &mut random);
        let current = Current { host: list.next(&mut random).host, addr: Some(([127, 0, 0, 1], 1).into()) };
        let same = vec![Host { name: "127.0.0.1".to_owned(), port: 1 }];
        assert!(!list.update(same, Some(&current), &mut random));
    }
}
