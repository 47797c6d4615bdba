//! What an upload would do, found out without writing anything: for `--dry-run` and `art status`.

use std::cell::OnceCell;
use std::io::Read;

use serde::Serialize;

use super::edits::apply_edits;
use super::place::{Placement, plan_placements};
use super::{UploadOptions, refuse};
use crate::error::{Error, IoResultExt, Result};
use crate::history::diff::{Change, diff_trees, find_renames};
use crate::history::{EntryMode, ObjectWriter};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::ops::run::{Wanted, prepare_run};
use crate::ops::snapshot::{Need, Snapshot};
use crate::progress::{Progress, Unit};
use crate::repo::Repository;
use crate::tree_path::{TreePath, escaped};

/// The most bytes that are taken from standard input without storing them: 64 MiB.
const INPUT_LIMIT: u64 = 64 << 20;

/// What differs from a tree, and what storing that would take.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Survey {
    /// The differences from what is there, by path; what moved unchanged is one rename.
    pub changes: Vec<Change>,
    /// Files found.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that are read, because the stat cache does not know them.
    pub read_files: u64,
    /// Their bytes.
    pub read_bytes: u64,
    /// Contents that the store lacks, each counted once.
    pub new_contents: u64,
    /// Their bytes, before chunks are shared and compressed.
    pub new_bytes: u64,
    /// Entries that ignore files leave out.
    pub ignored: u64,
    /// What can't be stored: path and what it is.
    pub skipped: Vec<(String, String)>,
    /// What could not be read: path and why.
    pub failed: Vec<(String, String)>,
}

/// What an upload would do.
#[derive(Debug, Clone, Serialize)]
pub struct UploadPlan {
    /// The run; none if one would be made, because its name is chosen then.
    pub run: Option<Name>,
    /// Its project.
    pub project: ProjectName,
    /// What would change in it, and be stored.
    #[serde(flatten)]
    pub survey: Survey,
}

/// Finds out what [`upload`](super::upload()) would do, and fails where it would. Writes nothing, so
/// the repository may be one that can only be read.
///
/// Of standard input it takes 64 MiB at most.
pub fn plan_upload(
    repo: &Repository,
    options: &UploadOptions,
    input: &mut dyn Read,
    progress: &dyn Progress,
) -> Result<UploadPlan> {
    // Of a run that would be made, nobody asks where its code is from.
    let wanted = Wanted { source: OnceCell::from(None), ..options.wanted() };
    let run = prepare_run(repo, &wanted)?;
    let survey = survey(repo, options, run.artifacts, input, progress)?;
    if !survey.failed.is_empty() && !options.keep_going {
        return Err(refuse(&survey.failed));
    }
    Ok(UploadPlan {
        run: (!run.created).then(|| run.reference.name().clone()),
        project: run.reference.project().clone(),
        survey,
    })
}

/// Compares what an upload would take in with the artifacts `base`. What can't be read is in no
/// change, unless the upload would go on without it.
pub(crate) fn survey(
    repo: &Repository,
    options: &UploadOptions,
    base: Option<Id>,
    input: &mut dyn Read,
    progress: &dyn Progress,
) -> Result<Survey> {
    let mut surveyor = Surveyor { repo, options, progress, found: Found::default() };
    let mut writer = repo.history().trial_writer()?;
    for placement in &plan_placements(options)? {
        if !options.no_ignore {
            placement.refuse_ignored(repo)?;
        }
        match placement {
            Placement::Input { to } => surveyor.look_at_input(to, input)?,
            _ => surveyor.look_at(placement, &mut writer)?,
        }
    }
    let Found { mut survey, edits, need, unread } = surveyor.found;
    let tree = apply_edits(&mut writer, base, &edits, options.merge)?;
    let mut changes = diff_trees(&writer, base, Some(tree))?;
    if !options.keep_going && !unread.is_empty() {
        changes.retain(|change| !unread.iter().any(|path| change.path().starts_with(path)));
    }
    survey.changes = find_renames(changes, None)?;
    survey.new_contents = need.count();
    survey.new_bytes = need.bytes;
    progress.end();
    Ok(survey)
}

struct Surveyor<'a> {
    repo: &'a Repository,
    options: &'a UploadOptions,
    progress: &'a dyn Progress,
    found: Found,
}

/// What is known of all sources together.
#[derive(Default)]
struct Found {
    survey: Survey,
    edits: Vec<(TreePath, EntryMode, Id)>,
    need: Need,
    /// The places in the tree of what could not be read.
    unread: Vec<TreePath>,
}

impl Surveyor<'_> {
    fn look_at(&mut self, placement: &Placement, writer: &mut ObjectWriter<'_>) -> Result<()> {
        let mut snapshot = match placement {
            Placement::File { parent, name, .. } => Snapshot::of_entry(self.repo, parent, name)?,
            Placement::Directory { root, .. } => {
                Snapshot::take(self.repo, root, self.options.ignores(), self.progress)?
            }
            Placement::Input { .. } => return Ok(()),
        };
        snapshot.hash(self.repo, self.progress)?;
        let Found { survey, edits, need, unread } = &mut self.found;
        snapshot.add_need(self.repo, need)?;
        for (path, _) in &snapshot.failed {
            unread.push(match placement {
                Placement::Directory { to, .. } => to.join_path(&TreePath::parse(path)?),
                _ => placement.to().clone(),
            });
        }
        let entry = placement.entry(&mut snapshot, writer)?;
        edits.extend(entry.map(|(mode, id)| (placement.to().clone(), mode, id)));
        survey.files += snapshot.walk.files;
        survey.bytes += snapshot.walk.bytes;
        survey.read_files += snapshot.read_files;
        survey.read_bytes += snapshot.read_bytes;
        survey.ignored += snapshot.walk.ignored;
        survey.failed.extend(snapshot.failures());
        let skipped = snapshot.skipped().iter();
        survey
            .skipped
            .extend(skipped.map(|skipped| (escaped(&skipped.path), skipped.what.to_owned())));
        Ok(())
    }

    fn look_at_input(&mut self, to: &TreePath, input: &mut dyn Read) -> Result<()> {
        let (id, bytes) = hash_input(input, self.progress)?;
        self.found.edits.push((to.clone(), EntryMode::File, id));
        let survey = &mut self.found.survey;
        survey.files += 1;
        survey.bytes += bytes;
        survey.read_files += 1;
        survey.read_bytes += bytes;
        if !self.repo.content().is_indexed(&id)? {
            self.found.need.add(id, bytes);
        }
        Ok(())
    }
}

/// The id of standard input, whose length is known only at its end, and its bytes.
fn hash_input(input: &mut dyn Read, progress: &dyn Progress) -> Result<(Id, u64)> {
    progress.begin("reading", None, Unit::Bytes);
    let mut bytes = Vec::new();
    input.take(INPUT_LIMIT + 1).read_to_end(&mut bytes).on("read", "standard input")?;
    if bytes.len() as u64 > INPUT_LIMIT {
        return Err(Error::invalid("standard input has more than 64 MiB, too much for a dry run")
            .with_hint("put it in a file, or leave --dry-run out"));
    }
    progress.advance(bytes.len() as u64);
    Ok((Id::of_blob(&bytes), bytes.len() as u64))
}
