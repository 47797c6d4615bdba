//! What the sources of an upload come to: counts, what is skipped, what cannot be read.
//!
//! A *file* in a count is a regular file or a symbolic link that is stored; the bytes of a link are
//! those of its target's path. What is left out is in no count but its own.

use serde::Serialize;

use super::place::Placement;
use crate::error::{Error, ErrorKind, Result};
use crate::history::ObjectWriter;
use crate::history::diff::{Change, diff_trees, find_renames};
use crate::id::Id;
use crate::ops::snapshot::Snapshot;
use crate::repo::WorkTree;
use crate::tree_path::TreePath;

/// The most paths that an error names.
const NAMED: usize = 10;

/// How many files differ from those that the run had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FileCounts {
    /// Files and links that the run did not have.
    pub added: u64,
    /// Files and links with another content or mode.
    pub modified: u64,
    /// Files and links that the run has no longer.
    pub deleted: u64,
    /// Files with the same content at another path.
    pub renamed: u64,
}

impl FileCounts {
    /// Counts `changes`; empty directories are no files.
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

    /// Counts what differs from the tree `base` to the tree `tree`, written or not.
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
            // A first upload of millions of files needs no list of them.
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
    /// Its place in the run.
    pub(super) place: TreePath,
    /// Its path from the working directory, for people.
    pub(super) path: String,
    why: String,
    kind: ErrorKind,
}

/// What all sources come to together.
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
    /// Adds what `snapshot` has of `placement`; before its trees are written.
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

    /// What cannot be read: path and why.
    pub(super) fn failed(&self) -> Vec<(String, String)> {
        self.unread.iter().map(|unread| (unread.path.clone(), unread.why.clone())).collect()
    }

    /// The error of an upload that does not go on without what cannot be read.
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
        let is_denied = self.unread.iter().any(|unread| unread.kind == ErrorKind::Unauthorized);
        let kind = if is_denied { ErrorKind::Unauthorized } else { ErrorKind::Refused };
        Err(Error::new(kind, format!("cannot read {paths}; nothing was uploaded"))
            .with_source(lines.join("\n"))
            .with_hint("make the paths readable, or leave them out: art upload --keep-going"))
    }
}
