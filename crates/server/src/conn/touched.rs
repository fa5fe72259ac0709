//! Connections to send to after a batch.

use std::sync::Arc;
use std::{thread, vec};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::Conn;

/// To so many connections the thread that has made their replies sends itself. Beyond that it has more important things to
/// do, as syncing what waits for the log meanwhile; sending takes some 4 µs each.
const SENT_AT_ONCE_MAX: usize = 64;

/// To so many connections a thread of the runtime sends before it looks at what else there is to do.
const TURN: usize = 32;

/// Events that are worth a thread: with twice as many, two threads send them.
const EVENTS_PER_THREAD_MIN: usize = 256;

/// Connections whose outbox has something new, gathered while locks are held and seen to afterwards.
///
/// Neighbours that are the same are kept once: requests of one connection come together.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    answered: Vec<Arc<Conn>>,
    told: Vec<Arc<Conn>>,
}

impl Touched {
    /// Adds a connection that has an answer.
    pub(crate) fn answered(&mut self, conn: Arc<Conn>) {
        push(&mut self.answered, conn);
    }

    /// Adds a connection that is told of an event.
    pub(crate) fn told(&mut self, conn: Arc<Conn>) {
        push(&mut self.told, conn);
    }
}

fn push(conns: &mut Vec<Arc<Conn>>, conn: Arc<Conn>) {
    if !conns.last().is_some_and(|last| Arc::ptr_eq(last, &conn)) {
        conns.push(conn);
    }
}

/// Many connections to send to.
#[derive(Debug)]
struct Many {
    conns: Vec<Arc<Conn>>,
    /// How many threads may send to them.
    threads_max: usize,
}

/// Sees to it that replies made on the log thread are sent.
///
/// Few are sent right there: waking a task, on another thread, takes longer than its work. Many are handed over at once, to
/// be sent beside whatever else the runtime does. The channel holds no more than two entries per batch.
#[derive(Debug)]
pub(crate) struct Waker(UnboundedSender<Many>);

impl Waker {
    /// A waker and the work of the task behind it.
    pub(crate) fn new() -> (Self, Wakes) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Wakes(receiver))
    }

    /// Lets all of them send what they have. Answers come first: a change is not answered later because many hear of it.
    pub(crate) fn send(&self, touched: Touched) {
        let Touched { answered, told } = touched;
        // Whoever is answered asks again, and the log thread needs a processor for that.
        self.send_to(answered, 1);
        let threads_max = told.len() / EVENTS_PER_THREAD_MIN;
        self.send_to(told, threads_max);
    }

    fn send_to(&self, conns: Vec<Arc<Conn>>, threads_max: usize) {
        if conns.len() <= SENT_AT_ONCE_MAX {
            conns.iter().for_each(|conn| conn.send_or_wake());
        } else {
            // It only fails when the runtime has ended, and the connections with it.
            drop(self.0.send(Many { conns, threads_max }));
        }
    }
}

/// The receiving end of a [`Waker`].
#[derive(Debug)]
pub(crate) struct Wakes(UnboundedReceiver<Many>);

impl Wakes {
    /// Sees to whatever is handed over, until the waker is gone.
    pub(crate) async fn run(mut self) {
        let workers = Handle::current().metrics().num_workers();
        while let Some(Many { conns, threads_max }) = self.0.recv().await {
            let fanout = Arc::new(Fanout(Mutex::new(conns.into_iter())));
            if threads_max <= 1 {
                fanout.send_in_turns().await;
                continue;
            }
            // Not waited for: the answers of the next batch would wait for all of these.
            for _ in 0..workers.min(threads_max) {
                tokio::spawn(Arc::clone(&fanout).send_in_turns());
            }
            tokio::task::spawn_blocking(move || fanout.help());
        }
    }
}

/// Connections that several threads send to together, each to the next few that are left.
#[derive(Debug)]
struct Fanout(Mutex<vec::IntoIter<Arc<Conn>>>);

