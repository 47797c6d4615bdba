//! `art log`: shows the commits of a history, newest first.

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::Author;
use crate::catalog::changes::{ChangeCount, FileChange, Total, compare, total};
use crate::catalog::revision::{RecordContents, RecordKind, resolve};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::history::diff::{Change, find_renames};
use crate::history::{Commit, Expiry, RecordTree, RefNames, Revision, find_own_expiration};
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::progress::{Progress, check_interrupt};
use crate::repo::Repository;
use crate::sync::Sizes;
use crate::tree_path::TreePath;

/// The maximum number of counted changes per commit, unless all changes are requested. A commit
/// with a million files must not delay the next one.
pub const COUNT_LIMIT: usize = 10_000;

/// The commits to show, and their details.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct LogOptions {
    /// The start of the log, instead of the current run. With a path, only commits that changed
    /// this path are shown.
    #[setters(into)]
    pub revision: Option<Revision>,
    /// Shows only commits that changed one of these paths. Follows renames of equal content.
    #[setters(into)]
    pub paths: Vec<TreePath>,
    /// Starts from all refs as well.
    pub all: bool,
    /// Shows no parent before all of its children, and keeps lines of history together. Otherwise,
    /// the order is by time.
    pub topological: bool,
    /// The maximum number of commits.
    #[setters(into)]
    pub limit: Option<usize>,
    /// Names each changed file, counts every change, and totals the files of each commit.
    pub stat: bool,
    /// The maximum number of refs per commit.
    pub max_refs: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            revision: None,
            paths: Vec::new(),
            all: false,
            topological: false,
            limit: None,
            stat: false,
            max_refs: usize::MAX,
        }
    }
}

/// One commit of a log.
#[derive(Debug, Clone, Serialize)]
pub struct LogEntry {
    /// The id of the commit.
    pub commit: Id,
    /// The parents. The previous commit of the same record comes first.
    pub parents: Vec<Id>,
    /// The refs that point at the commit. The ref of the current run comes first.
    pub refs: Vec<RefName>,
    /// The number of refs that were omitted.
    pub more_refs: usize,
    /// True if the commit is the newest one of the current run.
    pub is_head: bool,
    /// The author.
    pub author: Author,
    /// When the commit was recorded.
    pub time: Timestamp,
    /// The complete message.
    pub message: String,
    /// The kind of record in the commit, if it can be read.
    pub kind: Option<RecordKind>,
    /// The changes of the artifacts compared with the first parent, if they can be read.
    pub changes: Option<ChangeCount>,
    /// True if the commit changed the record.
    pub record_changed: bool,
    /// True if the content of the commit expired.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
    /// The totals of the artifacts, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Total>,
    /// The changed files, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<FileChange>>,
}

/// The summary of a shown log.
#[derive(Debug, Serialize)]
pub struct LogOutcome {
    /// The number of shown commits.
    pub commits: u64,
    /// True if the repository has no commits.
    pub is_empty: bool,
    /// The first read error, if some commits or refs could not be shown.
    #[serde(skip)]
    pub damage: Option<Error>,
}

/// Passes commits to `show`, newest first, as they are read.
///
/// Skips unreadable commits. The outcome contains the first error.
pub fn log(
    repo: &Repository,
    options: &LogOptions,
    show: &mut dyn FnMut(&LogEntry) -> Result<()>,
    progress: &dyn Progress,
) -> Result<LogOutcome> {
    let (names, damaged) = repo.history().list_ref_names("refs/")?;
    let is_empty = names.is_empty() && damaged.is_empty();
    let mut outcome = LogOutcome { commits: 0, is_empty, damage: None };
    if outcome.is_empty && options.revision.is_none() {
        return Ok(outcome);
    }
    let (starts, mut paths) = find_starts(repo, options, &names)?;
    let mut describer = Describer {
        expiry: find_expiry(repo, &starts)?,
        repo,
        options,
        head: find_head(repo)?,
        names,
        sizes: Sizes::new(repo),
        last_parent: None,
        failed: damaged.into_iter().next(),
        progress,
    };
    let history = repo.history();
    let mut commits: Box<dyn Iterator<Item = Result<(Id, Commit)>>> = if options.topological {
        Box::new(history.topological_log(&starts, progress)?)
    } else {
        Box::new(history.log(&starts))
    };
    while options.limit.is_none_or(|limit| outcome.commits < limit as u64) {
        let Some(found) = commits.next() else { break };
        check_interrupt(progress)?;
        let Some((id, commit)) = describer.keep(found) else { continue };
        if !paths.is_empty() && !describer.touches_any(&id, &commit, &mut paths) {
            continue;
        }
        show(&describer.describe(id, &commit)?)?;
        outcome.commits += 1;
    }
    outcome.damage =
        describer.failed.map(|error| error.context("some of the history cannot be read"));
    Ok(outcome)
}

