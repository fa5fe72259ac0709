//! Telling the witness.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

/// The witness, who sees everything. Blocks the thread for as long as the answer takes, which is not long.
#[derive(Clone, Debug)]
pub(super) struct Seen(Arc<Mutex<BufReader<TcpStream>>>);

impl Seen {
    pub(super) fn connect(address: &str, who: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let seen = Self(Arc::new(Mutex::new(BufReader::new(stream))));
        seen.tell(format_args!("hello {who}"))?;
        Ok(seen)
    }

    /// Says a line; the answer.
    pub(super) fn tell(&self, line: impl Display) -> io::Result<String> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.get_mut().write_all(format!("{line}\n").as_bytes())?;
        let mut answer = String::new();
        if stream.read_line(&mut answer)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        answer.truncate(answer.trim_end().len());
        Ok(answer)
    }

    /// Says that we are inside; none when we must not be.
    pub(super) fn enter(&self, place: &str, mode: &str, fence: Option<i64>) -> io::Result<Option<Inside>> {
        let fence = fence.map_or_else(|| "-".to_owned(), |fence| fence.to_string());
        let answer = self.tell(format_args!("enter {place} {mode} {fence}"))?;
        Ok((answer == "ok").then(|| Inside { seen: self.clone(), place: place.to_owned() }))
    }
}

/// Being inside of something. Leaves when it is dropped, so that work that is cancelled has left before others may enter.
#[derive(Debug)]
pub(super) struct Inside {
    seen: Seen,
    place: String,
}

impl Drop for Inside {
    fn drop(&mut self) {
        // The witness knows who never left.
        let _ = self.seen.tell(format_args!("leave {}", self.place));
    }
}