impl Fanout {
    /// Sends until nobody is left, and lets the runtime do in between what else it has to.
    async fn send_in_turns(self: Arc<Self>) {
        let mut turn = Vec::with_capacity(TURN);
        while self.send_some(&mut turn) {
            tokio::task::yield_now().await;
        }
    }

    /// Sends until nobody is left, and gives way in between to whoever else wants this processor: the log thread, or clients
    /// on the same machine.
    fn help(&self) {
        let mut turn = Vec::with_capacity(TURN);
        while self.send_some(&mut turn) {
            thread::yield_now();
        }
    }

    /// Sends to the next few, with `turn` to keep them in. Whether there were any.
    fn send_some(&self, turn: &mut Vec<Arc<Conn>>) -> bool {
        turn.extend(self.0.lock().by_ref().take(TURN));
        let any = !turn.is_empty();
        turn.drain(..).for_each(|conn| conn.send_or_wake());
        any
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::super::Connections;
    use super::super::tests::{connected, was_woken};
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn several_threads_send_to_each_once() {
        let (waker, wakes) = Waker::new();
        let sender = tokio::spawn(wakes.run());
        let runs = Connections::default();
        let (mut conns, mut clients) = (Vec::new(), Vec::new());
        for at in 0..6 * TURN {
            let (conn, client) = connected(&runs).await;
            conn.outbox().bytes.extend_from_slice(&at.to_be_bytes());
            conns.push(conn);
            clients.push(client);
        }
        waker.send_to(conns.clone(), 3);
        drop(waker);
        sender.await.unwrap();
        // Others may still be at their last few: each client is waited for.
        for (at, client) in clients.iter_mut().enumerate() {
            let mut got = [0; size_of::<usize>()];
            client.read_exact(&mut got).await.unwrap();
            assert_eq!(usize::from_be_bytes(got), at);
        }
        for (conn, mut client) in conns.iter().zip(clients) {
            assert!(!was_woken(conn).await);
            drop(conn.outbox().socket.take());
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "nothing is sent twice");
        }
    }

    #[tokio::test]
    async fn of_many_those_whose_task_is_busy_are_woken() {
        let (waker, wakes) = Waker::new();
        let runs = Connections::default();
        let mut touched = Touched::default();
        let mut conns = Vec::new();
        for at in 0..=SENT_AT_ONCE_MAX {
            let (conn, client) = connected(&runs).await;
            conn.outbox().bytes.push(1);
            conn.outbox().task_is_idle = at % 2 == 0;
            touched.answered(Arc::clone(&conn));
            conns.push((conn, client));
        }
        waker.send(touched);
        for (conn, _) in &conns {
            assert!(
                !conn.outbox().bytes.is_empty(),
                "the thread that has made so many replies does not send them"
            );
        }
        drop(waker);
        wakes.run().await;
        for (at, (conn, _)) in conns.iter().enumerate() {
            assert_eq!(conn.outbox().bytes.is_empty(), at % 2 == 0, "{at}");
            assert_eq!(was_woken(conn).await, at % 2 == 1, "{at}");
        }
    }

    #[tokio::test]
    async fn the_answer_does_not_wait_for_all_who_hear_of_the_change() {
        let (waker, wakes) = Waker::new();
        let runs = Connections::default();
        let (writer, mut client) = connected(&runs).await;
        let mut touched = Touched::default();
        let mut watchers = Vec::new();
        for _ in 0..=SENT_AT_ONCE_MAX {
            let (conn, client) = connected(&runs).await;
            conn.outbox().bytes.push(1);
            touched.told(Arc::clone(&conn));
            watchers.push((conn, client));
        }
        writer.outbox().bytes.push(2);
        touched.answered(writer);
        waker.send(touched);
        let mut got = [0];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(got, [2]);
        assert!(watchers.iter().all(|(conn, _)| !conn.outbox().bytes.is_empty()));
        drop(wakes);
    }
}
