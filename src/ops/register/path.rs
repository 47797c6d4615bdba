//! A version made of a path: what is there goes into a new run, in the same transaction.

use std::cell::RefCell;
use std::io::Read;

use super::RegisterOptions;
use super::pin::Pin;
use crate::error::{Error, Result};
use crate::history::ObjectWriter;
use crate::name::Name;
use crate::ops::hook::Uploaded;
use crate::ops::upload::{Approved, Intake, UploadOptions, approve};
use crate::ops::version::{RecordChange, VersionDraft};
use crate::progress::Progress;
use crate::repo::Repository;

/// What was taken in from a path: in the store, but in no run yet.
pub(super) struct Taken<'a> {
    intake: Intake<'a>,
    made: RefCell<Option<(Name, Uploaded)>>,
}

/// Looks whether what `upload` says may be uploaded.
pub(super) fn approve_upload<'a>(
    repo: &'a Repository,
    options: &RegisterOptions,
    upload: &'a UploadOptions,
    progress: &dyn Progress,
) -> Result<Approved<'a>> {
    if !upload.always_new || upload.tag.is_some() {
        return Err(Error::internal("a version of a path has a run of its own"));
    }
    if !options.artifacts.is_empty() {
        return Err(Error::invalid("what is uploaded now has no named artifacts yet")
            .with_hint("leave --artifacts out, or register the run they are named in: --run RUN"));
    }
    approve(repo, upload, progress)
}

impl<'a> Taken<'a> {
    /// Takes in what `upload` says.
    pub(super) fn take(
        upload: &'a Approved<'a>,
        input: &mut dyn Read,
        progress: &'a dyn Progress,
    ) -> Result<Self> {
        Ok(Taken { intake: upload.take_in(input, progress)?, made: RefCell::default() })
    }

    /// Whether the version has just this.
    pub(super) fn is_in(
        &self,
        writer: &mut ObjectWriter<'_>,
        draft: &VersionDraft,
    ) -> Result<bool> {
        let is_whole = draft.record.artifacts.is_empty();
        Ok(is_whole && draft.artifacts == Some(self.intake.tree(writer, None)?))
    }

    /// Makes the run.
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

    /// Begins anew with the run.
    pub(super) fn forget(&self) {
        self.made.replace(None);
    }

    /// Whether the run was made.
    pub(super) fn was_committed(&self) -> bool {
        self.made.borrow().is_some()
    }

    /// The run that was made.
    pub(super) fn into_made(self) -> Option<(Name, Uploaded)> {
        self.made.into_inner()
    }
}
