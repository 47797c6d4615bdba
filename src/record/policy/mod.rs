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
//! | key | meaning |
//! | --- | --- |
//! | `stages` | the stages in the order of promotion; versions start in the first. `disabled` always exists, outside the order |
//! | `moves` | the allowed moves, `FROM -> TO`; `*` is every stage. If absent, all moves are allowed. A move to the current stage is not a move |
//! | `reason`, `message` | a move to the stage needs a reason or a message |
//! | `description` | the version needs a description |
//! | `tags` | the version needs all of these tags |
//! | `run_status` | the version's run needs one of these statuses |
//! | `min_files` | the version needs at least this number of files |
//! | `after` | the version is or was in each of these stages; with `for SPAN`, for that time without a break |
//! | `who` | the author must match one of these patterns: `*` is any text, `?` one character, letter case is ignored. The pattern must match all of `NAME <EMAIL>` or all of the address |
//! | `capacity` | the number of versions that the stage holds |
//! | `displaced` | the stage that receives the versions that have been in a full stage for the longest, in the same transaction. If absent, a full stage accepts no version |
//!
//! Displaced versions may fill another stage and displace versions from it in turn. Rules other
//! than `capacity` do not apply to displaced versions: the policy itself moves them.
//!
//! If a policy has rules, the files of a version are fixed as soon as the version leaves the first
//! stage ([`Policy::check_files`]).
//!
//! An unknown rule might refuse a move. For this reason, a policy with an unknown key is not
//! followed at all: [`Policy::from_table`] fails, and every operation that would move a version
//! fails too. The record keeps the table as it was written ([`ProjectRecord::policy`]).
//!
//! [`ProjectRecord::policy`]: super::ProjectRecord::policy

mod arrival;
mod check;
mod defect;
mod edit;
mod pattern;
mod read;
mod retention;
mod write;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Serialize, Serializer};

use super::{RunStatus, Tags};
use crate::clock::Span;
use crate::error::{Error, Result};
use crate::name::Name;
use crate::suggest;

pub use check::{Displaced, Occupant, ProposedMove, RuleFailure, Stay, Verdict};
pub use defect::PolicyDefect;
pub use edit::Setting;
pub use read::parse_table;
pub use retention::{Candidate, Keep, Retention, RetentionKind, RetentionRule};

/// The stage of versions that must not be used any more. Every project has this stage.
pub const DISABLED: &str = "disabled";

/// The default stages of a project, in order.
pub const DEFAULT_STAGES: [&str; 3] = ["testing", "staging", "production"];

/// The rules of a project for the stages of its versions.
///
/// Serializes with the keys of the table. A stage with rules serializes all of its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    stages: Vec<Name>,
    moves: Option<Vec<AllowedMove>>,
    stage: BTreeMap<Name, StageRules>,
}

/// The rules of one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StageRules {
    /// True if a move needs a reason.
    pub reason: bool,
    /// True if a move needs a message.
    pub message: bool,
    /// True if the version needs a description.
    pub description: bool,
    /// The tags that the version needs.
    pub tags: Tags,
    /// The allowed statuses of the version's run. If empty, every status is allowed.
    pub run_status: Vec<RunStatus>,
    /// The minimum number of files.
    pub min_files: Option<NonZeroU32>,
    /// The stages that the version must have been in.
    pub after: Vec<After>,
    /// Patterns of the allowed authors. If empty, everybody is allowed.
    pub who: Vec<String>,
    /// The number of versions that the stage holds.
    pub capacity: Option<NonZeroU32>,
    /// The stage that receives displaced versions.
    pub displaced: Option<Name>,
}

/// An allowed move, `FROM -> TO`. `None` means every stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedMove {
    /// The old stage.
    pub from: Option<Name>,
    /// The new stage.
    pub to: Option<Name>,
}

/// An earlier stage, `STAGE` or `STAGE for SPAN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// The stage that the version is or was in.
    pub stage: Name,
    /// The minimum time in the stage without a break.
    pub span: Option<Span>,
}

impl Default for Policy {
    /// The stages testing, staging, production and disabled, without rules.
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
    /// The stages in order, without `disabled`. There is at least one.
    pub fn stages(&self) -> &[Name] {
        &self.stages
    }

    /// The first stage of every version.
    pub fn first_stage(&self) -> &Name {
        &self.stages[0]
    }

    /// Returns true if the files of a version in `stage` may expire: only in the first stage and in
    /// `disabled`.
    pub fn lets_expire(&self, stage: &Name) -> bool {
        stage == self.first_stage() || stage.as_str() == DISABLED
    }

    /// The allowed moves. `None` means that all moves are allowed.
    pub fn moves(&self) -> Option<&[AllowedMove]> {
        self.moves.as_deref()
    }

    /// The stages that have rules, with their rules.
    pub fn rules(&self) -> impl Iterator<Item = (&Name, &StageRules)> {
        self.stage.iter()
    }

    /// The number of versions that `stage` holds, if limited.
    pub fn capacity(&self, stage: &Name) -> Option<u32> {
        self.stage.get(stage)?.capacity.map(NonZeroU32::get)
    }

    /// The minimum number of files of a version in `stage`, if any.
    pub fn min_files(&self, stage: &Name) -> Option<u32> {
        self.stage.get(stage)?.min_files.map(NonZeroU32::get)
    }

    /// Returns true if `stage` has a rule about the status of a version's run.
    pub fn asks_for_run_status(&self, stage: &Name) -> bool {
        self.stage.get(stage).is_some_and(|rules| !rules.run_status.is_empty())
    }

    /// Returns true if the policy never refuses a move.
    pub fn is_free(&self) -> bool {
        self.moves.is_none() && self.stage.is_empty()
    }

    /// Returns true if the project has `stage`.
    pub fn has_stage(&self, stage: &Name) -> bool {
        stage.as_str() == DISABLED || self.stages.contains(stage)
    }

    /// Fails with [`Invalid`](crate::ErrorKind::Invalid) if the project does not have `stage`.
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

    /// Returns the stage that follows `current` in the order of promotion.
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

    /// Lists the stages in which a move to `to` may displace versions. [`Policy::check`] needs the
    /// occupants of these stages. The list is usually empty.
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
