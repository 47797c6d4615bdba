//! Plans an upload without writing anything, for `--dry-run` and `art status`.

use std::cell::OnceCell;
use std::io::Read;

use serde::Serialize;

use super::UploadOptions;
use super::edits::{ReadSource, apply_edits};
use super::place::{Placement, plan_placements};
use super::tally::{FileCounts, Tally};
use crate::catalog::run::{RunTarget, prepare_run};
use crate::catalog::snapshot::NewContent;
use crate::error::{Error, IoResultExt, Result};
use crate::history::diff::{Change, diff_trees, find_renames};
use crate::history::{EntryMode, ObjectWriter};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::progress::{Progress, Unit};
use crate::repo::{Repository, WorkTree};
use crate::tree_path::TreePath;

/// The maximum number of bytes that are read from standard input without storing them: 64 MiB.
const INPUT_LIMIT: u64 = 64 << 20;

/// The differences from a tree, and the cost of storing them.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Survey {
    /// The differences, by path. An unchanged file at a new path is one rename.
    pub changes: Vec<Change>,
    /// The numbers of changed files in the run.
    #[serde(flatten)]
    pub changed: FileCounts,
    /// The number of uploaded files and links.
    pub files: u64,
    /// Their total size, in bytes.
    pub bytes: u64,
    /// The number of files to read, because the stat cache does not know them.
    pub read_files: u64,
    /// Their total size, in bytes.
    pub read_bytes: u64,
    /// The number of contents that the store lacks, without duplicates.
    pub new_contents: u64,
    /// Their total size in bytes, before deduplication of chunks and compression.
    pub new_bytes: u64,
    /// The number of ignored entries.
    pub ignored: u64,
    /// Entries that cannot be stored: the path from the working directory, and the kind of entry.
    pub skipped: Vec<(String, String)>,
    /// Paths that could not be read: the path from the working directory, and the reason. No change
    /// includes them.
    pub failed: Vec<(String, String)>,
}

/// The planned upload.
#[derive(Debug, Clone, Serialize)]
pub struct UploadPlan {
    /// The run. `None` for a new run, whose name is generated later.
    pub run: Option<Name>,
    /// The run's project.
    pub project: ProjectName,
    /// The changes of the run, and the content to store.
    #[serde(flatten)]
    pub survey: Survey,
}

/// Plans an [`upload`](super::upload()), and fails if the upload would fail. Writes nothing, so
/// that it works in a read-only repository.
///
/// Reads at most 64 MiB of standard input.
pub fn plan_upload(
    repo: &Repository,
    options: &UploadOptions,
    input: &mut dyn Read,
    progress: &dyn Progress,
) -> Result<UploadPlan> {
    // The plan does not show the source of a new run, so the search is skipped.
    let wanted = RunTarget { source: OnceCell::from(None), ..options.wanted() };
    let run = prepare_run(repo, &wanted)?;
    let (survey, tally) = survey_all(repo, options, run.artifacts, input, progress)?;
    if !options.keep_going {
        tally.refuse()?;
    }
    Ok(UploadPlan {
        run: (!run.created).then(|| run.reference.name().clone()),
        project: run.reference.project().clone(),
        survey,
    })
}

/// Compares the sources of an upload with the artifacts `base`. No change includes an unreadable
/// path, because the run keeps its existing entry.
pub(crate) fn survey(
    repo: &Repository,
    options: &UploadOptions,
    base: Option<Id>,
    progress: &dyn Progress,
) -> Result<Survey> {
    survey_all(repo, options, base, &mut std::io::empty(), progress).map(|(survey, _)| survey)
}

fn survey_all(
    repo: &Repository,
    options: &UploadOptions,
    base: Option<Id>,
    input: &mut dyn Read,
    progress: &dyn Progress,
) -> Result<(Survey, Tally)> {
    let work_tree = repo.work_tree(&options.cwd);
    let mut surveyor = Surveyor {
        repo,
        options,
        progress,
        work_tree,
        tally: Tally::default(),
        taken: Vec::new(),
        new_content: NewContent::default(),
    };
    let mut writer = repo.history().trial_writer()?;
    for placement in &plan_placements(repo, options)? {
        match placement {
            Placement::Input { to } => surveyor.look_at_input(to, input)?,
            _ => surveyor.look_at(placement, &mut writer)?,
        }
    }
    let Surveyor { tally, taken, new_content, .. } = surveyor;
    let tree = apply_edits(&mut writer, base, &taken, &tally.unread, options.merge)?;
    let changes = find_renames(diff_trees(&writer, base, Some(tree))?, None)?;
    progress.end();
    let survey = Survey {
        changed: FileCounts::of(&changes),
        changes,
        files: tally.files,
        bytes: tally.bytes,
        read_files: tally.read_files,
        read_bytes: tally.read_bytes,
        new_contents: new_content.count(),
        new_bytes: new_content.bytes,
        ignored: tally.ignored,
        skipped: tally.skipped.clone(),
        failed: tally.failed(),
    };
    Ok((survey, tally))
}

struct Surveyor<'a> {
    repo: &'a Repository,
    options: &'a UploadOptions,
    progress: &'a dyn Progress,
    work_tree: WorkTree,
    tally: Tally,
    taken: Vec<ReadSource>,
    new_content: NewContent,
}

impl Surveyor<'_> {
    fn look_at(&mut self, placement: &Placement, writer: &mut ObjectWriter<'_>) -> Result<()> {
        let mut snapshot = match placement.snapshot(self.repo, self.options, self.progress) {
            Err(error) if self.options.can_leave_out(&error) => {
                self.tally.add_unread(&self.work_tree, placement, &error);
                return Ok(());
            }
            Err(error) => return Err(error),
            Ok(None) => return Ok(()),
            Ok(Some(snapshot)) => snapshot,
        };
        snapshot.hash(self.repo, self.progress)?;
        snapshot.add_new_content(self.repo, &mut self.new_content)?;
        self.tally.add(&self.work_tree, placement, &snapshot)?;
        let entry = placement.entry(&mut snapshot, writer)?;
        self.taken.extend(entry.map(|(mode, id)| (placement.to().clone(), mode, id)));
        Ok(())
    }

    fn look_at_input(&mut self, to: &TreePath, input: &mut dyn Read) -> Result<()> {
        let (id, bytes) = hash_input(input, self.progress)?;
        self.taken.push((to.clone(), EntryMode::File, id));
        let tally = &mut self.tally;
        tally.files += 1;
        tally.bytes += bytes;
        tally.read_files += 1;
        tally.read_bytes += bytes;
        if !self.repo.content().is_indexed(&id)? {
            self.new_content.add(id, bytes);
        }
        Ok(())
    }
}

/// Returns the id and the size of standard input, whose length is known only at the end.
fn hash_input(input: &mut dyn Read, progress: &dyn Progress) -> Result<(Id, u64)> {
    progress.begin("reading", None, Unit::Bytes);
    let mut bytes = Vec::new();
    input.take(INPUT_LIMIT + 1).read_to_end(&mut bytes).on("read", "standard input")?;
    if bytes.len() as u64 > INPUT_LIMIT {
        return Err(Error::invalid("standard input exceeds 64 MiB, the limit of a dry run")
            .with_hint("write it to a file, or omit --dry-run"));
    }
    progress.advance(bytes.len() as u64);
    Ok((Id::of_blob(&bytes), bytes.len() as u64))
}
