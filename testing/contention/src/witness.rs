//! The witness: a port to which every contender tells what it does, one line each, and waits for the answer.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::book::{Book, Mode, Word};

/// What everybody announces at first, and waits for then.
const HELLO: &str = "hello";
const START: &str = "all start 0";

/// How long somebody may wait for an announcement.
const WAIT_MAX: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(5);

/// The witness of one run.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Debug, Default)]
struct Shared {
    book: Mutex<Book>,
    announced: Condvar,
}

impl Witness {
    /// Opens the port. It lives as long as the process.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let witness = Self { shared: Arc::clone(&shared), address };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A contender that breaks off is noticed elsewhere.
                thread::spawn(move || drop(shared.listen(&stream)));
            }
        });
        Ok(witness)
    }

    /// Where contenders connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was told so far.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book()
    }

    /// Lets contenders begin, once so many have come; false when they do not come in time.
    pub(crate) fn start_all(&self, contenders: usize) -> bool {
        let start = Instant::now();
        while self.book().signs(HELLO) < contenders {
            if start.elapsed() > WAIT_MAX {
                return false;
            }
            thread::sleep(LOOK);
        }
        self.book().hear("", Word::Sign(START));
        self.shared.announced.notify_all();
        true
    }

    /// Begins with an empty book; returns the full one.
    pub(crate) fn turn_page(&self) -> Book {
        std::mem::take(&mut *self.book())
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut who = String::new();
        let mut out = stream;
        for line in BufReader::new(stream).lines() {
            let line = line?;
            let answer = match line.strip_prefix("hello ") {
                Some(name) => {
                    name.clone_into(&mut who);
                    self.book().hear(&who, Word::Sign(HELLO));
                    "ok"
                }
                None => self.hear(&who, &line),
            };
            out.write_all(format!("{answer}\n").as_bytes())?;
        }
        Ok(())
    }

    fn hear(&self, who: &str, line: &str) -> &'static str {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |text: &str| (text != "-").then(|| text.parse().ok()).flatten();
        let sign = |words: &[&str]| words.join(" ");
        let mut book = self.book();
        let word = match words[..] {
            ["enter", place, mode, fence] => match parse_mode(mode) {
                Some(mode) => Word::Enter { place, mode, fence: number(fence) },
                None => return Self::nonsense(&mut book, who, line),
            },
            ["leave", place] => Word::Leave(place),
            ["lost", place] => Word::Lost(place),
            ["write", place, fence] => Word::Write { place, fence: number(fence) },
            ["put", _, item, sure] => Word::Put { item, sure: sure == "sure" },
            ["take", _, item] => Word::Take(item),
            ["add", counter, value] => Word::Add { counter, value: number(value) },
            ["close" | "opening", place, round] => {
                let what = if words[0] == "close" { "closed" } else { "opening" };
                book.hear(who, Word::Sign(&sign(&[place, what, round])));
                self.announced.notify_all();
                return "ok";
            }
            ["passed", place, round] => {
                book.hear(who, Word::Sign(&sign(&[place, "gone", round])));
                self.announced.notify_all();
                return book.hear(who, Word::Passed { sign: &sign(&[place, "opening", round]), least: 1 });
            }
            ["await", place, what, round] => return self.wait(book, who, &sign(&[place, what, round]), 1),
            ["gone", place, round, members] => {
                let Ok(members) = members.parse() else { return Self::nonsense(&mut book, who, line) };
                return self.wait(book, who, &sign(&[place, "gone", round]), members);
            }
            ["come", place, step] => {
                return book.hear(who, Word::Sign(&sign(&[place, step])));
            }
            ["all", place, step, members] => {
                let Ok(least) = members.parse() else { return Self::nonsense(&mut book, who, line) };
                return book.hear(who, Word::Passed { sign: &sign(&[place, step]), least });
            }
            _ => return Self::nonsense(&mut book, who, line),
        };
        book.hear(who, word)
    }

    /// Waits until something was announced so often.
    fn wait(&self, mut book: MutexGuard<'_, Book>, who: &str, sign: &str, least: usize) -> &'static str {
        let start = Instant::now();
        while book.signs(sign) < least {
            let Some(left) = WAIT_MAX.checked_sub(start.elapsed()) else {
                let count = book.signs(sign);
                book.wrong(format!("{who} waited in vain for {sign}: {count} of {least}"));
                return "in vain";
            };
            let (heard, _) = self.announced.wait_timeout(book, left).unwrap_or_else(PoisonError::into_inner);
            book = heard;
        }
        "ok"
    }

    fn nonsense(book: &mut Book, who: &str, line: &str) -> &'static str {
        book.wrong(format!("{who} said what nobody understands: {line}"));
        "what?"
    }
}

fn parse_mode(text: &str) -> Option<Mode> {
    match text {
        "x" => Some(Mode::Exclusive),
        "s" => Some(Mode::Shared),
        _ => text.strip_prefix('n')?.parse().ok().map(Mode::AtMost),
    }
}
