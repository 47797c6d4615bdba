//! `art fsck`: verifies the integrity of the repository.
//!
//! Refs and logs are read first, then the index and the packs, then all commits, trees and records
//! that refs and logs reach. Concurrent writes never look like damage: content and objects are
//! stored before the refs that reach them.

mod affected;
mod defect;
mod losses;
pub(crate) mod names;
pub mod remote;
mod repair;
mod report;
mod stages;
mod walk;

use std::collections::HashSet;
use std::path::Path;

use derive_setters::Setters;

use crate::content::ContentCheck;
use crate::error::{ErrorKind, Result};
use crate::history::{DamagedFile, Expiry, RefSurvey};
use crate::id::Id;
use crate::progress::Progress;
use crate::repo::{Repository, RepositoryLock, Settings};
use crate::sync::{LetGoCommit, added_again, forgotten_remotes, former_tips, let_go_commits};

pub use defect::{DamagedPart, Defect};
pub use losses::LostFile;
pub use repair::Repair;
pub use report::{FsckOutcome, Leftovers, LetGoContent, OnForgottenRemote};

use defect::Defects;
pub use walk::Checked;
use walk::Walk;

/// The options of a check.
#[derive(Debug, Clone, Copy, Default, Setters)]
#[non_exhaustive]
pub struct FsckOptions {
    /// Read every byte, not only structure and presence.
    pub full: bool,
    /// Repair the damage as far as possible.
    pub repair: bool,
}

/// Checks the repository; with `repair`, repairs the damage and checks again.
///
/// Damage is not an error: it is part of the result.
pub fn fsck(
    repo: &Repository,
    options: &FsckOptions,
    progress: &dyn Progress,
) -> Result<FsckOutcome> {
    check(repo, *options, progress).map_err(|error| {
        let kept = if options.repair {
            "finished repairs are kept, and the rest is unchanged"
        } else {
            "the check changed nothing"
        };
        error.or_interrupted(kept, "run the same command again")
    })
}

fn check(repo: &Repository, options: FsckOptions, progress: &dyn Progress) -> Result<FsckOutcome> {
    if !options.repair {
        let _lock = lock_if_possible(repo)?;
        let found = Check::run(repo, options.full, progress)?;
        return report::outcome(repo, options, &found, Vec::new());
    }
    let _lock = repo.lock_exclusive()?;
    let mut found = Check::run(repo, options.full, progress)?;
    let repairs = repair::repair(repo, &found, progress)?;
    if !repairs.is_empty() || !found.survey.damage.is_empty() {
        found = Check::run(repo, options.full, progress)?;
    }
    report::outcome(repo, options, &found, repairs)
}

/// Checks the repository at `directory` like [`fsck`], even if it is too damaged to be opened. With
/// `repair`, repairs this damage first.
pub fn fsck_at(
    directory: &Path,
    settings: Settings,
    options: &FsckOptions,
    progress: &dyn Progress,
) -> Result<FsckOutcome> {
    let made = if options.repair {
        Repository::restore_outline(directory, settings.lock_timeout)?
    } else {
        Vec::new()
    };
    let damage = Repository::check_outline(directory)?;
    if !damage.is_empty() {
        return Ok(report::unopened(*options, &damage));
    }
    let repo = Repository::open(directory, settings)?;
    let mut outcome = fsck(&repo, options, progress)?;
    outcome.repairs.splice(0..0, made.into_iter().map(|path| Repair::Recreated { path }));
    Ok(outcome)
}

/// Locks out the garbage collection, if this user may write.
fn lock_if_possible(repo: &Repository) -> Result<Option<RepositoryLock>> {
    match repo.lock_shared() {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind() == ErrorKind::Unauthorized => Ok(None),
        Err(error) => Err(error),
    }
}

