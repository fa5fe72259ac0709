//! One client: a session and a thread.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use zabra_client::{Client, SessionState};

use super::seen::Seen;
use super::{Counts, Order};
use crate::{Failure, chain};

/// What it fights with.
pub(super) struct Contender<'a> {
    pub(super) who: &'a str,
    pub(super) client: Client,
    pub(super) seen: Seen,
    pub(super) order: &'a Order,
    pub(super) root: &'a str,
    counts: &'a Counts,
    deadline: Instant,
}

impl<'a> Contender<'a> {
    /// Fights until the time is up.
    pub(super) fn contend(
        who: &'a str,
        witness: &str,
        order: &'a Order,
        counts: &'a Counts,
    ) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let client = Client::builder()
                .session_timeout(Duration::from_millis(order.number("session")))
                .connect(order.text("hosts"))
                .await?;
            let seen = Seen::connect(witness, who)?;
            let starting = seen.clone();
            // The others may take a while.
            tokio::task::spawn_blocking(move || starting.tell("await all start 0")).await??;
            let contender = Contender {
                who,
                client: client.clone(),
                seen,
                order,
                root: order.text("root"),
                counts,
                deadline: Instant::now() + Duration::from_millis(order.number("millis")),
            };
            let mut states = client.states();
            let counted = async {
                while let Some(state) = states.next().await {
                    if state == SessionState::Disconnected {
                        counts.suspensions.fetch_add(1, Relaxed);
                    }
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                done = contender.fight() => done?,
                () = counted => {}
            }
            drop(contender);
            Ok(client.close().await?)
        })
    }

    pub(super) fn goes_on(&self) -> bool {
        Instant::now() < self.deadline
    }

    /// Is inside for a while, for half of the most at least: in a barrier nobody leaves before all had time to see the others.
    pub(super) async fn stay(&self) {
        let most = self.order.number("stay").max(1) * 1000;
        tokio::time::sleep(Duration::from_micros(fastrand::u64(most / 2..=most))).await;
    }

    /// Notes what failed because of a fault; it is tried again.
    pub(super) async fn note(&self, failed: &zabra_recipes::Error) {
        self.counts.errors.fetch_add(1, Relaxed);
        // Shown when something turns out to be wrong.
        tracing::warn!(who = self.who, error = %chain(failed), "a turn failed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
