//! A snapshot of the files on disk, with their Git ids: a walk, ids from the stat cache, and newly
//! computed ids.
//!
//! Uploads, `status` and comparisons with a directory start with a snapshot.

mod build;
mod hash;
mod new_content;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bstr::BString;

use crate::content::{CacheEntry, IngestItem, ItemKind, Session, StatCache, Stored};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::beneath::Beneath;
use crate::fs::stat::Stat;
use crate::fs::walk::{Directory, EntryKind, Everything, Skipped, Walk, walk};
use crate::history::WalkLimits;
use crate::history::ignore::IgnoreRules;
use crate::id::Id;
use crate::progress::{Progress, Unit};
use crate::repo::Repository;
use crate::threads::try_spawn;

pub(crate) use new_content::NewContent;

/// A walked directory, with the known ids of its files.
pub(crate) struct Snapshot {
    root: PathBuf,
    beneath: Beneath,
    /// The result of the walk.
    pub(crate) walk: Walk,
    /// The index in `ids` of the first entry of each directory.
    first: Vec<usize>,
    ids: Vec<Option<Id>>,
    /// Paths that could not be read, relative to the root, with the errors.
    pub(crate) failed: Vec<(BString, Error)>,
    /// The number of files that were read, because the cache did not know them.
    pub(crate) read_files: u64,
    /// The total size of these files, in bytes.
    pub(crate) read_bytes: u64,
}

/// The number of entries that are processed as one batch, and the bytes of their paths.
const WINDOW: usize = 1 << 16;
const WINDOW_PATHS: usize = 16 << 20;

/// Selects whether ignore files apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ignores {
    /// Ignore files apply.
    Respected,
    /// Ignore files do not apply.
    Off,
}

/// Refuses a directory that exceeds the limits, because no command could read its tree back.
fn check_size(limits: WalkLimits, count: usize, walk: &Walk) -> Result<()> {
    if count as u64 > limits.entries {
        let message = format!(
            "{count} files and directories exceed the limit of a tree ({})",
            limits.entries
        );
        let hint = format!("raise the limit: art config set limits.entries {}", count * 2);
        return Err(Error::invalid(message).with_hint(hint));
    }
    let sizes = walk.path_sizes();
    let depth = sizes.depth.max(1);
    if depth > usize::try_from(limits.depth).unwrap_or(usize::MAX) {
        let message = format!("a directory is {depth} levels deep; the limit is {}", limits.depth);
        let hint = format!("raise the limit: art config set limits.depth {}", depth * 2);
        return Err(Error::invalid(message).with_hint(hint));
    }
    let longest = limits.longest_path();
    if sizes.longest > longest {
        let message = format!("a path has {} bytes; the limit is {longest}", sizes.longest);
        let hint = format!(
            "raise the limit: art config set limits.depth {}",
            WalkLimits::depth_for(sizes.longest)
        );
        return Err(Error::invalid(message).with_hint(hint));
    }
    if limits.refuses_paths(sizes.total) {
        let message = format!(
            "the paths have {} bytes in total; the limit is {}",
            sizes.total,
            limits.path_bytes()
        );
        let entries = WalkLimits::entries_for(sizes.total);
        let hint = format!("raise the limit: art config set limits.entries {entries}");
        return Err(Error::invalid(message).with_hint(hint));
    }
    Ok(())
}

impl Snapshot {
    /// Walks the directory `root` and looks up ids in the stat cache.
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

