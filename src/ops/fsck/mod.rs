//! `art fsck`: is everything there, and is it what it was?
//!
//! Refs and logs are read first, then the index and the packs, then every commit, tree and record
//! that refs and logs lead to. What a writer adds meanwhile is never taken for damage: content and
//! objects are there before the refs that lead to them.

mod affected;
mod defect;
mod mend;
pub(crate) mod names;
pub mod remote;
mod report;
mod walk;

use std::collections::HashSet;
use std::path::Path;

use crate::content::ContentCheck;
use crate::error::{ErrorKind, Result};
use crate::fs::lock::FileLock;
use crate::history::{DamagedFile, RefSurvey};
use crate::id::Id;
use crate::ops::sync::{added_again, forgotten_remotes, once_there};
use crate::progress::Progress;
use crate::repo::{Repository, Settings};

pub use affected::Affected;
pub use defect::{Defect, Part};
pub use mend::Repair;
pub use report::{Checked, FsckOutcome, Leftovers, OnForgottenRemote};

use defect::Defects;
use walk::Walk;

/// How to check.
#[derive(Debug, Clone, Copy, Default)]
pub struct FsckOptions {
    /// Reads every byte, instead of structure and presence alone.
    pub full: bool,
    /// Mends what can be mended.
    pub repair: bool,
}

/// Checks the repository; with `repair` mends it and checks again.
///
/// Damage is no error of this call: it is in the outcome.
pub fn fsck(
    repo: &Repository,
    options: &FsckOptions,
    progress: &dyn Progress,
) -> Result<FsckOutcome> {
    if !options.repair {
        let _lock = lock_if_possible(repo)?;
        let found = Found::look(repo, options.full, progress)?;
        return report::outcome(repo, *options, &found, Vec::new());
    }
    let _lock = repo.lock_exclusive()?;
    let mut found = Found::look(repo, options.full, progress)?;
    let repairs = mend::mend(repo, &found, progress)?;
    if !repairs.is_empty() || !found.survey.damage.is_empty() {
        found = Found::look(repo, options.full, progress)?;
    }
    report::outcome(repo, *options, &found, repairs)
}

/// Checks the repository at `directory`, as [`fsck`] does, also if it is so damaged that it can't be
/// opened; with `repair` that is mended first.
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
    outcome.repairs.splice(0..0, made.into_iter().map(|path| Repair::MadeAgain { path }));
    Ok(outcome)
}

/// Keeps the clean-up out, where this user may write at all.
fn lock_if_possible(repo: &Repository) -> Result<Option<FileLock>> {
    match repo.lock_shared() {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind() == ErrorKind::Unauthorized => Ok(None),
        Err(error) => Err(error),
    }
}

/// Everything that a check has found.
struct Found {
    survey: RefSurvey,
    content: ContentCheck,
    objects: Vec<DamagedFile>,
    /// Objects that nothing leads to.
    orphans: u64,
    checked: Checked,
    defects: Defects,
    /// Objects that are there and can't be used.
    damaged_objects: Vec<Id>,
    affected: Vec<Affected>,
    affected_commits: u64,
    /// Contents that are needed and that the index does not know.
    unknown_contents: u64,
    /// Contents that are needed, and that only remotes have.
    elsewhere: u64,
    /// The refs that lead to the record of something else.
    misnamed: Vec<String>,
    /// The remotes that were forgotten and alone have content that is needed.
    forgotten: Vec<OnForgottenRemote>,
}

impl Found {
    fn look(repo: &Repository, full: bool, progress: &dyn Progress) -> Result<Self> {
        let threads = repo.settings().threads;
        let history = repo.history();
        let survey = history.survey_refs()?;
        let mut content = repo.content().check()?;
        content.check_packs(full, threads, progress)?;
        content.check_manifests(full, threads, progress)?;
        let objects = history.check_object_files(full, progress)?;
        let remotes = forgotten_remotes(repo);
        let once_there: Vec<Id> = once_there(repo).into_iter().chain(added_again(repo)).collect();
        let mut walk = Walk::new(history, &content, &once_there, progress);
        walk.forgotten =
            remotes.iter().map(|one| (one.content(repo, progress), HashSet::new())).collect();
        walk.all(&survey)?;
        let misnamed = walk.names(&survey);
        let all = history.object_ids()?;
        if full {
            walk.rest(&all)?;
        }
        let orphans = all.iter().filter(|id| !walk.reached.contains(*id)).count() as u64;
        let (affected, affected_commits) = affected::affected(&walk);
        let mut defects = Defects::default();
        defects.of_refs(&survey);
        defects.of_content(content.defects());
        let unknown_contents = walk.unknown_contents.len() as u64;
        let elsewhere = walk.elsewhere.len() as u64;
        let counts = walk.forgotten.iter().map(|(_, needed)| needed.len() as u64);
        let forgotten = remotes
            .into_iter()
            .zip(counts)
            .filter(|(_, contents)| *contents > 0)
            .map(|(one, contents)| OnForgottenRemote { name: one.name, uri: one.uri, contents })
            .collect();
        defects.of_unknown(unknown_contents, content.totals().orphans);
        defects.of_object_files(&objects);
        let mut checked = walk.checked;
        checked.refs = survey.refs.len() as u64;
        checked.objects = all.len() as u64;
        checked.content = content.totals();
        defects.append(walk.defects);
        let damaged_objects = walk.damaged_objects;
        progress.end();
        Ok(Found {
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
            misnamed,
            forgotten,
        })
    }
}
