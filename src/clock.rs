//! Times and durations. The time comes from a [`Clock`], so that tests can fix it.
//!
//! A [`Timestamp`] is a second in UTC. [`Settings`](crate::Settings) has the clock of a repository.
//!
//! ```
//! use artifacts::clock::{Clock, FixedClock, Timestamp};
//!
//! let time: Timestamp = "2026-11-21T08:30:00Z".parse()?;
//! assert_eq!(FixedClock(time).now(), time);
//! assert_eq!(time.seconds(), 1_795_249_800);
//! # Ok::<(), artifacts::Error>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// A moment in UTC, with a precision of one second. Written as `2026-11-21T12:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A moment from the seconds since 1970-01-01T00:00:00Z. Moments outside the years 0 to 9999
    /// are moved to the nearest valid moment. The last valid moment is 9999-12-30T22:00:00Z, so
    /// that it has a date in every time zone.
    pub fn from_seconds(seconds: i64) -> Self {
        Timestamp(seconds.clamp(-62_167_219_200, jiff::Timestamp::MAX.as_second()))
    }

    /// Returns the seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// Year, month, day, hour, minute and second in UTC, for archive formats with separate fields.
    pub fn civil(self) -> (i16, u8, u8, u8, u8, u8) {
        let time = self.to_jiff().to_zoned(jiff::tz::TimeZone::UTC);
        let part =
            |value: i8| u8::try_from(value).expect("because parts of a date are not negative");
        (
            time.year(),
            part(time.month()),
            part(time.day()),
            part(time.hour()),
            part(time.minute()),
            part(time.second()),
        )
    }

    /// Returns the first and the last second that `text` covers. A date alone covers a day. A time
    /// without seconds covers a minute.
    pub fn parse_span(text: &str) -> Result<(Self, Self), Error> {
        let first: Timestamp = text.parse()?;
        let length = match text.trim().split_once(['T', 't', ' ']) {
            None => 24 * 60 * 60,
            Some((_, time)) => {
                let clock = time.split(['Z', 'z', '+', '-', ' ', '[']).next().unwrap_or(time);
                if clock.matches(':').count() < 2 { 60 } else { 1 }
            }
        };
        Ok((first, Timestamp::from_seconds(first.seconds().saturating_add(length - 1))))
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.0)
            .expect("because construction clamps to the years 0 to 9999")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_jiff())
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Parses RFC 3339, `YYYY-MM-DD HH:MM[:SS]` and `YYYY-MM-DD`. Without an offset, the time is
    /// UTC.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return Ok(Timestamp::from_seconds(time.as_second()));
        }
        let civil = text
            .parse::<jiff::civil::DateTime>()
            .or_else(|_| text.parse::<jiff::civil::Date>().map(|date| date.at(0, 0, 0, 0)));
        let zoned = civil.and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC));
        match zoned {
            Ok(time) => Ok(Timestamp::from_seconds(time.timestamp().as_second())),
            Err(_) => Err(Error::invalid(format!("'{}' is not a time", text.escape_debug()))
                .with_hint("write 2026-11-21, '2026-11-21 08:30' or 2026-11-21T08:30:00Z")),
        }
    }
}

/// A duration with a precision of one millisecond. Written as `90s`, `24h` or `7d`, in the largest
/// unit that divides it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

/// The units of time, with their length in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Span {
    /// A span from `duration`, rounded down to a millisecond.
    pub fn new(duration: Duration) -> Self {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Span(Duration::from_millis(ms))
    }

    /// Returns the length of the span.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        if ms == 0 {
            return f.write_str("0s");
        }
        let exact = UNITS.iter().find(|(_, factor)| ms.is_multiple_of(u128::from(*factor)));
        let (unit, factor) = exact.expect("because every span is a multiple of 1 ms");
        write!(f, "{}{unit}", ms / u128::from(*factor))
    }
}

impl FromStr for Span {
    type Err = Error;

