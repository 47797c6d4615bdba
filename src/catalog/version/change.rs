//! Changes of the records of versions.

use super::find::check_version_name;
use super::load::{LoadedVersion, VersionDraft};
use crate::catalog::record_change::RecordChange;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::name::RefName;

impl RecordChange<'_> {
    /// Adds the commit of a new version with `parents`, and creates its ref.
    ///
    /// Fails with [`Invalid`](crate::ErrorKind::Invalid) for a reserved name.
    pub(crate) fn create_version(
        &mut self,
        name: RefName,
        draft: &VersionDraft,
        parents: Vec<Id>,
        subject: &str,
    ) -> Result<Id> {
        check_version_name(&name)?;
        let commit = self.commit_version(draft, parents, subject)?;
        self.move_ref(name, None, Some(commit), subject);
        self.note_commit(draft.record.uuid, None, commit);
        Ok(commit)
    }

    /// Adds a commit that changes `version` to `draft`, and moves its ref. Returns `None` if the
    /// version does not differ.
    pub(crate) fn update_version(
        &mut self,
        version: &LoadedVersion,
        draft: &VersionDraft,
        subject: &str,
    ) -> Result<Option<Id>> {
        if *draft == version.draft {
            return Ok(None);
        }
        self.replace_version(version, draft, subject).map(Some)
    }

    /// Adds a commit that changes `version` to `draft`, even if it does not differ, and moves its
    /// ref.
    pub(crate) fn replace_version(
        &mut self,
        version: &LoadedVersion,
        draft: &VersionDraft,
        subject: &str,
    ) -> Result<Id> {
        let parents = vec![version.commit, draft.record.run.commit];
        let commit = self.commit_version(&draft.renewed(version), parents, subject)?;
        self.move_ref(version.reference.clone(), Some(version.commit), Some(commit), subject);
        self.note_commit(draft.record.uuid, Some(version.commit), commit);
        Ok(commit)
    }

    /// Adds a commit that changes `version` to `draft`, and moves it from its ref to the ref `to`,
    /// together with its history. Another version may have left `to` in the same change.
    pub(crate) fn relocate_version(
        &mut self,
        version: &LoadedVersion,
        to: &RefName,
        draft: &VersionDraft,
        subject: &str,
    ) -> Result<Id> {
        check_version_name(to)?;
        let parents = vec![version.commit, draft.record.run.commit];
        let commit = self.commit_version(&draft.renewed(version), parents, subject)?;
        self.rename((version.reference.clone(), version.commit), (to.clone(), commit), subject);
        self.note_commit(draft.record.uuid, Some(version.commit), commit);
        Ok(commit)
    }

    /// Fails with [`AlreadyExists`](ErrorKind::AlreadyExists) if the version `name` exists.
    pub(crate) fn require_absent(&self, name: &RefName) -> Result<()> {
        if self.repo().history().try_find_ref(name)?.is_none() {
            return Ok(());
        }
        let (version, project) = (name.name(), name.project());
        let message = format!("the version '{version}' already exists in {project}");
        Err(Error::new(ErrorKind::AlreadyExists, message).with_hint(format!(
            "choose another name, or show the version: art get {project}:{version}"
        )))
    }

    /// Adds a commit of a version without moving a ref.
    pub(crate) fn commit_version(
        &mut self,
        draft: &VersionDraft,
        parents: Vec<Id>,
        subject: &str,
    ) -> Result<Id> {
        let tree = draft.write(self.writer())?;
        self.commit(tree, parents, subject)
    }
}
