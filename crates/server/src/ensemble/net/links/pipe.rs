//! Between a socket that is served by tasks and code that reads and writes on a thread of its own.

use std::io::{self, BufRead, Read, Write};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{Receiver, Sender};

/// Bytes that a [`ChunkWriter`] hands over at once.
const CHUNK: usize = 256 * 1024;
/// Chunks on their way.
pub(super) const CHUNKS: usize = 4;

/// Reads the chunks that a task receives.
#[derive(Debug)]
pub(super) struct ChunkReader {
    chunks: Receiver<Bytes>,
    current: Bytes,
}

impl ChunkReader {
    pub(super) fn new(first: Bytes, chunks: Receiver<Bytes>) -> Self {
        Self { chunks, current: first }
    }

    /// What has come and was not read. Nothing more can come then.
    pub(super) fn into_rest(mut self) -> Vec<u8> {
        self.chunks.close();
        let mut rest = self.current.to_vec();
        while let Some(chunk) = self.chunks.blocking_recv() {
            rest.extend_from_slice(&chunk);
        }
        rest
    }
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => break,
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, len: usize) {
        self.current.advance(len);
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let len = available.len().min(buf.len());
        buf[..len].copy_from_slice(&available[..len]);
        self.consume(len);
        Ok(len)
    }
}

/// Writes chunks for a task to send.
#[derive(Debug)]
pub(super) struct ChunkWriter {
    chunks: Sender<Vec<u8>>,
    current: Vec<u8>,
}

impl ChunkWriter {
    pub(super) fn new(chunks: Sender<Vec<u8>>) -> Self {
        Self { chunks, current: Vec::with_capacity(CHUNK) }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        if self.current.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.current, Vec::with_capacity(CHUNK));
        self.chunks
            .blocking_send(chunk)
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the link ended"))
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.current.extend_from_slice(bytes);
        if self.current.len() >= CHUNK {
            self.hand_over()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_over()
    }
}
