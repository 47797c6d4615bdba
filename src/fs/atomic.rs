//! Atomic files: written under a temporary name, synced and renamed, then the directory is synced.

//!
//! Below a [guarded](super::guarded) directory, no function here follows a link.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::guarded::{GuardedPath, is_guarded};
use super::{fault, read, remove};
use crate::error::{ErrorKind, IoResultExt, Result};
use crate::threads;

/// A temporary file, with or without a name, that is removed unless it is persisted.
#[derive(Debug)]
pub struct TempFile {
    file: Option<File>,
    /// The path of the file. Empty while the file has no name.
    path: PathBuf,
}

impl TempFile {
    /// Creates an empty file in `directory` with a unique name. The umask decides who can read it.
    pub fn new_in(directory: &Path) -> Result<Self> {
        Self::with_mode_in(directory, 0o666)
    }

    /// Like [`TempFile::new_in`], with the permission bits `mode` minus the umask.
    pub fn with_mode_in(directory: &Path, mode: u32) -> Result<Self> {
        Self::named(directory, "", mode)
    }

    fn named(directory: &Path, prefix: &str, mode: u32) -> Result<Self> {
        loop {
            let path = directory.join(format!("{prefix}{}", unique_name()));
            let target = GuardedPath::resolve("create", &path)?;
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
            let mode = Mode::from_raw_mode(mode);
            match openat(target.directory(), target.name(), flags, mode).map(File::from) {
                Ok(file) if !hold(&file) => {}
                Ok(file) => return Ok(TempFile { file: Some(file), path }),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(target.failed("create", error)),
            }
        }
    }

    /// Creates an empty file in the directory of `target`. The file has no name until it is
    /// persisted, so a killed process leaves nothing. If the system does not support files without
    /// names, the file gets a hidden name in that directory.
    pub fn beside(target: &Path) -> Result<Self> {
        let directory = directory_of(target);
        let nameless = if is_guarded(target) { None } else { nameless::create(directory) };
        match nameless {
            Some(file) => Ok(TempFile { file: Some(file), path: PathBuf::new() }),
            None => Self::named(directory, HIDDEN, 0o666),
        }
    }

    /// Returns the current path. Empty while the file has no name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub fn file(&self) -> &File {
        self.file.as_ref().expect("because only persist and drop take the file")
    }

    /// Syncs the content, renames the file to `target` in one step, and syncs the directory. An
    /// existing file at `target` is replaced.
    pub fn persist(self, target: &Path) -> Result<()> {
        let shown = if self.path.as_os_str().is_empty() { target } else { &self.path };
        self.file().sync_all().on("sync", shown)?;
        fault::reached("file synced")?;
        self.rename_to(target)?;
        fault::reached("file renamed")?;
        sync_parent(target)
    }

    /// Like [`TempFile::persist`], but never replaces an existing file. Returns true if the file
    /// was created at `target`. If several writers compete, in any process or on any machine,
    /// exactly one gets true.
    pub fn persist_new(self, target: &Path) -> Result<bool> {
        self.file().sync_all().on("sync", &self.path)?;
        fault::reached("file synced")?;
        let from = GuardedPath::resolve("read", &self.path)?;
        let to = GuardedPath::resolve("create", target)?;
        let (old, new) = (from.directory(), to.directory());
        match linkat(old, from.name(), new, to.name(), AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(false),
            Err(error) if has_no_links(error) => return self.rename_new(target),
            Err(error) => return Err(to.failed("create", error)),
        }
        fault::reached("file linked")?;
        sync_parent(target)?;
        Ok(true)
    }

    /// Creates the target without replacing a file, on file systems without hard links.
    #[cfg(target_os = "linux")]
    fn rename_new(mut self, target: &Path) -> Result<bool> {
        use rustix::fs::{RenameFlags, renameat_with};
        let from = GuardedPath::resolve("read", &self.path)?;
        let to = GuardedPath::resolve("create", target)?;
        let (old, new) = (from.directory(), to.directory());
        match renameat_with(old, from.name(), new, to.name(), RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(false),
            Err(error) => return Err(to.failed("create", error)),
        }
        drop((from, to));
        self.path.clear();
        fault::reached("file renamed")?;
        sync_parent(target)?;
        Ok(true)
    }

    #[cfg(not(target_os = "linux"))]
    fn rename_new(self, target: &Path) -> Result<bool> {
        Err(io::Error::from(io::ErrorKind::Unsupported)).on("link", target)
    }

    /// Renames the file to `target` in one step, without syncing it to disk.
    pub fn rename_to(mut self, target: &Path) -> Result<()> {
        if self.path.as_os_str().is_empty() {
            if nameless::link(self.file(), target).is_ok() {
                return Ok(());
            }
            // The target exists: link under another name, then rename over the target.
            let path = directory_of(target).join(format!("{HIDDEN}{}", unique_name()));
            nameless::link(self.file(), &path).on("create", &path)?;
            self.path = path;
        }
        // While the file is open, its lock keeps sweeps from removing the old name.
        let renamed = rename(&self.path, target);
        self.file = None;
        if renamed.is_ok() {
            self.path.clear();
        }
        renamed
    }
}

