//! Git packs that are missing or damaged and are not here as files.

use super::Mending;
use crate::error::{IoResultExt, Result};
use crate::id::Id;
use crate::ops::fsck::remote::{FileKind, damage};

impl Mending<'_> {
    /// Plans to send all Git objects that refs of the remote lead to and that it has not, as far as
    /// they are here, and to retire the damaged packs if nothing is missing then.
    pub(super) fn replace_history(&mut self) -> Result<()> {
        let history = self.repo.history();
        let mut tips: Vec<Id> = Vec::new();
        for tip in self.found.scratch.broken.keys() {
            let is_here = history.try_kind(tip)?.is_some()
                && damage(history.check_closure(&[*tip], &[], self.progress))?
                    .is_ok_and(|missing| missing.is_empty());
            if is_here {
                tips.push(*tip);
            }
        }
        if !tips.is_empty() {
            let (have, directory) = (&self.found.scratch.sound, self.session.directory());
            let outgoing = history.write_pack_of(&tips, have, directory, self.progress)?;
            if let Some(pack) = &outgoing.pack {
                let mut file =
                    std::fs::File::open(pack.file.path()).on("open", pack.file.path())?;
                let scratch = &mut self.found.scratch;
                scratch.history.take_in_pack(&mut file, pack.id, pack.size, self.progress)?;
                scratch.find_broken(&self.found.audit.fold, self.progress)?;
            }
            self.new.meta = outgoing.pack;
        }
        if self.found.scratch.broken.is_empty() {
            let wrong = self.found.files.wrong(FileKind::Meta).keys();
            self.new.retired.extend(wrong.map(|id| (FileKind::Meta, *id)));
        }
        Ok(())
    }
}
