//! Tags: short words on a record, kept as a sorted set.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The tags of a record.
///
/// A new tag has 1 to 128 characters, no comma, no control characters and no blanks at its ends.
/// Tags that a record already holds are read unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(BTreeSet<String>);

impl Tags {
    /// The longest tag, in characters.
    pub const MAX_LEN: usize = 128;

    /// Parses a typed list: `a,b`. Ignores blanks around a tag, empty parts and repetitions.
    pub fn parse(list: &str) -> Result<Self> {
        list.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(checked).collect()
    }

    /// Returns all tags of all `lists`.
    #[must_use]
    pub fn union(lists: &[Tags]) -> Self {
        lists.iter().flat_map(|tags| tags.0.iter().cloned()).collect()
    }

    /// Returns true if there are no tags.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of tags.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if `tag` is in the set.
    pub fn contains(&self, tag: &str) -> bool {
        self.0.contains(tag)
    }

    /// The tags, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Adds all tags of `other`. Returns true if the set changed.
    pub fn add(&mut self, other: &Tags) -> bool {
        let before = self.0.len();
        self.0.extend(other.0.iter().cloned());
        self.0.len() != before
    }

    /// Removes all tags of `other`. Returns true if the set changed.
    pub fn remove(&mut self, other: &Tags) -> bool {
        let before = self.0.len();
        self.0.retain(|tag| !other.0.contains(tag));
        self.0.len() != before
    }
}

impl FromIterator<String> for Tags {
    fn from_iter<I: IntoIterator<Item = String>>(tags: I) -> Self {
        Tags(tags.into_iter().collect())
    }
}

fn checked(tag: &str) -> Result<String> {
    let defect = if tag.chars().count() > Tags::MAX_LEN {
        "it is longer than 128 characters"
    } else if tag.chars().any(char::is_control) {
        "it contains a control character"
    } else {
        return Ok(tag.to_owned());
    };
    let shown: String = tag.chars().take(40).collect();
    Err(Error::invalid(format!("'{}' is not a tag: {defect}", shown.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_trimmed_and_deduplicated() {
        let tags = Tags::parse(" b, a,,b ,").unwrap();
        assert_eq!(tags.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(Tags::parse("").unwrap().is_empty());
    }

    #[test]
    fn tags_that_would_break_a_line_or_a_screen_are_refused() {
        assert!(Tags::parse("a\u{1b}[31m").is_err());
        assert!(Tags::parse(&"x".repeat(129)).is_err());
        assert!(Tags::parse(&"é".repeat(128)).is_ok());
    }

    #[test]
    fn add_and_remove_report_changes() {
        let mut tags = Tags::parse("a,b").unwrap();
        assert!(!tags.add(&Tags::parse("a").unwrap()));
        assert!(tags.add(&Tags::parse("c,a").unwrap()));
        assert!(tags.remove(&Tags::parse("a,z").unwrap()));
        assert!(!tags.remove(&Tags::parse("z").unwrap()));
        assert_eq!(tags.iter().collect::<Vec<_>>(), ["b", "c"]);
    }
}
