//! What is on disk now, as Git would name it: a walk, the stat cache, and ids for the rest.
//!
//! Uploading, `status` and a comparison with a directory all begin here.

mod build;
mod hash;
mod need;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bstr::BString;

use crate::content::{CacheEntry, Item, ItemKind, Session, StatCache, Stored};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::beneath::Beneath;
use crate::fs::stat::Stat;
use crate::fs::walk::{Directory, Everything, Kind, Skipped, Walk, walk};
use crate::history::WalkLimits;
use crate::history::ignore::IgnoreRules;
use crate::id::Id;
use crate::progress::{Progress, Unit};
use crate::repo::Repository;
use crate::threads::try_spawn;

pub(crate) use need::Need;

/// A directory that was walked, with the ids that are known of its files.
pub(crate) struct Snapshot {
    root: PathBuf,
    beneath: Beneath,
    /// What the walk found.
    pub(crate) walk: Walk,
    /// Where each directory's entries begin in `ids`.
    first: Vec<usize>,
    ids: Vec<Option<Id>>,
    /// What could not be read, relative to the root.
    pub(crate) failed: Vec<(BString, Error)>,
    /// Files whose bytes were read, because the cache did not know them.
    pub(crate) read_files: u64,
    /// Their bytes.
    pub(crate) read_bytes: u64,
}

/// Entries that are read in one go.
const WINDOW: usize = 1 << 16;

/// Whether ignore files count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ignores {
    /// They do.
    Respected,
    /// Everything is taken.
    Off,
}

/// Refuses a directory that no command could read back.
fn check_size(limits: WalkLimits, count: usize, walk: &Walk) -> Result<()> {
    if count as u64 > limits.entries {
        let message = format!(
            "{count} files and directories are more than a tree may have ({})",
            limits.entries
        );
        let hint = format!("raise the limit: art config set limits.entries {}", count * 2);
        return Err(Error::invalid(message).with_hint(hint));
    }
    let levels = |path: &[u8]| path.split(|byte| *byte == b'/').count();
    let depth = walk.directories.iter().map(|directory| levels(&directory.path)).max();
    let depth = depth.unwrap_or_default();
    if depth > usize::try_from(limits.depth).unwrap_or(usize::MAX) {
        let message =
            format!("a directory is {depth} levels deep; a tree may have {}", limits.depth);
        let hint = format!("raise the limit: art config set limits.depth {}", depth * 2);
        return Err(Error::invalid(message).with_hint(hint));
    }
    Ok(())
}

impl Snapshot {
    /// Walks the directory `root` and asks the stat cache for what it knows.
    pub(crate) fn take(
        repo: &Repository,
        root: &Path,
        ignores: Ignores,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let root = root.canonicalize().on("read directory", root)?;
        let threads = repo.settings().threads;
        progress.begin("looking", None, Unit::Items);
        let walk = match ignores {
            Ignores::Respected => {
                walk(&root, &IgnoreRules::below(repo.top(), &root)?, threads, progress)?
            }
            Ignores::Off => walk(&root, &Everything, threads, progress)?,
        };
        Self::of_walk(repo, root, walk)
    }

    fn of_walk(repo: &Repository, root: PathBuf, mut walk: Walk) -> Result<Self> {
        let mut first = Vec::with_capacity(walk.directories.len());
        let mut count = 0;
        for directory in &walk.directories {
            first.push(count);
            count += directory.len();
        }
        check_size(repo.settings().limits, count, &walk)?;
        let failed = std::mem::take(&mut walk.errors);
        let mut snapshot = Snapshot {
            beneath: Beneath::open(&root)?,
            root,
            walk,
            first,
            ids: vec![None; count],
            failed,
            read_files: 0,
            read_bytes: 0,
        };
        snapshot.ask_cache(&repo.content().stat_cache(), repo.settings().threads)?;
        Ok(snapshot)
    }

    /// The path of a directory's entries, absolute, with a slash at the end.
    fn stem(root: &Path, directory: &[u8]) -> Vec<u8> {
        let mut path = root.as_os_str().as_bytes().to_vec();
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        if !directory.is_empty() {
            path.extend_from_slice(directory);
            path.push(b'/');
        }
        path
    }

    fn ask_cache(&mut self, cache: &StatCache, threads: usize) -> Result<()> {
        if cache.is_empty() {
            return Ok(());
        }
        let share = self.walk.directories.len().div_ceil(threads.max(1)).max(1);
        let root = &self.root;
        std::thread::scope(|scope| {
            let mut ids = self.ids.as_mut_slice();
            let mut workers = Vec::new();
            for directories in self.walk.directories.chunks(share) {
                let count = directories.iter().map(Directory::len).sum();
                let (own, rest) = ids.split_at_mut(count);
                ids = rest;
                let work = move || {
                    let mut slots = own.iter_mut();
                    for directory in directories {
                        let mut path = Self::stem(root, &directory.path);
                        let stem = path.len();
                        for ((name, kind), slot) in directory.iter().zip(slots.by_ref()) {
                            let Kind::File(stat) = kind else { continue };
                            path.truncate(stem);
                            path.extend_from_slice(name);
                            *slot = cache.find(&path, &stat);
                        }
                    }
                };
                // Without the thread, these files are read again.
                workers.extend(try_spawn(scope, work));
            }
            let ended = |_| Error::internal("a snapshot thread ended early");
            workers.into_iter().try_for_each(|worker| worker.join().map_err(ended))
        })
    }

