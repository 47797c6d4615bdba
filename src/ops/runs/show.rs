//! `art runs show`: shows everything about one run.

use std::collections::BTreeMap;

use bstr::BString;
use serde::{Serialize, Serializer};

use super::pins::{Pin, pinning_tags, pinning_versions};
use crate::catalog::run::find_run;
use crate::catalog::version::{read_versions, version_refs};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::history::{EntryMode, Visit};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::progress::{Progress, Unit, check_interrupt};
use crate::record::{Record, RunRecord};
use crate::repo::Repository;
use crate::sync::Sizes;
use crate::tree_path::TreePath;

/// The details of a run.
#[derive(Debug, Serialize)]
pub struct RunDetails {
    /// The record.
    #[serde(flatten, serialize_with = "as_json")]
    pub record: RunRecord,
    /// The project.
    pub project: ProjectName,
    /// True if the run is the current run.
    pub current: bool,
    /// The newest commit.
    pub commit: Id,
    /// The author of that commit, as `NAME <EMAIL>`.
    pub author: String,
    /// When that commit was created.
    pub updated_at: Timestamp,
    /// The versions of the run.
    pub versions: Vec<Pin>,
    /// The tags that point at commits of the run.
    pub tag_refs: Vec<Pin>,
    /// The artifacts, summarized.
    pub artifacts: ArtifactsSummary,
}

fn as_json<S: Serializer>(record: &RunRecord, serializer: S) -> Result<S::Ok, S::Error> {
    record.to_json().map_err(serde::ser::Error::custom)?.serialize(serializer)
}

/// The number and the size of a run's artifacts.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ArtifactsSummary {
    /// The tree. `None` if nothing was uploaded.
    pub tree: Option<Id>,
    /// The number of files and links.
    pub files: u64,
    /// The total size of the files and links, in bytes. The size of a link is that of its target's path.
    pub bytes: u64,
    /// The number of files whose content is missing locally. Their size is not counted.
    pub missing: u64,
    /// The top-level entries in tree order, at most [`ArtifactsSummary::MAX_ENTRIES`].
    pub entries: Vec<TopEntry>,
    /// The number of omitted entries.
    pub more: u64,
}

impl ArtifactsSummary {
    /// The maximum number of listed entries.
    pub const MAX_ENTRIES: usize = 100;
}

/// A top-level entry of a run's artifacts.
#[derive(Debug, Clone, Serialize)]
pub struct TopEntry {
    /// The name.
    pub name: TreePath,
    /// The mode.
    pub mode: EntryMode,
    /// The id of the blob or tree.
    pub id: Id,
    /// The number of files and links inside; 1 for a file.
    pub files: u64,
    /// The total size of the files, in bytes.
    pub bytes: u64,
}

/// Collects everything about a run. Defaults to the current run.
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

/// Counts and measures the contents of a tree.
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
        let bytes = sizes.find(&entry.id)?;
        summary.missing += u64::from(bytes.is_none());
        summary.files += 1;
        let bytes = bytes.unwrap_or_default();
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