/// Returns the commits to start from, and the paths to filter by. Without paths, everything is
/// shown.
fn find_starts(
    repo: &Repository,
    options: &LogOptions,
    names: &RefNames,
) -> Result<(Vec<Id>, Vec<TreePath>)> {
    let mut starts = if options.all { names.targets() } else { Vec::new() };
    let mut paths = options.paths.clone();
    if options.revision.is_some() || !options.all {
        let head: Revision = "HEAD".parse()?;
        let revision = options.revision.as_ref().unwrap_or(&head);
        let found = resolve(repo, revision).map_err(|error| {
            let is_without_run = options.revision.is_none() && repo.settings().run.is_none();
            if is_without_run { error.with_hint("show all runs: art log --all") } else { error }
        })?;
        starts.push(found.commit);
        paths.extend(Some(found.path).filter(|path| !path.is_root()));
    }
    // Every path is below the root, so the root disables the filter.
    if paths.iter().any(TreePath::is_root) {
        paths.clear();
    }
    Ok((starts, paths))
}

/// Reads which commits expired according to the records at `starts`.
fn find_expiry(repo: &Repository, starts: &[Id]) -> Result<Option<Expiry>> {
    let history = repo.history();
    let mut has_expired = false;
    for start in starts {
        has_expired |= find_own_expiration(history, start)?.is_some();
    }
    if !has_expired {
        return Ok(None);
    }
    let tags = history.list_refs(&format!("refs/{}/", RefKind::Tag.directory()))?.refs;
    let tags = tags.into_iter().map(|(_, id)| (RefKind::Tag, id));
    let starts = starts.iter().map(|start| (RefKind::Run, *start));
    Expiry::of_refs(history, starts.chain(tags)).map(Some)
}

/// Returns the current run and its newest commit.
pub(crate) fn find_head(repo: &Repository) -> Result<Option<(RefName, Id)>> {
    let Some(run) = repo.history().head()? else { return Ok(None) };
    Ok(repo.history().try_find_ref(&run)?.map(|id| (run, id)))
}

/// Returns the refs at `commit`, the current run's ref first, and the number of omitted refs.
pub(crate) fn refs_at(
    names: &RefNames,
    head: Option<&(RefName, Id)>,
    commit: &Id,
    limit: usize,
) -> (Vec<RefName>, usize) {
    let (mut refs, mut more) = names.of(commit, limit);
    let Some((run, _)) = head.filter(|(_, id)| id == commit) else { return (refs, more) };
    if let Some(at) = refs.iter().position(|name| name == run) {
        refs[..=at].rotate_right(1);
    } else {
        refs.insert(0, run.clone());
        more = more.saturating_sub(1);
    }
    (refs, more)
}

/// Creates log entries for commits.
struct Describer<'a> {
    repo: &'a Repository,
    options: &'a LogOptions,
    head: Option<(RefName, Id)>,
    names: RefNames,
    sizes: Sizes<'a>,
    /// The commits whose content expired; `None` if no record at the start of the log says so.
    expiry: Option<Expiry>,
    /// The first parent of the last commit, cached because it is usually the next commit.
    last_parent: Option<(Id, RecordContents)>,
    failed: Option<Error>,
    progress: &'a dyn Progress,
}

