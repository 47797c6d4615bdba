//! The order of versions by age.

use std::cmp::Ordering;

use crate::clock::Timestamp;
use crate::name::Name;
use crate::record::IndexedVersion;

/// Compares versions by creation time. A script creates several versions in one second, so equal
/// times are compared by name. Digits in names compare as numbers: `v10` comes after `v9`.
pub(crate) fn by_age(a: &IndexedVersion, b: &IndexedVersion) -> Ordering {
    let age = |version: &IndexedVersion| version.summary.created_at;
    by_time_and_name((age(a), &a.summary.name), (age(b), &b.summary.name))
}

/// The order of [`by_age`].
pub(super) fn by_time_and_name(a: (Timestamp, &Name), b: (Timestamp, &Name)) -> Ordering {
    let by_name = || numbered(a.1.as_str()).cmp(numbered(b.1.as_str()));
    a.0.cmp(&b.0).then_with(by_name).then_with(|| a.1.cmp(b.1))
}

/// Splits a name into texts and numbers. A number is its length without leading zeros, and its
/// digits.
fn numbered(name: &str) -> impl Iterator<Item = (&str, usize, &str)> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, behind) = rest.split_at(digits);
        let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        let (number, behind) = behind.split_at(end);
        let is_end = std::mem::replace(&mut rest, behind).is_empty();
        let number = number.trim_start_matches('0');
        (!is_end).then_some((text, number.len(), number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_names_compare_as_numbers() {
        let ordered = ["1.2", "1.10", "2", "rc", "rc1", "v1", "v1a", "v2", "v9", "v10", "v0011"];
        for pair in ordered.windows(2) {
            assert!(numbered(pair[0]).lt(numbered(pair[1])), "{pair:?}");
        }
    }
}
