//! `art diff`: compares two revisions, or a revision and a directory: their files, the contents,
//! and the fields of the records.

mod contents;
mod endpoint;
mod fields;
mod hunks;
mod likeness;
mod patch;
mod sizes;

use std::path::PathBuf;

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::revision::Resolved;
use crate::error::Result;
use crate::history::diff::{Change, DiffSide, diff_trees, find_renames};
use crate::id::Id;
use crate::progress::Progress;
use crate::repo::Repository;
use crate::sync::fetch_missing;
use crate::tree_path::TreePath;

use contents::Contents;
pub use endpoint::{Endpoint, EndpointName};
use endpoint::{ResolvedEndpoint, find_both};
pub use fields::FieldChange;
use likeness::Likeness;
pub use patch::{Shown, quote};
pub use sizes::FileSizes;

/// The two sides to compare.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct DiffOptions {
    /// The directory that relative paths start from; absolute.
    #[setters(into)]
    pub cwd: PathBuf,
    /// The old side.
    pub from: Endpoint,
    /// The new side.
    pub to: Endpoint,
    /// Compares only these paths and the paths below them. If empty, compares everything. Paths
    /// start at `cwd`, or at the compared path or directory if a side names one.
    #[setters(into)]
    pub paths: Vec<PathBuf>,
    /// Allows the content of a disabled version.
    pub allow_disabled: bool,
}

impl DiffOptions {
    /// Creates options that compare `from` with `to`. Relative paths start at `cwd`.
    pub fn new(cwd: impl Into<PathBuf>, from: Endpoint, to: Endpoint) -> Self {
        DiffOptions { cwd: cwd.into(), from, to, paths: Vec::new(), allow_disabled: false }
    }
}

/// The differences.
#[derive(Debug, Clone, Serialize)]
pub struct DiffOutcome {
    /// The old side.
    pub from: EndpointName,
    /// The new side.
    pub to: EndpointName,
    /// The fields of the records that differ, if both sides are whole revisions.
    pub record: Vec<FieldChange>,
    /// The changed files, links and empty directories, by path.
    pub changes: Vec<Change>,
    /// Paths that could not be read, each with the reason. No change includes them.
    pub failed: Vec<(String, String)>,
}

/// A comparison: the differences, and access to the contents.
pub struct Comparison<'a> {
    outcome: DiffOutcome,
    contents: Contents<'a>,
    likeness: Likeness,
    /// The revisions that need [`Resolved::check_content`] before their content is read.
    unchecked: Vec<Resolved>,
    allow_disabled: bool,
}

/// Compares two sides, without writing anything.
///
/// Renames are detected by equal bytes and, for up to 10,000 pairs and a bounded number of bytes,
/// by similarity. Files of at most 1 MiB are compared by lines, as in Git. Larger files are
/// compared by common chunks.
pub fn diff<'a>(
    repo: &'a Repository,
    options: &DiffOptions,
    progress: &dyn Progress,
) -> Result<Comparison<'a>> {
    let mut writer = repo.history().trial_writer()?;
    let only = options.places(repo)?;
    let (from, to) = find_both(repo, options, &mut writer, progress)?;
    let mut changes = diff_trees(&writer, from.tree, to.tree)?;
    let unread: Vec<TreePath> = from.unread.iter().chain(&to.unread).cloned().collect();
    let is_at = |change: &Change, paths: &[TreePath]| {
        paths.iter().any(|path| change.path().starts_with(path))
    };
    changes.retain(|change| (only.is_empty() || is_at(change, &only)) && !is_at(change, &unread));
    let mut contents = Contents::new(repo);
    for (found, side) in
        [(&from, Change::before as fn(&Change) -> Option<DiffSide>), (&to, Change::after)]
    {
        if let Some(root) = &found.root {
            contents.add_directory(root, &changes, side)?;
        }
    }
    let mut likeness = Likeness::default();
    let changes = find_renames(
        changes,
        Some(&mut |old, new| likeness.percent(&mut contents, &old.id, &new.id, progress)),
    )?;
    progress.end();
    let record = if only.is_empty() { fields_of(&from, &to) } else { Vec::new() };
    let unchecked = from.revision.into_iter().chain(to.revision).collect();
    let failed = from.failed.into_iter().chain(to.failed).collect();
    let outcome = DiffOutcome { from: from.name, to: to.name, record, changes, failed };
    let allow_disabled = options.allow_disabled;
    Ok(Comparison { outcome, contents, likeness, unchecked, allow_disabled })
}

impl DiffOptions {
    /// The paths to compare, from the root of the compared trees.
    fn places(&self, repo: &Repository) -> Result<Vec<TreePath>> {
        let is_narrowed = [&self.from, &self.to].into_iter().any(|endpoint| match endpoint {
            Endpoint::Revision(revision) => !revision.path().is_root(),
            Endpoint::Directory(_) => true,
            Endpoint::WorkTree => false,
        });
        let work_tree = repo.work_tree(&self.cwd);
        let place = |path: &PathBuf| {
            if is_narrowed { TreePath::from_path(path) } else { work_tree.place(path) }
        };
        self.paths.iter().map(place).collect()
    }
}

fn fields_of(from: &ResolvedEndpoint, to: &ResolvedEndpoint) -> Vec<FieldChange> {
    match (&from.record, &to.record) {
        (Some(from), Some(to)) => fields::changes(from, to),
        _ => Vec::new(),
    }
}

impl Comparison<'_> {
    /// Fetches the contents of changed files that are missing locally.
    ///
    /// Fails with [`Policy`](crate::ErrorKind::Policy) if a side is a disabled version, unless the
    /// options allow it.
    pub fn bring_contents(&mut self, progress: &dyn Progress) -> Result<()> {
        self.check_content()?;
        let sides = self.outcome.changes.iter().flat_map(|one| [one.before(), one.after()]);
        let files = sides.flatten().filter(|side| !side.mode.is_directory());
        let ids: Vec<Id> =
            files.map(|side| side.id).filter(|id| !self.contents.is_in_directory(id)).collect();
        fetch_missing(self.contents.repo(), &ids, progress)
    }

    /// Refuses the content of a disabled version. Checks each revision once.
    fn check_content(&mut self) -> Result<()> {
        while let Some(revision) = self.unchecked.last() {
            revision.check_content(self.contents.repo(), self.allow_disabled)?;
            self.unchecked.pop();
        }
        Ok(())
    }

    /// The differences.
    pub fn outcome(&self) -> &DiffOutcome {
        &self.outcome
    }
}
