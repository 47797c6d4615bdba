//! Walks a directory tree in parallel. Reads names and metadata, no contents, and follows no links.
//!
//! The result is compact: about 60 bytes for each file plus its name. A walk of a million files
//! must fit in memory beside everything else. A directory has its name and its parent, because the
//! paths of directories inside one another would take memory quadratic in their depth.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bstr::BString;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};

use super::stat::Stat;
use super::{STAGING_PREFIX, read};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::progress::{Progress, check_interrupt};
use crate::threads::together;
use crate::tree_path::{is_plain_repository_name, is_repository_name};

mod paths;

pub use paths::{PathSizes, Paths};

/// Decides which entries a walk excludes. See `history::ignore`.
pub trait Filter: Sync {
    /// The rules that apply inside one directory.
    type State: Send + Sync;

    /// Returns the name of the file that contains a directory's own rules.
    fn rules_file(&self) -> &[u8];

    /// Returns the rules that apply inside the directory at `path`, relative to the root of the
    /// walk. For the root, `path` is empty and `parent` is `None`. `rules` contains the directory's
    /// rules file.
    fn enter(
        &self,
        parent: Option<&Self::State>,
        path: &[u8],
        rules: Option<&[u8]>,
    ) -> Result<Self::State>;

    /// Returns true if the entry at `path` (relative to the root of the walk) is excluded.
    fn is_excluded(&self, state: &Self::State, path: &[u8], is_dir: bool) -> bool;
}

/// A filter that excludes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Everything;

impl Filter for Everything {
    type State = ();

    fn rules_file(&self) -> &[u8] {
        b""
    }

    fn enter(&self, _parent: Option<&()>, _path: &[u8], _rules: Option<&[u8]>) -> Result<()> {
        Ok(())
    }

    fn is_excluded(&self, _state: &(), _path: &[u8], _is_dir: bool) -> bool {
        false
    }
}

/// The kind of a directory entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File(Stat),
    /// A symbolic link.
    Symlink(Stat),
    /// A directory, by its index in [`Walk::directories`].
    Directory(u32),
}

/// An entry of a directory.
#[derive(Debug, Clone, Copy)]
struct NamedEntry {
    name_end: u32,
    kind: EntryKind,
}

/// A directory after reading.
#[derive(Debug, Default)]
pub struct Directory {
    /// True if the directory could not be read. [`Walk::errors`] then has the reason.
    pub is_unread: bool,
    /// The index of the directory above. The root is its own parent.
    parent: u32,
    name: BString,
    names: Vec<u8>,
    entries: Vec<NamedEntry>,
}

impl Directory {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns true if the directory has no entries after filtering.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the name and kind of the entry at `index`.
    pub fn entry(&self, index: usize) -> (&[u8], EntryKind) {
        let start = match index {
            0 => 0,
            _ => self.entries[index - 1].name_end as usize,
        };
        let entry = self.entries[index];
        (&self.names[start..entry.name_end as usize], entry.kind)
    }

    /// Returns all entries in the order of the system.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], EntryKind)> {
        (0..self.len()).map(|index| self.entry(index))
    }

    fn push(&mut self, name: &[u8], kind: EntryKind) {
        self.names.extend_from_slice(name);
        self.entries.push(NamedEntry { name_end: self.names.len() as u32, kind });
    }
}

/// An entry that is not stored, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The path relative to the walk's root.
    pub path: BString,
    /// The kind of the entry: "a socket", "a device", "a named pipe", …
    pub what: &'static str,
}

/// The result of a walk.
#[derive(Debug, Default)]
pub struct Walk {
    /// All directories. The root is first, and parents come before children.
    pub directories: Vec<Directory>,
    /// The number of regular files.
    pub files: u64,
    /// The size of these files in bytes, from their metadata.
    pub bytes: u64,
    /// The number of entries that the filter excluded. An excluded directory counts once.
    pub ignored: u64,
    /// Entries that are neither files, directories nor links, sorted by path.
    pub skipped: Vec<Skipped>,
    /// Entries that could not be read, sorted by path.
    pub errors: Vec<(BString, Error)>,
}

