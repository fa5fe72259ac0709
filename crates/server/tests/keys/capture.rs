//! What the servers of this process log: the audit lines and the warnings.

use std::fmt::{Debug, Write};
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static LOGGED: Mutex<Vec<Logged>> = Mutex::new(Vec::new());

/// A line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) audit: bool,
    pub(crate) level: Level,
    pub(crate) text: String,
}

/// Begins to keep what is logged.
pub(crate) fn start() {
    static START: Once = Once::new();
    START.call_once(|| tracing::subscriber::set_global_default(Keep).expect("nobody else does"));
}

/// What was logged since [`start`].
pub(crate) fn logged() -> Vec<Logged> {
    LOGGED.lock().expect("no panic under this lock").clone()
}

struct Keep;

impl Subscriber for Keep {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && (metadata.target() == "audit" || *metadata.level() <= Level::WARN)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let metadata = event.metadata();
        let line = Logged { audit: metadata.target() == "audit", level: *metadata.level(), text: message.0 };
        LOGGED.lock().expect("no panic under this lock").push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").expect("writing to a String does not fail");
        }
    }
}
