//! The rules of a project for the stages of its versions: the table `[policy]` of `project.toml`.
//!
//! ```toml
//! [policy]
//! stages = ["testing", "staging", "production"]
//! moves = ["testing -> staging", "staging -> production", "production -> staging", "* -> disabled"]
//!
//! [policy.stage.production]
//! reason = true
//! tags = ["reviewed"]
//! after = ["staging for 24h"]
//! who = ["*@example.org", "Release Bot*"]
//! capacity = 1
//! displaced = "staging"
//! ```
//!
//! | key | what it asks for |
//! | --- | --- |
//! | `stages` | the stages in the order of promotion; versions start in the first. `disabled` is always there, outside of the order |
//! | `moves` | the moves that are allowed, `FROM -> TO`; `*` is every stage. Absent: all are. To the stage a version is in already is no move |
//! | `reason`, `message` | whoever moves a version to the stage says why |
//! | `description` | the version has one |
//! | `tags` | the version has all of these |
//! | `run_status` | the run of the version has one of these statuses |
//! | `min_files` | the version has at least so many files |
//! | `after` | the version is or was in each of these stages; with `for SPAN` so long without a break |
//! | `who` | only those whom one of these patterns fits: `*` is any text, `?` one character, the case of letters does not count. It has to fit the whole of `NAME <EMAIL>`, or the whole of the address |
//! | `capacity` | how many versions the stage holds |
//! | `displaced` | where those go, in the same transaction, that have been in a full stage for the longest. Absent: a full stage takes no more |
//!
//! The displaced may come into a stage that is full then, and displace others there. The rules
//! other than `capacity` do not hold for them: the policy itself moves them.
//!
//! Where there are rules, the files of a version stay as they are once it has left the first stage
//! ([`Policy::check_files`]).
//!
//! A rule that this program does not know may be one that would refuse. So a policy with an unknown
//! key is not followed at all: [`Policy::from_table`] fails, and what would move a version with it.
//! The record keeps the table as it was written ([`ProjectRecord::policy`]).
//!
//! [`ProjectRecord::policy`]: super::ProjectRecord::policy

mod arrival;
mod check;
mod defect;
mod edit;
mod pattern;
mod read;
mod write;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Serialize, Serializer};

use super::{RunStatus, Tags};
use crate::clock::Span;
use crate::error::{Error, Result};
use crate::name::Name;
use crate::suggest;

pub use check::{Displaced, Move, Occupant, RuleFailure, Stay, Verdict};
pub use defect::PolicyDefect;
pub use edit::Setting;
pub use read::parse_table;

/// The stage of versions that shall not be used any more. Every project has it.
pub const DISABLED: &str = "disabled";

/// The stages of a project that has said nothing, in order.
pub const DEFAULT_STAGES: [&str; 3] = ["testing", "staging", "production"];

/// The rules of a project for the stages of its versions.
///
/// Its JSON has the keys of the table, and all of them for each stage with rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    stages: Vec<Name>,
    moves: Option<Vec<AllowedMove>>,
    stage: BTreeMap<Name, StageRules>,
}

/// What a stage asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StageRules {
    /// Whether a reason has to be given.
    pub reason: bool,
    /// Whether a message has to be given.
    pub message: bool,
    /// Whether the version needs a description.
    pub description: bool,
    /// The tags that the version needs.
    pub tags: Tags,
    /// The statuses that the run of the version may have; empty: any.
    pub run_status: Vec<RunStatus>,
    /// The fewest files that the version may have.
    pub min_files: Option<NonZeroU32>,
    /// The stages that the version has to know.
    pub after: Vec<After>,
    /// Patterns for those who may; empty: everybody.
    pub who: Vec<String>,
    /// How many versions the stage holds.
    pub capacity: Option<NonZeroU32>,
    /// Where those go that are too many.
    pub displaced: Option<Name>,
}

/// `FROM -> TO`; none is every stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedMove {
    /// The stage that is left.
    pub from: Option<Name>,
    /// The stage that is entered.
    pub to: Option<Name>,
}

