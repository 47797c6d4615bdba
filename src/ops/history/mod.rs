//! `art history`: shows every stage that a version, or every version of a project, had.

mod trail;

use std::collections::HashSet;

use serde::Serialize;
use uuid::Uuid;

use crate::catalog::project::find_project;
use crate::catalog::version::{
    UnreadableVersion, load_version, name_version, read_brief, read_version_record,
    removed_versions, version_refs,
};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::progress::{Progress, Unit, check_interrupt};
use crate::record::VersionRecord;
use crate::repo::Repository;
use crate::threads;
use trail::find_commits;

/// The versions to show.
#[derive(Debug)]
pub enum HistoryOptions {
    /// One version: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`. A deleted version is found by
    /// its name.
    One(Revision),
    /// All versions of the project, or of the repository's default project, including versions that
    /// were deleted or transferred.
    All(Option<ProjectName>),
}

/// One stage that a version had.
#[derive(Debug, Clone, Serialize)]
pub struct StageEntry {
    /// The time of the move to this stage.
    pub time: Timestamp,
    /// The current or last name of the version.
    pub version: Name,
    /// The project of the version.
    pub project: ProjectName,
    /// The UUID of the version, which a rename or transfer keeps.
    pub uuid: Uuid,
    /// The previous stage; `None` for the first one.
    pub from: Option<Name>,
    /// The new stage.
    pub to: Name,
    /// The user who set the stage: `NAME <EMAIL>`.
    pub author: String,
    /// The machine-readable reason.
    pub reason: String,
    /// The message for people.
    pub message: String,
    /// The result of the policy check.
    pub verdict: String,
    /// The commit that records the stage; `None` if it is missing from this repository.
    pub commit: Option<Id>,
    /// True if the version was deleted from the project or transferred to another one.
    pub deleted: bool,
}

/// The result of `history`.
#[derive(Debug)]
pub struct HistoryOutcome {
    /// The stages, the newest first.
    pub entries: Vec<StageEntry>,
    /// Versions whose history is unreadable.
    pub unreadable: Vec<UnreadableVersion>,
}

/// Returns the stages that versions had.
pub fn history(
    repo: &Repository,
    options: &HistoryOptions,
    progress: &dyn Progress,
) -> Result<HistoryOutcome> {
    let tips = match options {
        HistoryOptions::One(revision) => vec![find_one(repo, revision, progress)?],
        HistoryOptions::All(project) => {
            let project = project.as_ref().unwrap_or(&repo.settings().project);
            let tips = find_all(repo, project, progress)?;
            if tips.is_empty() {
                find_project(repo, project)?;
            }
            tips
        }
    };
    let mut outcome = HistoryOutcome { entries: Vec::new(), unreadable: Vec::new() };
    let mut dated = Vec::new();
    for read in read_all(repo, &tips, progress)? {
        match read {
            Ok(entries) => dated.extend(in_order(entries)),
            Err(unreadable) => outcome.unreadable.push(unreadable),
        }
    }
    if matches!(options, HistoryOptions::One(_))
        && let Some(unreadable) = outcome.unreadable.pop()
    {
        return Err(unreadable.error);
    }
    // Entries of the same second keep their recorded order, reversed.
    dated.reverse();
    dated.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    outcome.entries = dated.into_iter().map(|(_, entry)| entry).collect();
    Ok(outcome)
}

/// Returns the stages of one version with times for sorting. No entry sorts before its predecessor,
/// even if a clock was set back.
fn in_order(entries: Vec<StageEntry>) -> impl Iterator<Item = (Timestamp, StageEntry)> {
    entries.into_iter().scan(Timestamp::from_seconds(i64::MIN), |latest, entry| {
        *latest = entry.time.max(*latest);
        Some((*latest, entry))
    })
}

/// A version to read: its ref, its newest commit, and whether it was deleted.
struct Tip {
    reference: RefName,
    commit: Id,
    is_deleted: bool,
}

fn find_one(repo: &Repository, revision: &Revision, progress: &dyn Progress) -> Result<Tip> {
    let reference = name_version(repo, revision)?;
    if let Some(commit) = repo.history().try_find_ref(&reference)? {
        return Ok(Tip { reference, commit, is_deleted: false });
    }
    let removed = removed_versions(repo, Some(reference.project()), progress)?;
    if let Some((_, commit)) = removed.into_iter().find(|(name, _)| *name == reference) {
        return Ok(Tip { reference, commit, is_deleted: true });
    }
    // Fails with a suggestion of the nearest name, unless the version was created just now.
    let commit = load_version(repo, &reference)?.commit;
    Ok(Tip { reference, commit, is_deleted: false })
}

fn find_all(repo: &Repository, project: &ProjectName, progress: &dyn Progress) -> Result<Vec<Tip>> {
    let tip = |(reference, commit), is_deleted| Tip { reference, commit, is_deleted };
    let refs = version_refs(repo, Some(project))?;
    let mut tips: Vec<Tip> = refs.into_iter().map(|found| tip(found, false)).collect();
    let removed = removed_versions(repo, Some(project), progress)?;
    if removed.is_empty() {
        return Ok(tips);
    }
    // A renamed or restored version is listed only once.
    let uuid = |commit: &Id| Some(read_brief(repo, commit).ok()??.0.record.uuid);
    let mut seen: HashSet<Uuid> = tips.iter().filter_map(|tip| uuid(&tip.commit)).collect();
    for found in removed {
        if uuid(&found.1).is_none_or(|uuid| seen.insert(uuid)) {
            tips.push(tip(found, true));
        }
    }
    Ok(tips)
}

/// The number of versions that a thread reads between two checks for interruption.
const BATCH: usize = 16;

type StageEntries = Result<Vec<StageEntry>, UnreadableVersion>;

/// Reads the stages of versions in parallel; the oldest stage of each version first.
fn read_all(repo: &Repository, tips: &[Tip], progress: &dyn Progress) -> Result<Vec<StageEntries>> {
    progress.begin("reading versions", Some(tips.len() as u64), Unit::Items);
    let read = |tip: &Tip| {
        let error = |error| UnreadableVersion { reference: tip.reference.clone(), error };
        read_one(repo, tip).map_err(error)
    };
    let all = threads::map_in_batches(repo.settings().threads, BATCH, tips, &|batch| {
        check_interrupt(progress)?;
        let entries = batch.iter().map(read).collect();
        progress.advance(batch.len() as u64);
        Ok(entries)
    });
    progress.end();
    all
}

fn read_one(repo: &Repository, tip: &Tip) -> Result<Vec<StageEntry>> {
    let record = read_version_record(repo, tip.commit)?.ok_or_else(|| {
        let message = format!("the commit {} of {} is not a version", tip.commit, tip.reference);
        Error::corrupt(message).with_hint("art fsck")
    })?;
    let commits = find_commits(repo, tip.commit, &record);
    Ok(entries_of(tip, record, &commits))
}

fn entries_of(tip: &Tip, record: VersionRecord, commits: &[Option<Id>]) -> Vec<StageEntry> {
    let mut before = None;
    let mut entries = Vec::with_capacity(commits.len());
    for (condition, commit) in record.stage_conditions.into_iter().zip(commits) {
        entries.push(StageEntry {
            time: condition.last_update_time,
            version: tip.reference.name().clone(),
            project: tip.reference.project().clone(),
            uuid: record.uuid,
            from: before.replace(condition.stage.clone()),
            to: condition.stage,
            author: condition.author,
            reason: condition.reason,
            message: condition.message,
            verdict: condition.verdict,
            commit: *commit,
            deleted: tip.is_deleted,
        });
    }
    entries
}
