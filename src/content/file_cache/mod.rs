//! Whole files in the cache: `cache/files/ID`, and `cache/files/ID.x` for executable files.
//!
//! A cached file is read-only and can have more names: hard links in directories of `art path`, and
//! in downloads that ask for hard links. A change through one name is therefore a change of all of
//! them. The cache records the metadata of each file after its last own change; if the metadata
//! differs on the next use, the file is read and compared with its id. A file with other bytes is
//! replaced, so that no new name of it appears.
//!
//! One process at a time works on the cache. Files get their final name when they are complete and
//! verified. Other temporary names are leftovers of killed processes, and the next use removes them.

mod trim;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FileType;

use super::{CacheEntry, ContentStore, StatCache, Supply, Target};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::beneath::Beneath;
use crate::fs::lock::{FileLock, Mode};
use crate::fs::stat::Stat;
use crate::fs::{atomic, fault, reflink};
use crate::id::{Id, ObjectHasher};
use crate::progress::{Progress, Unit, check_interrupt};
pub use trim::{TrimmedFiles, trim_file_cache};

/// The pause between two looks at the lock of the cache and for an interrupt.
const PAUSE: Duration = Duration::from_millis(200);

/// A file of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CachedFile {
    /// The id of the content.
    pub id: Id,
    /// True if the file can be executed.
    pub executable: bool,
}

impl CachedFile {
    fn name(self) -> String {
        if self.executable { format!("{}.x", self.id) } else { self.id.to_hex() }
    }

    fn mode(self) -> u32 {
        if self.executable { 0o555 } else { 0o444 }
    }
}

/// The way in which a file outside the cache gets the content of a cached file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Another name of the same file.
    HardLink,
    /// A file of its own that shares the blocks.
    Reflink,
}

/// Fetches contents that are missing locally.
pub type FetchContent<'a> = &'a dyn Fn(&[Id]) -> Result<()>;

/// The file cache of a repository, locked by this process.
#[derive(Debug)]
pub struct FileCache<'a> {
    store: &'a ContentStore,
    path: PathBuf,
    directory: Beneath,
    stats: StatCache,
    /// The verified files with their metadata at that moment.
    verified: BTreeMap<CachedFile, Stat>,
    /// Copies outside the cache, for [`FileCache::is_copy`].
    copies: Vec<CacheEntry>,
    _lock: FileLock,
}

impl<'a> FileCache<'a> {
    /// Opens and locks the cache. Waits for other processes as long as they work, and removes the
    /// leftovers of killed ones.
    pub fn open(store: &'a ContentStore, progress: &dyn Progress) -> Result<Self> {
        let path = directory_of(&store.root);
        atomic::create_dir_all(&path)?;
        let mut is_waiting = false;
        let lock = loop {
            match FileLock::acquire(&path.join(LOCK), Mode::Exclusive, PAUSE) {
                Ok(lock) => break lock,
                Err(error) if error.kind() == ErrorKind::Locked => {
                    if !is_waiting {
                        progress.begin("waiting for the file cache", None, Unit::Items);
                    }
                    is_waiting = true;
                    check_interrupt(progress)?;
                }
                Err(error) => return Err(error),
            }
        };
        sweep(&path)?;
        Ok(FileCache {
            store,
            directory: Beneath::open(&path)?,
            stats: StatCache::open(&path),
            path,
            verified: BTreeMap::new(),
            copies: Vec::new(),
            _lock: lock,
        })
    }

