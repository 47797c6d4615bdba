//! How long a remote keeps retired files and replaced commits.
//!
//! The times belong to the remote and not to a machine, because a writer must know the grace of
//! whoever deletes. An entry sets them; the newest one counts.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::clock::Span;
use crate::error::{Error, Result};

const DAY: u64 = 24 * 60 * 60;

/// The times of the garbage collection on a remote: `grace=14d prune=90d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcTimes {
    /// The time from the retirement of a file to its deletion.
    pub grace: Duration,
    /// How long replaced commits are kept.
    pub prune: Duration,
}

impl Default for GcTimes {
    fn default() -> Self {
        GcTimes { grace: Duration::from_secs(14 * DAY), prune: Duration::from_secs(90 * DAY) }
    }
}

impl GcTimes {
    /// The age from which a writer does not rely on what it knew: a quarter of the grace.
    pub fn max_age(&self) -> Duration {
        self.grace / 4
    }
}

impl fmt::Display for GcTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grace={} prune={}", Span::new(self.grace), Span::new(self.prune))
    }
}

impl FromStr for GcTimes {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let (grace, prune) = line
            .split_once(' ')
            .ok_or_else(|| Error::corrupt(format!("'{}' is not two times", line.escape_debug())))?;
        let time = |word: &str, key: &str| -> Result<Duration> {
            let text = word.strip_prefix(key);
            let span = text.and_then(|text| text.parse::<Span>().ok());
            let wrong = || Error::corrupt(format!("'{}' is not a time", word.escape_debug()));
            span.map(Span::duration).ok_or_else(wrong)
        };
        Ok(GcTimes { grace: time(grace, "grace=")?, prune: time(prune, "prune=")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_read_back() {
        let times = GcTimes::default();
        assert_eq!(times.to_string(), "grace=14d prune=90d");
        for times in [times, GcTimes { grace: Duration::from_secs(5), ..times }] {
            assert_eq!(times.to_string().parse::<GcTimes>().unwrap(), times);
        }
        assert!("grace=never prune=1d".parse::<GcTimes>().is_err());
    }
}
