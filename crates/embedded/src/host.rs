//! The thread that a server lives on.
//!
//! A server has a thread and a runtime of its own. To kill it is to take its disk away and to drop that runtime with every
//! task in it; to pause it is to block that thread.

use std::net::SocketAddr;
use std::sync::mpsc as gates;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{self, Handle};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use zabra_server::config::Config;

use crate::Error;
use crate::disk::{Leash, LeashedDisk};

/// How long work on other threads of a killed server, such as the reading of a file, may still take.
const THREADS_MAX: Duration = Duration::from_secs(5);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// A server that runs.
#[derive(Clone, Debug)]
pub(crate) struct Host(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: Weak<zabra_server::Server>,
    client_address: SocketAddr,
    runtime: Handle,
    commands: mpsc::UnboundedSender<Command>,
    /// Where a paused server waits.
    gate: Mutex<Option<gates::Sender<Wake>>>,
    /// True once the thread has ended.
    ended: watch::Receiver<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Command {
    Stop,
    Kill,
    Pause { gate: gates::Receiver<Wake>, paused: oneshot::Sender<()> },
}

/// What a paused server hears.
#[derive(Clone, Copy, Debug)]
enum Wake {
    GoOn,
    Kill,
}

struct Started {
    server: Weak<zabra_server::Server>,
    client_address: SocketAddr,
    runtime: Handle,
}

impl Host {
    /// Starts a server.
    pub(crate) async fn start(config: Config, durable: bool) -> Result<Self, Error> {
        let (commands, orders) = mpsc::unbounded_channel();
        let (starting, started) = oneshot::channel();
        let (ending, ended) = watch::channel(false);
        let life = move || {
            live(config, durable, starting, orders);
            ending.send_replace(true);
        };
        let thread = std::thread::Builder::new()
            .name("zabra-embedded".to_owned())
            .spawn(life)
            .map_err(Error::Thread)?;
        let Ok(started) = started.await else {
            // It panicked, and said so.
            return Err(Error::NotRunning);
        };
        let Started { server, client_address, runtime } = started?;
        Ok(Self(Arc::new(Inner {
            server,
            client_address,
            runtime,
            commands,
            gate: Mutex::default(),
            ended,
            thread: Mutex::new(Some(thread)),
        })))
    }

    /// Where clients connect.
    pub(crate) fn client_address(&self) -> SocketAddr {
        self.0.client_address
    }

    /// Does something with the server, between two things that it does itself.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&zabra_server::Server) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let server = Weak::clone(&self.0.server);
        let task = self.0.runtime.spawn(async move { server.upgrade().map(|server| work(&server)) });
        task.await.ok().flatten().ok_or(Error::NotRunning)
    }

    /// Whether `holds` comes true in time.
    pub(crate) async fn until(
        &self,
        within: Duration,
        holds: impl Fn(&zabra_server::Server) -> bool + Send + 'static,
    ) -> Result<bool, Error> {
        let server = Weak::clone(&self.0.server);
        let task = self.0.runtime.spawn(async move {
            let start = Instant::now();
            loop {
                let server = server.upgrade().ok_or(Error::NotRunning)?;
                if holds(&server) {
                    return Ok(true);
                }
                if let Some(why) = server.failure() {
                    return Err(Error::Failed(why));
                }
                if start.elapsed() >= within {
                    return Ok(false);
                }
                drop(server);
                sleep(LOOK).await;
            }
        });
        // A killed server's tasks come to no end.
        task.await.unwrap_or(Err(Error::NotRunning))
    }

    /// Freezes the server.
    pub(crate) async fn pause(&self) {
        let paused = {
            let mut slot = self.gate();
            if slot.is_some() {
                return;
            }
            let (open, gate) = gates::channel();
            let (pausing, paused) = oneshot::channel();
            let _ = self.0.commands.send(Command::Pause { gate, paused: pausing });
            *slot = Some(open);
            paused
        };
        // No answer comes from a server that has ended.
        let _ = paused.await;
    }

    /// Whether the server is frozen.
    pub(crate) fn is_paused(&self) -> bool {
        self.gate().is_some()
    }

    /// Lets a frozen server go on.
    pub(crate) fn resume(&self) {
        if let Some(gate) = self.gate().take() {
            let _ = gate.send(Wake::GoOn);
        }
    }

    /// Lets the server finish what is under way and end.
    pub(crate) async fn stop(&self) {
        self.resume();
        let _ = self.0.commands.send(Command::Stop);
        self.ended().await;
    }

    /// Ends the server at once.
    pub(crate) async fn kill(&self) {
        self.send_kill();
        self.ended().await;
    }

    /// The same, blocking the thread until it is done.
    pub(crate) fn kill_and_wait(&self) {
        self.send_kill();
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Its panic was told when it happened.
            let _ = thread.join();
        }
    }

    fn send_kill(&self) {
        match self.gate().take() {
            Some(gate) => drop(gate.send(Wake::Kill)),
            None => drop(self.0.commands.send(Command::Kill)),
        }
    }

    async fn ended(&self) {
        // An error means that the thread has ended, too.
        let _ = self.0.ended.clone().wait_for(|&ended| ended).await;
    }

    fn gate(&self) -> std::sync::MutexGuard<'_, Option<gates::Sender<Wake>>> {
        self.0.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The life of a server, on its thread.
fn live(
    config: Config,
    durable: bool,
    starting: oneshot::Sender<Result<Started, Error>>,
    orders: mpsc::UnboundedReceiver<Command>,
) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(starting.send(Err(Error::Thread(error)))),
    };
    let leash = Arc::new(Leash::default());
    let disk = Arc::new(LeashedDisk::new(Arc::clone(&leash), durable));
    let killed = runtime.block_on(async {
        let server = match zabra_server::Server::start_on(config, disk).await {
            Ok(server) => Arc::new(server),
            Err(error) => {
                let _ = starting.send(Err(Error::Start(error)));
                return None;
            }
        };
        let started = Started {
            server: Arc::downgrade(&server),
            client_address: server.client_address(),
            runtime: Handle::current(),
        };
        let end = match starting.send(Ok(started)) {
            Ok(()) => obey(orders, &leash).await,
            // Nobody wants it any more.
            Err(_) => End::Kill,
        };
        if end == End::Kill {
            leash.sever();
        }
        // Tasks of ours hold it only while they run, on this thread.
        let server = Arc::into_inner(server)?;
        match end {
            End::Kill => Some(server),
            End::Stop => {
                // A server that had failed is stopped all the same.
                let _ = server.stop().await;
                None
            }
        }
    });
    // Every connection goes with the task that has it.
    runtime.shutdown_timeout(THREADS_MAX);
    if let Some(server) = killed {
        server.abandon();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stop,
    Kill,
}

/// Does what it is told until that is to end.
async fn obey(mut orders: mpsc::UnboundedReceiver<Command>, leash: &Leash) -> End {
    while let Some(order) = orders.recv().await {
        match order {
            Command::Stop => return End::Stop,
            Command::Kill => return End::Kill,
            Command::Pause { gate, paused } => {
                // Blocks the only thread of the runtime, and the log thread at its next word to the disk.
                let held = leash.hold();
                let _ = paused.send(());
                let wake = gate.recv();
                drop(held);
                if let Ok(Wake::Kill) = wake {
                    return End::Kill;
                }
            }
        }
    }
    End::Kill
}
