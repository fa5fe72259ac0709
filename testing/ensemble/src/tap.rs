//! Proxies between servers, which keep what goes through.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a connection waits for a server that does not listen yet.
const REACH_TIMEOUT: Duration = Duration::from_secs(15);

/// One of the two ports of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Port {
    /// Where a leader waits for learners.
    Quorum,
    /// Where votes are told.
    Election,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The server that made the connection.
    Dialler,
    /// The other one.
    Acceptor,
}

/// What was said on one connection.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    pub(crate) port: Port,
    pub(crate) dialler: u8,
    pub(crate) acceptor: u8,
    /// Whatever came at once, in order.
    pub(crate) chunks: Vec<(Side, Vec<u8>)>,
}

/// All proxies of an ensemble: one for each server that dials, each that is dialled, and each port.
#[derive(Debug)]
pub(crate) struct Taps {
    shared: Arc<Shared>,
    ports: BTreeMap<(u8, u8, Port), u16>,
}

#[derive(Debug)]
struct Shared {
    captures: Mutex<Vec<Capture>>,
    links: Mutex<Vec<Link>>,
    /// The server that nobody hears and that hears nobody, 0 for none.
    silenced: Mutex<u8>,
    over: AtomicBool,
}

#[derive(Debug)]
struct Link {
    servers: (u8, u8),
    stream: TcpStream,
}

impl Taps {
    /// Proxies to the given ports of servers: id, quorum port, election port.
    pub(crate) fn open(servers: &[(u8, u16, u16)]) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            captures: Mutex::default(),
            links: Mutex::default(),
            silenced: Mutex::new(0),
            over: AtomicBool::new(false),
        });
        let mut ports = BTreeMap::new();
        for &(acceptor, quorum, election) in servers {
            for &(dialler, ..) in servers.iter().filter(|(id, ..)| *id != acceptor) {
                for (port, target) in [(Port::Quorum, quorum), (Port::Election, election)] {
                    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                    ports.insert((dialler, acceptor, port), listener.local_addr()?.port());
                    let shared = Arc::clone(&shared);
                    let capture = Capture { port, dialler, acceptor, chunks: Vec::new() };
                    thread::spawn(move || shared.accept(&listener, target, &capture));
                }
            }
        }
        Ok(Self { shared, ports })
    }

    /// The port on which `dialler` reaches a port of `acceptor`.
    pub(crate) fn port(&self, dialler: u8, acceptor: u8, port: Port) -> u16 {
        self.ports[&(dialler, acceptor, port)]
    }

    /// What has been said so far on the newest connection of this kind where anything was said.
    pub(crate) fn last(&self, port: Port, dialler: u8) -> Option<Capture> {
        let is_it = |c: &&Capture| c.port == port && c.dialler == dialler && !c.chunks.is_empty();
        lock(&self.shared.captures).iter().rfind(is_it).cloned()
    }

    /// What has been said so far on connections where anything was said, oldest first.
    pub(crate) fn captures(&self) -> Vec<Capture> {
        lock(&self.shared.captures).iter().filter(|capture| !capture.chunks.is_empty()).cloned().collect()
    }

    /// Lets nothing through to or from a server, though its connections stay, and nobody connect. What it says is
    /// written down all the same.
    pub(crate) fn silence(&self, server: u8) {
        *lock(&self.shared.silenced) = server;
    }

    /// Ends the silence. Connections that were silenced are closed: bytes are missing on them.
    pub(crate) fn heal(&self) {
        let server = std::mem::take(&mut *lock(&self.shared.silenced));
        lock(&self.shared.links).retain(|link| {
            let silenced = link.servers.0 == server || link.servers.1 == server;
            if silenced {
                let _ = link.stream.shutdown(Shutdown::Both);
            }
            !silenced
        });
    }
}

impl Drop for Taps {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        for link in lock(&self.shared.links).drain(..) {
            let _ = link.stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener, target: u16, capture: &Capture) {
        while let Ok((near, _)) = listener.accept() {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            if self.is_silenced(capture) {
                continue;
            }
            let (shared, capture) = (Arc::clone(self), capture.clone());
            thread::spawn(move || drop(shared.connect(near, target, capture)));
        }
    }

    fn is_silenced(&self, capture: &Capture) -> bool {
        let silenced = *lock(&self.silenced);
        silenced == capture.dialler || silenced == capture.acceptor
    }

    fn connect(self: &Arc<Self>, near: TcpStream, target: u16, capture: Capture) -> io::Result<()> {
        let target = (Ipv4Addr::LOCALHOST, target).into();
        // A learner takes the end of a connection that stood for the end of its leader, where a refusal would have had it
        // try again. Votes are better lost: a server greeted by one with a smaller id dials back, past this proxy.
        let far = match capture.port {
            Port::Quorum => reach(target)?,
            Port::Election => TcpStream::connect(target)?,
        };
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let servers = (capture.dialler, capture.acceptor);
        for stream in [near.try_clone()?, far.try_clone()?] {
            lock(&self.links).push(Link { servers, stream });
        }
        let mut captures = lock(&self.captures);
        let number = captures.len();
        captures.push(capture);
        drop(captures);
        let (near_again, far_again) = (near.try_clone()?, far.try_clone()?);
        let shared = Arc::clone(self);
        thread::spawn(move || shared.pump(far_again, near_again, number, Side::Acceptor));
        self.pump(near, far, number, Side::Dialler);
        Ok(())
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, number: usize, side: Side) {
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(len @ 1..) = from.read(&mut chunk) {
            let silenced = {
                let mut captures = lock(&self.captures);
                captures[number].chunks.push((side, chunk[..len].to_vec()));
                self.is_silenced(&captures[number])
            };
            if !silenced && to.write_all(&chunk[..len]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}

/// Connects, waiting for whoever does not listen yet.
fn reach(addr: SocketAddr) -> io::Result<TcpStream> {
    let deadline = Instant::now() + REACH_TIMEOUT;
    loop {
        match TcpStream::connect(addr) {
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
            connected => return connected,
        }
    }
}

/// What a thread that panicked has written down stays good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