/// Walks the directory at `root` with `threads` threads.
///
/// An unreadable directory is recorded in [`Walk::errors`]. An unreadable root is an error. `.git`
/// and `.artifacts` are neither entered nor counted.
pub fn walk<F: Filter>(
    root: &Path,
    filter: &F,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Walk> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let root_fd = openat(CWD, root, flags, Mode::empty()).on("read directory", root)?;
    let shared = Shared {
        filter,
        progress,
        queue: Mutex::new(Queue { tasks: Vec::new(), active: 0 }),
        wake: Condvar::new(),
        next_index: AtomicU32::new(1),
        failed: AtomicBool::new(false),
        files: AtomicU64::new(0),
    };
    let first = Task {
        source: DirectoryHandle::Open(root_fd),
        path: BString::default(),
        index: 0,
        parent: 0,
        state: None,
    };
    lock(&shared.queue).tasks.push(first);
    let parts = together(threads, &|| shared.work());
    assemble(parts, shared.next_index.into_inner() as usize)
}

impl Walk {
    /// A walk as if the directory at `root` contained only the entry `name`. Fails if the entry is
    /// neither a file nor a link.
    pub fn of_entry(root: &Path, name: &[u8]) -> Result<Self> {
        use std::os::unix::ffi::OsStrExt;
        let path = root.join(std::ffi::OsStr::from_bytes(name));
        let stat = statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW).on("read", &path)?;
        let mut walk = Walk::default();
        let mut directory = Directory::default();
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let stat = Stat::from_rustix(&stat);
                (walk.files, walk.bytes) = (1, stat.size);
                directory.push(name, EntryKind::File(stat));
            }
            FileType::Symlink => directory.push(name, EntryKind::Symlink(Stat::from_rustix(&stat))),
            other => {
                let shown = crate::tree_path::escaped(name);
                let message = format!("'{shown}' is {}", read::describe(other));
                return Err(Error::invalid(message).with_hint("pass only files and directories"));
            }
        }
        walk.directories.push(directory);
        Ok(walk)
    }
}

fn assemble(parts: Vec<Result<WalkPart>>, count: usize) -> Result<Walk> {
    let mut walk = Walk::default();
    walk.directories.resize_with(count, Directory::default);
    for part in parts {
        let part = part?;
        for (index, directory) in part.directories {
            walk.directories[index as usize] = directory;
        }
        walk.files += part.files;
        walk.bytes += part.bytes;
        walk.ignored += part.ignored;
        walk.skipped.extend(part.skipped);
        walk.errors.extend(part.errors);
    }
    walk.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    walk.errors.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(walk)
}

/// Returns `directory/name`, or just `name` in the root.
pub(crate) fn joined(directory: &[u8], name: &[u8]) -> BString {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path.into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The source of a directory's handle. Each directory is opened below its parent, so that no link
/// is followed and no path is too long.
enum DirectoryHandle {
    Open(OwnedFd),
    Below(Arc<OwnedFd>, std::ffi::CString),
}

struct Task<S> {
    source: DirectoryHandle,
    path: BString,
    index: u32,
    parent: u32,
    state: Option<Arc<S>>,
}

struct Queue<S> {
    tasks: Vec<Task<S>>,
    active: usize,
}

struct Shared<'a, F: Filter> {
    filter: &'a F,
    progress: &'a dyn Progress,
    queue: Mutex<Queue<F::State>>,
    wake: Condvar,
    next_index: AtomicU32,
    failed: AtomicBool,
    files: AtomicU64,
}

#[derive(Default)]
struct WalkPart {
    directories: Vec<(u32, Directory)>,
    files: u64,
    bytes: u64,
    ignored: u64,
    skipped: Vec<Skipped>,
    errors: Vec<(BString, Error)>,
}

