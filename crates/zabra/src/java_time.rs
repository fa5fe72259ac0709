//! Dates, most of them as the genuine tools print them: in the machine's time zone, and as Java 17 does in English. (From Java 20 on
//! the space before AM and PM is a narrow one; here it stays a plain space, which scripts can split at.)

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// As `Date.toString` does: `Thu Jan 01 00:00:00 UTC 1970`.
pub(crate) fn date(millis: i64) -> String {
    formatted(millis, "%a %b %d %H:%M:%S %Z %Y")
}

/// As a `DateFormat` of short dates and long times does: `1/1/70, 12:00:00 AM UTC`.
pub(crate) fn short_with_zone(millis: i64) -> String {
    formatted(millis, "%-m/%-d/%y, %-I:%M:%S %p %Z")
}

/// As a `DateFormat` of medium dates and times does: `Jan 1, 1970, 12:00:00 AM`.
pub(crate) fn medium(millis: i64) -> String {
    formatted(millis, "%b %-d, %Y, %-I:%M:%S %p")
}

/// By the second, in an order that sorts: `1970-01-01 00:00:00`.
pub(crate) fn sortable(millis: i64) -> String {
    formatted(millis, "%Y-%m-%d %H:%M:%S")
}

/// The time of day: `00:00:00.000`.
pub(crate) fn time_of_day(millis: i64) -> String {
    formatted(millis, "%H:%M:%S%.3f")
}

/// ISO 8601 in UTC, for JSON.
pub(crate) fn iso(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| millis.to_string(), |at| at.to_string())
}

/// A time that no calendar has, as damaged files can hold, stays a number.
fn formatted(millis: i64, format: &str) -> String {
    formatted_in(millis, format, TimeZone::system())
}

fn formatted_in(millis: i64, format: &str, zone: TimeZone) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(at) => at.to_zoned(zone).strftime(format).to_string(),
        Err(_) => millis.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_those_of_java() {
        let at = 1_795_248_500_123;
        let utc = |format| formatted_in(at, format, TimeZone::UTC);
        assert_eq!(utc("%a %b %d %H:%M:%S %Z %Y"), "Sat Nov 21 08:08:20 UTC 2026");
        assert_eq!(utc("%-m/%-d/%y, %-I:%M:%S %p %Z"), "11/21/26, 8:08:20 AM UTC");
        assert_eq!(utc("%b %-d, %Y, %-I:%M:%S %p"), "Nov 21, 2026, 8:08:20 AM");
        assert_eq!(iso(at), "2026-11-21T08:08:20.123Z");
    }

    #[test]
    fn no_number_is_too_far_off() {
        for millis in [i64::MIN, i64::MAX, -1, 0] {
            assert!(!date(millis).is_empty());
            assert!(!iso(millis).is_empty());
        }
        assert_eq!(date(i64::MAX), i64::MAX.to_string());
    }
}
