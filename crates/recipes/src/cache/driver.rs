//! Carries out what the mirror asks for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use zabra_client::{
    AddWatchMode, Client, Error, EventType, Pending, SessionState, Stat, StateStream, WatchEvent, WatchStream,
};

use super::mirror::{Answer, Ask, Change, Mirror};
use super::{CacheState, Shared};
use crate::common::retry::Backoff;
use crate::common::session;

/// How many reads are under way at a time.
const READS_MAX: usize = 128;
/// After what time reads are made again that failed for a passing reason, if the states of the session tell nothing.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// A read under way. Replies come in the order of the requests, so waiting for the first is waiting for any.
enum Read {
    Data(Pending<(Bytes, Stat)>),
    Stat(Pending<Option<Stat>>),
    Children(Pending<Vec<String>>),
}

impl Read {
    fn send(client: &Client, ask: &Ask) -> Self {
        match ask {
            Ask::Data(path) => Self::Data(client.get(path).send()),
            Ask::Stat(path) => Self::Stat(client.exists(path).send()),
            Ask::Children(path) => Self::Children(client.children(path).send()),
        }
    }

    /// Cancel-safe: a reply that has come is not lost.
    async fn answer(&mut self) -> Result<Answer, Error> {
        fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
            match answer {
                Ok(found) => Ok(Some(found)),
                Err(error) if error.is_no_node() => Ok(None),
                Err(error) => Err(error),
            }
        }
        match self {
            Self::Data(pending) => found(pending.await).map(Answer::Data),
            Self::Stat(pending) => pending.await.map(Answer::Stat),
            Self::Children(pending) => found(pending.await).map(Answer::Children),
        }
    }
}

/// What ends following a watch.
enum End {
    /// The watch is gone with its session: set another.
    Watch,
    /// The client is over.
    Client(Option<Error>),
}

pub(super) struct Driver {
    client: Client,
    root: String,
    mode: AddWatchMode,
    mirror: Mirror,
    shared: Arc<Shared>,
    states: StateStream,
    reads: VecDeque<(Ask, Read)>,
    /// When to begin again, see [`AGAIN_AFTER`].
    again_at: Option<Instant>,
}

impl Driver {
    pub(super) fn new(
        client: Client,
        root: String,
        mode: AddWatchMode,
        mirror: Mirror,
        shared: Arc<Shared>,
    ) -> Self {
        let states = client.states();
        Self { client, root, mode, mirror, shared, states, reads: VecDeque::new(), again_at: None }
    }

    /// Runs until the client is over; dropped when the cache is.
    pub(super) async fn run(mut self) {
        let end = loop {
            match self.watch().await {
                Ok(watch) => {
                    if let End::Client(error) = self.follow(watch).await {
                        break error;
                    }
                }
                Err(error) => break error,
            }
        };
        self.lost();
        self.shared.close(end);
    }

    /// Sets the watch, however long it takes to get a connection.
    async fn watch(&mut self) -> Result<WatchStream, Option<Error>> {
        let mut backoff = Backoff::default();
        loop {
            // What the session went through before does not matter to this watch.
            while self.states.try_next().is_some() {}
            match self.client.add_watch(&self.root, self.mode).await {
                Ok(watch) => return Ok(watch),
                Err(error) if session::is_outage(&error) => {
                    if !session::connected(&self.client, &mut self.states).await {
                        return Err(Some(error));
                    }
                }
                Err(error) => return Err(Some(error)),
            }
            backoff.pause().await;
        }
    }

    async fn follow(&mut self, mut watch: WatchStream) -> End {
        self.begin();
        loop {
            while self.reads.len() < READS_MAX
                && let Some(ask) = self.mirror.next_ask()
            {
                let read = Read::send(&self.client, &ask);
                self.reads.push_back((ask, read));
            }
            let first = async {
                match self.reads.front_mut() {
                    Some((_, read)) => read.answer().await,
                    None => std::future::pending().await,
                }
            };
            let again = async {
                match self.again_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                event = watch.next() => {
                    if !event.is_some_and(|event| self.happened(event)) {
                        self.lost();
                        return End::Watch;
                    }
                }
                state = self.states.next() => match state {
                    Some(SessionState::Disconnected) => self.lost(),
                    Some(state) if state.is_connected() => self.begin(),
                    Some(_) => {}
                    None => return End::Client(None),
                },
                answer = first => {
                    let Some((ask, _)) = self.reads.pop_front() else { continue };
                    // What came before the reply is to be known before it.
                    while let Some(event) = watch.try_next() {
                        if !self.happened(event) {
                            self.lost();
                            return End::Watch;
                        }
                    }
                    self.answered(ask, answer);
                }
                () = again => self.begin(),
            }
        }
    }

    fn begin(&mut self) {
        self.again_at = None;
        self.reads.clear();
        self.step(|mirror, contents| mirror.begin(contents));
    }

    fn lost(&mut self) {
        self.again_at = None;
        self.reads.clear();
        self.step(|mirror, _| mirror.lost());
    }

    /// Whether the watch is still there.
    fn happened(&mut self, event: WatchEvent) -> bool {
        let change = match event.kind {
            EventType::NodeCreated | EventType::NodeDataChanged => Change::Written,
            EventType::NodeDeleted => Change::Deleted,
            kind => return !kind.is_end(),
        };
        self.step(|mirror, contents| mirror.changed(contents, &event.path, change, event.zxid));
        true
    }

    fn answered(&mut self, ask: Ask, answer: Result<Answer, Error>) {
        match answer {
            Ok(answer) => self.step(|mirror, contents| mirror.answered(contents, ask, answer)),
            Err(error) if session::is_outage(&error) => {
                // The states tell sooner when there is a connection again, unless it was there all the time.
                self.lost();
                self.again_at = Some(Instant::now() + AGAIN_AFTER);
            }
            Err(error) => {
                tracing::warn!(root = self.root, ?ask, %error, "the cache cannot read a node");
                self.step(|mirror, _| mirror.refused(ask, error));
            }
        }
    }

    /// One step of the mirror, and what listeners are told of it.
    fn step(&mut self, step: impl FnOnce(&mut Mirror, &mut super::mirror::Contents)) {
        let mut inner = self.shared.lock();
        step(&mut self.mirror, &mut inner.contents);
        for event in self.mirror.take_events() {
            inner.tell(&event);
        }
        drop(inner);
        let state = if self.mirror.is_in_step() { CacheState::InStep } else { CacheState::Behind };
        self.shared.set_state(state);
    }
}