/// The findings of a check.
struct Check {
    survey: RefSurvey,
    content: ContentCheck,
    objects: Vec<DamagedFile>,
    /// The number of objects that no ref or log reaches.
    orphans: u64,
    checked: Checked,
    defects: Defects<Defect>,
    /// Objects that exist but are unusable.
    damaged_objects: Vec<Id>,
    affected: Vec<LostFile<String>>,
    affected_commits: u64,
    /// The number of needed contents that the index does not list.
    unknown_contents: u64,
    /// The number of needed contents that only remotes have.
    elsewhere: u64,
    /// The number of missing contents that expired.
    expired: u64,
    /// The refs that point to the record of another name.
    misnamed: Vec<String>,
    /// The removed remotes that hold the only copy of needed content.
    forgotten: Vec<OnForgottenRemote>,
    /// The commits that a remote let go of, and whose content is missing.
    let_go: Vec<LetGoContent>,
}

/// The contents of each commit, sorted. Empty for a commit that is missing or damaged.
fn contents_of(
    repo: &Repository,
    commits: &[LetGoCommit],
    progress: &dyn Progress,
) -> Vec<(Vec<Id>, HashSet<Id>)> {
    let history = repo.history();
    let of = |one: &LetGoCommit| {
        let expiry = Expiry::default();
        history.needed_content(&[one.commit], &expiry, progress).unwrap_or_default()
    };
    commits.iter().map(|one| (of(one), HashSet::new())).collect()
}

impl Check {
    fn run(repo: &Repository, full: bool, progress: &dyn Progress) -> Result<Self> {
        let threads = repo.settings().threads;
        let history = repo.history();
        let survey = history.survey_refs()?;
        let mut content = repo.content().check()?;
        content.check_packs(full, threads, progress)?;
        content.check_manifests(full, threads, progress)?;
        let objects = history.check_object_files(full, progress)?;
        let remotes = forgotten_remotes(repo);
        let former_tips: Vec<Id> = former_tips(repo).into_iter().chain(added_again(repo)).collect();
        let mut walk = Walk::new(history, &content, &former_tips, progress);
        walk.forgotten =
            remotes.iter().map(|one| (one.content(repo, progress), HashSet::new())).collect();
        let commits = let_go_commits(repo);
        walk.let_go = contents_of(repo, &commits, progress);
        walk.all(&survey)?;
        let misnamed = walk.names(&survey);
        walk.gaps(&survey);
        let all = history.object_ids()?;
        if full {
            walk.rest(&all)?;
        }
        let orphans = all.iter().filter(|id| !walk.reached.contains(*id)).count() as u64;
        let (affected, affected_commits) = affected::affected(&walk)?;
        let mut defects = Defects::<Defect>::default();
        defects.of_refs(&survey);
        defects.of_content(content.defects());
        let unknown_contents = walk.unknown_contents.len() as u64;
        let elsewhere = walk.elsewhere.len() as u64;
        let expired = walk.expired.len() as u64;
        let counts = walk.forgotten.iter().map(|(_, needed)| needed.len() as u64);
        let forgotten = remotes
            .into_iter()
            .zip(counts)
            .filter(|(_, contents)| *contents > 0)
            .map(|(one, contents)| OnForgottenRemote {
                hint: one.hint(repo),
                is_moved: one.is_moved(repo),
                name: one.name,
                uri: one.uri,
                contents,
            })
            .collect();
        let counts = walk.let_go.iter().map(|(_, missing)| missing.len() as u64);
        let let_go = commits.into_iter().zip(counts).filter(|(_, contents)| *contents > 0);
        let let_go = let_go.map(|(one, contents)| LetGoContent::of(one, contents)).collect();
        defects.of_unknown(unknown_contents, content.totals().orphans);
        defects.of_object_files(&objects);
        let mut checked = walk.checked;
        checked.refs = survey.refs.len() as u64;
        checked.objects = all.len() as u64;
        checked.content = content.totals();
        defects.append(walk.defects);
        let damaged_objects = walk.damaged_objects;
        progress.end();
        Ok(Check {
            survey,
            content,
            objects,
            orphans,
            checked,
            defects,
            damaged_objects,
            affected,
            affected_commits,
            unknown_contents,
            elsewhere,
            expired,
            misnamed,
            forgotten,
            let_go,
        })
    }
}
