//! Moves things between the core, the network and the users of a client. It decides nothing.
//!
//! One task drives one client. At each wake-up it takes all wishes there are, all bytes there are, and sends all the core
//! has to send in one write.

mod answers;
mod connection;
mod dial;

pub use dial::{BoxFuture, Dial, Stream, Tcp};

use crate::core::{Call, Core, Failure, Host, Input, Output, Told, WatcherId};
use crate::handle::{Shared, Wish};
use answers::Answers;
use connection::Connection;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use zabra_types::Now;

/// Wishes taken in one go.
const WISHES_MAX: usize = 1024;
/// Bytes that may wait for the network before wishes have to wait for them.
const OUTBOX_LEN_MAX: usize = 1 << 20;

/// The timer is never set to more.
const TIMER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Drives a core until its client is over and nobody is left to ask for anything.
pub(crate) struct Driver {
    core: Core,
    dial: Arc<dyn Dial>,
    shared: Arc<Shared>,
    wishes: mpsc::UnboundedReceiver<Wish>,
    /// Where wishes are taken to; empty between wake-ups.
    taken: Vec<Wish>,
    all_gone: bool,
    /// Wishes were taken since the last write, and others were given time to add theirs.
    waited: bool,
    answers: Answers,
    watchers: HashMap<WatcherId, mpsc::UnboundedSender<Told>>,
    step: Option<Step>,
    probe: Option<BoxFuture<bool>>,
    connection: Option<Connection>,
    outputs: Vec<Output>,
    ended: bool,
    begin: Instant,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set to.
    armed: Option<Now>,
}

/// What the way to a connection waits for.
enum Step {
    Resolve(Host, BoxFuture<io::Result<Vec<SocketAddr>>>),
    Dial(SocketAddr, BoxFuture<io::Result<Box<dyn Stream>>>),
}

impl Driver {
    /// A driver for the core that `make` makes, given the time.
    pub(crate) fn new(
        make: impl FnOnce(Now) -> Core,
        dial: Arc<dyn Dial>,
        wishes: mpsc::UnboundedReceiver<Wish>,
        shared: Arc<Shared>,
    ) -> Self {
        let begin = Instant::now();
        Self {
            core: make(Now::default()),
            dial,
            shared,
            wishes,
            taken: Vec::new(),
            all_gone: false,
            waited: false,
            answers: Answers::default(),
            watchers: HashMap::new(),
            step: None,
            probe: None,
            connection: None,
            outputs: Vec::new(),
            ended: false,
            begin,
            timer: Box::pin(tokio::time::sleep_until(begin)),
            armed: None,
        }
    }

    /// Drives to the end.
    pub(crate) async fn run(mut self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }

    fn now(&self) -> Now {
        Now::new(self.begin.elapsed())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = self.now();
            let wished = self.poll_wishes(now, cx);
            let mut moved = wished | self.poll_read(now, cx);
            moved |= self.poll_step(now, cx);
            moved |= self.poll_deadline(now, cx);
            if wished && !self.waited {
                // Whoever wished woke this task to run before its neighbours. They may be about to wish as well, being
                // woken by the same read: let them, and send it all in one write.
                self.waited = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            moved |= self.poll_write(now, cx);
            if self.ended && self.all_gone {
                return Poll::Ready(());
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    fn poll_wishes(&mut self, now: Now, cx: &mut Context<'_>) -> bool {
        let unsent = self.connection.as_ref().map_or(0, Connection::unsent) + self.core.outbox_len();
        if self.all_gone || unsent > OUTBOX_LEN_MAX {
            return false;
        }
        let Poll::Ready(count) = self.wishes.poll_recv_many(cx, &mut self.taken, WISHES_MAX) else {
            return false;
        };
        if count == 0 {
            self.all_gone = true;
            self.core.handle(now, Input::Close(None), &mut self.outputs);
        }
        let mut taken = std::mem::take(&mut self.taken);
        for wish in taken.drain(..) {
            self.grant(now, wish);
        }
        self.taken = taken;
        self.carry_out(now);
        true
    }

    fn grant(&mut self, now: Now, wish: Wish) {
        let input = match wish {
            Wish::Call(call, answer) => {
                if let (crate::core::WatchEffect::Add(ask), Some(events)) = (&call.effect, call.events) {
                    self.watchers.insert(ask.watcher, events);
                }
                Input::Submit(Call {
                    id: self.answers.expect(answer),
                    op: call.op,
                    body: call.body,
                    effect: call.effect,
                    pinned: call.pinned,
                })
            }
            Wish::AddAuth(credentials, answer) => Input::AddAuth(self.answers.expect(answer), credentials),
            Wish::ForgetWatcher(watcher) => Input::RemoveWatcher(watcher),
            Wish::UpdateServers(hosts) => Input::UpdateServers(hosts),
            Wish::Close(answer) => Input::Close(Some(self.answers.expect(answer))),
            Wish::Detach(answer) => Input::Detach(self.answers.expect(answer)),
        };
        self.core.handle(now, input, &mut self.outputs);
    }

    fn poll_read(&mut self, now: Now, cx: &mut Context<'_>) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        match connection.poll_read(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) => self.core.received(now, &mut connection.inbox, &mut self.outputs),
            Poll::Ready(Err(error)) => self.lost(now, &error),
        }
        self.carry_out(now);
        true
    }

    fn poll_write(&mut self, now: Now, cx: &mut Context<'_>) -> bool {
        self.waited = false;
        let Some(connection) = &mut self.connection else { return false };
        let mut moved = false;
        loop {
            if connection.unsent() == 0 {
                self.core.take_outbox(connection.fresh_outbox());
            }
            let all = connection.unsent() == 0;
            let done = if all { connection.poll_flush(cx) } else { connection.poll_write(cx) };
            match done {
                Poll::Ready(Ok(())) if !all => moved = true,
                Poll::Ready(Ok(())) | Poll::Pending => return moved,
                Poll::Ready(Err(error)) => {
                    self.lost(now, &error);
                    self.carry_out(now);
                    return true;
                }
            }
        }
    }

    fn poll_step(&mut self, now: Now, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        if let Some(Poll::Ready(writes)) = self.probe.as_mut().map(|probe| probe.as_mut().poll(cx)) {
            self.probe = None;
            self.core.handle(now, Input::Probed(writes), &mut self.outputs);
            moved = true;
        }
        let input = match &mut self.step {
            None => None,
            Some(Step::Resolve(host, addrs)) => match addrs.as_mut().poll(cx) {
                Poll::Pending => None,
                Poll::Ready(Ok(addrs)) => Some(Input::Resolved(addrs)),
                Poll::Ready(Err(error)) => {
                    self.shared.obstacle(format!("{host}: {error}"));
                    Some(Input::Resolved(Vec::new()))
                }
            },
            Some(Step::Dial(addr, stream)) => match stream.as_mut().poll(cx) {
                Poll::Pending => None,
                Poll::Ready(Ok(stream)) => {
                    self.shared.obstacle(format!("{addr}: the server does not answer"));
                    self.connection = Some(Connection::new(stream));
                    Some(Input::Dialled(true))
                }
                Poll::Ready(Err(error)) => {
                    self.shared.obstacle(format!("{addr}: {error}"));
                    Some(Input::Dialled(false))
                }
            },
        };
        if let Some(input) = input {
            self.step = None;
            self.core.handle(now, input, &mut self.outputs);
            moved = true;
        }
        self.carry_out(now);
        moved
    }

    fn poll_deadline(&mut self, now: Now, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.core.next_deadline() else { return false };
        if deadline <= now {
            self.core.handle_deadline(now, &mut self.outputs);
            self.carry_out(now);
            return true;
        }
        // Clocks have an end; nobody waits that long.
        let deadline = deadline.min(now + TIMER_MAX);
        // A timer that goes off too early is set again then; most deadlines move on before they come.
        if self.armed.is_none_or(|armed| armed > deadline || armed <= now) {
            self.timer.as_mut().reset(self.begin + deadline.since(Now::default()));
            self.armed = Some(deadline);
        }
        // One that has gone off is past the deadline, or is to be set again.
        self.timer.as_mut().poll(cx).is_ready()
    }

    /// The connection broke.
    fn lost(&mut self, now: Now, error: &io::Error) {
        if let Some(connection) = &self.connection {
            tracing::debug!(%error, written = connection.written(), "the connection is lost");
            self.shared.obstacle(format!("the connection was lost: {error}"));
        }
        self.hang_up(now);
    }

    /// Drops the connection, or what is to become one.
    fn hang_up(&mut self, now: Now) {
        self.step = None;
        self.probe = None;
        let Some(connection) = self.connection.take() else { return };
        // What was asked for before the break must not go out after it.
        while let Ok(wish) = self.wishes.try_recv() {
            self.grant(now, wish);
        }
        let written = connection.written();
        drop(connection);
        self.core.handle(now, Input::Closed { written }, &mut self.outputs);
    }

    fn carry_out(&mut self, now: Now) {
        while !self.outputs.is_empty() {
            let mut outputs = std::mem::take(&mut self.outputs);
            for output in outputs.drain(..) {
                self.carry_out_one(now, output);
            }
            // Keep the room of the larger list.
            if self.outputs.is_empty() {
                self.outputs = outputs;
            }
        }
    }

    fn carry_out_one(&mut self, now: Now, output: Output) {
        match output {
            Output::Done(id, result) => {
                self.shared.answered();
                self.answers.give(id, result);
            }
            Output::Event(watcher, told) => {
                if let Some(events) = self.watchers.get(&watcher) {
                    // Who no longer listens is about to say so.
                    let _ = events.send(told);
                }
            }
            Output::Unwatched(watcher) => {
                self.watchers.remove(&watcher);
            }
            Output::Status(status) => {
                tracing::debug!(session = %status.ticket.id, state = status.state.name(), server = ?status.server, "session");
                self.shared.tell(status);
            }
            Output::Hangup => self.hang_up(now),
            Output::Resolve(host) => self.step = Some(Step::Resolve(host.clone(), self.dial.resolve(&host))),
            Output::Dial(host, addr) => self.step = Some(Step::Dial(addr, self.dial.connect(&host, addr))),
            Output::Probe(host) => {
                let dial = Arc::clone(&self.dial);
                self.probe = Some(Box::pin(async move { dial::writes(&*dial, host).await }));
            }
            Output::Obstacle(what) => self.shared.obstacle(what),
            Output::Ended => {
                self.shared.end();
                self.ended = true;
            }
        }
    }
}

impl Drop for Driver {
    /// The runtime ends under us: nobody is left waiting without a reason.
    fn drop(&mut self) {
        self.answers.give_up(Failure::ConnectionLost { sent: true });
        self.shared.end();
    }
}