    /// The next entries from the slot `from` on whose bytes must be read, with their slots; at most
    /// [`WINDOW`], so that what is held of them does not grow with the tree.
    fn unknown(&self, from: usize) -> (Vec<Item>, Vec<usize>) {
        let (mut items, mut slots) = (Vec::new(), Vec::new());
        let holder = self.first.partition_point(|first| *first <= from).saturating_sub(1);
        for (directory, first) in self.walk.directories.iter().zip(&self.first).skip(holder) {
            for index in from.saturating_sub(*first)..directory.len() {
                if self.ids[first + index].is_some() {
                    continue;
                }
                let (name, kind) = directory.entry(index);
                let kind = match kind {
                    Kind::File(stat) => ItemKind::File(stat),
                    Kind::Symlink(_) => ItemKind::Symlink,
                    Kind::Directory(_) => continue,
                };
                items.push(Item { path: directory.path_of(name), kind });
                slots.push(first + index);
                if items.len() == WINDOW {
                    return (items, slots);
                }
            }
        }
        (items, slots)
    }

    /// Bytes of the files that must be read.
    fn unknown_bytes(&self) -> u64 {
        let entries = self.walk.directories.iter().flat_map(Directory::iter);
        let unknown = entries.zip(&self.ids).filter(|(_, id)| id.is_none());
        unknown.map(|((_, kind), _)| if let Kind::File(stat) = kind { stat.size } else { 0 }).sum()
    }

    /// Stores what is not known yet, and remembers it for the next time.
    pub(crate) fn store(
        &mut self,
        repo: &Repository,
        session: &Session,
        progress: &dyn Progress,
    ) -> Result<Stored> {
        self.forget_lost(repo)?;
        let (content, threads) = (repo.content(), repo.settings().threads);
        let mut stored = Stored::default();
        let mut from = 0;
        loop {
            let (items, slots) = self.unknown(from);
            let Some(last) = slots.last() else { return Ok(stored) };
            if from == 0 {
                progress.begin("storing", Some(self.unknown_bytes()), Unit::Bytes);
            }
            from = last + 1;
            let ingested = content.ingest(session, &self.beneath, &items, threads, progress)?;
            stored.add(ingested.stored);
            let learned = self.learn(items, slots, ingested.items, session.began());
            // The cache only saves time; a full disk here must not fail an upload that is stored.
            let _ = content.stat_cache().add(session.directory(), learned);
        }
    }

    /// An id that the cache knows but the store has lost must be stored again.
    fn forget_lost(&mut self, repo: &Repository) -> Result<()> {
        for slot in &mut self.ids {
            if let Some(id) = slot
                && !repo.content().is_indexed(id)?
            {
                *slot = None;
            }
        }
        Ok(())
    }

    /// Takes ids over; what changed long enough ago becomes an entry for the cache.
    fn learn(
        &mut self,
        items: Vec<Item>,
        slots: Vec<usize>,
        found: Vec<Result<(Id, Option<Stat>)>>,
        began: i64,
    ) -> Vec<CacheEntry> {
        let mut learned = Vec::new();
        let stem = Self::stem(&self.root, b"");
        for ((item, slot), found) in items.into_iter().zip(slots).zip(found) {
            match found {
                Ok((id, stat)) => {
                    self.ids[slot] = Some(id);
                    if let Some(stat) = stat {
                        self.read_files += 1;
                        self.read_bytes += stat.size;
                        let path = [stem.as_slice(), &item.path].concat();
                        learned.extend(CacheEntry::new(&path, stat, id, began));
                    }
                }
                Err(error) => self.failed.push((item.path, error)),
            }
        }
        learned
    }

    /// Takes `name`, an entry of the directory `root`, alone.
    pub(crate) fn of_entry(repo: &Repository, root: &Path, name: &[u8]) -> Result<Self> {
        let root = root.canonicalize().on("read directory", root)?;
        let walk = Walk::of_entry(&root, name)?;
        Self::of_walk(repo, root, walk)
    }

    /// What is no file, directory or link.
    pub(crate) fn skipped(&self) -> &[Skipped] {
        &self.walk.skipped
    }

    /// The id of an entry, if it is known by now.
    pub(crate) fn id(&self, directory: usize, entry: usize) -> Option<Id> {
        self.ids[self.first[directory] + entry]
    }

    /// The files and links whose id is known, and their bytes.
    pub(crate) fn count(&self) -> (u64, u64) {
        let (mut files, mut bytes) = (0, 0);
        let entries = self.walk.directories.iter().flat_map(Directory::iter);
        for ((_, kind), id) in entries.zip(&self.ids) {
            if let (Kind::File(stat) | Kind::Symlink(stat), Some(_)) = (kind, id) {
                files += 1;
                bytes += stat.size;
            }
        }
        (files, bytes)
    }

    /// What could not be read, as a path that `shown` writes, and why.
    pub(crate) fn failures(
        &self,
        shown: impl Fn(&Path) -> String,
    ) -> impl Iterator<Item = (String, String)> {
        self.failed.iter().map(move |(path, error)| {
            let cause = error.causes().pop().unwrap_or_else(|| error.to_string());
            (shown(&self.root.join(OsStr::from_bytes(path))), cause)
        })
    }
}
