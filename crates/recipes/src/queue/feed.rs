//! Which item is next.

use std::collections::{HashSet, VecDeque};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use zabra_client::{Client, OneShot};
use zabra_types::CreateMode;

use super::layout::Layout;
use crate::Result;
use crate::common::node::{create_with_parents, ensure_container};
use crate::common::path::join;
use crate::common::retry::through_sessions;

/// How many items to look at when one was gone.
const LOOK_AHEAD: usize = 16;

/// The names of a queue's items in order, listed anew only when they have been handed out, or when a newer item may have to
/// overtake them.
///
/// A queue of n items is so listed about once per n items taken, not once per item.
pub(super) struct Feed<L> {
    client: Client,
    path: String,
    /// Where items in hand are marked, if they are: those are not handed out.
    locks: Option<String>,
    /// How many items are handed out, once something has changed, before the list is read again.
    refresh_after: usize,
    names: VecDeque<String>,
    watches: Watches,
    /// Whether something has changed since the list was read.
    changed: bool,
    handed_out: usize,
    /// Rung when something that was handed out may still be there.
    again: Arc<Notify>,
    layout: PhantomData<L>,
}

impl<L: Layout> Feed<L> {
    pub(super) fn new(client: Client, path: String, locks: Option<String>, refresh_after: usize) -> Self {
        Self {
            client,
            path,
            locks,
            refresh_after,
            names: VecDeque::new(),
            watches: Watches::default(),
            changed: true,
            handed_out: 0,
            again: Arc::default(),
            layout: PhantomData,
        }
    }

    /// What to ring when something that was handed out may still be there.
    pub(super) fn again(&self) -> Arc<Notify> {
        Arc::clone(&self.again)
    }

    /// The next item's name, waiting for one if there is none. Safe to drop.
    pub(super) async fn next(&mut self) -> Result<String> {
        loop {
            if let Some(name) = self.next_listed() {
                return Ok(name);
            }
            if self.changed {
                self.list().await?;
                continue;
            }
            // Clocks may be set: look again at least every minute.
            let wait = self.until_due().map(|wait| wait.min(Duration::from_secs(60)));
            tokio::select! {
                () = self.watches.any() => self.changed = true,
                () = self.again.notified() => self.changed = true,
                () = sleep(wait) => {}
            }
        }
    }

    /// Leaves out those of the next items that others have taken meanwhile: a look at many at once, when one was gone.
    pub(super) async fn skip_taken(&mut self) {
        let looks: Vec<_> = self
            .names
            .iter()
            .take(LOOK_AHEAD)
            .map(|name| self.client.exists(join(&self.path, name)).send())
            .collect();
        // Names are removed only after the last answer: this may be dropped before.
        let mut gone = Vec::with_capacity(looks.len());
        for look in looks {
            gone.push(matches!(look.await, Ok(None)));
        }
        let mut gone = gone.into_iter();
        self.names.retain(|_| gone.next() != Some(true));
    }

    /// The next item's name, if there is one now.
    pub(super) async fn next_now(&mut self) -> Result<Option<String>> {
        if let Some(name) = self.next_listed() {
            return Ok(Some(name));
        }
        self.list().await?;
        Ok(self.next_listed())
    }

    fn next_listed(&mut self) -> Option<String> {
        self.changed |= self.watches.have_fired();
        if L::OVERTAKES && self.changed && self.handed_out >= self.refresh_after {
            return None;
        }
        if self.until_due().is_some() {
            return None;
        }
        let name = self.names.pop_front()?;
        self.handed_out += 1;
        // What is listed at the time of a change is in order; only the end of the list asks for another.
        Some(name)
    }

    /// How long the first item has to wait for its time; `None` if it has not, or there is none.
    fn until_due(&self) -> Option<Duration> {
        let due = L::not_before_ms(self.names.front()?);
        let wait = u64::try_from(due.checked_sub(now_ms())?).ok().filter(|wait| *wait > 0)?;
        Some(Duration::from_millis(wait))
    }

    async fn list(&mut self) -> Result<()> {
        // The queue before the locks: an item that is consumed in between is still listed, and found missing.
        let (names, watch) = loop {
            match through_sessions(|| self.client.children(&self.path).watch()).await {
                Err(error) if error.is_no_node() => ensure_queue::<L>(&self.client, &self.path).await?,
                answer => break answer?,
            }
        };
        let mut watches = vec![watch];
        let mut in_hand = HashSet::new();
        if let Some(locks) = &self.locks {
            let (names, watch) = loop {
                match through_sessions(|| self.client.children(locks).watch()).await {
                    Err(error) if error.is_no_node() => ensure_node(&self.client, locks).await?,
                    answer => break answer?,
                }
            };
            in_hand.extend(names);
            watches.push(watch);
        }
        let mut names: Vec<String> =
            names.into_iter().filter(|name| name.starts_with(L::PREFIX) && !in_hand.contains(name)).collect();
        names.sort_by(|a, b| L::compare(a, b));
        self.names = names.into();
        self.watches = Watches(watches);
        self.changed = false;
        self.handed_out = 0;
        Ok(())
    }
}

/// Makes the znode of a queue, whose parents are containers.
pub(super) async fn ensure_queue<L: Layout>(client: &Client, path: &str) -> Result<()> {
    if L::CONTAINER {
        through_sessions(|| ensure_container(client, path)).await?;
        return Ok(());
    }
    ensure_node(client, path).await
}

/// Makes a persistent znode whose parents are containers.
pub(super) async fn ensure_node(client: &Client, path: &str) -> Result<()> {
    let made =
        through_sessions(|| create_with_parents(client, path, Default::default(), CreateMode::Persistent))
            .await;
    match made {
        Err(error) if !error.is_node_exists() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Waits for this time, or for ever.
async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// The time items are delayed by: that of the wall.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The watches that were left with a list.
#[derive(Default)]
struct Watches(Vec<OneShot>);

impl Watches {
    /// Waits until one has fired, if none has before.
    async fn any(&mut self) {
        std::future::poll_fn(|context| match self.poll(context) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    fn have_fired(&mut self) -> bool {
        self.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }

    fn poll(&mut self, context: &mut std::task::Context<'_>) -> bool {
        let fired = self.0.iter_mut().any(|watch| Pin::new(watch).poll(context).is_ready());
        if fired {
            // A watch is not asked again after it has fired; without watches every question is answered with yes.
            self.0.clear();
        }
        fired || self.0.is_empty()
    }
}
