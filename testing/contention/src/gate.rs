//! Gates in front of the servers: connections that can be cut, and events that are counted.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use zabra_testkit::Rng;

/// A gate for each of several servers.
#[derive(Clone, Debug)]
pub(crate) struct Gates {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    open: Mutex<Vec<Arc<Link>>>,
    /// Watch events that went to clients.
    events: AtomicU64,
}

/// A connection through a gate.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
}

impl Link {
    fn cut(&self) {
        for end in [&self.client, &self.server] {
            // It may be gone already.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

impl Gates {
    /// Opens them. They live as long as the process.
    pub(crate) fn open(servers: &[SocketAddr]) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut addresses = Vec::new();
        for &server in servers {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            addresses.push(listener.local_addr()?);
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for client in listener.incoming().flatten() {
                    let shared = Arc::clone(&shared);
                    // When the server is down, the client is refused.
                    thread::spawn(move || drop(shared.pass(client, server)));
                }
            });
        }
        Ok(Self { addresses, shared })
    }

    /// What clients connect to.
    pub(crate) fn hosts(&self) -> String {
        self.addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
    }

    /// Cuts one connection; false when there is none.
    pub(crate) fn cut_one(&self, rng: &mut Rng) -> bool {
        let open = self.shared.open();
        if open.is_empty() {
            return false;
        }
        rng.pick(&open).cut();
        true
    }

    /// How many watch events went to clients.
    pub(crate) fn events(&self) -> u64 {
        self.shared.events.load(Relaxed)
    }
}

impl Shared {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Link>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(self: Arc<Self>, client: TcpStream, server: SocketAddr) -> io::Result<()> {
        let server = TcpStream::connect(server)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let link = Arc::new(Link { client, server });
        self.open().push(Arc::clone(&link));
        let up = Arc::clone(&link);
        let upward = thread::spawn(move || {
            let _ = copy(&up.client, &up.server, |_| ());
            up.cut();
        });
        let mut frames = Frames::default();
        let _ = copy(&link.server, &link.client, |bytes| {
            self.events.fetch_add(frames.events_in(bytes), Relaxed);
        });
        link.cut();
        // It ends when the connection does.
        let _ = upward.join();
        self.open().retain(|other| !Arc::ptr_eq(other, &link));
        Ok(())
    }
}

fn copy(mut from: &TcpStream, mut to: &TcpStream, mut see: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        let len = from.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        see(&buffer[..len]);
        to.write_all(&buffer[..len])?;
    }
}

/// Finds the watch events in what a server sends: frames with the request number -1, after the first, which answers the
/// handshake.
#[derive(Debug, Default)]
struct Frames {
    /// What is known of the head of the frame: its length and request number.
    head: Vec<u8>,
    /// Bytes of the frame still to come after its head.
    rest: usize,
    greeted: bool,
}

impl Frames {
    const HEAD_LEN: usize = 8;

    fn events_in(&mut self, mut bytes: &[u8]) -> u64 {
        let mut events = 0;
        while !bytes.is_empty() {
            let skipped = self.rest.min(bytes.len());
            self.rest -= skipped;
            bytes = &bytes[skipped..];
            let wanted = (Self::HEAD_LEN - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..wanted]);
            bytes = &bytes[wanted..];
            if let &[a, b, c, d, ref xid @ ..] = &self.head[..]
                && xid.len() == 4
            {
                // Whatever the length, the head has been read.
                self.rest = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                events += u64::from(self.greeted && xid == [0xff; 4]);
                self.greeted = true;
                self.head.clear();
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_they_come() {
        let mut bytes = Vec::new();
        for (xid, len) in [(-1_i32, 36_u32), (1, 4), (-1, 30), (-2, 16), (-1, 4), (7, 100)] {
            bytes.extend(len.to_be_bytes());
            bytes.extend(xid.to_be_bytes());
            bytes.extend(vec![0xff; len as usize - 4]);
        }
        for step in [1, 3, 7, 8, 1000] {
            let mut frames = Frames::default();
            let events: u64 = bytes.chunks(step).map(|chunk| frames.events_in(chunk)).sum();
            assert_eq!(events, 2, "in steps of {step}");
        }
    }
}
