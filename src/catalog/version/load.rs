//! Reads a version: its ref, newest commit, record, and the files beside the record.

use super::index::wrong_name;
use super::trace::find_moved;
use crate::catalog::project::find_project;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::history::{EntryMode, ObjectWriter, RecordTree, TreeEntry};
use crate::id::Id;
use crate::name::RefName;
use crate::record::{Content, ContentFormat, Record, VersionRecord};
use crate::repo::Repository;
use crate::suggest;

/// The readme, a file beside the record.
const README: &str = "README.md";

/// The contents of a version: its record, and the other entries of its tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VersionDraft {
    pub(crate) record: VersionRecord,
    pub(crate) content: Option<(ContentFormat, Id)>,
    pub(crate) readme: Option<Id>,
    /// The tree of the artifacts. `None` if the run had none.
    pub(crate) artifacts: Option<Id>,
    /// Tree entries that a newer program wrote.
    pub(crate) others: Vec<TreeEntry>,
}

impl VersionDraft {
    /// Adds the tree of the version to `writer`.
    pub(super) fn write(&self, writer: &mut ObjectWriter<'_>) -> Result<Id> {
        let mut entries = self.others.clone();
        entries.push(TreeEntry::file(VersionRecord::FILE, writer.blob(&self.record.encode()?)?));
        entries.extend(self.content.map(|(format, id)| TreeEntry::file(format.file(), id)));
        entries.extend(self.readme.map(|id| TreeEntry::file(README, id)));
        entries.extend(self.artifacts.map(TreeEntry::artifacts));
        writer.tree(entries)
    }
}

/// A version at one commit.
#[derive(Debug, Clone)]
pub(crate) struct LoadedVersion {
    /// The version's ref.
    pub(crate) reference: RefName,
    /// The commit.
    pub(crate) commit: Id,
    /// The parents of the commit.
    pub(crate) parents: Vec<Id>,
    /// When the commit was created.
    pub(crate) updated_at: Timestamp,
    /// The contents.
    pub(crate) draft: VersionDraft,
}

impl LoadedVersion {
    /// Reads the version at `reference`, whose commit is `commit`.
    pub(crate) fn read(repo: &Repository, reference: &RefName, commit: Id) -> Result<Self> {
        Self::try_read(repo, reference, commit)?.ok_or_else(|| {
            let message =
                format!("the commit {commit} of {reference} has no {}", VersionRecord::FILE);
            Error::corrupt(message).with_hint("art fsck")
        })
    }

    /// Reads the version in `commit`. Returns `None` if the commit belongs to another kind of
    /// record.
    pub(crate) fn try_read(
        repo: &Repository,
        reference: &RefName,
        commit: Id,
    ) -> Result<Option<Self>> {
        let history = repo.history();
        let (read, tree) = RecordTree::with_commit(history, &commit)?;
        let mut record = None;
        let (mut content, mut readme, mut artifacts, mut others) = (None, None, None, Vec::new());
        for entry in tree.into_entries() {
            let is_file = entry.mode == EntryMode::File;
            let format = ContentFormat::ALL.into_iter().find(|format| entry.name == format.file());
            if is_file && entry.name == VersionRecord::FILE {
                record = Some(VersionRecord::decode(&history.read_blob(&entry.id)?)?);
            } else if let (true, Some(format)) = (is_file, format) {
                content = Some((format, entry.id));
            } else if is_file && entry.name == README {
                readme = Some(entry.id);
            } else if entry.is_artifacts() {
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

    /// The record of the version.
    pub(crate) fn record(&self) -> &VersionRecord {
        &self.draft.record
    }

    /// Reads the content, if any.
    pub(crate) fn content(&self, repo: &Repository) -> Result<Option<Content>> {
        let Some((format, id)) = self.draft.content else { return Ok(None) };
        Content::stored(format, repo.history().read_blob(&id)?).map(Some)
    }

    /// Reads the readme, if any. Replaces bytes that are not UTF-8.
    pub(crate) fn readme(&self, repo: &Repository) -> Result<Option<String>> {
        let Some(id) = self.draft.readme else { return Ok(None) };
        let bytes = repo.history().read_blob(&id)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// Reads the version record in `commit`. Returns `None` if the commit belongs to another kind of
/// record.
pub(crate) fn read_version_record(repo: &Repository, commit: Id) -> Result<Option<VersionRecord>> {
    RecordTree::of_commit(repo.history(), &commit)?.record(repo.history())
}

/// Reads the current state of the version at `reference`, if it exists.
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

/// Reads the current state of the version at `reference`.
pub(crate) fn load_version(repo: &Repository, reference: &RefName) -> Result<LoadedVersion> {
    match try_load_version(repo, reference)? {
        Some(version) => Ok(version),
        None => Err(no_such_version(repo, reference)?),
    }
}

/// Returns the error for an unknown version, with a suggestion if possible.
fn no_such_version(repo: &Repository, reference: &RefName) -> Result<Error> {
    let (project, wanted) = (reference.project(), reference.name().as_str());
    let versions = repo.history().refs(&RefName::prefix(reference.kind(), project))?;
    let error = Error::not_found(format!("there is no version '{wanted}' in {project}"));
    match find_moved(repo, reference)? {
        Some(now) if now.project() == project => {
            return Ok(error.with_hint(format!("its new name is '{}'", now.name())));
        }
        Some(now) => {
            let hint = format!("its new name is {}:{}", now.project(), now.name());
            return Ok(error.with_hint(hint));
        }
        None => {}
    }
    if versions.is_empty() {
        find_project(repo, project)?;
    }
    let names = versions.iter().map(|(name, _)| name.name().as_str());
    Ok(match suggest::closest(wanted, names) {
        Some(near) => {
            error.with_hint(format!("did you mean '{near}'? To list all versions: art versions"))
        }
        None if !repo.history().reflog(reference)?.is_empty() => error.with_hint(
            "the version was deleted; show its history: art history --all; \
             to undo the last operation: art undo",
        ),
        None => error.with_hint(format!(
            "list all versions: art versions; or create it: art register {wanted}"
        )),
    })
}
