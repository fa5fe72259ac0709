//! From no connection to one: the next server, its addresses, the connection.

use crate::core::hosts::{Current, Host};
use crate::core::session::Session;
use crate::core::{Core, Failure, LeaveHow, Output, Reply};
use crate::event::SessionState;
use crate::sasl::SaslConversation;
use std::net::SocketAddr;
use std::time::Duration;
use zabra_types::Now;

/// A connection that lives longer was a good one.
const LASTING: Duration = Duration::from_millis(100);
/// How often a client on a read-only server looks for another: at first and at last, doubling in between. As the genuine
/// client.
const HUNT_PAUSE_MIN: Duration = Duration::from_millis(100);
const HUNT_PAUSE_MAX: Duration = Duration::from_secs(60);

/// How far the way to a server is gone. The diagram is in the doc of [`crate::core`].
#[derive(Debug)]
pub(crate) enum Link {
    /// Waiting before the next try.
    Pause {
        until: Now,
        /// The server to try; the next one when `None`.
        host: Option<Host>,
    },
    /// Waiting for the addresses of a server.
    Resolve { host: Host, deadline: Now },
    /// Waiting for a connection.
    Dial {
        host: Host,
        addr: SocketAddr,
        /// Addresses of the same server to try afterwards.
        rest: Vec<SocketAddr>,
        deadline: Now,
    },
    /// Waiting for the server to accept the session.
    Greet { at: Current, deadline: Now },
    /// The server has accepted the session.
    Live(Live),
    /// Asked the driver to hang up, who answers at once.
    HangUp,
    /// Over for good.
    Over,
}

/// A connection on which requests are sent.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) at: Current,
    /// When the server was last heard.
    pub(crate) heard: Now,
    /// When we last said something.
    sent: Now,
    /// Nothing more is to be sent; the connection goes once all is answered.
    moving: bool,
    /// Who we are is being proved; nothing else is sent until it is.
    pub(crate) proving: Option<Box<dyn SaslConversation>>,
    /// On a read-only server: the search for another.
    hunt: Option<Hunt>,
}

/// The search for a server that writes.
#[derive(Debug)]
struct Hunt {
    /// The one being asked.
    asking: Option<Host>,
    next: Now,
    pause: Duration,
}

impl Link {
    /// Wants to connect at once.
    pub(crate) const fn begin(now: Now) -> Self {
        Self::Pause { until: now, host: None }
    }

    pub(crate) const fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    /// Whether the server only reads.
    pub(crate) const fn is_read_only(&self) -> bool {
        matches!(self, Self::Live(Live { hunt: Some(_), .. }))
    }

    /// Whether there is a server that takes credentials: one to whom who we are has been proved, if it is to be.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self, Self::Live(Live { proving: None, .. }))
    }

    /// Whether requests go out at once.
    pub(crate) const fn takes_requests(&self) -> bool {
        matches!(self, Self::Live(Live { moving: false, proving: None, .. }))
    }

    /// The server connected to.
    pub(crate) fn current(&self) -> Option<Current> {
        match self {
            Self::Live(live) => Some(live.at.clone()),
            _ => None,
        }
    }

    /// Something was put into the outbox.
    pub(crate) fn sent(&mut self, now: Now) {
        if let Self::Live(live) = self {
            live.sent = now;
        }
    }

    /// Who we are has been proved.
    pub(crate) fn proved(&mut self) {
        if let Self::Live(live) = self {
            live.proving = None;
        }
    }

    /// No more requests on this connection.
    pub(crate) fn move_away(&mut self, now: Now) {
        match self {
            Self::Live(live) => live.moving = true,
            Self::Pause { .. } => *self = Self::begin(now),
            _ => {}
        }
    }

    /// When something is due.
    pub(crate) fn deadline(&self, session: &Session) -> Option<Now> {
        match self {
            Self::Pause { until, .. } => Some(*until),
            Self::Resolve { deadline, .. } | Self::Dial { deadline, .. } | Self::Greet { deadline, .. } => {
                Some(*deadline)
            }
            Self::Live(live) => {
                let hunt = live.hunt.as_ref().filter(|hunt| hunt.asking.is_none()).map(|hunt| hunt.next);
                let due = (live.sent + session.ping_interval()).min(live.heard + session.read_timeout());
                Some(hunt.map_or(due, |hunt| hunt.min(due)))
            }
            Self::HangUp | Self::Over => None,
        }
    }
}

