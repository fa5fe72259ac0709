//! What the server does by itself: ending sessions, reaping containers and TTL nodes, purging old files.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{debug, info, warn};
use zabra_node::{Reaper, SessionKind};
use zabra_storage::DataDirs;

use crate::clock::Clock;
use crate::core::Core;
use crate::ensemble::requests;
use crate::options;
use crate::pipeline::chain;

/// Starts all of them; they end when `stop` turns true.
pub(crate) fn start(core: &Arc<Core>, stop: &watch::Receiver<bool>) {
    until(stop, expire_sessions(Arc::clone(core)));
    until(stop, reap(Arc::clone(core)));
    if core.is_member() && core.config.read_only_mode {
        until(stop, read_only(Arc::clone(core)));
    }
    if let Some(every) = core.config.storage.purge.interval {
        until(stop, purge(Arc::clone(core), every));
    }
}

fn until(stop: &watch::Receiver<bool>, work: impl Future<Output = ()> + Send + 'static) {
    let mut stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = work => {}
            _ = stop.wait_for(|&stop| stop) => {}
        }
    });
}

/// How many sessions are looked at under one hold of the brain.
const SESSIONS_AT_ONCE: usize = 1000;

/// Ends the sessions nobody heard of for their timeout. Deadlines are whole ticks; looking twice per tick is enough.
async fn expire_sessions(core: Arc<Core>) {
    let mut looks = interval(core.config.sessions.tick_time / 2);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        while expire_some(&core) {
            tokio::task::yield_now().await;
        }
    }
}

/// Ends some of the sessions that are due; true when there are more.
fn expire_some(core: &Core) -> bool {
    let mut brain = core.brain.lock();
    let now = core.clock.now();
    let heard = |conn| core.conns.get(conn).map(|conn| conn.heard());
    for session in brain.sessions.expire(now, SESSIONS_AT_ONCE, heard) {
        info!(%session, "a session expired");
        core.stats.stale_sessions_expired.increment();
        if brain.sessions.kind(session) == Some(SessionKind::Local) {
            // Nobody else knows it.
            if let Some(conn) = brain.sessions.remove(session).and_then(|conn| core.conns.get(conn)) {
                conn.cut();
            }
        } else {
            core.propose_own(&mut brain, |preparer, at| preparer.close_session(at, session));
        }
    }
    let is_due = brain.sessions.next_deadline().is_some_and(|deadline| deadline <= now);
    core.carry_on(brain);
    is_due
}

/// Removes empty containers and TTL nodes that are due, at the configured pace.
async fn reap(core: Arc<Core>) {
    let containers = &core.config.tree.containers;
    let mut reaper = Reaper::new(options::reaper(containers), core.clock.now());
    while let Some(deadline) = reaper.next_deadline() {
        sleep(deadline.since(core.clock.now())).await;
        if !core.brain.lock().part.decides() {
            // Somebody else does it, and this server when its time comes.
            reaper = Reaper::new(options::reaper(containers), core.clock.now());
            continue;
        }
        let find = || core.tree.read().reapable(Clock::wall(), containers.never_used_max);
        if let Some(path) = reaper.poll(core.clock.now(), find) {
            debug!(path, "reaping a container or TTL node");
            let mut brain = core.brain.lock();
            core.propose_own(&mut brain, |preparer, at| preparer.delete_container(at, &path));
            core.carry_on(brain);
        }
    }
}

/// How often it is looked whether there has been no leader for long enough.
const READ_ONLY_LOOK: Duration = Duration::from_millis(100);

/// Begins to serve those who only want to read when there is no leader.
async fn read_only(core: Arc<Core>) {
    loop {
        sleep(READ_ONLY_LOOK).await;
        requests::read_only_if_due(&core, &mut core.brain.lock());
    }
}

/// Removes snapshots and logs that are not needed any more; at once, and then at its interval.
async fn purge(core: Arc<Core>, every: Duration) {
    loop {
        let job = Arc::clone(&core);
        let purged = tokio::task::spawn_blocking(move || {
            let storage = &job.config.storage;
            let dirs = DataDirs::new(&storage.data_dir, &storage.data_log_dir);
            zabra_storage::purge(&*job.disk, &dirs, storage.purge.retain_count as usize)
        })
        .await;
        match purged {
            Ok(Ok(removed)) if removed.is_empty() => debug!("no old snapshots or logs to purge"),
            Ok(Ok(removed)) => info!(files = removed.len(), "purged old snapshots and logs"),
            Ok(Err(error)) => warn!(error = chain(&error), "cannot purge old snapshots and logs"),
            Err(error) => warn!(%error, "purging old snapshots and logs was cut short"),
        }
        sleep(every).await;
    }
}
