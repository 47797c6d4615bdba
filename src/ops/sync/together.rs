//! Putting together what many pushes left: of many small content packs, Git packs and index segments
//! one each, so that a clone makes few requests; and a checkpoint, so that it reads few entries.
//!
//! The entry that does this moves no ref. What it replaces is retired, not deleted: who is just
//! reading it still can. Whatever ends this early, the remote is as sound as before: what was
//! written by then is named nowhere.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

use super::compact_packs::{MANY_PACKS, NewPack, compact_packs};
use super::connection::Connection;
use super::content::RemoteContent;
use super::object_reader::ObjectReader;
use super::who;
use crate::content::Session;
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::fs::read;
use crate::id::Id;
use crate::progress::{NoProgress, Progress, Unit, check_interrupt};
use crate::remote::layout::{meta_key, segment_key};
use crate::remote::log::{Commit, Fold, Proposal, Stored};
use crate::repo::Repository;

/// So many files are worth putting together.
const MANY: usize = 4;
/// No more files are put together at once.
const AT_ONCE: usize = 1024;
/// A file of at most so many bytes is put together with others whatever their size.
const TINY: u64 = 64 << 10;
/// A larger one is if it has at most so many times the bytes of all smaller ones together. So what
/// stays apart grows by this factor, and what grows is written again as often as it grows by a part.
const TIMES: u64 = 4;
/// The most bytes that are put together at once.
const MOST: u64 = 32 << 20;
/// A segment with more bytes is not fetched along with others, but searched where it is.
const LARGE_SEGMENT: u64 = 256 << 10;
/// So many of those are not left apart.
const MANY_LARGE: usize = 3;

/// Whether a push of the segments `sent` leaves so many large ones that it is time to put them
/// together: each takes several requests of who looks for one file.
pub(crate) fn leaves_many_large(fold: &Fold, sent: &[Stored]) -> bool {
    let is_large = |size: u64| size > LARGE_SEGMENT;
    sent.iter().any(|segment| is_large(segment.size))
        && worth_it(&fold.segments, MOST).iter().filter(|(_, size)| is_large(*size)).count()
            >= MANY_LARGE
}

/// Puts together what many pushes left, after a push that is done. Writes a checkpoint if it is time
/// for one, or in any case if the entry of the push `is_long`.
///
/// Nothing depends on it: what fails is told as a warning, and a later push does it.
pub(crate) fn put_together(
    repo: &Repository,
    connection: &mut Connection<'_>,
    is_long: bool,
    progress: &dyn Progress,
) {
    let done = join_files(repo, connection, progress).and_then(|()| {
        if is_long {
            connection.log.renew_checkpoint(&connection.state)?;
        } else {
            connection.log.write_checkpoint(&connection.state)?;
        }
        connection.save()
    });
    if let Err(error) = done {
        let name = &connection.remote.name;
        progress.warn(&format!("'{name}' was not tidied up, which a later push does: {error}"));
    }
}

fn join_files(
    repo: &Repository,
    connection: &mut Connection<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let fold = connection.state.fold();
    let (meta, segments) = (many(worth_it(&fold.meta, MOST)), many(worth_it(&fold.segments, MOST)));
    if meta.is_empty() && segments.is_empty() && fold.packs.len() < MANY_PACKS {
        return Ok(());
    }
    progress.begin("putting small files together", None, Unit::Items);
    let session = repo.content().begin()?;
    let new_pack = compact_packs(repo, connection, &session, progress)?;
    if meta.is_empty() && segments.is_empty() && new_pack.is_none() {
        return Ok(());
    }
    let now = repo.settings().clock.now();
    let mut proposal = Proposal::new(&who(repo), now, "put small files together");
    if !meta.is_empty() {
        proposal.meta.push(join_meta(repo, connection, &meta, &session, progress)?);
    }
    let mut joined = None;
    if !segments.is_empty() {
        let is_replaced = |pack: &Id| new_pack.iter().any(|new| new.replaces.contains(pack));
        let segment =
            content(repo, connection)?.join_segments(&segments, &is_replaced, &session)?;
        connection.log.store().write_file(&segment_key(segment.id), segment.path())?;
        proposal.segments.push(Stored { id: segment.id, size: segment.size });
        joined = Some(segment);
    }
    proposal.retired = meta.iter().chain(&segments).map(|(id, _)| *id).collect();
    if let Some(NewPack { pack, segment, replaces }) = &new_pack {
        proposal.packs.push(Stored { id: pack.id(), size: pack.size() });
        // Behind the segment that is what it retires, put together.
        proposal.segments.push(Stored { id: segment.id, size: segment.size });
        proposal.retired.extend(replaces);
    }
    // What is put together is still there then: another writer may have done the same.
    proposal.relies_on.clone_from(&proposal.retired);
    proposal.joined = true;
    match connection.log.commit(&mut connection.state, &proposal)? {
        Commit::Done(committed) => connection.note(&committed.all())?,
        Commit::Moved(_) | Commit::Retired(_) => return Ok(()),
    }
    for segment in joined.iter().chain(new_pack.iter().map(|new| &new.segment)) {
        content(repo, connection)?.keep_segment(&segment.id, segment.path())?;
    }
    Ok(())
}

/// The files that are worth putting together: the small ones, the smallest first, up to the last one
/// that is not much larger than all before it; together they have at most `most` bytes.
pub(super) fn worth_it(files: &BTreeMap<Id, u64>, most: u64) -> Vec<(Id, u64)> {
    let mut files: Vec<(Id, u64)> = files.iter().map(|(id, size)| (*id, *size)).collect();
    files.sort_unstable_by_key(|(id, size)| (*size, *id));
    let (mut sum, mut worth) = (0u64, 0);
    for (number, (_, size)) in files.iter().take(AT_ONCE).enumerate() {
        if sum.saturating_add(*size) > most {
            break;
        }
        if *size <= TINY || *size <= TIMES * sum {
            worth = number + 1;
        }
        sum += size;
    }
    files.truncate(worth);
    files
}

/// The files, if there are so many that it is worth a request for each.
fn many(files: Vec<(Id, u64)>) -> Vec<(Id, u64)> {
    if files.len() < MANY { Vec::new() } else { files }
}

fn join_meta(
    repo: &Repository,
    connection: &Connection<'_>,
    packs: &[(Id, u64)],
    session: &Session,
    progress: &dyn Progress,
) -> Result<Stored> {
    let store = connection.log.store();
    let fetched = store.at_once(packs, &|(id, size)| -> Result<TempFile> {
        check_interrupt(progress)?;
        let mut source = ObjectReader::new(store, meta_key(*id), 0..*size, &NoProgress);
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
    let history = repo.history();
    let joined = history.join_packs(packs, &open, session.directory(), &NoProgress)?;
    store.write_file(&meta_key(joined.id), joined.file.path())?;
    Ok(Stored { id: joined.id, size: joined.size })
}

fn content<'c>(repo: &'c Repository, connection: &'c Connection<'_>) -> Result<RemoteContent<'c>> {
    let store = connection.log.store();
    RemoteContent::new(repo, store, connection.state.fold(), &connection.directory())
}

#[cfg(test)]
mod tests;