/// Returns true if a link failed because the file system has no hard links.
fn has_no_links(error: Errno) -> bool {
    [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL].contains(&error)
}

impl Write for TempFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // Nothing refers to the file. If it cannot be removed now, the next sweep removes it.
            let _ = remove_file(&self.path);
        }
    }
}

/// The prefix of temporary files next to their target.
const HIDDEN: &str = ".art-";

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Files without a name, if the system and the file system support them.
#[cfg(target_os = "linux")]
mod nameless {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};

    /// Creates a file without a name in `directory`, or returns `None` if that is not possible.
    pub(super) fn create(directory: &Path) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file =
            openat(CWD, directory, flags, Mode::from_raw_mode(0o666)).ok().map(File::from)?;
        // Without /proc, the process could never link the file to a name.
        std::fs::symlink_metadata(place(&file)).is_ok().then_some(file)
    }

    /// Links `file` at `path`, which must not exist.
    pub(super) fn link(file: &File, path: &Path) -> io::Result<()> {
        Ok(linkat(CWD, place(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    }

    fn place(file: &File) -> String {
        format!("/proc/self/fd/{}", file.as_raw_fd())
    }
}

#[cfg(not(target_os = "linux"))]
mod nameless {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub(super) fn create(_: &Path) -> Option<File> {
        None
    }

    pub(super) fn link(_: &File, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Locks the new temporary `file`, so that a [sweep](super::temporary::sweep) keeps it. Returns false
/// if a sweep already removed the file as a leftover. The caller then needs another file.
pub(super) fn hold(file: &File) -> bool {
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => false,
        // Without locks, sweeps go by the age of the file.
        Err(TryLockError::Error(_)) => true,
        Ok(()) => file.metadata().is_ok_and(|found| found.nlink() > 0),
    }
}

/// Returns a name that no other running process or thread generates.
pub fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{}-{count}-{}", std::process::id(), uuid::Uuid::new_v4().simple())
}

/// Writes `bytes` to `target` through the directory `tmp` on the same file system. After a crash,
/// the file has either the old or the new content.
pub fn write(target: &Path, tmp: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = TempFile::new_in(tmp)?;
    file.write_all(bytes).on("write", target)?;
    file.persist(target)
}

/// Appends `bytes` to `path` with one write, and syncs the file.
pub fn append(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = append_to(path, OFlags::CREATE, bytes)?;
    file.sync_data().on("sync", path)?;
    fault::reached("line appended")
}

/// Appends `bytes` to `path` with one write. [`sync_file_system`] makes the bytes durable.
pub fn append_unsynced(path: &Path, bytes: &[u8]) -> Result<()> {
    append_to(path, OFlags::CREATE, bytes)?;
    fault::reached("line appended")
}

/// Appends `bytes` to `path` with one write. Only for data that can be lost: the file is not
/// synced, and crash tests skip this step.
pub fn append_throwaway(path: &Path, bytes: &[u8]) -> Result<()> {
    append_to(path, OFlags::empty(), bytes).map(drop)
}

/// Like [`append_throwaway`], but creates a missing file.
pub fn note_throwaway(path: &Path, bytes: &[u8]) -> Result<()> {
    append_to(path, OFlags::CREATE, bytes).map(drop)
}

fn append_to(path: &Path, flags: OFlags, bytes: &[u8]) -> Result<File> {
    let target = GuardedPath::resolve("open", path)?;
    let mut file = target.open("open", flags | OFlags::WRONLY | OFlags::APPEND, 0o666)?;
    file.write_all(bytes).on("append to", path)?;
    Ok(file)
}

/// Replaces the content of the file at `path` in place, and creates a missing file. Only for data
/// that can be lost: the file is not synced, and crash tests skip this step.
pub fn overwrite_throwaway(path: &Path, bytes: &[u8]) -> Result<()> {
    let target = GuardedPath::resolve("open", path)?;
    let mut file = target.open("open", OFlags::CREATE | OFlags::WRONLY, 0o666)?;
    file.write_all(bytes).on("write", path)?;
    file.set_len(bytes.len() as u64).on("shorten", path)
}

/// Truncates `path` to `length` bytes, and syncs the file. The bytes after `length` were never
/// valid.
pub fn truncate(path: &Path, length: u64) -> Result<()> {
    let file = GuardedPath::resolve("open", path)?.open("open", OFlags::WRONLY, 0)?;
    file.set_len(length).on("shorten", path)?;
    file.sync_data().on("sync", path)?;
    fault::reached("file shortened")
}

/// Syncs the whole file system of `directory`: one call instead of thousands for thousands of
/// files. Returns false, without effect, if this system does not support it.
pub fn sync_file_system(directory: &Path) -> Result<bool> {
    #[cfg(target_os = "linux")]
    {
        let handle = open_directory(directory).on("open", directory)?;
        rustix::fs::syncfs(&handle).on("sync", directory)?;
        fault::reached("file system synced")?;
        Ok(true)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = directory;
        Ok(false)
    }
}

/// Syncs the names in `directory`.
pub fn sync_dir(directory: &Path) -> Result<()> {
    sync_dir_handle(&open_directory(directory).on("open", directory)?, directory)?;
    fault::reached("directory synced")
}

/// Opens a handle of a directory. Fails without waiting if `path` is not a directory.
fn open_directory(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?.into())
}

fn sync_dir_handle(handle: &File, directory: &Path) -> Result<()> {
    match handle.sync_all() {
        // Some network file systems cannot sync a directory. Their rename is durable by itself.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other.on("sync", directory),
    }
}

/// Syncs several files in parallel, so that the file system can combine the work.
pub fn sync_files(files: &[TempFile]) -> Result<()> {
    threads::map(WAITERS, files, &|file| file.file().sync_all().on("sync", &file.path))?;
    files.iter().try_for_each(|_| fault::reached("file synced"))
}

/// Syncs several directories in parallel, like [`sync_files`].
pub fn sync_dirs<P: AsRef<Path> + Sync>(directories: &[P]) -> Result<()> {
    threads::map(WAITERS, directories, &|directory| {
        let directory = directory.as_ref();
        sync_dir_handle(&open_directory(directory).on("open", directory)?, directory)
    })?;
    directories.iter().try_for_each(|_| fault::reached("directory synced"))
}

/// The maximum number of threads that wait for the disk.
const WAITERS: usize = 16;

/// Syncs the directory that contains `path`.
pub fn sync_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => Ok(()),
    }
}

