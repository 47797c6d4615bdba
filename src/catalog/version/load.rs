//! Reads a version: its ref, newest commit, record, and the files beside the record.

use std::borrow::Cow;

use crate::catalog::wrong_name::wrong_name;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::history::{EntryMode, ObjectWriter, RecordTree, TreeEntry};
use crate::id::Id;
use crate::name::RefName;
use crate::record::{Content, ContentFormat, Expiration, Record, VersionRecord};
use crate::repo::Repository;

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
    /// Returns the draft as the next state of `version`: if its files changed, they did not expire.
    pub(super) fn renewed(&self, version: &LoadedVersion) -> Cow<'_, VersionDraft> {
        let is_own = self.record.expired.as_ref().is_some_and(|expired| expired.own);
        if !is_own || self.artifacts == version.draft.artifacts {
            return Cow::Borrowed(self);
        }
        let mut draft = self.clone();
        draft.record.expired = draft.record.expired.and_then(Expiration::after_upload);
        Cow::Owned(draft)
    }

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
