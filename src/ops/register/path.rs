//! A version made of a path: what is there goes into a new run, in the same transaction.

use std::cell::Cell;
use std::io::Read;

use super::RegisterOptions;
use super::pin::Pin;
use crate::error::{Error, Result};
use crate::history::ObjectWriter;
use crate::ops::upload::{Intake, UploadOptions, take_in};
use crate::ops::version::{RecordChange, VersionDraft};
use crate::progress::Progress;
use crate::repo::Repository;

/// What was taken in from a path: in the store, but in no run yet.
pub(super) struct Taken<'a> {
    intake: Intake<'a>,
    is_committed: Cell<bool>,
}

impl<'a> Taken<'a> {
    /// Takes in what `upload` says.
    pub(super) fn take(
        repo: &'a Repository,
        options: &RegisterOptions,
        upload: &'a UploadOptions,
        input: &mut dyn Read,
        progress: &'a dyn Progress,
    ) -> Result<Self> {
        if !upload.always_new || upload.tag.is_some() {
            return Err(Error::internal("a version of a path has a run of its own"));
        }
        if !options.artifacts.is_empty() {
            return Err(Error::invalid("what is uploaded now has no named artifacts yet")
                .with_hint(
                    "leave --artifacts out, or register the run they are named in: --run RUN",
                ));
        }
        let intake = take_in(repo, upload, input, progress)?;
        Ok(Taken { intake, is_committed: Cell::new(false) })
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
        self.is_committed.set(true);
        let run = &made.run;
        Ok(Pin::whole(&run.reference, &run.record, commit, Some(made.tree)))
    }

    /// Whether the run was made.
    pub(super) fn was_committed(&self) -> bool {
        self.is_committed.get()
    }
}
