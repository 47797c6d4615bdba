//! Files that appear whole: written under a temporary name, synced, renamed, the directory synced.

//!
//! Below a [guarded](super::guarded) directory, no function here follows a link.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::guarded::{Target, is_guarded};
use super::{fault, read, remove, temporary};
use crate::error::{ErrorKind, IoResultExt, Result};
use crate::threads;

/// A file under a temporary name or under none, gone unless it is persisted.
#[derive(Debug)]
pub struct TempFile {
    file: Option<File>,
    /// Empty while it has no name.
    path: PathBuf,
}

impl TempFile {
    /// A new, empty file in `directory` that no other process uses, readable by the owner's group
    /// as far as the umask allows.
    pub fn new_in(directory: &Path) -> Result<Self> {
        Self::with_mode_in(directory, 0o666)
    }

    /// As [`TempFile::new_in`], with the permission bits `mode` less the umask.
    pub fn with_mode_in(directory: &Path, mode: u32) -> Result<Self> {
        Self::named(directory, "", mode)
    }

    fn named(directory: &Path, prefix: &str, mode: u32) -> Result<Self> {
        loop {
            let path = directory.join(format!("{prefix}{}", unique_name()));
            let target = Target::resolve("create", &path)?;
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
            let mode = Mode::from_raw_mode(mode);
            match openat(target.directory(), target.name(), flags, mode) {
                Ok(file) if !temporary::hold(&file) => {}
                Ok(file) => return Ok(TempFile { file: Some(file.into()), path }),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(target.failed("create", error)),
            }
        }
    }

    /// A new, empty file in the directory of `target`, which has no name until it is persisted: a
    /// process that is killed leaves nothing. Where the system has no such files, it is hidden there.
    pub fn beside(target: &Path) -> Result<Self> {
        let directory = directory_of(target);
        let nameless = if is_guarded(target) { None } else { nameless::create(directory) };
        match nameless {
            Some(file) => Ok(TempFile { file: Some(file), path: PathBuf::new() }),
            None => Self::named(directory, HIDDEN, 0o666),
        }
    }

    /// Where it is now; empty while it has no name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub fn file(&self) -> &File {
        self.file.as_ref().expect("because only persist and drop take the file")
    }

    /// Makes the content durable, gives it its final name in one step and makes that durable too.
    /// What stood at `target` is replaced.
    pub fn persist(self, target: &Path) -> Result<()> {
        let shown = if self.path.as_os_str().is_empty() { target } else { &self.path };
        self.file().sync_all().on("sync", shown)?;
        fault::reached("file synced")?;
        self.rename_to(target)?;
        fault::reached("file renamed")?;
        sync_parent(target)
    }

    /// As [`TempFile::persist`], but only if nothing stands at `target`: returns whether it is
    /// there now. Of several writers, in any process or on any machine, one is told yes.
    pub fn persist_new(self, target: &Path) -> Result<bool> {
        self.file().sync_all().on("sync", &self.path)?;
        fault::reached("file synced")?;
        let from = Target::resolve("read", &self.path)?;
        let to = Target::resolve("create", target)?;
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

    /// The second way to a name that is not taken, for a file system without hard links.
    #[cfg(target_os = "linux")]
    fn rename_new(mut self, target: &Path) -> Result<bool> {
        use rustix::fs::{RenameFlags, renameat_with};
        let from = Target::resolve("read", &self.path)?;
        let to = Target::resolve("create", target)?;
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

    /// Gives it its final name in one step without waiting for the disk.
    pub fn rename_to(mut self, target: &Path) -> Result<()> {
        if self.path.as_os_str().is_empty() {
            if nameless::link(self.file(), target).is_ok() {
                return Ok(());
            }
            // Something is there: another name first, which then takes its place in one step.
            let path = directory_of(target).join(format!("{HIDDEN}{}", unique_name()));
            nameless::link(self.file(), &path).on("create", &path)?;
            self.path = path;
        }
        // The open file keeps sweeps away from its old name.
        let renamed = rename(&self.path, target);
        self.file = None;
        if renamed.is_ok() {
            self.path.clear();
        }
        renamed
    }
}

/// Whether a link failed because this file system has none.
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
            // Nothing refers to it; if it can't be removed now, the next sweep of tmp/ does it.
            let _ = remove_file(&self.path);
        }
    }
}

