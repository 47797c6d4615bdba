//! Tests that read, write, refuse and apply policies.

mod check;
mod edit;
mod random;
mod read;

use toml::Table;

use super::*;
use crate::clock::Timestamp;

/// The policy of the book.
const WHOLE: &str = r#"
stages = ["testing", "staging", "production"]
moves = ["testing -> staging", "staging->production", "production -> staging", "* -> disabled"]

[stage.production]
reason = true
message = true
description = true
tags = ["reviewed", "signed"]
run_status = ["created", "succeeded"]
min_files = 2
after = ["staging for 24h"]
who = ["*@example.org", "Release Bot*"]
capacity = 1
displaced = "staging"

[stage.disabled]
reason = true
"#;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn table(text: &str) -> Table {
    text.parse().unwrap()
}

fn policy(text: &str) -> Policy {
    Policy::from_table(&table(text)).unwrap()
}

fn at(hours: i64) -> Timestamp {
    Timestamp::from_seconds(1_790_000_000 + hours * 3600)
}

/// A version and its move. Each test changes the fields that it is about.
struct Case {
    version: Name,
    description: &'static str,
    tags: Tags,
    stays: Vec<Stay>,
    from: Name,
    to: Name,
    run_status: Option<RunStatus>,
    files: u64,
    reason: &'static str,
    message: &'static str,
    author: &'static str,
    occupants: Vec<Occupant>,
}

impl Case {
    /// A version that meets every rule of [`WHOLE`], at hour 100.
    fn good() -> Self {
        Case {
            version: name("v9"),
            description: "Reads digits",
            tags: Tags::parse("reviewed,signed,x").unwrap(),
            stays: vec![stay("testing", 0), stay("staging", 50)],
            from: name("staging"),
            to: name("production"),
            run_status: Some(RunStatus::Succeeded),
            files: 3,
            reason: "Release",
            message: "All is well",
            author: "Ada <ada@example.org>",
            occupants: Vec::new(),
        }
    }

    fn new(from: &str, to: &str) -> Self {
        Case { from: name(from), to: name(to), ..Case::good() }
    }

    fn with(occupants: &[(&str, &str, i64)]) -> Self {
        let occupant = |(version, stage, hours): &(&str, &str, i64)| Occupant {
            version: name(version),
            stage: name(stage),
            since: at(*hours),
        };
        Case { occupants: occupants.iter().map(occupant).collect(), ..Case::good() }
    }

    fn change(&self) -> ProposedMove<'_> {
        ProposedMove {
            version: &self.version,
            description: self.description,
            tags: &self.tags,
            stays: &self.stays,
            from: &self.from,
            to: &self.to,
            run_status: self.run_status,
            files: self.files,
            reason: self.reason,
            message: self.message,
            author: self.author,
            now: at(100),
            occupants: &self.occupants,
        }
    }

    fn check(&self, policy: &Policy) -> Verdict {
        policy.check(&self.change()).unwrap()
    }

    /// Returns the refusing rules, in order.
    fn failed(&self, policy: &Policy) -> Vec<String> {
        self.check(policy).failed.into_iter().map(|failure| failure.rule).collect()
    }

    /// Returns `VERSION FROM TO` for each displaced version.
    fn displaced(&self, policy: &Policy) -> Vec<String> {
        let verdict = self.check(policy);
        assert_eq!(verdict.failed, []);
        let shown = |go: Displaced| format!("{} {} {}", go.version, go.from, go.to);
        verdict.displaced.into_iter().map(shown).collect()
    }
}

fn stay(stage: &str, hours: i64) -> Stay {
    Stay { stage: name(stage), since: at(hours) }
}
