//! Compacts the many small content packs, Git packs and index segments that pushes leave, so that a
//! clone makes few requests. Also writes checkpoints, so that a clone reads few log entries.
//!
//! The log entry of a compaction moves no ref. The replaced files are retired, not deleted, so a
//! reader in progress can still read them. If compaction stops early, the remote is unharmed: no
//! log entry names the files written so far.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

use super::author_line;
use super::compact_packs::{MANY_PACKS, NewPack};
use super::connection::Connection;
use super::object_reader::ObjectReader;
use super::worth_compacting::worth_it;
use crate::content::Session;
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::fs::read;
use crate::id::Id;
use crate::progress::{NoProgress, Progress, Unit, check_interrupt};
use crate::remote::FileKind;
use crate::remote::log::{Commit, Proposal, RemoteState, Stored};

/// The number of files that makes compaction worthwhile.
const MANY: usize = 4;
/// The most bytes that one compaction reads.
const MOST: u64 = 32 << 20;
/// A segment larger than this is not fetched along with others, but searched on the remote.
const LARGE_SEGMENT: u64 = 256 << 10;
/// The number of large segments that makes a compaction due.
const MANY_LARGE: usize = 3;

/// Returns true if a push of the segments `sent` leaves so many large ones that a compaction is
/// due. Each large segment costs several requests per lookup of a file.
pub(crate) fn leaves_many_large(remote_state: &RemoteState, sent: &[Stored]) -> bool {
    let is_large = |size: u64| size > LARGE_SEGMENT;
    sent.iter().any(|segment| is_large(segment.size))
        && worth_it(&remote_state.segments, MOST).iter().filter(|(_, size)| is_large(*size)).count()
            >= MANY_LARGE
}

impl Connection<'_> {
    /// Compacts the files that many pushes left, after a completed push. Writes a checkpoint if one is
    /// due, or if the entry of the push `is_long`.
    ///
    /// Nothing depends on compaction. A failure is reported as a warning, and a later push compacts.
    pub(crate) fn compact(&mut self, is_long: bool, progress: &dyn Progress) {
        let done = self.compact_files(progress).and_then(|()| {
            if is_long {
                self.log.renew_checkpoint(&self.state)?;
            } else {
                self.log.write_checkpoint(&self.state)?;
            }
            self.save()
        });
        if let Err(error) = done {
            let name = &self.remote.name;
            progress.warn(&format!(
                "the small files on '{name}' were not compacted, a later push will do it: {error}"
            ));
        }
    }

    fn compact_files(&mut self, progress: &dyn Progress) -> Result<()> {
        let remote_state = self.state.remote_state();
        let (meta, segments) = (
            many(worth_it(&remote_state.meta, MOST)),
            many(worth_it(&remote_state.segments, MOST)),
        );
        if meta.is_empty() && segments.is_empty() && remote_state.packs.len() < MANY_PACKS {
            return Ok(());
        }
        progress.begin("compacting small files", None, Unit::Items);
        let session = self.repo.content().begin()?;
        let new_pack = self.compact_packs(&session, progress)?;
        if meta.is_empty() && segments.is_empty() && new_pack.is_none() {
            return Ok(());
        }
        let now = self.repo.settings().clock.now();
        let mut proposal = Proposal::new(&author_line(self.repo), now, "compact small files");
        if !meta.is_empty() {
            proposal.meta.push(self.compact_meta(&meta, &session, progress)?);
        }
        let mut joined = None;
        if !segments.is_empty() {
            let is_replaced = |pack: &Id| new_pack.iter().any(|new| new.replaces.contains(pack));
            let segment = self.content()?.merge_segments(&segments, &is_replaced, &session)?;
            self.log.store().write_file(&FileKind::Segment.key(segment.id), segment.path())?;
            proposal.segments.push(Stored { id: segment.id, size: segment.size });
            joined = Some(segment);
        }
        proposal.retired = meta.iter().chain(&segments).map(|(id, _)| *id).collect();
        if let Some(NewPack { pack, segment, replaces }) = &new_pack {
            proposal.packs.push(Stored { id: pack.id(), size: pack.size() });
            // The compacted segment comes first; the segment for the new pack follows it.
            proposal.segments.push(Stored { id: segment.id, size: segment.size });
            proposal.retired.extend(replaces);
        }
        // The inputs must still exist at the commit: another writer may have compacted the same files.
        proposal.relies_on.clone_from(&proposal.retired);
        proposal.joined = true;
        proposal.planned = Some(self.planned());
        match self.log.commit(&mut self.state, &proposal)? {
            Commit::Done(committed) => self.note(&committed.all())?,
            Commit::Moved(_) | Commit::Retired(_) | Commit::Outdated => return Ok(()),
        }
        for segment in joined.iter().chain(new_pack.iter().map(|new| &new.segment)) {
            self.content()?.keep_segment(&segment.id, segment.path())?;
        }
        Ok(())
    }

    /// Stores one Git pack with the objects of `packs`.
    fn compact_meta(
        &self,
        packs: &[(Id, u64)],
        session: &Session,
        progress: &dyn Progress,
    ) -> Result<Stored> {
        let store = self.log.store();
        let fetched = store.at_once(packs, &|(id, size)| -> Result<TempFile> {
            check_interrupt(progress)?;
            let mut source =
                ObjectReader::new(store, FileKind::Meta.key(*id), 0..*size, &NoProgress);
            let mut file = session.temp_file()?;
            io::copy(&mut source, &mut file).on("write", file.path())?;
            Ok(file)
        })?;
        let paths = fetched.iter().map(|file| file.path().to_owned());
        let paths: BTreeMap<Id, PathBuf> = packs.iter().map(|(id, _)| *id).zip(paths).collect();
        let open = |id: &Id| -> Result<Box<dyn Read>> {
            let path = paths.get(id).ok_or_else(|| Error::internal("a pack was not fetched"))?;
            Ok(Box::new(read::open(path).on("open", path)?))
        };
        let history = self.repo.history();
        let joined = history.merge_packs(packs, &open, session.directory(), &NoProgress)?;
        store.write_file(&FileKind::Meta.key(joined.id), joined.file.path())?;
        Ok(Stored { id: joined.id, size: joined.size })
    }
}

/// Returns the files if they are so many that compaction is worth one request for each.
fn many(files: Vec<(Id, u64)>) -> Vec<(Id, u64)> {
    if files.len() < MANY { Vec::new() } else { files }
}

#[cfg(test)]
mod tests;