impl Describer<'_> {
    /// Returns the value. Records the error if it is the first one.
    fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                // An object that history refers to and that does not exist is damage, not a lookup
                // of an unknown name.
                let is_missing = error.kind() == ErrorKind::NotFound;
                let error = if is_missing { error.with_kind(ErrorKind::Corrupt) } else { error };
                self.failed.get_or_insert(error);
                None
            }
        }
    }

    fn state(&self, id: &Id, commit: &Commit) -> Result<RecordContents> {
        match self.last_parent {
            Some((parent, state)) if parent == *id => Ok(state),
            _ => RecordContents::read(self.repo, id, &commit.tree),
        }
    }

    fn describe(&mut self, id: Id, commit: &Commit) -> Result<LogEntry> {
        let (refs, more_refs) =
            refs_at(&self.names, self.head.as_ref(), &id, self.options.max_refs);
        let mut entry = LogEntry {
            commit: id,
            refs,
            more_refs,
            is_head: self.head.as_ref().is_some_and(|(_, head)| *head == id),
            author: Author { name: commit.author.name.clone(), email: commit.author.email.clone() },
            time: commit.committer.time,
            message: commit.message.clone(),
            kind: None,
            changes: None,
            record_changed: false,
            expired: false,
            total: None,
            files: None,
            parents: commit.parents.clone(),
        };
        if let Some(expiry) = &self.expiry {
            entry.expired = expiry.is_expired(self.repo.history(), &id)?;
        }
        let compared = self.compare(&id, commit, &mut entry);
        if compared.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
            compared?;
        } else {
            self.keep(compared);
        }
        Ok(entry)
    }

    /// Fills in the changes and totals of the commit.
    fn compare(&mut self, id: &Id, commit: &Commit, entry: &mut LogEntry) -> Result<()> {
        let state = self.state(id, commit)?;
        entry.kind = Some(state.kind);
        let parent = self.parent(commit)?;
        entry.record_changed = parent.is_none_or(|parent| parent.record != state.record);
        let limit = if self.options.stat { usize::MAX } else { COUNT_LIMIT };
        let sides = (parent.and_then(|parent| parent.artifacts), state.artifacts);
        let compared = compare(self.repo, &mut self.sizes, sides, limit, self.progress)?;
        entry.changes = Some(compared.count);
        if self.options.stat {
            let changes = compared.changes.iter();
            let files = changes.map(|change| FileChange::measure(&mut self.sizes, change));
            entry.files = Some(files.collect::<Result<_>>()?);
            let tree = state.artifacts;
            entry.total = Some(total(self.repo, &mut self.sizes, tree, u64::MAX, self.progress)?);
        }
        Ok(())
    }

    /// Reads the state of the first parent.
    fn parent(&mut self, commit: &Commit) -> Result<Option<RecordContents>> {
        let Some(id) = commit.parents.first() else { return Ok(None) };
        let tree = self.repo.history().read_commit(id)?.tree;
        let state = RecordContents::read(self.repo, id, &tree)?;
        self.last_parent = Some((*id, state));
        Ok(Some(state))
    }

    /// Returns true if the commit changed one of `paths`. If the commit moved a path, older commits
    /// are searched for its previous path.
    fn touches_any(&mut self, id: &Id, commit: &Commit, paths: &mut [TreePath]) -> bool {
        let mut touches = false;
        for path in paths {
            if !self.touches(id, commit, path) {
                continue;
            }
            touches = true;
            let before = self.moved_from(id, commit, path);
            if let Some(before) = self.keep(before).flatten() {
                *path = before;
            }
        }
        touches
    }

    /// Returns the previous path of `path` if the commit moved it with equal content, as a file or
    /// as a directory with its files.
    fn moved_from(
        &mut self,
        id: &Id,
        commit: &Commit,
        path: &TreePath,
    ) -> Result<Option<TreePath>> {
        let history = self.repo.history();
        let Some(after) = self.state(id, commit)?.artifacts else { return Ok(None) };
        let Some(before) = self.parent(commit)?.and_then(|parent| parent.artifacts) else {
            return Ok(None);
        };
        let is_new = history.entry_at(&before, path)?.is_none();
        if !is_new || history.entry_at(&after, path)?.is_none() {
            return Ok(None);
        }
        let changes = history.diff_up_to(Some(before), Some(after), COUNT_LIMIT)?;
        let moved = find_renames(changes, None)?.into_iter().find_map(|change| match change {
            Change::Renamed { from, to, .. } if to.starts_with(path) => Some((from, to)),
            _ => None,
        });
        let Some((from, to)) = moved else { return Ok(None) };
        let below = &to.as_bytes()[path.as_bytes().len()..];
        let before = from.as_bytes().strip_suffix(below).filter(|before| !before.is_empty());
        before.map(TreePath::parse).transpose()
    }

    /// Returns true if `path` differs between the commit and its first parent. For a merge, `path`
    /// must differ from every merged state.
    fn touches(&mut self, id: &Id, commit: &Commit, path: &TreePath) -> bool {
        let path = RecordTree::artifact_path(path);
        let history = self.repo.history();
        let at = |tree: &Id| -> Result<_> {
            Ok(history.entry_at(tree, &path)?.map(|entry| (entry.mode, entry.id)))
        };
        let kind =
            |id: &Id, tree: &Id| RecordContents::read(self.repo, id, tree).map(|state| state.kind);
        let differs = |id: &Id| -> Result<bool> {
            let now = at(&commit.tree)?;
            let Some((first, others)) = commit.parents.split_first() else {
                return Ok(now.is_some());
            };
            if at(&history.read_commit(first)?.tree)? == now {
                return Ok(false);
            }
            for other in others {
                let tree = history.read_commit(other)?.tree;
                // The run of a version is a parent, but not an earlier state of the version.
                if at(&tree)? == now && kind(other, &tree)? == kind(id, &commit.tree)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let differs = differs(id);
        self.keep(differs).unwrap_or(false)
    }
}
