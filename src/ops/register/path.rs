//! Registers a path: uploads it to a new run in the same transaction.

use std::cell::RefCell;
use std::io::Read;

use super::RegisterOptions;
use super::pin::Pin;
use crate::catalog::RecordChange;
use crate::catalog::hook::Uploaded;
use crate::catalog::version::VersionDraft;
use crate::error::{Error, Result};
use crate::history::ObjectWriter;
use crate::name::Name;
use crate::ops::upload::{Approved, Intake, UploadOptions, approve};
use crate::progress::Progress;
use crate::repo::Repository;

/// Imported content that is in the store, but not in a run yet.
pub(super) struct ImportedPath<'a> {
    intake: Intake<'a>,
    made: RefCell<Option<(Name, Uploaded)>>,
}

/// Checks the options, and checks that the pre hooks allow the upload.
pub(super) fn approve_upload<'a>(
    repo: &'a Repository,
    options: &RegisterOptions,
    upload: &'a UploadOptions,
    progress: &dyn Progress,
) -> Result<Approved<'a>> {
    if !upload.always_new || upload.tag.is_some() {
        return Err(Error::internal("a version of a path needs a new run without a tag"));
    }
    if !options.artifacts.is_empty() {
        return Err(Error::invalid("a new upload has no named artifacts")
            .with_hint("omit --artifacts, or register the run with these artifacts: --run RUN"));
    }
    approve(repo, upload, progress)
}

impl<'a> ImportedPath<'a> {
    /// Imports the content of `upload`.
    pub(super) fn take(
        upload: &'a Approved<'a>,
        input: &mut dyn Read,
        progress: &'a dyn Progress,
    ) -> Result<Self> {
        Ok(ImportedPath { intake: upload.ingest(input, progress)?, made: RefCell::default() })
    }

    /// Returns true if the version has exactly the imported content.
    pub(super) fn is_in(
        &self,
        writer: &mut ObjectWriter<'_>,
        draft: &VersionDraft,
    ) -> Result<bool> {
        let is_whole = draft.record.artifacts.is_empty();
        Ok(is_whole && draft.artifacts == Some(self.intake.tree(writer, None)?))
    }

    /// Creates the run.
    pub(super) fn commit(&self, change: &mut RecordChange<'_>) -> Result<Pin> {
        let made = self.intake.commit_run(change.writer())?;
        let commit = made.commit.ok_or_else(|| Error::internal("a new run without a commit"))?;
        let subject = self.intake.subject();
        change.move_ref(made.run.reference.clone(), None, Some(commit), &subject);
        let run = &made.run;
        let uploaded = self.intake.uploaded(&made, commit);
        self.made.replace(Some((run.reference.name().clone(), uploaded)));
        Ok(Pin::whole(&run.reference, &run.record, commit, Some(made.tree)))
    }

    /// Forgets the created run, before the change is tried again.
    pub(super) fn forget(&self) {
        self.made.replace(None);
    }

    /// Returns true if the run was created.
    pub(super) fn was_committed(&self) -> bool {
        self.made.borrow().is_some()
    }

    /// Returns the created run.
    pub(super) fn into_made(self) -> Option<(Name, Uploaded)> {
        self.made.into_inner()
    }
}
