//! What the machine allows: a server that does nothing but take requests apart, log what is to be logged, and answer.
//!
//! Its figures are the ceiling of the load generator and the floor under every real server's costs. The tree is not there:
//! all answers to reads are the same.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use zabra_proto::{ConnectResponse, OpClass, OpCode, Put, begin_frame, end_frame, put_stat};
use zabra_types::{SESSION_PASSWORD_LEN, SessionId, SessionPassword, Stat, Zxid};

const LISTENER: Token = Token(usize::MAX);
const STOP: Token = Token(usize::MAX - 1);
/// Zeros written ahead, as a sync is cheaper when a file does not grow; the log begins again at its end.
const LOG_LEN: u64 = 64 << 20;
/// What a connection reads at once.
const CHUNK: usize = 64 * 1024;

/// A floor that serves until it is dropped.
#[derive(Debug)]
pub struct Floor {
    addr: SocketAddr,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Floor {
    /// Starts one on a free port. With a directory it logs and syncs writes there, once for all that came together.
    pub fn start(log_in: Option<&Path>, data_len: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let addr = listener.local_addr()?;
        let waker = Arc::new(Waker::new(poll.registry(), STOP)?);
        let log = log_in.map(Log::create).transpose()?;
        let mut answer = Vec::new();
        answer.put_buffer(Some(&vec![b'x'; data_len]));
        put_stat(&mut answer, &Stat::default());
        let serving = Serving { poll, listener, log, answer, connections: HashMap::new(), made: 0, zxid: 0 };
        let thread = std::thread::Builder::new().name("floor".to_owned()).spawn(move || serving.run())?;
        Ok(Self { addr, waker, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // If it cannot be woken it has ended.
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A file of zeros that is overwritten again and again.
struct Log {
    file: File,
    at: u64,
    pending: Vec<u8>,
}

impl Log {
    fn create(directory: &Path) -> io::Result<Self> {
        let mut file = tempfile::tempfile_in(directory)?;
        let zeros = vec![0; 1 << 20];
        for _ in 0..LOG_LEN / zeros.len() as u64 {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        Ok(Self { file, at: 0, pending: Vec::new() })
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.at + self.pending.len() as u64 > LOG_LEN {
            self.at = 0;
        }
        self.file.write_all_at(&self.pending, self.at)?;
        self.file.sync_data()?;
        self.at += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

struct Connection {
    stream: TcpStream,
    inbox: Vec<u8>,
    out: Vec<u8>,
    greeted: bool,
}

struct Serving {
    poll: Poll,
    listener: TcpListener,
    log: Option<Log>,
    /// Data and Stat of every node.
    answer: Vec<u8>,
    connections: HashMap<usize, Connection>,
    made: usize,
    zxid: i64,
}

impl Serving {
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut chunk = vec![0; CHUNK];
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            let mut ready = Vec::new();
            for event in &events {
                match event.token() {
                    STOP => return Ok(()),
                    LISTENER => self.accept()?,
                    Token(at) => ready.push(at),
                }
            }
            ready.retain(|&at| self.take(at, &mut chunk));
            if let Some(log) = &mut self.log {
                log.sync()?;
            }
            for at in ready {
                let gone =
                    self.connections.get_mut(&at).is_some_and(|connection| connection.flush().is_err());
                if gone {
                    self.connections.remove(&at);
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(self.made), interest)?;
            let connection = Connection { stream, inbox: Vec::new(), out: Vec::new(), greeted: false };
            self.connections.insert(self.made, connection);
            self.made += 1;
        }
    }

    /// Takes what a connection sent and makes the answers. Says whether it is still there.
    fn take(&mut self, at: usize, chunk: &mut [u8]) -> bool {
        let Some(connection) = self.connections.get_mut(&at) else { return false };
        loop {
            match connection.stream.read(chunk) {
                Ok(n @ 1..) => {
                    connection.inbox.extend_from_slice(&chunk[..n]);
                    if n == chunk.len() {
                        continue;
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Ok(_) | Err(_) => {
                    self.connections.remove(&at);
                    return false;
                }
            }
            break;
        }
        let mut used = 0;
        while let Some((word, rest)) = connection.inbox[used..].split_first_chunk::<4>() {
            let Some(frame) = rest.get(..u32::from_be_bytes(*word) as usize) else { break };
            if connection.greeted {
                answer(frame, &mut connection.out, &self.answer, &mut self.zxid, &mut self.log);
            } else {
                greet(&mut connection.out, at);
                connection.greeted = true;
            }
            used += 4 + frame.len();
        }
        connection.inbox.drain(..used);
        true
    }
}

impl Connection {
    fn flush(&mut self) -> io::Result<()> {
        let mut written = 0;
        while written < self.out.len() {
            match self.stream.write(&self.out[written..]) {
                Ok(n) => written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.out.drain(..written);
        Ok(())
    }
}

fn greet(out: &mut Vec<u8>, at: usize) {
    let frame = begin_frame(out);
    ConnectResponse {
        timeout_ms: 40_000,
        session: SessionId::from_raw(at as i64 + 1),
        password: SessionPassword::from_bytes([0; SESSION_PASSWORD_LEN]),
        read_only: Some(false),
    }
    .encode(out);
    end_frame(out, frame);
}

fn answer(frame: &[u8], out: &mut Vec<u8>, data_and_stat: &[u8], zxid: &mut i64, log: &mut Option<Log>) {
    let word = |at: usize| frame.get(at..at + 4).map_or([0; 4], |bytes| bytes.try_into().unwrap_or([0; 4]));
    let op = OpCode::from_code(i32::from_be_bytes(word(4)));
    let writes = op.is_some_and(|op| op.class() == OpClass::Write);
    if writes {
        *zxid += 1;
        if let Some(log) = log {
            log.pending.extend_from_slice(frame);
        }
    }
    let begun = begin_frame(out);
    out.extend_from_slice(&word(0));
    out.put_i64(Zxid::from_raw(*zxid).raw());
    out.put_i32(0);
    match op {
        Some(OpCode::GetData) => out.extend_from_slice(data_and_stat),
        // The Stat behind the data.
        Some(OpCode::SetData | OpCode::Exists) => {
            out.extend_from_slice(&data_and_stat[data_and_stat.len() - 68..]);
        }
        _ => {}
    }
    end_frame(out, begun);
}