impl Live {
    pub(crate) fn new(at: Current, now: Now, read_only: bool) -> Self {
        let hunt = Hunt { asking: None, next: now + HUNT_PAUSE_MIN, pause: HUNT_PAUSE_MIN };
        Self { at, heard: now, sent: now, moving: false, proving: None, hunt: read_only.then_some(hunt) }
    }
}

impl Core {
    /// Does what the link is due to do.
    pub(crate) fn link_deadline(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.link.deadline(&self.session).is_none_or(|due| due > now) {
            return;
        }
        match &mut self.link {
            Link::Pause { host, .. } => match host.take() {
                Some(host) => self.resolve(now, host, out),
                None => self.next_host(now, out),
            },
            Link::Resolve { .. } | Link::Dial { .. } => {
                out.push(Output::Hangup);
                self.dialled(now, false, out);
            }
            Link::Greet { .. } => self.hang_up(out),
            Link::Live(live) => {
                if live.heard + self.session.read_timeout() <= now {
                    self.hang_up(out);
                    return;
                }
                if live.sent + self.session.ping_interval() <= now {
                    // A server that wants a proof first would take a ping for a lie.
                    if live.proving.is_none() {
                        self.wire.ping();
                    }
                    live.sent = now;
                }
                if let Some(hunt) =
                    live.hunt.as_mut().filter(|hunt| hunt.next <= now && hunt.asking.is_none())
                {
                    let host = self.hosts.next(&mut self.random).host;
                    hunt.asking = Some(host.clone());
                    out.push(Output::Probe(host));
                }
            }
            Link::HangUp | Link::Over => {}
        }
    }

    fn next_host(&mut self, now: Now, out: &mut Vec<Output>) {
        let next = self.hosts.next(&mut self.random);
        if next.pause.is_zero() {
            self.resolve(now, next.host, out);
        } else {
            self.link = Link::Pause { until: now + next.pause, host: Some(next.host) };
        }
    }

    fn resolve(&mut self, now: Now, host: Host, out: &mut Vec<Output>) {
        let literal = host.literal();
        out.extend(literal.is_none().then(|| Output::Resolve(host.clone())));
        self.link = Link::Resolve { host, deadline: now + self.step_timeout() };
        if let Some(addr) = literal {
            self.resolved(now, vec![addr], out);
        }
    }

    /// The name of a server has been looked up. Its addresses are tried one after the other.
    pub(crate) fn resolved(&mut self, now: Now, mut addrs: Vec<SocketAddr>, out: &mut Vec<Output>) {
        let Link::Resolve { host, .. } = &self.link else { return };
        if self.options.shuffle {
            self.random.shuffle(&mut addrs);
        }
        addrs.reverse();
        let host = host.clone();
        self.dial(now, host, addrs, out);
    }

    /// Dials the last of `addrs`; without any, it is the next server's turn.
    fn dial(&mut self, now: Now, host: Host, mut addrs: Vec<SocketAddr>, out: &mut Vec<Output>) {
        match addrs.pop() {
            Some(addr) => {
                out.push(Output::Dial(host.clone(), addr));
                self.link = Link::Dial { host, addr, rest: addrs, deadline: now + self.step_timeout() };
            }
            None => self.next_host(now, out),
        }
    }