    /// Makes sure that the cache has the files `wanted`, with the right bytes. Calls `fetch` with
    /// the contents that it does not have. Returns the ids of changed files, which were replaced.
    pub fn fill(
        &mut self,
        wanted: impl IntoIterator<Item = CachedFile>,
        (fetch, supply): (FetchContent<'_>, Supply<'_>),
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<Vec<Id>> {
        let wanted: BTreeSet<CachedFile> = wanted.into_iter().collect();
        let (mut missing, mut changed) = (Vec::new(), Vec::new());
        progress.begin("checking the file cache", Some(wanted.len() as u64), Unit::Items);
        for file in wanted {
            check_interrupt(progress)?;
            match self.verify(file, progress)? {
                Verified::Right(stat) => {
                    self.verified.insert(file, stat);
                }
                Verified::Wrong => {
                    atomic::remove_tree(&self.path.join(file.name()))?;
                    changed.push(file.id);
                    missing.push(file);
                }
                Verified::Missing => missing.push(file),
            }
            progress.advance(1);
        }
        if missing.is_empty() {
            return Ok(changed);
        }
        let ids: Vec<Id> = missing.iter().map(|file| file.id).collect();
        fetch(&ids)?;
        let extract = self.store.plan_extract(&ids, Some(supply))?;
        progress.begin("writing", Some(extract.bytes), Unit::Bytes);
        let names = missing.iter().map(|_| atomic::unique_name()).collect();
        let target = Writer { directory: &self.directory, files: &missing, names };
        extract.write(&target, threads, progress)?;
        // The recorded metadata promises that the bytes are there, also after a loss of power.
        atomic::sync_file_system(&self.path)?;
        for file in missing {
            let stat = self.stat(file)?.ok_or_else(|| self.vanished(file))?;
            self.verified.insert(file, stat);
        }
        Ok(changed)
    }

    /// Returns the size of a verified file.
    pub fn size(&self, file: CachedFile) -> u64 {
        self.verified.get(&file).map_or(0, |stat| stat.size)
    }

    /// Returns true if the file `path` of `tree` is the verified file.
    pub fn is_link(&self, file: CachedFile, tree: &Beneath, path: &[u8]) -> Result<bool> {
        let found = tree.stat(path).on("read", shown(path))?;
        let verified = self.verified.get(&file);
        Ok(verified.zip(found).is_some_and(|(verified, (kind, stat))| {
            kind == FileType::RegularFile
                && (stat.inode, stat.device) == (verified.inode, verified.device)
        }))
    }

    /// Returns true if the file `path` of `tree` is the unchanged copy that
    /// [`FileCache::link_or_copy`] wrote with this `key`.
    pub fn is_copy(
        &self,
        file: CachedFile,
        key: &[u8],
        tree: &Beneath,
        path: &[u8],
    ) -> Result<bool> {
        let Some((_, stat)) = tree.stat(path).on("read", shown(path))? else { return Ok(false) };
        let is_same = stat.executable == file.executable;
        Ok(is_same && self.stats.find(key, &stat) == Some(file.id))
    }

    /// Gives a verified file the second name `path` in `tree`. If the file system refuses another
    /// name, writes a read-only copy, which is remembered under `key`.
    pub fn link_or_copy(
        &mut self,
        file: CachedFile,
        key: &[u8],
        tree: &Beneath,
        path: &[u8],
    ) -> Result<()> {
        if self.share(file, Sharing::HardLink, tree, path).is_ok() {
            return Ok(());
        }
        let copy = self.copy(file, file.mode(), tree, path)?;
        let stat = Stat::of_file(&copy).on("read", shown(path))?;
        self.copies.extend(CacheEntry::new(key, stat, file.id, i64::MAX));
        Ok(())
    }

    /// Creates `path` in `tree` from a verified file, without a second copy of the bytes.
    pub fn share(&self, file: CachedFile, how: Sharing, tree: &Beneath, path: &[u8]) -> Result<()> {
        let name = file.name();
        match how {
            Sharing::HardLink => {
                tree.hard_link(&self.directory, name.as_bytes(), path).on("create", shown(path))?;
                if self.is_link(file, tree, path)? {
                    return Ok(());
                }
                tree.remove_file(path).on("remove", shown(path))?;
                Err(self.vanished(file))
            }
            Sharing::Reflink => {
                let source = self.directory.open_file(name.as_bytes()).on("read", &name)?;
                let mode = if file.executable { 0o777 } else { 0o666 };
                let target = tree.create_file(path, mode).on("create", shown(path))?;
                let shared = reflink::reflink(&source, &target);
                if shared.is_err() {
                    tree.remove_file(path).on("remove", shown(path))?;
                }
                shared.on("create", shown(path))
            }
        }
    }

    /// Writes a copy of a verified file to `path` in `tree`.
    pub fn copy(&self, file: CachedFile, mode: u32, tree: &Beneath, path: &[u8]) -> Result<File> {
        let name = file.name();
        let mut source = self.directory.open_file(name.as_bytes()).on("read", &name)?;
        let mut target = tree.create_file(path, mode).on("create", shown(path))?;
        std::io::copy(&mut source, &mut target).on("write", shown(path))?;
        Ok(target)
    }

    /// Returns true if files of the cache can be shared with files in `tree`. Tries it with an
    /// empty file.
    pub fn can_share(&self, how: Sharing, tree: &Beneath) -> Result<bool> {
        let name = atomic::unique_name();
        let source = self.directory.create_file(name.as_bytes(), 0o666).on("create", &name)?;
        let shared = match how {
            Sharing::HardLink => {
                tree.hard_link(&self.directory, name.as_bytes(), name.as_bytes()).is_ok()
            }
            Sharing::Reflink => {
                // Some file systems accept a clone of nothing.
                std::io::Write::write_all(&mut &source, &[1; 4096]).on("write", &name)?;
                let target = tree.create_file(name.as_bytes(), 0o666).on("create", &name)?;
                reflink::reflink(&source, &target).is_ok()
            }
        };
        tree.remove_file(name.as_bytes()).on("remove", &name)?;
        self.directory.remove_file(name.as_bytes()).on("remove", &name)?;
        Ok(shared)
    }

    /// Records the metadata of all verified files and copies. Call this after the last new name,
    /// because a new name changes the metadata.
    pub fn save(self) -> Result<()> {
        let mut entries = Vec::new();
        for (file, verified) in &self.verified {
            let Some(stat) = self.stat(*file)? else { continue };
            // A new name changes only the ctime. Another change is found on the next use.
            let is_same = (stat.inode, stat.size, stat.mtime)
                == (verified.inode, verified.size, verified.mtime);
            let name = file.name();
            if is_same && self.stats.find(name.as_bytes(), &stat) != Some(file.id) {
                entries.extend(CacheEntry::new(name.as_bytes(), stat, file.id, i64::MAX));
            }
        }
        entries.extend(&self.copies);
        self.stats.add(&self.store.tmp_dir(), entries)
    }

    fn stat(&self, file: CachedFile) -> Result<Option<Stat>> {
        let name = file.name();
        let found = self.directory.stat(name.as_bytes()).on("read", self.path.join(&name))?;
        Ok(found.filter(|(kind, _)| *kind == FileType::RegularFile).map(|(_, stat)| stat))
    }

    /// Compares a cached file with its recorded metadata, and if they differ, its bytes with its id.
    fn verify(&self, file: CachedFile, progress: &dyn Progress) -> Result<Verified> {
        let name = file.name();
        let place = self.path.join(&name);
        let Some((kind, stat)) = self.directory.stat(name.as_bytes()).on("read", &place)? else {
            return Ok(Verified::Missing);
        };
        if kind != FileType::RegularFile || stat.executable != file.executable {
            return Ok(Verified::Wrong);
        }
        if self.stats.find(name.as_bytes(), &stat) == Some(file.id) {
            return Ok(Verified::Right(stat));
        }
        let Ok(mut opened) = self.directory.open_file(name.as_bytes()) else {
            return Ok(Verified::Wrong);
        };
        let mut hasher = ObjectHasher::blob(stat.size);
        let mut buffer = vec![0; 1 << 18];
        loop {
            check_interrupt(progress)?;
            let got = opened.read(&mut buffer).on("read", &place)?;
            if got == 0 {
                break;
            }
            hasher.update(&buffer[..got]);
        }
        let after = Stat::of_file(&opened).on("read", &place)?;
        let is_right = hasher.finish() == file.id && after.same_content(&stat);
        Ok(if is_right { Verified::Right(stat) } else { Verified::Wrong })
    }

    fn vanished(&self, file: CachedFile) -> Error {
        let place = self.path.join(file.name());
        let message = format!("another process removed '{}'", place.display());
        Error::new(ErrorKind::Unavailable, message).with_hint("run the same command again")
    }
}

/// The result of the check of one cached file.
enum Verified {
    Right(Stat),
    Wrong,
    Missing,
}

const LOCK: &str = "lock";

/// The directory of the cached files of the repository directory `root`.
fn directory_of(root: &Path) -> PathBuf {
    root.join("cache").join("files")
}

/// Removes the leftovers of killed processes. Only for the holder of the lock.
fn sweep(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory).on("read directory", directory)? {
        let entry = entry.on("read directory", directory)?;
        if is_leftover(entry.file_name().as_encoded_bytes()) {
            atomic::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Returns true for the names of [`atomic::unique_name`], which contain two hyphens.
fn is_leftover(name: &[u8]) -> bool {
    let is_stat = name.ends_with(b".stat");
    !is_stat
        && name.first().is_some_and(u8::is_ascii_digit)
        && name.split(|byte| *byte == b'-').count() == 3
}

fn shown(path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(path))
}

/// Writes files to the cache.
struct Writer<'a> {
    directory: &'a Beneath,
    files: &'a [CachedFile],
    /// The temporary names.
    names: Vec<String>,
}

impl Target for Writer<'_> {
    type Output = File;

    fn create(&self, number: usize) -> Result<File> {
        let name = &self.names[number];
        self.directory.create_file(name.as_bytes(), self.files[number].mode()).on("create", name)
    }

    fn create_again(&self, number: usize) -> Result<File> {
        let name = &self.names[number];
        self.directory.remove_file(name.as_bytes()).on("remove", name)?;
        self.create(number)
    }

    fn finish(&self, number: usize, outcome: Result<File>) -> Result<()> {
        let (name, file) = (&self.names[number], self.files[number]);
        if let Err(error) = outcome {
            self.directory.remove_file(name.as_bytes()).on("remove", name)?;
            return Err(error);
        }
        fault::reached("file cached")?;
        let target = file.name();
        self.directory.rename(name.as_bytes(), target.as_bytes(), true).on("create", &target)
    }
}
