//! Decides which of the objects of one rule are kept.

use std::cmp::Reverse;

use super::read::PERIODS;
use super::{Keep, Retention};
use crate::clock::{Span, Timestamp};
use crate::record::Tags;

/// A run, upload or version that a rule decides about.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// When its content was uploaded.
    pub time: Timestamp,
    /// Its tags.
    pub tags: &'a Tags,
}

/// The seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// Returns the number of the period around `time`, for each of [`PERIODS`].
fn periods(time: Timestamp) -> [i64; 5] {
    let seconds = time.seconds();
    let day = seconds.div_euclid(DAY);
    let (year, month, ..) = time.civil();
    let (year, month) = (i64::from(year), i64::from(month));
    // 1970-01-01 was a Thursday, and ISO weeks begin on Monday.
    let week = (day + 3).div_euclid(7);
    [seconds.div_euclid(60 * 60), day, week, year * 12 + month, year]
}

/// Returns true if `time` is less than `span` before `now`.
fn is_younger(time: Timestamp, span: Span, now: Timestamp) -> bool {
    let age = i128::from(now.seconds()) - i128::from(time.seconds());
    age < 0 || (age as u128) < u128::from(span.duration().as_secs())
}

impl Retention {
    /// Decides about all `candidates` of one rule: the reason to keep each, in the same order.
    /// `None` means that the content expires.
    ///
    /// The first of several candidates with the same time counts as newer.
    pub fn decide(
        &self,
        keep: &Keep,
        candidates: &[Candidate<'_>],
        now: Timestamp,
    ) -> Vec<Option<&'static str>> {
        let mut newest_first: Vec<usize> = (0..candidates.len()).collect();
        newest_first.sort_by_key(|at| Reverse(candidates[*at].time));
        let mut kept = vec![None; candidates.len()];
        let mut left = keep.periods;
        let mut before = [None; 5];
        for (place, at) in newest_first.into_iter().enumerate() {
            let candidate = &candidates[at];
            let mut reason = None;
            for (period, now) in periods(candidate.time).into_iter().enumerate() {
                if left[period] > 0 && before[period] != Some(now) {
                    left[period] -= 1;
                    before[period] = Some(now);
                    reason = reason.or(Some(PERIODS[period]));
                }
            }
            if (place as u64) < u64::from(keep.last) {
                reason = Some("keep_last");
            }
            if keep.within.is_some_and(|span| is_younger(candidate.time, span, now)) {
                reason = Some("keep_within");
            }
            if keep.tags.iter().any(|tag| candidate.tags.iter().any(|its| its == tag)) {
                reason = Some("keep_tags");
            }
            if self.minimum_age.is_some_and(|span| is_younger(candidate.time, span, now)) {
                reason = Some("minimum_age");
            }
            kept[at] = reason;
        }
        kept
    }
}
