//! How nodes, sizes and times are shown to people.

use std::io::IsTerminal as _;
use std::time::{SystemTime, UNIX_EPOCH};

use zabra_types::Stat;

use crate::shell::commands::Call;

/// Bytes in the largest unit that leaves something in front of the point.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1023.95 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// A span of time in its two largest units.
pub(super) fn span(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// Milliseconds since 1970, by this machine's clock.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A session as ZooKeeper spells it.
pub(super) fn session(owner: i64) -> String {
    format!("{owner:#x}")
}

/// What is remarkable about a node, for one line: its size and its owner.
pub(super) fn details(stat: &Stat) -> Vec<String> {
    let mut details = Vec::new();
    if let Ok(len @ 1..) = u64::try_from(stat.data_length) {
        details.push(size(len));
    }
    if stat.ephemeral_owner != 0 {
        details.push(format!("ephemeral of {}", session(stat.ephemeral_owner)));
    }
    details
}

/// The beginning of data in one line: quoted text, or its bytes in hex.
pub(super) fn preview(data: &[u8], width: usize) -> String {
    let Ok(text) = str::from_utf8(data) else {
        let hex: String = data.iter().take(width / 3).map(|byte| format!("{byte:02x} ")).collect();
        let cut = if data.len() > width / 3 { "…" } else { "" };
        return format!("<{}{cut}>", hex.trim_end());
    };
    let mut shown = String::from("\"");
    for (at, c) in text.chars().enumerate() {
        if at == width {
            shown.push('…');
            break;
        }
        match c {
            '"' => shown.push('"'),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown.push('"');
    shown
}

/// Colours, when there is a person to see them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    /// As fits where a command's words go. `NO_COLOR` forbids it, see <https://no-color.org>.
    pub(super) fn of(call: &Call) -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(!call.out.is_json() && !forbidden && std::io::stdout().is_terminal())
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// What matters less.
    pub(super) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// What was looked for.
    pub(super) fn found(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// Good: there, created, held.
    pub(super) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Gone.
    pub(super) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// Changed, or waiting.
    pub(super) fn middling(self, text: &str) -> String {
        self.with("33", text)
    }

    /// A name.
    pub(super) fn name(self, text: &str) -> String {
        self.with("1", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_524, "1023.9 KiB"),
            (1_048_560, "1.0 MiB"),
            (1_048_576, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
        ];
        for (bytes, shown) in cases {
            assert_eq!(size(bytes), shown, "{bytes}");
        }
        assert!(size(u64::MAX).ends_with("TiB"));
    }

    #[test]
    fn spans_have_two_units() {
        let cases = [(-5, "0s"), (999, "0s"), (61_000, "1m 1s"), (3_600_000, "1h 0m"), (90_061_000, "1d 1h")];
        for (milliseconds, shown) in cases {
            assert_eq!(span(milliseconds), shown, "{milliseconds}");
        }
    }

    #[test]
    fn previews_are_one_line() {
        let cases: [(&[u8], &str); 5] = [
            (b"", "\"\""),
            (b"a\n\tb", "\"a\\n\\tb\""),
            (b"{\"a\":1}", "\"{\"a\":1}\""),
            (b"0123456789xyz", "\"0123456789…\""),
            (&[0xff, 0, 1, 2], "<ff 00 01…>"),
        ];
        for (data, shown) in cases {
            assert_eq!(preview(data, 10), shown);
        }
    }
}
