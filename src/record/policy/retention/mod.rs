//! The rules of a project for the content that it keeps: the table `[retention]` of `project.toml`.
//!
//! ```toml
//! [retention]
//! minimum_age = "7d"
//! who = ["*@example.org"]
//!
//! [[retention.rule]]
//! runs = "status: failed"
//! keep_within = "14d"
//!
//! [[retention.rule]]
//! runs = "name: nightly%"
//! keep_last = 7
//! keep_daily = 14
//! keep_weekly = 8
//!
//! [[retention.rule]]
//! uploads = "name: %"
//! keep_last = 1
//!
//! [[retention.rule]]
//! versions = "stage: testing"
//! keep_within = "180d"
//! ```
//!
//! | key | meaning |
//! | --- | --- |
//! | `minimum_age` | nothing younger expires by a rule |
//! | `who` | the author of an expiration must match one of these patterns |
//! | `runs`, `versions` | a query: the rule decides about these runs or versions |
//! | `uploads` | a query over runs: the rule decides about the uploads within each of them |
//! | `keep_within` | keeps what is younger than this |
//! | `keep_last` | keeps this number of the newest |
//! | `keep_hourly` … `keep_yearly` | keeps the newest of each of the last N hours, UTC days, ISO weeks, months or years that have any |
//! | `keep_tags` | keeps runs and versions with one of these tags |
//!
//! The first rule of a kind whose query matches decides. The keys of a rule add up: each keeps
//! more. Without a matching rule, everything is kept.
//!
//! An unknown key might keep more. For this reason, rules with an unknown key are not followed at
//! all, and nothing expires.

mod plan;
mod read;

use std::fmt;

use super::defect::PolicyDefect;
use super::pattern::fits_author;
use super::{DISABLED, Policy};
use crate::clock::Span;
use crate::record::query::Query;

pub use plan::Candidate;

/// The rules of a project for the content that it keeps.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    minimum_age: Option<Span>,
    who: Vec<String>,
    rules: Vec<RetentionRule>,
}

/// The kind of objects that a rule decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionKind {
    /// Runs as a whole.
    Runs,
    /// The uploads within each run.
    Uploads,
    /// Versions.
    Versions,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct RetentionRule {
    /// The kind of objects.
    pub kind: RetentionKind,
    /// The objects: a query over runs or versions.
    pub query: Query,
    /// The objects to keep.
    pub keep: Keep,
}

/// The objects that a rule keeps. The keys add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    /// Keeps objects that are younger than this.
    pub within: Option<Span>,
    /// The number of newest objects to keep.
    pub last: u32,
    /// The numbers of hours, days, weeks, months and years of which the newest object is kept.
    pub periods: [u32; 5],
    /// Keeps objects with one of these tags.
    pub tags: Vec<String>,
}

impl RetentionKind {
    /// The key of the query in a rule.
    pub fn as_str(self) -> &'static str {
        match self {
            RetentionKind::Runs => "runs",
            RetentionKind::Uploads => "uploads",
            RetentionKind::Versions => "versions",
        }
    }
}

impl fmt::Display for RetentionRule {
    /// Writes the kind and the query, as expirations record them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.query.text())
    }
}

impl Retention {
    /// The age below which nothing expires by a rule.
    pub fn minimum_age(&self) -> Option<Span> {
        self.minimum_age
    }

    /// The rules, in order.
    pub fn rules(&self) -> &[RetentionRule] {
        &self.rules
    }

    /// Returns true if `author`, as `NAME <EMAIL>`, may let content expire.
    pub fn allows(&self, author: &str) -> bool {
        self.who.is_empty() || self.who.iter().any(|pattern| fits_author(pattern, author))
    }

    /// The patterns of the allowed authors. If empty, everybody is allowed.
    pub fn who(&self) -> &[String] {
        &self.who
    }

    /// Fails if a rule over versions could decide about a stage in which versions never expire.
    pub fn check(&self, policy: &Policy) -> Result<(), PolicyDefect> {
        let first = policy.first_stage().as_str();
        for (number, rule) in self.rules.iter().enumerate() {
            let is_safe = rule.kind != RetentionKind::Versions
                || rule.query.is_limited_to("stage", &[first, DISABLED]);
            if !is_safe {
                let reason = format!(
                    "only versions in {first} or {DISABLED} expire; limit the query with \
                     'stage: {first}', 'stage: {DISABLED}' or 'stage: {first}|{DISABLED}'"
                );
                let key = format!("retention.rule {}: versions", number + 1);
                return Err(PolicyDefect::invalid(key, reason));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