impl<F: Filter> Shared<'_, F> {
    /// Processes directories from the queue until all are read.
    fn work(&self) -> Result<WalkPart> {
        let mut part = WalkPart::default();
        let mut result = Ok(());
        while let Some(task) = self.next() {
            let children = check_interrupt(self.progress).and_then(|()| self.read(task, &mut part));
            let mut queue = lock(&self.queue);
            queue.active -= 1;
            match children {
                Ok(children) => queue.tasks.extend(children),
                Err(error) => {
                    self.failed.store(true, Ordering::Relaxed);
                    queue.tasks.clear();
                    result = Err(error);
                }
            }
            drop(queue);
            self.wake.notify_all();
        }
        result.map(|()| part)
    }

    fn next(&self) -> Option<Task<F::State>> {
        let mut queue = lock(&self.queue);
        loop {
            if self.failed.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(task) = queue.tasks.pop() {
                queue.active += 1;
                return Some(task);
            }
            if queue.active == 0 {
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Reads one directory into `part`, and returns its subdirectories as tasks.
    fn read(&self, task: Task<F::State>, part: &mut WalkPart) -> Result<Vec<Task<F::State>>> {
        let is_root = task.index == 0;
        let name = task.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let mut directory =
            Directory { parent: task.parent, name: name.into(), ..Directory::default() };
        let children = match self.list(&task, &mut directory, part) {
            Ok(children) => children,
            Err(error) if is_root => return Err(error),
            Err(error) => {
                part.errors.push((task.path, error));
                directory.is_unread = true;
                Vec::new()
            }
        };
        let files = directory.iter().filter(|(_, kind)| matches!(kind, EntryKind::File(_))).count();
        self.files.fetch_add(files as u64, Ordering::Relaxed);
        self.progress.advance(files as u64);
        part.directories.push((task.index, directory));
        Ok(children)
    }

    fn list(
        &self,
        task: &Task<F::State>,
        directory: &mut Directory,
        part: &mut WalkPart,
    ) -> Result<Vec<Task<F::State>>> {
        let shown = || Path::new(".").join(crate::tree_path::escaped(&task.path));
        let fd = match &task.source {
            DirectoryHandle::Open(fd) => fd.try_clone().on_path("read directory", shown)?,
            DirectoryHandle::Below(parent, name) => {
                let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                openat(parent.as_ref(), name.as_c_str(), flags, Mode::empty())
                    .on_path("read directory", shown)?
            }
        };
        let mut found = Vec::new();
        let mut has_rules = false;
        for entry in Dir::read_from(&fd).on_path("read directory", shown)? {
            let entry = entry.on_path("read directory", shown)?;
            let name = entry.file_name();
            if is_never_stored(name.to_bytes()) {
                continue;
            }
            has_rules |= name.to_bytes() == self.filter.rules_file();
            found.push((name.to_owned(), entry.file_type()));
        }
        let rules = if has_rules { Some(read_rules(&fd, self.filter.rules_file())?) } else { None };
        let state = self.filter.enter(task.state.as_deref(), &task.path, rules.as_deref())?;
        let listing = Listing { shared: self, fd: Arc::new(fd), state: Arc::new(state) };
        Ok(listing.classify(task, found, directory, part))
    }
}

/// Returns true for names that no walk includes: `.`, `..`, repositories and staging directories.
fn is_never_stored(name: &[u8]) -> bool {
    matches!(name, b"." | b"..")
        || is_plain_repository_name(name)
        || name.starts_with(STAGING_PREFIX.as_bytes())
}

/// The maximum size of a rules file in bytes.
const RULES_LIMIT: u64 = 64 << 20;

/// Reads the rules file `name` of the directory at `path`. Returns `None` if it is missing or
/// empty.
pub fn read_rules_in(path: &Path, name: &[u8]) -> Result<Option<Vec<u8>>> {
    let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
    let fd = openat(CWD, path, flags, Mode::empty()).on("read directory", path)?;
    Ok(Some(read_rules(&fd, name)?).filter(|rules| !rules.is_empty()))
}

/// Reads the rules file of the directory `fd`.
fn read_rules(fd: &OwnedFd, name: &[u8]) -> Result<Vec<u8>> {
    let shown = || crate::tree_path::escaped(name);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match openat(fd, name, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        // Like git, ignore a rules file that is a link in a work tree.
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOENT) => return Ok(Vec::new()),
        Err(error) => return Err(error).on("read", shown()),
    };
    match read::check_regular(file).and_then(|file| read::read_to_limit(file, RULES_LIMIT)) {
        Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => Ok(Vec::new()),
        other => other.on("read", shown()).map_err(not_rules),
    }
}

/// Converts an error for a rules file in a work tree that is a pipe or too long. Stored data is not
/// damaged, and the file's owner can replace it.
pub fn not_rules(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Corrupt => error
            .with_kind(ErrorKind::Refused)
            .with_hint("replace it by a file of rules, or pass --no-ignore"),
        _ => error,
    }
}