/// Renames `from` to `to`, and replaces an existing file.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    let from = GuardedPath::resolve("read", from)?;
    let to = GuardedPath::resolve("create", to)?;
    renameat(from.directory(), from.name(), to.directory(), to.name())
        .map_err(|error| to.failed("create", error))
}

/// Sets the time of the last change of a file or directory to now. Only the owner can do this, so
/// a failure is ignored.
pub fn touch(path: &Path) {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    if let Ok(target) = GuardedPath::resolve("touch", path) {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let _ = rustix::fs::utimensat(target.directory(), target.name(), &times, flags);
    }
}

/// Moves the file `path` into `directory`, which is created if it is missing, and syncs both. The
/// new name is `name`, or `name.1` and so on if the name is taken. Returns the new path.
pub fn set_aside(path: &Path, directory: &Path, name: &str) -> Result<PathBuf> {
    create_dir_all_durably(directory)?;
    let candidates = std::iter::once(name.to_owned());
    let candidates = candidates.chain((1u32..).map(|count| format!("{name}.{count}")));
    let mut target = directory.join(unique_name());
    for candidate in candidates.map(|name| directory.join(name)) {
        if !read::exists(&candidate)? {
            target = candidate;
            break;
        }
    }
    rename(path, &target)?;
    sync_dir(directory)?;
    sync_parent(path)?;
    Ok(target)
}

/// Creates a directory and its missing parents.
#[expect(clippy::disallowed_methods, reason = "only this module creates directories")]
pub fn create_dir_all(path: &Path) -> Result<()> {
    if !is_guarded(path) {
        return std::fs::create_dir_all(path).on("create directory", path);
    }
    match GuardedPath::resolve("create directory", path).and_then(|target| target.make_directory())
    {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        other => return other,
    }
    if let Some(parent) = path.parent() {
        create_dir_all(parent)?;
    }
    GuardedPath::resolve("create directory", path)?.make_directory()
}

/// Creates a directory and its missing parents, and syncs their names.
pub fn create_dir_all_durably(path: &Path) -> Result<()> {
    let mut missing = Vec::new();
    for level in path.ancestors() {
        if level.as_os_str().is_empty() || read::is_dir(level)? {
            break;
        }
        missing.push(level);
    }
    if missing.is_empty() && !is_guarded(path) {
        return Ok(());
    }
    create_dir_all(path)?;
    // Top down, so that a durable directory never has a parent that is not durable.
    missing.iter().rev().try_for_each(|made| sync_parent(made))
}

/// Creates a symbolic link at `path`, which must not exist.
pub(super) fn make_link(target: &str, path: &Path) -> Result<std::result::Result<(), Errno>> {
    let place = GuardedPath::resolve("create", path)?;
    Ok(rustix::fs::symlinkat(target, place.directory(), place.name()))
}

/// Removes an empty directory. A missing directory is not an error.
pub fn remove_empty_dir(path: &Path) -> Result<()> {
    remove_with(path, |target| unlinkat(target.directory(), target.name(), AtFlags::REMOVEDIR))
}

/// Removes a file or a link. A missing file is not an error.
pub fn remove_file(path: &Path) -> Result<()> {
    remove_with(path, |target| unlinkat(target.directory(), target.name(), AtFlags::empty()))
}

/// Removes a directory and its contents, without following links. A missing directory is not an
/// error.
pub fn remove_tree(path: &Path) -> Result<()> {
    remove_with(path, |target| remove::remove_tree(target.directory(), target.name()))
}

fn remove_with(
    path: &Path,
    remove: impl FnOnce(&GuardedPath<'_>) -> std::result::Result<(), Errno>,
) -> Result<()> {
    let target = match GuardedPath::resolve("remove", path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    match remove(&target) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(target.failed("remove", error)),
    }
}