    /// Parses `10s`, `500ms`, `7d`, `1h30m` and a number of seconds.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        span_in_ms(text).map(|ms| Span(Duration::from_millis(ms))).ok_or_else(|| {
            Error::invalid(format!("'{}' is not a time span", text.escape_debug()))
                .with_hint("write 90s, 30m, 24h, 7d or 1h30m")
        })
    }
}

fn span_in_ms(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(u64::from(seconds) * 1000);
    }
    let mut rest = text;
    let mut total = 0u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, behind) = rest.split_at(digits);
        let behind = behind.trim_start();
        let length = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(length);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let part = u64::from(digits.parse::<u32>().ok()?).checked_mul(*factor)?;
        total = total.checked_add(part)?;
        rest = behind.trim_start();
    }
    (!text.is_empty()).then_some(total)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A moment of this machine's running time, in seconds. On Linux, this time continues while the machine
/// is suspended, and does not depend on its clock. On other systems, it is the time of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(i64);

impl Moment {
    /// Returns the current moment.
    pub fn now() -> Self {
        #[cfg(target_os = "linux")]
        let seconds = rustix::system::sysinfo().uptime;
        #[cfg(not(target_os = "linux"))]
        let seconds = SystemClock.now().seconds();
        Moment(seconds as i64)
    }

    /// Returns the moment that was `time` ago.
    pub fn ago(time: Duration) -> Self {
        Moment(Self::now().0.saturating_sub(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)))
    }

    /// Returns the time since this moment, with a precision of one second.
    pub fn elapsed(self) -> Duration {
        let seconds = Self::now().0.saturating_sub(self.0);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }
}

/// A source of the current time.
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(jiff::Timestamp::now().as_second())
    }
}

/// A clock that always returns the same time.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_parse_in_common_formats() {
        for text in
            ["2026-11-01", "2026-11-01 00:00", "2026-11-01T00:00:00Z", "2026-11-01T02:00+02:00"]
        {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), "2026-11-01T00:00:00Z");
        }
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert_eq!(Timestamp::from_seconds(i64::MAX).to_string(), "9999-12-30T22:00:00Z");
        assert_eq!(Timestamp::from_seconds(i64::MIN).to_string(), "0000-01-01T00:00:00Z");
        assert_eq!("2026-11-01".parse::<Timestamp>().unwrap().civil(), (2026, 11, 1, 0, 0, 0));
    }

    #[test]
    fn a_time_covers_its_last_given_unit() {
        for (text, last) in [
            ("2026-11-01", "2026-11-01T23:59:59Z"),
            ("2026-11-01 10:00", "2026-11-01T10:00:59Z"),
            ("2026-11-01T10:00+02:00", "2026-11-01T08:00:59Z"),
            ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00Z"),
        ] {
            assert_eq!(Timestamp::parse_span(text).unwrap().1.to_string(), last, "{text}");
        }
    }

    #[test]
    fn spans_parse_in_common_formats() {
        for (text, ms) in [
            ("10", 10_000),
            ("10s", 10_000),
            ("5m", 300_000),
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("0", 0),
            ("1 h 30 m", 5_400_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().duration(), Duration::from_millis(ms));
        }
        for bad in ["", "s", "-1s", "1.5s", "10x", "99999999999d", "1h30", "m5", "é", "1é"] {
            assert!(bad.parse::<Span>().is_err(), "{bad:?}");
        }
        assert_eq!(Span::new(Duration::from_secs(90)).to_string(), "90s");
        assert_eq!(Span::new(Duration::from_hours(48)).to_string(), "2d");
        assert_eq!(Span::new(Duration::MAX).duration().as_millis(), u128::from(u64::MAX));
    }

    proptest::proptest! {
        #[test]
        fn spans_round_trip(ms in 0..u64::from(u32::MAX)) {
            let span = Span::new(Duration::from_millis(ms));
            proptest::prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }

        #[test]
        fn parsing_a_span_never_panics(text: String) {
            let _ = text.parse::<Span>();
        }
    }
}
