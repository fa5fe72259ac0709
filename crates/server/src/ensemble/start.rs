//! Starting a member.

use std::sync::{Arc, Weak};

use tokio::sync::watch;
use zabra_storage::{Epochs, Recent, RecentLimits};
use zabra_types::Zxid;
use zabra_zab::{Durable, Peer};

use super::depot::Data;
use super::net::election::ElectionPort;
use super::net::links::{Depot, Links};
use super::net::listen::Opening;
use super::net::{Fail, Hear};
use super::{Member, Ports, driver, options};
use crate::config::{Config, Ensemble};
use crate::core::Core;
use crate::options::hash_key;

/// How much of the history is kept in memory.
pub(crate) fn recent_limits(config: &Config) -> RecentLimits {
    RecentLimits { len: options::history_len(config), bytes: options::HISTORY_BYTES_MAX }
}

/// What the brain of a member begins with.
pub(crate) fn member(
    config: &Config,
    settings: &Ensemble,
    (epochs, last_zxid): (Epochs, Zxid),
    recent: Recent,
) -> Member {
    let durable = Durable { accepted_epoch: epochs.accepted, current_epoch: epochs.current, last_zxid };
    let members = options::members(&settings.membership);
    let [seed, _] = hash_key();
    Member::new(Peer::new(options::peer(config, settings), members, durable, recent.txns, seed))
}

/// Opens the ports between servers and lets the peer look for a leader. Call it inside a tokio runtime.
pub(crate) fn begin(core: &Arc<Core>, stop: &watch::Receiver<bool>) {
    let Some(ensemble) = &core.ensemble else { return };
    let myself = Arc::downgrade(core);
    let hear: Hear = Arc::new(move |inputs| {
        if let Some(core) = Weak::upgrade(&myself) {
            core.hear(inputs);
        }
    });
    let myself = Arc::downgrade(core);
    let fail: Fail = Arc::new(move |why| {
        if let Some(core) = Weak::upgrade(&myself) {
            core.fail(why);
        }
    });
    let (config, settings) = (&core.config, &ensemble.settings);
    let data = Arc::new(Data(Arc::downgrade(core)));
    let depot: Arc<dyn Depot> = Arc::<Data>::clone(&data);
    let (mut election, mut links) = (options::election(config, settings), options::links(config, settings));
    let opening = Opening::of(election.listen.len() + links.listen.len());
    election.opening = Some(opening.clone());
    links.opening = Some(opening.clone());
    let ports = Ports {
        election: ElectionPort::start(election, Arc::clone(&hear), Arc::clone(&fail)),
        links: Links::start(links, depot, hear, fail),
        data,
    };
    // Set once, here.
    let _ = ensemble.ports.set(ports);
    core.stats.looking_count.increment();
    let (core, mut stop) = (Arc::clone(core), stop.clone());
    let takes_part = {
        let core = Arc::clone(&core);
        async move {
            opening.tried().await;
            core.start_peer();
            opening.open().await;
            driver::keep_time(core).await;
        }
    };
    let rounds = tokio::spawn(driver::keep_rounds(Arc::clone(&core)));
    tokio::spawn(async move {
        tokio::select! {
            () = takes_part => {}
            _ = stop.wait_for(|&stop| stop) => {}
        }
        rounds.abort();
        // The others learn at once that this server is gone.
        if let Some(ports) = core.ensemble.as_ref().and_then(|ensemble| ensemble.ports.get()) {
            ports.election.shut();
            ports.links.shut();
        }
    });
}
