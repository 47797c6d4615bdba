//! The facts about a version that the policy and warnings need: the status of its run, and its
//! files.

use super::index::read_index;
use super::load::VersionDraft;
use crate::catalog::run::LoadedRun;
use crate::error::{ErrorKind, Result};
use crate::history::Visit;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::record::policy::{Occupant, Policy};
use crate::record::{RunReference, RunStatus};
use crate::repo::Repository;

/// The maximum number of files that are counted for display.
pub(crate) const COUNT_LIMIT: u64 = 100_000;

/// The facts that [`Policy::check`] needs in addition to the version's record.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The versions in the stages that the move may fill.
    pub(super) occupants: Vec<Occupant>,
    /// The status of the run, if the policy has a rule about it.
    pub(super) run_status: Option<RunStatus>,
    /// The number of files, counted only as far as the policy needs.
    pub(super) files: u64,
}

impl Facts {
    /// Returns true if the rules of `to` need more than the version's record.
    pub(super) fn are_needed(policy: &Policy, to: &Name) -> bool {
        policy.min_files(to).is_some() || policy.asks_for_run_status(to)
    }

    /// Reads the facts that the rules of `to` need.
    pub(crate) fn read(
        repo: &Repository,
        project: &ProjectName,
        policy: &Policy,
        draft: &VersionDraft,
        to: &Name,
    ) -> Result<Self> {
        let mut facts =
            Facts { occupants: occupants(repo, project, policy, to)?, ..Facts::default() };
        if policy.asks_for_run_status(to) {
            facts.run_status = run_status(repo, &draft.record.run)?;
        }
        if let Some(least) = policy.min_files(to) {
            facts.files = count_files(repo, draft.artifacts, least.into())?;
        }
        Ok(facts)
    }
}

/// Returns the versions in the stages that a move to `to` may fill.
fn occupants(
    repo: &Repository,
    project: &ProjectName,
    policy: &Policy,
    to: &Name,
) -> Result<Vec<Occupant>> {
    let stages = policy.crowded_by(to);
    if stages.is_empty() {
        return Ok(Vec::new());
    }
    let versions = read_index(repo, Some(project))?;
    let inside = versions.iter().filter(|version| stages.contains(&&version.summary.stage));
    Ok(inside.map(|version| Occupant::from(&version.summary)).collect())
}

/// Returns the status of a pinned run. A final status at the pinned commit counts. Otherwise, the
/// run continued after it was pinned, and its current status counts.
///
/// Returns `None` if this repository does not have the run's commit.
pub(crate) fn run_status(repo: &Repository, run: &RunReference) -> Result<Option<RunStatus>> {
    let reference = RefName::run(run.project.clone(), run.name.clone());
    let pinned = match LoadedRun::try_read(repo, run.commit, |_| reference.clone()) {
        Ok(pinned) => pinned.map(|pinned| pinned.record.status),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if pinned.is_some_and(RunStatus::is_final) {
        return Ok(pinned);
    }
    let Some(commit) = repo.history().try_find_ref(&reference)? else { return Ok(pinned) };
    let now = LoadedRun::try_read(repo, commit, |_| reference.clone())?;
    let now = now.filter(|now| now.record.uuid == run.uuid).map(|now| now.record.status);
    Ok(now.or(pinned))
}

/// Counts the files and links below `tree`, up to `limit`.
fn count_files(repo: &Repository, tree: Option<Id>, limit: u64) -> Result<u64> {
    let mut files = 0;
    let Some(tree) = tree else { return Ok(files) };
    repo.history().visit_tree(&tree, &mut |_, entry| {
        files += u64::from(!entry.mode.is_directory());
        Ok(if files < limit { Visit::Enter } else { Visit::Stop })
    })?;
    Ok(files)
}
