//! What happens when: the queue of events, and the generator that everything unforeseen comes from.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use zabra_testkit::Rng;

use crate::Time;
use crate::nemesis::Fault;
use crate::network::{ConnId, Side};

/// Something that will happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A connection is asked for, and the question has come to the other side.
    Knock(ConnId),
    /// What is first in line has come to this side of a connection.
    Arrive(ConnId, Side),
    /// The clock of a server's process may have come to a deadline.
    Wake { server: usize, boot: u64 },
    /// The log thread of a server's process is done with what it does.
    LogDone { server: usize, boot: u64, job: u64 },
    /// The part of a server that sends history or a snapshot over a link gets on.
    Sent { server: usize, boot: u64, link: u64 },
    /// The log on the disk has been looked at.
    Found { server: usize, boot: u64, ticket: u64 },
    /// A client has something to do.
    Client { client: usize, turn: u64 },
    /// A server starts.
    Start { server: usize, boot: u64 },
    /// A stopped process goes on.
    Resume { server: usize, stop: u64 },
    /// The next fault.
    Fault,
    /// One server comes back, and another one goes: see `Means::Changeover`.
    Changeover { back: usize, gone: usize },
    /// A fault ends.
    End(Fault),
}

/// The events to come, in order. Events of one moment happen in the order they were planned.
#[derive(Debug)]
pub(crate) struct Schedule {
    now: Time,
    events: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    /// Chooses whatever the protocol leaves open.
    pub(crate) rng: Rng,
}

#[derive(Debug)]
struct Planned {
    time: Time,
    number: u64,
    event: Event,
}

impl Schedule {
    pub(crate) fn new(rng: Rng) -> Self {
        Self { now: Time::ZERO, events: BinaryHeap::new(), planned: 0, rng }
    }

    /// The present.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Plans an event for a moment that is not past.
    pub(crate) fn at(&mut self, time: Time, event: Event) {
        self.planned += 1;
        let time = time.max(self.now);
        self.events.push(Reverse(Planned { time, number: self.planned, event }));
    }

    /// Plans an event for some time from now.
    pub(crate) fn after(&mut self, delay: Duration, event: Event) {
        self.at(self.now + delay, event);
    }

    /// The next event; the present moves on to it.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let Reverse(Planned { time, event, .. }) = self.events.pop()?;
        self.now = time;
        Some(event)
    }

    /// Some time in a range, the end excluded.
    pub(crate) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        between(&mut self.rng, from, to)
    }
}

/// Some time in a range, the end excluded.
pub(crate) fn between(rng: &mut Rng, from: Duration, to: Duration) -> Duration {
    let span = to.saturating_sub(from).as_micros() as usize;
    from + Duration::from_micros(rng.below(span) as u64)
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        (self.time, self.number) == (other.time, other.number)
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time, self.number).cmp(&(other.time, other.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order_and_the_present_with_them() {
        let mut schedule = Schedule::new(Rng::new(1));
        let wake = |server| Event::Wake { server, boot: 0 };
        schedule.after(Duration::from_micros(20), wake(3));
        schedule.after(Duration::from_micros(10), wake(1));
        schedule.after(Duration::from_micros(10), wake(2));
        assert_eq!(schedule.next(), Some(wake(1)));
        assert_eq!(schedule.now(), Time::from_micros(10));
        schedule.at(Time::ZERO, wake(9));
        assert_eq!(schedule.next(), Some(wake(2)));
        assert_eq!(schedule.next(), Some(wake(9)), "what should have been is now");
        assert_eq!(schedule.next(), Some(wake(3)));
        assert_eq!((schedule.next(), schedule.now()), (None, Time::from_micros(20)));
    }
}
