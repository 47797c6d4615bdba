//! Resolves a typed revision to a commit, the kind of its record, and the entry at a path among its
//! artifacts.

use serde::Serialize;

use super::refuse_reading_expired;
use super::version::{find_moved, find_moving, refuse_disabled};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::history::{EntryMode, RecordTree, Revision, TreeEntry};
use crate::id::Id;
use crate::name::{ProjectName, RefName};
use crate::record::{ProjectRecord, Record, RunRecord, VersionRecord};
use crate::repo::Repository;
use crate::suggest;
use crate::tree_path::TreePath;

/// The kind of record in a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A project, which has no artifacts.
    Project,
    /// A run.
    Run,
    /// A version.
    Version,
}

impl RecordKind {
    /// The file name of the record in the tree of the commit.
    pub fn file(self) -> &'static str {
        match self {
            RecordKind::Project => ProjectRecord::FILE,
            RecordKind::Run => RunRecord::FILE,
            RecordKind::Version => VersionRecord::FILE,
        }
    }

    /// Returns the kind and the blob of the record in `tree`.
    fn find_in(tree: &RecordTree) -> Option<(Self, Id)> {
        [RecordKind::Run, RecordKind::Version, RecordKind::Project]
            .into_iter()
            .find_map(|kind| Some((kind, tree.file(kind.file())?)))
    }
}

/// The target of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The commit.
    pub commit: Id,
    /// When the commit was created.
    pub time: Timestamp,
    /// The ref in the revision, even if `~N` and the like lead away from its tip. `None` for an id.
    pub reference: Option<RefName>,
    /// The project of the lookup.
    pub project: ProjectName,
    /// The kind of record.
    pub kind: RecordKind,
    /// The id of the record's blob.
    pub record: Id,
    /// The tree of the artifacts. `None` if there are no artifacts yet.
    pub artifacts: Option<Id>,
    /// The path in the revision; the root if none was given.
    pub path: TreePath,
}

/// Resolves `revision` in the project that it names, or in the repository's default project.
///
/// Does not check the path; [`Resolved::entry`] does. Fails with [`ErrorKind::NotFound`] and
/// suggests the nearest name.
pub fn resolve(repo: &Repository, revision: &Revision) -> Result<Resolved> {
    let history = repo.history();
    let wanted = match &repo.settings().run {
        Some(run) if revision.stage().is_none() && !revision.is_latest() => {
            let project = repo.settings().project.clone();
            if revision.is_of_current(&project) {
                repo.current_run()?;
            }
            revision.clone().with_current(&RefName::run(project, run.clone()))
        }
        _ => find_moving(repo, revision)?.unwrap_or_else(|| revision.clone()),
    };
    let found = history
        .resolve(&wanted, &repo.settings().project)
        .map_err(|error| with_path_hint(repo, revision, error))
        .map_err(|error| with_new_name(repo, revision, error))?;
    let commit = history.read_commit(&found.commit)?;
    let state = RecordContents::read(repo, &found.commit, &commit.tree)?;
    Ok(Resolved {
        commit: found.commit,
        time: commit.committer.time,
        reference: found.reference,
        project: found.project,
        kind: state.kind,
        record: state.record,
        artifacts: state.artifacts,
        path: found.path,
    })
}

/// The contents of a commit's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordContents {
    /// The kind of record.
    pub(crate) kind: RecordKind,
    /// The id of the record's blob.
    pub(crate) record: Id,
    /// The tree of the artifacts, if any.
    pub(crate) artifacts: Option<Id>,
}

impl RecordContents {
    /// Reads the tree of `commit`.
    pub(crate) fn read(repo: &Repository, commit: &Id, tree: &Id) -> Result<Self> {
        let tree = RecordTree::read(repo.history(), tree)?;
        let Some((kind, record)) = RecordKind::find_in(&tree) else {
            let message = format!("the commit {commit} has no record of a run or version");
            return Err(Error::corrupt(message).with_hint("art fsck"));
        };
        Ok(RecordContents { kind, record, artifacts: tree.artifacts() })
    }
}

impl Resolved {
    /// Fails with [`ErrorKind::Policy`] for a disabled version, unless `allow_disabled` is true.
    /// Every operation that reads content calls this method.
    pub fn check_content(&self, repo: &Repository, allow_disabled: bool) -> Result<()> {
        if self.kind != RecordKind::Version || allow_disabled {
            return Ok(());
        }
        refuse_disabled(repo, self.reference.as_ref(), self.commit)
    }

    /// Fails with [`ErrorKind::Policy`] if the content expired, unless `allow_expired` is true.
    pub fn check_not_expired(&self, repo: &Repository, allow_expired: bool) -> Result<()> {
        if allow_expired { Ok(()) } else { refuse_reading_expired(repo, self.commit) }
    }