/// `STAGE`, or `STAGE for SPAN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// The stage that the version is or was in.
    pub stage: Name,
    /// How long without a break.
    pub span: Option<Span>,
}

impl Default for Policy {
    /// Testing, staging, production and disabled, without a rule.
    fn default() -> Self {
        let name = |text: &str| text.parse().expect("because the default names are valid");
        Policy {
            stages: DEFAULT_STAGES.into_iter().map(name).collect(),
            moves: None,
            stage: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// The stages in order, without `disabled`; at least one.
    pub fn stages(&self) -> &[Name] {
        &self.stages
    }

    /// The stage that versions start in.
    pub fn first_stage(&self) -> &Name {
        &self.stages[0]
    }

    /// The moves that are allowed; none: all are.
    pub fn moves(&self) -> Option<&[AllowedMove]> {
        self.moves.as_deref()
    }

    /// The stages that have rules, and these.
    pub fn rules(&self) -> impl Iterator<Item = (&Name, &StageRules)> {
        self.stage.iter()
    }

    /// How many versions `stage` holds, if there is a bound.
    pub fn capacity(&self, stage: &Name) -> Option<u32> {
        self.stage.get(stage)?.capacity.map(NonZeroU32::get)
    }

    /// The fewest files of a version in `stage`, if there is a bound.
    pub fn min_files(&self, stage: &Name) -> Option<u32> {
        self.stage.get(stage)?.min_files.map(NonZeroU32::get)
    }

    /// Whether `stage` asks for the status of a version's run.
    pub fn asks_for_run_status(&self, stage: &Name) -> bool {
        self.stage.get(stage).is_some_and(|rules| !rules.run_status.is_empty())
    }

    /// Whether nothing is ever refused.
    pub fn is_free(&self) -> bool {
        self.moves.is_none() && self.stage.is_empty()
    }

    /// Whether `stage` is one of the project's.
    pub fn has_stage(&self, stage: &Name) -> bool {
        stage.as_str() == DISABLED || self.stages.contains(stage)
    }

    /// Fails with [`Invalid`](crate::ErrorKind::Invalid) for a stage that the project has not.
    pub fn check_stage(&self, stage: &Name) -> Result<()> {
        if self.has_stage(stage) {
            return Ok(());
        }
        let all: Vec<&str> =
            self.stages.iter().map(Name::as_str).chain(std::iter::once(DISABLED)).collect();
        let error = Error::invalid(format!("there is no stage '{stage}'"));
        let list = all.join(", ");
        Err(match suggest::closest(stage.as_str(), &all) {
            Some(near) => error.with_hint(format!("did you mean '{near}'? The stages are {list}")),
            None => error.with_hint(format!("the stages are {list}")),
        })
    }

    /// The stage to which a version is promoted from `current`.
    ///
    /// Fails with [`Refused`](crate::ErrorKind::Refused) for the last stage, for `disabled`, and for
    /// a stage that the project no longer has.
    pub fn next_stage(&self, current: &Name) -> Result<&Name> {
        let place = self.stages.iter().position(|stage| stage == current).ok_or_else(|| {
            let what = if current.as_str() == DISABLED { "outside of" } else { "not in" };
            Error::refused(format!("the stage '{current}' is {what} the order of stages"))
                .with_hint("name the stage: art stage VERSION STAGE")
        })?;
        self.stages.get(place + 1).ok_or_else(|| {
            let order: Vec<&str> = self.stages.iter().map(Name::as_str).collect();
            Error::refused(format!("'{current}' is the last stage"))
                .with_hint(format!("the order is {}", order.join(", ")))
        })
    }

    /// The stages in which a move to `to` may displace versions: whose occupants
    /// [`Policy::check`] has to know. Most often there are none.
    pub fn crowded_by<'a>(&'a self, to: &'a Name) -> Vec<&'a Name> {
        let mut stages = Vec::new();
        let mut next = Some(to);
        while let Some(stage) = next {
            let Some(rules) = self.stage.get(stage).filter(|rules| rules.capacity.is_some()) else {
                break;
            };
            stages.push(stage);
            next = rules.displaced.as_ref();
        }
        stages
    }
}

impl Serialize for AllowedMove {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for After {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