    /// A connection is there, or cannot be had.
    pub(crate) fn dialled(&mut self, now: Now, connected: bool, out: &mut Vec<Output>) {
        match std::mem::replace(&mut self.link, Link::HangUp) {
            Link::Dial { host, addr, .. } if connected => {
                // As for the genuine client, a server that can be reached keeps the session from counting as over: while
                // an ensemble has no leader, it keeps its sessions.
                self.session.heard(now);
                self.greeted = now;
                self.wire.reset();
                self.session.greet(&mut self.wire);
                let at = Current { host, addr: Some(addr) };
                self.link = Link::Greet { at, deadline: now + self.step_timeout() };
            }
            Link::Dial { host, rest, .. } => self.dial(now, host, rest, out),
            Link::Resolve { .. } => self.next_host(now, out),
            other => self.link = other,
        }
    }

    /// A server says whether it writes.
    pub(crate) fn probed(&mut self, now: Now, read_write: bool, out: &mut Vec<Output>) {
        let Link::Live(live) = &mut self.link else { return };
        let Some(hunt) = &mut live.hunt else { return };
        let Some(host) = hunt.asking.take() else { return };
        if read_write {
            live.hunt = None;
            self.hosts.prefer(host);
            self.link.move_away(now);
            self.go_when_idle(out);
        } else {
            hunt.pause = (hunt.pause * 2).min(HUNT_PAUSE_MAX);
            hunt.next = now + hunt.pause;
        }
    }

    /// Gives the present connection up; the rest follows when the driver has.
    pub(crate) fn hang_up(&mut self, out: &mut Vec<Output>) {
        out.push(Output::Hangup);
        self.link = Link::HangUp;
    }

    /// Gives up whatever is under way, and what comes of it.
    pub(crate) fn abandon_link(&mut self, out: &mut Vec<Output>) {
        if !matches!(self.link, Link::Pause { .. } | Link::Over) {
            out.push(Output::Hangup);
        }
        self.link = Link::Over;
    }

    /// Leaves a server that was to be left, once all is answered.
    pub(crate) fn go_when_idle(&mut self, out: &mut Vec<Output>) {
        let idle = self.calls.flying.is_empty();
        match &self.link {
            Link::Live(live) if live.moving && idle => {}
            _ => return,
        }
        match &self.leave {
            Some(leave) if leave.how == LeaveHow::Detach && leave.said => self.hang_up_for_good(out),
            _ => self.hang_up(out),
        }
    }

    /// Ends the client whether or not a server knows.
    pub(crate) fn hang_up_for_good(&mut self, out: &mut Vec<Output>) {
        self.abandon_link(out);
        let Some(leave) = &mut self.leave else { return };
        let waiters = std::mem::take(&mut leave.waiters);
        let farewell = match leave.how {
            LeaveHow::Close if !self.session.is_none() => Err(Failure::ConnectionLost { sent: leave.said }),
            _ => Ok(Reply::nothing()),
        };
        self.finish(Failure::SessionClosed, SessionState::Closed, out);
        out.extend(waiters.into_iter().map(|id| Output::Done(id, farewell.clone())));
    }

    /// The connection is gone.
    pub(crate) fn closed(&mut self, now: Now, written: u64, out: &mut Vec<Output>) {
        if !matches!(self.link, Link::Greet { .. } | Link::Live(_) | Link::HangUp) {
            self.fail_flying(written, out);
            return;
        }
        let lasted = now.since(self.greeted) >= LASTING;
        let pause = match self.link {
            // As good as no connection: the next server's turn.
            Link::Greet { .. } => Duration::ZERO,
            _ => self.hosts.lost(lasted, &mut self.random),
        };
        self.link = Link::Pause { until: now + pause, host: None };
        let was_connected = self.told.is_some_and(|told| told.state.is_connected());
        if was_connected {
            self.tell(SessionState::Disconnected, out);
        }
        if self.fail_flying(written, out) {
            // They were submitted before the break, and what was before them may not have happened.
            self.fail_waiting(Failure::ConnectionLost { sent: false }, out);
        }
        if was_connected && !self.options.reset_watches {
            self.end_watches(SessionState::Disconnected, out);
        }
        self.wire.reset();
        self.auth.disconnected();
        if let Some(leave) = &mut self.leave {
            leave.said = false;
        }
    }
}
