//! `art runs show`: all that is known of one run.

use std::collections::BTreeMap;

use bstr::BString;
use serde::{Serialize, Serializer};

use super::pins::{Pin, pinning_tags, pinning_versions};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::history::{EntryMode, Visit};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::ops::run::find_run;
use crate::ops::sync::Sizes;
use crate::ops::version::{read_versions, version_refs};
use crate::progress::{Progress, Unit, check_interrupt};
use crate::record::{Record, RunRecord};
use crate::repo::Repository;
use crate::tree_path::TreePath;

/// One run.
#[derive(Debug, Serialize)]
pub struct RunDetails {
    /// Its record.
    #[serde(flatten, serialize_with = "as_json")]
    pub record: RunRecord,
    /// Its project.
    pub project: ProjectName,
    /// Whether it is the current run.
    pub current: bool,
    /// Its newest commit.
    pub commit: Id,
    /// Who made that, as `NAME <EMAIL>`.
    pub author: String,
    /// When that was made.
    pub updated_at: Timestamp,
    /// The versions made from it.
    pub versions: Vec<Pin>,
    /// The tags that point at one of its commits.
    pub tag_refs: Vec<Pin>,
    /// What it holds.
    pub artifacts: ArtifactsSummary,
}

fn as_json<S: Serializer>(record: &RunRecord, serializer: S) -> Result<S::Ok, S::Error> {
    record.to_json().map_err(serde::ser::Error::custom)?.serialize(serializer)
}

/// What a run holds, in figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ArtifactsSummary {
    /// The tree; absent if nothing was uploaded.
    pub tree: Option<Id>,
    /// Files and links.
    pub files: u64,
    /// The bytes of the files.
    pub bytes: u64,
    /// Files whose content is not in this repository; their bytes are not counted.
    pub missing: u64,
    /// What stands at the top, in the tree's order, at most [`ArtifactsSummary::MAX_ENTRIES`].
    pub entries: Vec<TopEntry>,
    /// How many more stand there.
    pub more: u64,
}

impl ArtifactsSummary {
    /// So many entries at most are named.
    pub const MAX_ENTRIES: usize = 100;
}

/// An entry at the top of a run's artifacts.
#[derive(Debug, Clone, Serialize)]
pub struct TopEntry {
    /// Its name.
    pub name: TreePath,
    /// What it is.
    pub mode: EntryMode,
    /// The blob or tree.
    pub id: Id,
    /// Files and links in it; 1 for a file.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Finds out all about a run, the current one if not named.
pub fn show(
    repo: &Repository,
    project: Option<&ProjectName>,
    run: Option<&Name>,
    progress: &dyn Progress,
) -> Result<RunDetails> {
    let run = find_run(repo, project, run)?;
    let all = read_versions(repo, version_refs(repo, None)?, progress)?.versions;
    let versions = pinning_versions(&all, run.record.uuid);
    let tag_refs = pinning_tags(repo, &run)?;
    let artifacts = match run.artifacts {
        Some(tree) => summarize(repo, tree, progress)?,
        None => ArtifactsSummary::default(),
    };
    Ok(RunDetails {
        project: run.reference.project().clone(),
        current: repo.current_run()?.as_ref() == Some(&run.reference),
        commit: run.commit,
        author: format!("{} <{}>", run.author.name, run.author.email),
        updated_at: run.author.time,
        versions,
        tag_refs,
        artifacts,
        record: run.record,
    })
}

/// Counts what is in a tree.
fn summarize(repo: &Repository, tree: Id, progress: &dyn Progress) -> Result<ArtifactsSummary> {
    let mut summary = ArtifactsSummary { tree: Some(tree), ..ArtifactsSummary::default() };
    let mut places: BTreeMap<BString, usize> = BTreeMap::new();
    let mut sizes = Sizes::new(repo);
    progress.begin("counting", None, Unit::Items);
    repo.history().visit_tree(&tree, &mut |path, entry| {
        check_interrupt(progress)?;
        if path.components().count() == 1 {
            if summary.entries.len() < ArtifactsSummary::MAX_ENTRIES {
                places.insert(entry.name.clone(), summary.entries.len());
                summary.entries.push(TopEntry {
                    name: path.clone(),
                    mode: entry.mode,
                    id: entry.id,
                    files: 0,
                    bytes: 0,
                });
            } else {
                summary.more += 1;
            }
        }
        if entry.mode.is_directory() {
            return Ok(Visit::Enter);
        }
        let bytes = match sizes.find(&entry.id)? {
            _ if entry.mode == EntryMode::Symlink => 0,
            Some(bytes) => bytes,
            None => {
                summary.missing += 1;
                0
            }
        };
        summary.files += 1;
        summary.bytes += bytes;
        let top = path.components().next().and_then(|top| places.get(top));
        if let Some(top) = top.and_then(|at| summary.entries.get_mut(*at)) {
            top.files += 1;
            top.bytes += bytes;
        }
        progress.advance(1);
        Ok(Visit::Enter)
    })?;
    progress.end();
    Ok(summary)
}
