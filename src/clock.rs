//! Time, given from outside so that tests can fix it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// A moment, to the second, in UTC; written as `2026-11-21T12:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From seconds since 1970-01-01T00:00:00Z; moments outside of the years 0 to 9999 become the
    /// nearest one inside. (The last one is 9999-12-30T22:00:00Z, so that it has a date in every
    /// time zone.)
    pub fn from_seconds(seconds: i64) -> Self {
        Timestamp(seconds.clamp(-62_167_219_200, jiff::Timestamp::MAX.as_second()))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// Year, month, day, hour, minute, second in UTC, for archive formats that want them apart.
    pub fn civil(self) -> (i16, u8, u8, u8, u8, u8) {
        let time = self.to_jiff().to_zoned(jiff::tz::TimeZone::UTC);
        let part = |value: i8| u8::try_from(value).expect("because parts of a date are positive");
        (
            time.year(),
            part(time.month()),
            part(time.day()),
            part(time.hour()),
            part(time.minute()),
            part(time.second()),
        )
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.0).expect("because construction keeps to years 0 to 9999")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_jiff())
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads RFC 3339, `YYYY-MM-DD HH:MM[:SS]` and `YYYY-MM-DD`; without an offset, UTC.
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

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(jiff::Timestamp::now().as_second())
    }
}

/// A clock that stands still.
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
    fn times_are_read_in_the_forms_people_type() {
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
}