    /// Returns the absolute path of a directory, with a slash at the end.
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
            for (part, directories) in self.walk.directories.chunks(share).enumerate() {
                let count = directories.iter().map(Directory::len).sum();
                let (own, rest) = ids.split_at_mut(count);
                ids = rest;
                let mut paths = self.walk.paths();
                let work = move || {
                    let mut slots = own.iter_mut();
                    for (index, directory) in directories.iter().enumerate() {
                        let mut path = Self::stem(root, paths.directory(part * share + index));
                        let stem = path.len();
                        for ((name, kind), slot) in directory.iter().zip(slots.by_ref()) {
                            let EntryKind::File(stat) = kind else { continue };
                            path.truncate(stem);
                            path.extend_from_slice(name);
                            *slot = cache.find(&path, &stat);
                        }
                    }
                };
                // If no thread can be started, these files are read again.
                workers.extend(try_spawn(scope, work));
            }
            let ended = |_| Error::internal("a snapshot thread ended early");
            workers.into_iter().try_for_each(|worker| worker.join().map_err(ended))
        })
    }

    /// Returns the next entries, from the slot `from` on, whose content must be read, with their
    /// slots. Returns at most [`WINDOW`] entries, and about [`WINDOW_PATHS`] bytes of paths, to
    /// bound the memory use.
    fn unknown(&self, from: usize) -> (Vec<IngestItem>, Vec<usize>) {
        let (mut items, mut slots) = (Vec::new(), Vec::new());
        let holder = self.first.partition_point(|first| *first <= from).saturating_sub(1);
        let mut paths = self.walk.paths();
        let mut path_bytes = 0;
        for (number, first) in self.first.iter().enumerate().skip(holder) {
            let directory = &self.walk.directories[number];
            for index in from.saturating_sub(*first)..directory.len() {
                if self.ids[first + index].is_some() {
                    continue;
                }
                let (name, kind) = directory.entry(index);
                let kind = match kind {
                    EntryKind::File(stat) => ItemKind::File(stat),
                    EntryKind::Symlink(_) => ItemKind::Symlink,
                    EntryKind::Directory(_) => continue,
                };
                let path = paths.entry(number, name);
                path_bytes += path.len();
                items.push(IngestItem { path, kind });
                slots.push(first + index);
                if items.len() == WINDOW || path_bytes >= WINDOW_PATHS {
                    return (items, slots);
                }
            }
        }
        (items, slots)
    }

    /// The total size of the files that must be read, in bytes.
    fn unknown_bytes(&self) -> u64 {
        let entries = self.walk.directories.iter().flat_map(Directory::iter);
        let unknown = entries.zip(&self.ids).filter(|(_, id)| id.is_none());
        unknown
            .map(|((_, kind), _)| if let EntryKind::File(stat) = kind { stat.size } else { 0 })
            .sum()
    }

    /// Stores the files without an id, and adds their ids to the stat cache.
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
            // The cache only saves time. A full disk must not fail an upload that is already
            // stored.
            let _ = content.stat_cache().add(session.directory(), learned);
        }
    }

    /// Forgets ids that the cache knows but the store has lost, so that these files are stored
    /// again.
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

    /// Records the ids. Returns cache entries for files that last changed long enough ago.
    fn learn(
        &mut self,
        items: Vec<IngestItem>,
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

    /// Takes a snapshot of a single entry `name` of the directory `root`.
    pub(crate) fn of_entry(repo: &Repository, root: &Path, name: &[u8]) -> Result<Self> {
        let root = root.canonicalize().on("read directory", root)?;
        let walk = Walk::of_entry(&root, name)?;
        Self::of_walk(repo, root, walk)
    }

    /// The entries that are not a file, directory or link.
    pub(crate) fn skipped(&self) -> &[Skipped] {
        &self.walk.skipped
    }

    /// The id of an entry, if known.
    pub(crate) fn id(&self, directory: usize, entry: usize) -> Option<Id> {
        self.ids[self.first[directory] + entry]
    }

    /// The number of files and links with a known id, and their total size in bytes.
    pub(crate) fn count(&self) -> (u64, u64) {
        let (mut files, mut bytes) = (0, 0);
        let entries = self.walk.directories.iter().flat_map(Directory::iter);
        for ((_, kind), id) in entries.zip(&self.ids) {
            if let (EntryKind::File(stat) | EntryKind::Symlink(stat), Some(_)) = (kind, id) {
                files += 1;
                bytes += stat.size;
            }
        }
        (files, bytes)
    }

    /// The unreadable paths, formatted by `shown`, with the reasons.
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
