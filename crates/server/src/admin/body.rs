//! Bodies of requests and answers as streams of ordinary, blocking I/O: the database is loaded and saved by code that
//! knows nothing else.

use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zabra_storage::DiskFile;

/// Pieces on their way between the connection and the blocking side.
const PIECES_AHEAD: usize = 8;
/// Bytes of a piece that is read from a file.
const PIECE_LEN: usize = 64 << 10;

type Piece = io::Result<Bytes>;

/// The body of a request, to be read on a thread that may block.
#[derive(Debug)]
pub(super) struct BodyReader {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
}

/// Begins to read a body. A client that sends nothing for `idle_timeout` is given up.
pub(super) fn reader(mut body: Body, idle_timeout: Duration) -> BodyReader {
    let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
    tokio::spawn(async move {
        loop {
            let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
            let piece = match timeout(idle_timeout, frame).await {
                // Trailers say nothing here.
                Ok(Some(Ok(frame))) => frame.into_data().map_or(Ok(Bytes::new()), Ok),
                Ok(Some(Err(error))) => Err(io::Error::other(error)),
                Ok(None) => return,
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client sends no more")),
            };
            let failed = piece.is_err();
            // Nobody wants the rest when the reader is gone.
            if sender.send(piece).await.is_err() || failed {
                return;
            }
        }
    });
    BodyReader { pieces, current: Bytes::new() }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let len = buffer.len().min(self.current.len());
        buffer[..len].copy_from_slice(&self.current.split_to(len));
        Ok(len)
    }
}

/// An answer that is a file.
#[derive(Debug)]
pub(super) struct FileBody {
    pieces: mpsc::Receiver<Piece>,
    left: u64,
}

/// Begins to send the first `len` bytes of a file.
pub(super) fn file(file: Box<dyn DiskFile>, len: u64) -> FileBody {
    let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
    spawn_blocking(move || {
        let mut offset = 0;
        loop {
            let mut piece = vec![0; PIECE_LEN];
            let read = match file.read_at(&mut piece, offset) {
                Ok(0) => return,
                Ok(read) => read,
                Err(error) => {
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            };
            piece.truncate(read);
            offset += read as u64;
            // The client is gone when nobody takes it.
            if sender.blocking_send(Ok(piece.into())).is_err() {
                return;
            }
        }
    });
    FileBody { pieces, left: len }
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(cx).map(|piece| {
            let frame = piece?.map(|mut bytes| {
                bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= bytes.len() as u64;
                Frame::data(bytes)
            });
            Some(frame)
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
