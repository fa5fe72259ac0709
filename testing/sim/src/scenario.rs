//! What kind of world a seed makes: its servers and their settings, its clients, how fast everything is, and which
//! faults there are. Few kinds of faults at a time show more than all of them always.

use std::time::Duration;

use zabra_testkit::Rng;
use zabra_types::ServerId;
use zabra_zab::Options;

use crate::ensemble::{Ensemble, Groups};
use crate::nemesis::Means;

/// Everything that is settled before the world begins.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Who belongs to the ensemble.
    pub(crate) ensemble: Ensemble,
    /// Clients.
    pub(crate) clients: usize,
    /// How the servers are set up.
    pub(crate) tick: Duration,
    /// Transactions kept in memory.
    pub(crate) history_len: usize,
    /// Whether learners may be brought up from the log.
    pub(crate) log_sync: bool,
    /// Learners always get a whole snapshot.
    pub(crate) force_snapshot: bool,
    /// A server writes a snapshot after so many transactions.
    pub(crate) snapshot_every: usize,
    /// A server writes a snapshot when it starts, of everything in its log, as a genuine one does that is elected.
    pub(crate) snapshot_at_start: bool,
    /// How long a message takes.
    pub(crate) latency: (Duration, Duration),
    /// How often one is late, once in so many, and by how much at most.
    pub(crate) spikes: (usize, Duration),
    /// How long the disk takes.
    pub(crate) disk: (Duration, Duration),
    /// How far the rates of clocks are from right, in millionths.
    pub(crate) skew_ppm: usize,
    /// How long a client thinks between requests.
    pub(crate) think: (Duration, Duration),
    /// Requests that a client sends without waiting for answers.
    pub(crate) pipeline: usize,
    /// The timeout of sessions.
    pub(crate) session_timeout: Duration,
    /// How long faults go on.
    pub(crate) chaos: Duration,
    /// The time between faults.
    pub(crate) fault_every: (Duration, Duration),
    /// Which faults there are, with their shares.
    pub(crate) means: Vec<(usize, Means)>,
}

impl Scenario {
    /// The world of a seed.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let ms = Duration::from_millis;
        let us = Duration::from_micros;
        let voters = rng.weighted(&[(10, 3), (1, 4), (6, 5), (1, 6), (1, 7)]);
        let groups = (voters > 4 && rng.one_in(4)).then(|| groups(rng, voters));
        let observers = rng.weighted(&[(5, 0), (3, 1), (1, 2)]);
        let tick = ms(rng.weighted(&[(1, 100), (2, 200), (1, 400)]));
        let disk = rng.weighted(&[(3, (50, 500)), (2, (500, 3000)), (1, (2000, 20_000))]);
        let latency = rng.weighted(&[(3, (100, 1000)), (2, (200, 5000)), (1, (2000, 30_000))]);
        let fault_every = rng.weighted(&[(1, (50, 400)), (2, (200, 1500)), (1, (1000, 4000))]);
        Self {
            ensemble: Ensemble { voters, observers, groups },
            clients: 2 + rng.below(3),
            tick,
            history_len: rng.weighted(&[(2, 3), (2, 20), (1, 500)]),
            log_sync: !rng.one_in(3),
            force_snapshot: rng.one_in(10),
            snapshot_every: rng.weighted(&[(1, 5), (2, 20), (1, 60), (1, 1000)]),
            snapshot_at_start: rng.one_in(3),
            latency: (us(latency.0), us(latency.1)),
            spikes: (10 + rng.below(500), ms(rng.weighted(&[(1, 0), (1, 50), (1, 600)]))),
            disk: (us(disk.0), us(disk.1)),
            skew_ppm: rng.weighted(&[(1, 0), (1, 1000), (1, 100_000)]),
            think: (ms(1), ms(rng.weighted(&[(2, 20), (2, 60), (1, 200)]))),
            pipeline: rng.weighted(&[(2, 1), (1, 3), (1, 8)]),
            session_timeout: tick * rng.weighted(&[(1, 4), (2, 10), (1, 20)]),
            chaos: ms(3000 + rng.below(7000) as u64),
            fault_every: (ms(fault_every.0), ms(fault_every.1)),
            means: means(rng),
        }
    }

    /// How a server's peer behaves.
    pub(crate) fn options(&self, id: ServerId) -> Options {
        Options {
            id,
            tick: self.tick,
            init_limit: 10,
            sync_limit: 5,
            connect_limit: 10,
            notification_min: Duration::from_millis(200),
            notification_max: Duration::from_millis(1600),
            finalize_wait: Duration::from_millis(200),
            connect_retry: Duration::from_millis(100),
            connect_attempts: 5,
            history_len: self.history_len,
            history_bytes: 1 << 20,
            log_sync: self.log_sync,
            force_snapshot: self.force_snapshot,
            snap_syncs_max: 10,
            diff_syncs_max: 100,
            observer_delay: Duration::from_millis(50),
        }
    }
}

/// Two or three groups of any size, most weights 1.
fn groups(rng: &mut Rng, voters: usize) -> Groups {
    let mut groups = vec![Vec::new(); 2 + rng.below(2)];
    for voter in 0..voters {
        // Each has at least one.
        let at = if voter < groups.len() { voter } else { rng.below(groups.len()) };
        groups[at].push(voter);
    }
    let mut weights: Vec<u64> = (0..voters).map(|_| rng.weighted(&[(1, 0), (6, 1), (1, 2)])).collect();
    // Somebody can be elected, and more than one can.
    weights[0] = 1;
    weights[1] = 1;
    Groups { groups, weights }
}

/// Some kinds of faults, seldom all.
fn means(rng: &mut Rng) -> Vec<(usize, Means)> {
    let mut means: Vec<(usize, Means)> = Means::ALL.iter().map(|&(share, means)| (share, means)).collect();
    if !rng.one_in(4) {
        let kept = 1 + rng.below(4);
        while means.len() > kept {
            means.swap_remove(rng.below(means.len()));
        }
        // Something has to crash or nothing is ever lost.
        means.push((1, Means::Crash));
        means.push((1, Means::Ambush));
    }
    means
}
