//! `art history`: every stage that a version had, or that the versions of a project had.

mod trail;

use std::collections::HashSet;

use serde::Serialize;
use uuid::Uuid;

use super::project::find_project;
use super::version::{
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
use trail::find_commits;

/// Whose stages to show.
#[derive(Debug)]
pub enum HistoryOptions {
    /// Those of one version: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`. One that was deleted
    /// is found by its name.
    One(Revision),
    /// Those of all versions of the project, of the repository's default one if not named; also of
    /// those that are not in it any more.
    All(Option<ProjectName>),
}

/// One stage that a version had.
#[derive(Debug, Clone, Serialize)]
pub struct StageEntry {
    /// When the version was put in it.
    pub time: Timestamp,
    /// What the version is called, or was called last.
    pub version: Name,
    /// Its project.
    pub project: ProjectName,
    /// What stays the same when the name or the project changes.
    pub uuid: Uuid,
    /// The stage that it was in before; nothing for the first.
    pub from: Option<Name>,
    /// The stage.
    pub to: Name,
    /// Who put it there: `NAME <EMAIL>`.
    pub author: String,
    /// Why, in a word for programs.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// What the project's policy said to it.
    pub verdict: String,
    /// The commit that records it; nothing if that is not in this repository.
    pub commit: Option<Id>,
    /// Whether the version is not in the project any more: deleted, or moved to another one.
    pub deleted: bool,
}

/// The stages asked for.
#[derive(Debug)]
pub struct HistoryOutcome {
    /// The newest first.
    pub entries: Vec<StageEntry>,
    /// Versions that can't be told anything of.
    pub unreadable: Vec<UnreadableVersion>,
}

/// Finds out which stages versions had.
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
    // Of the same second, what is written last came last: that order stays, turned around.
    dated.reverse();
    dated.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    outcome.entries = dated.into_iter().map(|(_, entry)| entry).collect();
    Ok(outcome)
}

/// The stages of one version with the time by which they are ordered: none comes before the one that
/// it followed, whatever a clock that was set back said.
fn in_order(entries: Vec<StageEntry>) -> impl Iterator<Item = (Timestamp, StageEntry)> {
    entries.into_iter().scan(Timestamp::from_seconds(i64::MIN), |latest, entry| {
        *latest = entry.time.max(*latest);
        Some((*latest, entry))
    })
}

/// A version to read: its ref, its newest commit, and whether it is there no more.
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
    // Fails with the nearest name, unless the version was made just now.
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
    // A version under another name, or one that is back, is told of once.
    let uuid = |commit: &Id| Some(read_brief(repo, commit).ok()??.0.record.uuid);
    let mut seen: HashSet<Uuid> = tips.iter().filter_map(|tip| uuid(&tip.commit)).collect();
    for found in removed {
        if uuid(&found.1).is_none_or(|uuid| seen.insert(uuid)) {
            tips.push(tip(found, true));
        }
    }
    Ok(tips)
}

/// Versions that one thread reads between two looks at whether to stop.
const BATCH: usize = 16;

type Entries = Result<Vec<StageEntry>, UnreadableVersion>;

/// Reads the stages of versions, on every core; of each the oldest first.
fn read_all(repo: &Repository, tips: &[Tip], progress: &dyn Progress) -> Result<Vec<Entries>> {
    progress.begin("reading versions", Some(tips.len() as u64), Unit::Items);
    let share = tips.len().div_ceil(repo.settings().threads.max(1)).max(BATCH);
    let read = |tip: &Tip| {
        let error = |error| UnreadableVersion { reference: tip.reference.clone(), error };
        read_one(repo, tip).map_err(error)
    };
    let work = |tips: &[Tip]| -> Result<Vec<Entries>> {
        let mut entries = Vec::new();
        for batch in tips.chunks(BATCH) {
            check_interrupt(progress)?;
            entries.extend(batch.iter().map(read));
            progress.advance(batch.len() as u64);
        }
        Ok(entries)
    };
    let parts = crate::threads::in_parts(&tips.chunks(share).collect::<Vec<_>>(), &work);
    progress.end();
    let mut all = Vec::new();
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}

fn read_one(repo: &Repository, tip: &Tip) -> Result<Vec<StageEntry>> {
    let record = read_version_record(repo, tip.commit)?.ok_or_else(|| {
        let message = format!("the commit {} of {} is no version's", tip.commit, tip.reference);
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
