//! Watch events on their way into outboxes.

use std::sync::Arc;

use zabra_node::{ConnId, Deliver};
use zabra_types::{EventType, Identity};

use crate::conn::Touched;
use crate::core::Core;

/// Puts events into outboxes and remembers whom to wake.
pub(crate) struct Delivery<'a> {
    core: &'a Core,
    touched: &'a mut Touched,
    frames: u64,
    bytes: u64,
}

impl<'a> Delivery<'a> {
    /// Events of one transaction.
    pub(crate) fn new(core: &'a Core, touched: &'a mut Touched) -> Self {
        Self { core, touched, frames: 0, bytes: 0 }
    }
}

impl Deliver for Delivery<'_> {
    fn identities(&self, conn: ConnId) -> Option<Arc<[Identity]>> {
        self.core.conns.get(conn).map(|conn| conn.identities())
    }

    fn deliver(&mut self, conn: ConnId, frame: &[u8]) {
        let Some(conn) = self.core.conns.get(conn) else { return };
        {
            let mut outbox = conn.outbox();
            outbox.bytes.extend_from_slice(frame);
            outbox.stats.sent += 1;
        }
        self.frames += 1;
        // As everywhere in the statistics, without the length in front.
        self.bytes += frame.len().saturating_sub(4) as u64;
        self.touched.told(conn);
    }

    fn fired(&mut self, event: EventType, watches: usize) {
        self.core.stats.fired(event).record(watches as u64);
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        if self.frames > 0 {
            self.core.stats.packets_sent.add(self.frames);
            self.core.stats.watch_bytes.add(self.bytes);
        }
    }
}
