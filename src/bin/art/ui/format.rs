//! Sizes, counts, times and durations for people.

use artifacts::clock::Timestamp;

/// Bytes in binary units: `0 B`, `1023 B`, `1.5 KiB`, `12 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // Values that round to 1024 use the next unit.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A number with its noun: `1 file`, `20,000 files`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A number with commas between the thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The display of times for people (`log.date`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum DateStyle {
    /// `2026-11-21T08:30:00Z`
    #[default]
    Iso,
    /// `3 days ago`
    Relative,
    /// Seconds since 1970.
    Unix,
}

impl DateStyle {
    /// The style for `word`; ISO for any other word.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "relative" => DateStyle::Relative,
            "unix" => DateStyle::Unix,
            _ => DateStyle::Iso,
        }
    }
}

/// A style for times, with the current time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dates {
    /// The style.
    pub(crate) style: DateStyle,
    /// The current time, for relative times.
    pub(crate) now: Timestamp,
}

impl Default for Dates {
    fn default() -> Self {
        Dates { style: DateStyle::Iso, now: Timestamp::from_seconds(0) }
    }
}

impl Dates {
    /// Formats a time.
    pub(crate) fn show(self, time: Timestamp) -> String {
        match self.style {
            DateStyle::Iso => time.to_string(),
            DateStyle::Relative => relative(time, self.now),
            DateStyle::Unix => time.seconds().to_string(),
        }
    }
}

/// The distance from `now` to `time`: `just now`, `5 minutes ago`, `in 2 days`.
fn relative(time: Timestamp, now: Timestamp) -> String {
    const STEPS: [(u64, &str, &str); 6] = [
        (365 * 86_400, "year", "years"),
        (30 * 86_400, "month", "months"),
        (7 * 86_400, "week", "weeks"),
        (86_400, "day", "days"),
        (3_600, "hour", "hours"),
        (60, "minute", "minutes"),
    ];
    let past = now.seconds().saturating_sub(time.seconds());
    let apart = past.unsigned_abs();
    let Some((step, one, many)) = STEPS.into_iter().find(|(step, _, _)| apart >= *step) else {
        return "just now".to_owned();
    };
    let span = count(apart / step, one, many);
    if past > 0 { format!("{span} ago") } else { format!("in {span}") }
}

/// A duration: `350 ms`, `4.2 s`, `3 min 05 s`, `2 h 03 min`.
pub(crate) fn duration(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sizes_have_at_most_three_digits_and_never_1024_of_a_unit() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10 * 1024, "10 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (250_000_000, "238 MiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!(count(1, "file", "files"), "1 file");
        assert_eq!(count(0, "file", "files"), "0 files");
        assert_eq!(count(1_234_567, "file", "files"), "1,234,567 files");
        assert_eq!(grouped(123), "123");
        assert_eq!(grouped(1_000), "1,000");
    }

    #[test]
    fn times_are_absolute_or_relative() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let shown = |word: &str| Dates { style: DateStyle::of(word), now }.show(now);
        assert_eq!(shown("iso"), "2026-11-21T12:00:00Z");
        assert_eq!(shown("relative"), "just now");
        assert_eq!(shown("unix"), "1795262400");
        let ago = |seconds: i64| relative(Timestamp::from_seconds(now.seconds() - seconds), now);
        assert_eq!(ago(59), "just now");
        assert_eq!(ago(60), "1 minute ago");
        assert_eq!(ago(3 * 86_400), "3 days ago");
        assert_eq!(ago(-2 * 86_400), "in 2 days");
    }

    #[test]
    fn durations_grow_coarser() {
        assert_eq!(duration(Duration::from_millis(350)), "350 ms");
        assert_eq!(duration(Duration::from_millis(4_200)), "4.2 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(duration(Duration::from_secs(7_385)), "2 h 03 min");
    }
}