/// How the names begin of files that wait beside their target.
const HIDDEN: &str = ".art-";

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Files without a name, where the system and the file system have them.
#[cfg(target_os = "linux")]
mod nameless {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};

    /// A file in `directory`; `None` if it can't be made so.
    pub(super) fn create(directory: &Path) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file =
            openat(CWD, directory, flags, Mode::from_raw_mode(0o666)).ok().map(File::from)?;
        // A process without /proc could never give it a name.
        std::fs::symlink_metadata(place(&file)).is_ok().then_some(file)
    }

    /// Gives `file` the name `path`, which must be free.
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

/// A name no other live process or thread chooses.
pub fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{}-{count}-{}", std::process::id(), uuid::Uuid::new_v4().simple())
}

/// Writes `bytes` to `target` through `tmp` (on the same file system): old content or new, durable.
pub fn write(target: &Path, tmp: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = TempFile::new_in(tmp)?;
    file.write_all(bytes).on("write", target)?;
    file.persist(target)
}

/// Appends `bytes` to `path` with one write and makes them durable.
pub fn append(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = append_to(path, OFlags::CREATE, bytes)?;
    file.sync_data().on("sync", path)?;
    fault::reached("line appended")
}

/// Appends `bytes` to `path` with one write; [`sync_file_system`] makes it durable.
pub fn append_unsynced(path: &Path, bytes: &[u8]) -> Result<()> {
    append_to(path, OFlags::CREATE, bytes)?;
    fault::reached("line appended")
}

/// Appends `bytes` to `path` with one write. For what can be thrown away: nothing waits for it, and
/// no crash of it is rehearsed.
pub fn append_throwaway(path: &Path, bytes: &[u8]) -> Result<()> {
    append_to(path, OFlags::empty(), bytes).map(drop)
}

/// As [`append_throwaway`], but makes the file where it is missing.
pub fn note_throwaway(path: &Path, bytes: &[u8]) -> Result<()> {
    append_to(path, OFlags::CREATE, bytes).map(drop)
}

fn append_to(path: &Path, flags: OFlags, bytes: &[u8]) -> Result<File> {
    let target = Target::resolve("open", path)?;
    let mut file = target.open("open", flags | OFlags::WRONLY | OFlags::APPEND, 0o666)?;
    file.write_all(bytes).on("append to", path)?;
    Ok(file)
}

/// Writes `bytes` over what the file at `path` holds, in place; makes the file where it is missing. For
/// a note that can be thrown away: nothing waits for the disk, and no crash of it is rehearsed.
pub fn overwrite_throwaway(path: &Path, bytes: &[u8]) -> Result<()> {
    let target = Target::resolve("open", path)?;
    let mut file = target.open("open", OFlags::CREATE | OFlags::WRONLY, 0o666)?;
    file.write_all(bytes).on("write", path)?;
    file.set_len(bytes.len() as u64).on("shorten", path)
}

/// Cuts `path` off after `length` bytes, durably: what was behind was never valid.
pub fn truncate(path: &Path, length: u64) -> Result<()> {
    let file = Target::resolve("open", path)?.open("open", OFlags::WRONLY, 0)?;
    file.set_len(length).on("shorten", path)?;
    file.sync_data().on("sync", path)?;
    fault::reached("file shortened")
}

/// Makes everything on the file system of `directory` durable: one call where thousands of files
/// were written. Returns whether this system can do that; if not, nothing was done.
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

/// Makes the names in `directory` durable.
pub fn sync_dir(directory: &Path) -> Result<()> {
    sync_dir_handle(&open_directory(directory).on("open", directory)?, directory)?;
    fault::reached("directory synced")
}

/// A handle of a directory; what is none is not waited for.
fn open_directory(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?.into())
}

fn sync_dir_handle(handle: &File, directory: &Path) -> Result<()> {
    match handle.sync_all() {
        // Some network file systems can't sync a directory; there the rename itself is the promise.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other.on("sync", directory),
    }
}