    /// Returns the entry at the revision's own path; see [`Resolved::entry_at`].
    pub fn entry(&self, repo: &Repository) -> Result<Option<TreeEntry>> {
        self.entry_at(repo, &self.path)
    }

    /// Returns the entry at `path` among the artifacts. The root is a directory without a name.
    ///
    /// Returns `None` only for the root of a record without artifacts. If the path does not exist,
    /// fails with [`ErrorKind::NotFound`] and suggests the nearest path.
    pub fn entry_at(&self, repo: &Repository, path: &TreePath) -> Result<Option<TreeEntry>> {
        let Some(root) = self.artifacts else {
            return if path.is_root() { Ok(None) } else { Err(self.no_artifacts(path)) };
        };
        match repo.history().entry_at(&root, path)? {
            Some(entry) => Ok(Some(entry)),
            None => Err(self.nothing_at(repo, root, path)),
        }
    }

    /// Names the commit for a typed command: by its ref if it is the tip, otherwise by its id.
    fn name(&self, repo: &Repository) -> String {
        let tip = self.reference.as_ref().filter(|name| {
            let tip = repo.history().try_find_ref(name);
            *name.project() == repo.settings().project
                && tip.is_ok_and(|tip| tip == Some(self.commit))
        });
        match tip {
            Some(name) => format!("{}/{}", name.kind().as_str(), name.name()),
            None => self.commit.short(),
        }
    }

    fn no_artifacts(&self, path: &TreePath) -> Error {
        Error::not_found(format!("there is nothing at '{path}': {} has no artifacts", self.shown()))
            .with_hint("add artifacts: art upload")
    }

    fn shown(&self) -> String {
        match &self.reference {
            Some(name) => format!("{} '{}'", name.kind().as_str(), name.name()),
            None => format!("commit {}", self.commit.short()),
        }
    }

    /// Returns the error for a path that does not exist, with a hint for the first wrong component.
    fn nothing_at(&self, repo: &Repository, root: Id, path: &TreePath) -> Error {
        let error = Error::not_found(format!("there is nothing at '{path}' in {}", self.shown()));
        let history = repo.history();
        let (mut above, mut tree) = (TreePath::root(), root);
        for component in path.components() {
            let Ok(entries) = history.read_tree(&tree) else { return error };
            let Ok(next) = above.join(component) else { return error };
            match entries.iter().find(|entry| entry.name == component) {
                Some(entry) if entry.mode == EntryMode::Directory => tree = entry.id,
                Some(_) => return error.with_hint(format!("'{next}' is a file")),
                None => {
                    let name = String::from_utf8_lossy(component);
                    let names =
                        entries.iter().filter_map(|entry| std::str::from_utf8(&entry.name).ok());
                    let near = suggest::closest(&name, names);
                    let near = near.and_then(|near| above.join(near.as_bytes()).ok());
                    return match near {
                        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                        None => error.with_hint(self.listing(repo, &above)),
                    };
                }
            }
            above = next;
        }
        error
    }

    /// Returns a hint with the command that lists the directory at `path`.
    fn listing(&self, repo: &Repository, path: &TreePath) -> String {
        let name = self.name(repo);
        if path.is_root() {
            format!("list the files: art ls {name}")
        } else {
            format!("list the files: art ls {name}:{path}")
        }
    }
}

/// Adds a hint with the current name of a version that was renamed or transferred.
fn with_new_name(repo: &Repository, revision: &Revision, error: Error) -> Error {
    let name = revision.clone().without_path().as_version(&repo.settings().project);
    let Some(name) = name.filter(|_| error.kind() == ErrorKind::NotFound) else { return error };
    match (repo.history().try_find_ref(&name), find_moved(repo, &name)) {
        (Ok(None), Ok(Some(now))) if now.project() == name.project() => {
            error.with_hint(format!("its new name is '{}'", now.name()))
        }
        (Ok(None), Ok(Some(now))) => {
            error.with_hint(format!("its new name is {}:{}", now.project(), now.name()))
        }
        _ => error,
    }
}

/// Adds a hint if `revision` is not a commit but a path of the current run.
fn with_path_hint(repo: &Repository, revision: &Revision, error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound || !revision.path().is_root() {
        return error;
    }
    let text = revision.to_string();
    let is_path = || -> Option<bool> {
        let path = TreePath::parse(&text).ok().filter(|path| !path.is_root())?;
        let current = repo.current_run().ok()??;
        let commit = repo.history().try_find_ref(&current).ok()??;
        let tree = repo.history().read_commit(&commit).ok()?.tree;
        let path = RecordTree::artifact_path(&path);
        Some(repo.history().entry_at(&tree, &path).ok()?.is_some())
    };
    if is_path() == Some(true) {
        return error.with_hint(format!("write a path after a revision: HEAD:{text}"));
    }
    error
}