/// A directory whose entries are being classified.
struct Listing<'a, 'b, F: Filter> {
    shared: &'a Shared<'b, F>,
    fd: Arc<OwnedFd>,
    state: Arc<F::State>,
}

impl<F: Filter> Listing<'_, '_, F> {
    fn classify(
        &self,
        task: &Task<F::State>,
        found: Vec<(std::ffi::CString, FileType)>,
        directory: &mut Directory,
        part: &mut WalkPart,
    ) -> Vec<Task<F::State>> {
        let mut children = Vec::new();
        let mut full = task.path.clone();
        if !full.is_empty() {
            full.push(b'/');
        }
        let stem = full.len();
        for (name, file_type) in found {
            full.truncate(stem);
            full.extend_from_slice(name.to_bytes());
            let Some((file_type, stat)) = self.stat(&name, file_type, &full, part) else {
                continue;
            };
            if is_repository_name(name.to_bytes()) {
                let what = "a name that another system reads as '.git' or '.artifacts'";
                part.skipped.push(Skipped { path: full.clone(), what });
                continue;
            }
            let is_dir = file_type == FileType::Directory;
            if self.shared.filter.is_excluded(&self.state, &full, is_dir) {
                part.ignored += 1;
                continue;
            }
            match (file_type, stat) {
                (FileType::Directory, _) => {
                    let index = self.shared.next_index.fetch_add(1, Ordering::Relaxed);
                    directory.push(name.to_bytes(), EntryKind::Directory(index));
                    children.push(Task {
                        source: DirectoryHandle::Below(Arc::clone(&self.fd), name),
                        path: full.clone(),
                        index,
                        parent: task.index,
                        state: Some(Arc::clone(&self.state)),
                    });
                }
                (FileType::RegularFile, Some(stat)) => {
                    part.files += 1;
                    part.bytes += stat.size;
                    directory.push(name.to_bytes(), EntryKind::File(stat));
                }
                (FileType::Symlink, Some(stat)) => {
                    directory.push(name.to_bytes(), EntryKind::Symlink(stat));
                }
                (other, _) => {
                    part.skipped.push(Skipped { path: full.clone(), what: read::describe(other) });
                }
            }
        }
        directory.entries.shrink_to_fit();
        directory.names.shrink_to_fit();
        children
    }

    /// Returns the type of an entry, and its metadata unless it is a directory. Returns `None` for
    /// an entry that disappeared since it was listed.
    fn stat(
        &self,
        name: &CStr,
        file_type: FileType,
        path: &[u8],
        part: &mut WalkPart,
    ) -> Option<(FileType, Option<Stat>)> {
        if file_type == FileType::Directory {
            return Some((file_type, None));
        }
        match statat(self.fd.as_ref(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let file_type = FileType::from_raw_mode(stat.st_mode);
                Some((file_type, Some(Stat::from_rustix(&stat))))
            }
            Err(rustix::io::Errno::NOENT) => None,
            Err(error) => {
                let shown = crate::tree_path::escaped(path);
                part.errors.push((path.into(), Error::io("read", shown, error.into())));
                None
            }
        }
    }
}
