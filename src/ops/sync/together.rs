//! Putting together what many pushes left: of many small Git packs and index segments one each, so
//! that a clone makes few requests; and a checkpoint, so that it reads few entries.
//!
//! The entry that does this moves no ref. What it replaces is retired, not deleted: who is just
//! reading it still can. Whatever ends this early, the remote is as sound as before: what was
//! written by then is named nowhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::connection::Connection;
use super::content::RemoteContent;
use super::object_reader::ObjectReader;
use super::take_in::{have, save_have};
use super::who;
use crate::content::Session;
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::id::Id;
use crate::progress::{NoProgress, Progress, Unit, check_interrupt};
use crate::remote::layout::{meta_key, segment_key};
use crate::remote::log::{Commit, Proposal, Stored};
use crate::repo::Repository;

/// So many small files are worth putting together.
const MANY: usize = 16;
/// No more files are put together at once.
const AT_ONCE: usize = 1024;
/// A file is small up to this size.
const SMALL: u64 = 4 << 20;
/// The most bytes that are put together at once.
const MOST: u64 = 32 << 20;

/// Puts together what many pushes left, after a push that is done.
///
/// Nothing depends on it: what fails is told as a warning, and a later push does it.
pub(crate) fn put_together(
    repo: &Repository,
    connection: &mut Connection<'_>,
    progress: &dyn Progress,
) {
    let done = join_files(repo, connection, progress).and_then(|()| {
        connection.log.write_checkpoint(&connection.state)?;
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
    let (meta, segments) = (small(&fold.meta), small(&fold.segments));
    if meta.is_empty() && segments.is_empty() {
        return Ok(());
    }
    progress.begin("putting small files together", None, Unit::Items);
    let session = repo.content().begin()?;
    let now = repo.settings().clock.now();
    let mut proposal = Proposal::new(&who(repo), now, "put small files together");
    if !meta.is_empty() {
        proposal.meta.push(join_meta(repo, connection, &meta, &session, progress)?);
    }
    let mut joined = None;
    if !segments.is_empty() {
        let segment = content(repo, connection)?.join_segments(&segments, &session)?;
        connection.log.store().write_file(&segment_key(segment.id), segment.path())?;
        proposal.segments.push(Stored { id: segment.id, size: segment.size });
        joined = Some(segment);
    }
    proposal.retired = meta.iter().chain(&segments).map(|(id, _)| *id).collect();
    // What is put together is still there then: another writer may have done the same.
    proposal.relies_on.clone_from(&proposal.retired);
    match connection.log.commit(&mut connection.state, &proposal)? {
        Commit::Done(_) => {}
        Commit::Moved(_) | Commit::Retired(_) => return Ok(()),
    }
    let mut known = have(connection);
    if meta.iter().all(|(id, _)| known.contains(id)) {
        known.extend(proposal.meta.iter().map(|stored| stored.id));
        save_have(repo, connection, &known)?;
    }
    if let Some(segment) = joined {
        content(repo, connection)?.keep_segment(&segment.id, segment.path())?;
    }
    Ok(())
}

/// The small files that are worth putting together, if there are enough of them.
fn small(files: &BTreeMap<Id, u64>) -> Vec<(Id, u64)> {
    let files = files.iter().filter(|(_, size)| **size <= SMALL);
    let mut small: Vec<(Id, u64)> = files.map(|(id, size)| (*id, *size)).collect();
    small.sort_unstable_by_key(|(id, size)| (*size, *id));
    small.truncate(AT_ONCE);
    let mut sum = 0;
    small.retain(|(_, size)| {
        sum += size;
        sum <= MOST
    });
    if small.len() < MANY { Vec::new() } else { small }
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
        Ok(Box::new(File::open(path).on("open", path)?))
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
