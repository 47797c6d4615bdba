//! The totals of an upload: counts, skipped entries and unreadable paths.
//!
//! In a count, a *file* is a stored regular file or symbolic link. The size of a link is the length
//! of its target's path. Skipped entries appear only in their own count.

use serde::Serialize;

use super::place::Placement;
use crate::catalog::snapshot::Snapshot;
use crate::error::{Error, ErrorKind, Result};
use crate::history::ObjectWriter;
use crate::history::diff::{Change, diff_trees, find_renames};
use crate::id::Id;
use crate::repo::WorkTree;
use crate::tree_path::TreePath;

/// The maximum number of paths in an error.
const NAMED: usize = 10;

/// The numbers of files that changed in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FileCounts {
    /// New files and links.
    pub added: u64,
    /// Files and links with a different content or mode.
    pub modified: u64,
    /// Files and links that the run no longer has.
    pub deleted: u64,
    /// Files that moved to another path with the same content.
    pub renamed: u64,
}

impl FileCounts {
    /// Counts `changes`, without empty directories.
    pub(crate) fn of(changes: &[Change]) -> Self {
        let mut counts = FileCounts::default();
        for change in changes {
            let sides = [change.before(), change.after()];
            if sides.into_iter().flatten().all(|side| side.mode.is_directory()) {
                continue;
            }
            *match change {
                Change::Added { .. } => &mut counts.added,
                Change::Modified { .. } => &mut counts.modified,
                Change::Deleted { .. } => &mut counts.deleted,
                Change::Renamed { .. } => &mut counts.renamed,
            } += 1;
        }
        counts
    }

    /// Counts the changes from the tree `base` to the tree `tree`, which may be unwritten.
    pub(super) fn between(
        writer: &ObjectWriter<'_>,
        base: Option<Id>,
        tree: Id,
    ) -> Result<FileCounts> {
        match base.filter(|base| *base != Id::EMPTY_TREE) {
            Some(base) => {
                let changes = diff_trees(writer, Some(base), Some(tree))?;
                Ok(FileCounts::of(&find_renames(changes, None)?))
            }
            // A first upload of millions of files needs no list of changes.
            None => Ok(FileCounts { added: count_files(writer, tree)?, ..FileCounts::default() }),
        }
    }
}

fn count_files(writer: &ObjectWriter<'_>, tree: Id) -> Result<u64> {
    let mut files = 0;
    let mut trees = vec![tree];
    while let Some(tree) = trees.pop() {
        for entry in writer.read_tree(&tree)? {
            if entry.mode.is_directory() {
                trees.push(entry.id);
            } else {
                files += 1;
            }
        }
    }
    Ok(files)
}

/// A file or directory that cannot be read.
#[derive(Debug, Clone)]
pub(super) struct Unread {
    /// The path in the run.
    pub(super) place: TreePath,
    /// The path from the working directory, for display.
    pub(super) path: String,
    why: String,
    kind: ErrorKind,
}

/// The totals of all sources.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) read_files: u64,
    pub(super) read_bytes: u64,
    pub(super) ignored: u64,
    pub(super) skipped: Vec<(String, String)>,
    pub(super) unread: Vec<Unread>,
}

impl Tally {
    /// Adds `snapshot`, which belongs to `placement`. Must be called before its trees are written.
    pub(super) fn add(
        &mut self,
        work_tree: &WorkTree,
        placement: &Placement,
        snapshot: &Snapshot,
    ) -> Result<()> {
        let (files, bytes) = snapshot.count();
        self.files += files;
        self.bytes += bytes;
        self.read_files += snapshot.read_files;
        self.read_bytes += snapshot.read_bytes;
        self.ignored += snapshot.walk.ignored;
        for skipped in snapshot.skipped() {
            self.skipped.push((placement.shown(work_tree, &skipped.path), skipped.what.to_owned()));
        }
        let mut failed: Vec<_> = snapshot.failed.iter().collect();
        failed.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (path, error) in failed {
            let place = match placement {
                Placement::Directory { to, .. } => to.join_path(&TreePath::parse(path)?),
                _ => placement.to().clone(),
            };
            self.fail(place, placement.shown(work_tree, path), error);
        }
        Ok(())
    }

    /// Adds a source that cannot be read at all.
    pub(super) fn add_unread(
        &mut self,
        work_tree: &WorkTree,
        placement: &Placement,
        error: &Error,
    ) {
        self.fail(placement.to().clone(), placement.shown(work_tree, b""), error);
    }

    fn fail(&mut self, place: TreePath, path: String, error: &Error) {
        let why = error.causes().pop().unwrap_or_else(|| error.to_string());
        self.unread.push(Unread { place, path, why, kind: error.kind() });
    }

    /// The unreadable paths, with the reasons.
    pub(super) fn failed(&self) -> Vec<(String, String)> {
        self.unread.iter().map(|unread| (unread.path.clone(), unread.why.clone())).collect()
    }

    /// Fails if any path cannot be read.
    pub(super) fn refuse(&self) -> Result<()> {
        let count = self.unread.len();
        if count == 0 {
            return Ok(());
        }
        let paths = if count == 1 { "1 path" } else { &format!("{count} paths") };
        let named = self.unread.iter().take(NAMED);
        let mut lines: Vec<String> =
            named.map(|unread| format!("{}: {}", unread.path, unread.why)).collect();
        if count > NAMED {
            lines.push(format!("and {} more", count - NAMED));
        }
        let has = |kind| self.unread.iter().any(|unread| unread.kind == kind);
        let kinds = [ErrorKind::Unauthorized, ErrorKind::Unavailable];
        let kind = kinds.into_iter().find(|kind| has(*kind)).unwrap_or(ErrorKind::Refused);
        let hint = match kind {
            ErrorKind::Unavailable => {
                "upload again when no program writes the files, or skip them: art upload --keep-going"
            }
            _ => "make the paths readable, or skip them: art upload --keep-going",
        };
        Err(Error::new(kind, format!("cannot read {paths}; nothing was uploaded"))
            .with_source(lines.join("\n"))
            .with_hint(hint))
    }
}
