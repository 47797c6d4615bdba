//! Replaces Git packs that are missing or damaged and have no identical local file.

use std::collections::BTreeSet;

use super::RepairRun;
use crate::error::{ErrorKind, Result};
use crate::history::OutgoingWalk;
use crate::id::Id;
use crate::remote::FileKind;

impl RepairRun<'_> {
    /// Plans to send all local Git objects that the remote lacks and that its refs or its former
    /// tips reach. Retires the damaged packs if the history of all refs is then complete.
    pub(super) fn replace_history(&mut self) -> Result<()> {
        let found = &self.found;
        let lost: BTreeSet<Id> =
            found.scratch.broken.keys().chain(&found.overtaken.broken).copied().collect();
        let mut tips = Vec::new();
        for tip in lost {
            if self.is_whole_locally(&tip)? {
                tips.push(tip);
            }
        }
        if !tips.is_empty() {
            let have = [&found.scratch.sound[..], &found.overtaken.sound].concat();
            let (history, directory) = (self.repo.history(), self.session.directory());
            let walk = OutgoingWalk { tips: &tips, have: &have, expired: None };
            let is_dead = |id: &Id| found.audit.remote_state.is_dead(id);
            let outgoing = history.write_outgoing(&walk, directory, &is_dead, self.progress)?;
            if let Some(pack) = &outgoing.pack {
                let scratch = &self.found.scratch;
                scratch.import_pack(pack.file.path(), pack.id, pack.size, self.progress)?;
                self.found.check_history(self.progress)?;
            }
            self.new.meta = outgoing.pack;
        }
        if self.found.scratch.broken.is_empty() {
            let wrong = self.found.files.wrong(FileKind::Meta).keys();
            self.new.retired.extend(wrong.map(|id| (FileKind::Meta, *id)));
        }
        Ok(())
    }

    /// Returns true if the whole history of a commit is present locally.
    fn is_whole_locally(&self, tip: &Id) -> Result<bool> {
        let history = self.repo.history();
        if history.try_kind(tip)?.is_none() {
            return Ok(false);
        }
        match history.check_closure(&[*tip], &[], self.progress) {
            Ok(missing) => Ok(missing.is_empty()),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
