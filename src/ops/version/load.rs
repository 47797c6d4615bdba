//! Reads a version: its ref, its last commit, its record and what lies beside it.

use super::index::wrong_name;
use super::trace::find_moved;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::history::{EntryMode, ObjectWriter, TreeEntry};
use crate::id::Id;
use crate::name::RefName;
use crate::ops::project::find_project;
use crate::record::{Content, ContentFormat, Record, VersionRecord};
use crate::repo::Repository;
use crate::suggest;
use crate::tree_path::TreePath;

/// The text that people read first, beside the record.
const README: &str = "README.md";

/// The directory of what was uploaded.
const ARTIFACTS: &str = "artifacts";

/// A state of a version: its record and what its tree has beside it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VersionDraft {
    pub(crate) record: VersionRecord,
    pub(crate) content: Option<(ContentFormat, Id)>,
    pub(crate) readme: Option<Id>,
    /// The tree of what was uploaded; nothing if the run held nothing.
    pub(crate) artifacts: Option<Id>,
    /// What a newer program has put into the tree.
    pub(crate) others: Vec<TreeEntry>,
}

impl VersionDraft {
    /// Adds its tree to `writer`.
    pub(super) fn write(&self, writer: &mut ObjectWriter<'_>) -> Result<Id> {
        let mut entries = self.others.clone();
        let mut file = |name: &str, id| {
            entries.push(TreeEntry { name: name.into(), mode: EntryMode::File, id });
        };
        file(VersionRecord::FILE, writer.blob(&self.record.encode()?)?);
        if let Some((format, id)) = self.content {
            file(format.file(), id);
        }
        if let Some(id) = self.readme {
            file(README, id);
        }
        if let Some(id) = self.artifacts {
            entries.push(TreeEntry { name: ARTIFACTS.into(), mode: EntryMode::Directory, id });
        }
        writer.tree(entries)
    }
}

/// A version as it is at one commit.
#[derive(Debug, Clone)]
pub(crate) struct LoadedVersion {
    /// Its ref.
    pub(crate) reference: RefName,
    /// The commit.
    pub(crate) commit: Id,
    /// The commits that one was made from.
    pub(crate) parents: Vec<Id>,
    /// When it was made.
    pub(crate) updated_at: Timestamp,
    /// What it holds.
    pub(crate) draft: VersionDraft,
}

impl LoadedVersion {
    /// Reads the version at `reference`, which is at `commit`.
    pub(crate) fn read(repo: &Repository, reference: &RefName, commit: Id) -> Result<Self> {
        Self::try_read(repo, reference, commit)?.ok_or_else(|| {
            let message =
                format!("the commit {commit} of {reference} has no {}", VersionRecord::FILE);
            Error::corrupt(message).with_hint("art fsck")
        })
    }

    /// Reads the version that `commit` is a state of, if it is one of a version.
    pub(crate) fn try_read(
        repo: &Repository,
        reference: &RefName,
        commit: Id,
    ) -> Result<Option<Self>> {
        let history = repo.history();
        let read = history.read_commit(&commit)?;
        let mut record = None;
        let (mut content, mut readme, mut artifacts, mut others) = (None, None, None, Vec::new());
        for entry in history.read_tree(&read.tree)? {
            let is_file = entry.mode == EntryMode::File;
            let format = ContentFormat::ALL.into_iter().find(|format| entry.name == format.file());
            if is_file && entry.name == VersionRecord::FILE {
                record = Some(VersionRecord::decode(&history.read_blob(&entry.id)?)?);
            } else if let (true, Some(format)) = (is_file, format) {
                content = Some((format, entry.id));
            } else if is_file && entry.name == README {
                readme = Some(entry.id);
            } else if entry.mode == EntryMode::Directory && entry.name == ARTIFACTS {
                artifacts = Some(entry.id);
            } else {
                others.push(entry);
            }
        }
        let Some(record) = record else { return Ok(None) };
        Ok(Some(LoadedVersion {
            reference: reference.clone(),
            commit,
            parents: read.parents,
            updated_at: read.committer.time,
            draft: VersionDraft { record, content, readme, artifacts, others },
        }))
    }

    /// Its record.
    pub(crate) fn record(&self) -> &VersionRecord {
        &self.draft.record
    }

    /// The content that was given for it.
    pub(crate) fn content(&self, repo: &Repository) -> Result<Option<Content>> {
        let Some((format, id)) = self.draft.content else { return Ok(None) };
        Content::stored(format, repo.history().read_blob(&id)?).map(Some)
    }

    /// The text that people read first; bytes that are not UTF-8 are replaced.
    pub(crate) fn readme(&self, repo: &Repository) -> Result<Option<String>> {
        let Some(id) = self.draft.readme else { return Ok(None) };
        let bytes = repo.history().read_blob(&id)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// The record of the version that `commit` is a state of; `None` if it is one of something else.
pub(crate) fn read_version_record(repo: &Repository, commit: Id) -> Result<Option<VersionRecord>> {
    let history = repo.history();
    let tree = history.read_commit(&commit)?.tree;
    let Some(entry) = history.entry_at(&tree, &TreePath::parse(VersionRecord::FILE)?)? else {
        return Ok(None);
    };
    VersionRecord::decode(&history.read_blob(&entry.id)?).map(Some)
}

/// The version at `reference` as it is now, if there is one.
pub(crate) fn try_load_version(
    repo: &Repository,
    reference: &RefName,
) -> Result<Option<LoadedVersion>> {
    let commit = repo.history().try_find_ref(reference)?;
    let Some(commit) = commit else { return Ok(None) };
    let version = LoadedVersion::read(repo, reference, commit)?;
    if version.record().name != *reference.name() {
        return Err(wrong_name(reference, &version.record().name));
    }
    Ok(Some(version))
}

/// The version at `reference` as it is now.
pub(crate) fn load_version(repo: &Repository, reference: &RefName) -> Result<LoadedVersion> {
    match try_load_version(repo, reference)? {
        Some(version) => Ok(version),
        None => Err(no_such_version(repo, reference)?),
    }
}

/// An error that names the version meant, as far as one can guess.
fn no_such_version(repo: &Repository, reference: &RefName) -> Result<Error> {
    let (project, wanted) = (reference.project(), reference.name().as_str());
    let versions = repo.history().refs(&RefName::prefix(reference.kind(), project))?;
    let error = Error::not_found(format!("there is no version '{wanted}' in {project}"));
    match find_moved(repo, reference)? {
        Some(now) if now.project() == project => {
            return Ok(error.with_hint(format!("it is called '{}' now", now.name())));
        }
        Some(now) => {
            let hint = format!("it is {}:{} now", now.project(), now.name());
            return Ok(error.with_hint(hint));
        }
        None => {}
    }
    if versions.is_empty() {
        find_project(repo, project)?;
    }
    let names = versions.iter().map(|(name, _)| name.name().as_str());
    Ok(match suggest::closest(wanted, names) {
        Some(near) => error.with_hint(format!("did you mean '{near}'? see: art versions")),
        None if !repo.history().reflog(reference)?.is_empty() => {
            error.with_hint(
            "it was there once; see: art history --all; the last operation is taken back by: art undo",
        )
        }
        None => error.with_hint(format!("see: art versions; or make it: art register {wanted}")),
    })
}
