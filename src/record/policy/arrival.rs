//! Checks a version that comes to a stage without a move: a new version, and a version that arrives
//! from another project and keeps its stage.

use super::check::{ProposedMove, RuleFailure, Verdict};
use super::{DISABLED, Policy};
use crate::error::Result;
use crate::name::{Name, ProjectName};

impl Policy {
    /// Fails with [`Policy`](crate::ErrorKind::Policy) and every rule of the first stage that refuses
    /// a new version. The rules about moves do not apply.
    pub fn check_new(&self, change: &ProposedMove<'_>) -> Result<()> {
        let mut verdict = Verdict::default();
        if let Some(rules) = self.stage.get(change.to) {
            rules.check_new(change, &mut verdict.failed);
        }
        let refused =
            || format!("the policy refuses the new version '{}' in {}", change.version, change.to);
        verdict.or_refuse(refused).map(|_| ())
    }

    /// Fails with [`Policy`](crate::ErrorKind::Policy) and every rule that refuses the version in
    /// the stage `change.to` of `project`.
    ///
    /// The project must have the stage, the version must meet the stage's rules, and the stage must
    /// have room: an arrival displaces no version. `moves` does not apply.
    pub fn check_arrival(&self, change: &ProposedMove<'_>, project: &ProjectName) -> Result<()> {
        let (version, stage) = (change.version, change.to);
        let mut verdict = Verdict::default();
        if !self.has_stage(stage) {
            let known: Vec<&str> = self.stages.iter().map(Name::as_str).collect();
            verdict.failed.push(RuleFailure {
                rule: "stages".to_owned(),
                message: format!(
                    "there is no stage '{stage}'; the stages are {}, {DISABLED}",
                    known.join(", ")
                ),
                hint: Some(format!(
                    "move the version to one of these stages first: art stage {version} STAGE"
                )),
            });
        }
        if let Some(rules) = self.stage.get(stage) {
            rules.check(change, &mut verdict.failed);
            let occupants = change.in_stage(stage);
            let is_full =
                |capacity| occupants.len() >= usize::try_from(capacity).unwrap_or(usize::MAX);
            if let Some(capacity) = rules.capacity.filter(|capacity| is_full(capacity.get())) {
                let names: Vec<&str> =
                    occupants.iter().map(|other| other.version.as_str()).collect();
                verdict.failed.push(RuleFailure {
                    rule: format!("stage.{stage}.capacity"),
                    message: format!("{stage} holds {capacity} and is full ({})", names.join(", ")),
                    hint: names
                        .first()
                        .map(|other| format!("make room: art stage {project}:{other} STAGE")),
                });
            }
        }
        let refused = || format!("the policy of {project} refuses '{version}' in {stage}");
        verdict.or_refuse(refused).map(|_| ())
    }
}