/// Makes the content of several files durable. They wait for the disk at the same time, which lets
/// the file system do it in one go.
pub fn sync_files(files: &[TempFile]) -> Result<()> {
    at_once(files, &|file| file.file().sync_all().on("sync", &file.path))?;
    files.iter().try_for_each(|_| fault::reached("file synced"))
}

/// Makes the names in several directories durable, as [`sync_files`] does with files.
pub fn sync_dirs<P: AsRef<Path> + Sync>(directories: &[P]) -> Result<()> {
    at_once(directories, &|directory| {
        let directory = directory.as_ref();
        sync_dir_handle(&open_directory(directory).on("open", directory)?, directory)
    })?;
    directories.iter().try_for_each(|_| fault::reached("directory synced"))
}

/// How many threads wait for the disk at most.
const WAITERS: usize = 16;

fn at_once<T: Sync>(items: &[T], work: &(dyn Fn(&T) -> Result<()> + Sync)) -> Result<()> {
    let share = items.len().div_ceil(WAITERS).max(1);
    let shares: Vec<&[T]> = items.chunks(share).collect();
    threads::in_parts(&shares, &|share: &[T]| share.iter().try_for_each(work)).into_iter().collect()
}

/// Makes the name of `path` durable.
pub fn sync_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => Ok(()),
    }
}

/// Renames `from` to `to`, replacing a file there.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    let from = Target::resolve("read", from)?;
    let to = Target::resolve("create", to)?;
    renameat(from.directory(), from.name(), to.directory(), to.name())
        .map_err(|error| to.failed("create", error))
}

/// Moves the file `path` into `directory` (made if missing) under `name`, or `name.1` and so on where
/// that is taken; durable on return. Gives its new path.
pub fn set_aside(path: &Path, directory: &Path, name: &str) -> Result<PathBuf> {
    create_dir_all_durably(directory)?;
    let candidates = std::iter::once(name.to_owned());
    let candidates = candidates.chain((1u32..).map(|count| format!("{name}.{count}")));
    let mut target = directory.join(unique_name());
    for candidate in candidates.map(|name| directory.join(name)) {
        if !read::is_there(&candidate)? {
            target = candidate;
            break;
        }
    }
    rename(path, &target)?;
    sync_dir(directory)?;
    sync_parent(path)?;
    Ok(target)
}

/// Makes a directory and what is missing above it.
#[expect(clippy::disallowed_methods, reason = "this module is the door")]
pub fn create_dir_all(path: &Path) -> Result<()> {
    if !is_guarded(path) {
        return std::fs::create_dir_all(path).on("create directory", path);
    }
    match Target::resolve("create directory", path).and_then(|target| target.make_directory()) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        other => return other,
    }
    if let Some(parent) = path.parent() {
        create_dir_all(parent)?;
    }
    Target::resolve("create directory", path)?.make_directory()
}

/// Makes a directory and what is missing above it, and makes their names durable.
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
    // From the top down, so that nothing durable hangs from what is not.
    missing.iter().rev().try_for_each(|made| sync_parent(made))
}

/// Makes a symbolic link at `path`, which must be free.
pub(super) fn make_link(target: &str, path: &Path) -> Result<std::result::Result<(), Errno>> {
    let place = Target::resolve("create", path)?;
    Ok(rustix::fs::symlinkat(target, place.directory(), place.name()))
}

/// Removes an empty directory; that it is gone already is fine.
pub fn remove_empty_dir(path: &Path) -> Result<()> {
    remove_with(path, |target| unlinkat(target.directory(), target.name(), AtFlags::REMOVEDIR))
}

/// Removes a file, or a link itself; that it is gone already is fine.
pub fn remove_file(path: &Path) -> Result<()> {
    remove_with(path, |target| unlinkat(target.directory(), target.name(), AtFlags::empty()))
}

/// Removes a directory and all below; that it is gone already is fine. Links are removed themselves.
pub fn remove_tree(path: &Path) -> Result<()> {
    remove_with(path, |target| remove::remove_tree(target.directory(), target.name()))
}

fn remove_with(
    path: &Path,
    remove: impl FnOnce(&Target<'_>) -> std::result::Result<(), Errno>,
) -> Result<()> {
    let target = match Target::resolve("remove", path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    match remove(&target) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(target.failed("remove", error)),
    }
}
