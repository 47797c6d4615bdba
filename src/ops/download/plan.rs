//! Compares a tree with the destination: correct files, missing files, and obstacles.

use std::os::unix::ffi::OsStrExt;
use std::vec::IntoIter;

use rustix::fs::FileType;

use super::DownloadOptions;
use crate::content::StatCache;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::beneath::Beneath;
use crate::fs::stat::Stat;
use crate::history::{EntryMode, RecentTrees, TreeEntry};
use crate::id::{Id, ObjectHasher};
use crate::progress::{Progress, check_interrupt};
use crate::repo::Repository;
use crate::sync::{fetch_missing, supply_of};
use crate::tree_path::TreePath;

/// A file to write.
#[derive(Debug)]
pub(in crate::ops) struct PlannedFile {
    pub(in crate::ops) executable: bool,
    /// Relative to the destination.
    pub(in crate::ops) path: TreePath,
    /// The number of the staged root that contains the file.
    pub(in crate::ops) root: u32,
}

/// A link to create.
#[derive(Debug)]
pub(in crate::ops) struct PlannedLink {
    pub(in crate::ops) target: Vec<u8>,
    pub(in crate::ops) path: TreePath,
    pub(in crate::ops) root: u32,
}

/// An entry that is staged separately and moved into place by one rename: a file, a link, or a
/// missing directory.
#[derive(Debug)]
pub(in crate::ops) struct Root {
    pub(in crate::ops) path: TreePath,
    pub(in crate::ops) replace: bool,
}

/// The steps of a download.
#[derive(Debug, Default)]
pub(in crate::ops) struct DownloadPlan {
    pub(in crate::ops) roots: Vec<Root>,
    /// Directories to create in the staging directory, parents first.
    pub(in crate::ops) directories: Vec<(u32, TreePath)>,
    pub(in crate::ops) files: Vec<PlannedFile>,
    /// The ids of the contents of `files`, in the same order.
    pub(in crate::ops) ids: Vec<Id>,
    pub(in crate::ops) links: Vec<PlannedLink>,
    pub(in crate::ops) unchanged: u64,
    pub(in crate::ops) replaced: Vec<TreePath>,
    /// Paths that differ or cannot be replaced, each with the reason.
    in_the_way: Vec<(TreePath, &'static str)>,
    unsafe_links: Vec<TreePath>,
}

/// The longest target of a link, in bytes.
const MAX_LINK: u64 = 1 << 16;

struct Planner<'a> {
    repo: &'a Repository,
    options: &'a DownloadOptions,
    destination: Option<&'a Beneath>,
    cache: StatCache,
    progress: &'a dyn Progress,
    plan: DownloadPlan,
    /// The links to create, with the ids of the contents that hold their targets.
    links: Vec<(u32, TreePath, Id)>,
}

impl DownloadPlan {
    pub(in crate::ops) fn make(
        repo: &Repository,
        options: &DownloadOptions,
        destination: Option<&Beneath>,
        progress: &dyn Progress,
    ) -> Result<DownloadPlan> {
        let entry = options.source.entry(repo)?;
        for only in &options.only {
            options.source.entry_at(repo, &options.source.path.join_path(only))?;
        }
        let cache = repo.content().stat_cache();
        let plan = DownloadPlan::default();
        let mut planner =
            Planner { repo, options, destination, cache, progress, plan, links: Vec::new() };
        match entry {
            Some(entry) if entry.mode == EntryMode::Directory => {
                planner.tree(entry.id, destination.is_some())?;
            }
            Some(entry) => {
                planner.entry(&TreePath::root(), &entry, destination.is_some())?;
            }
            // A run without artifacts has nothing to write.
            None => {}
        }
        planner.read_links()?;
        Ok(planner.plan)
    }

    /// The links that lead out of the destination.
    pub(in crate::ops) fn unsafe_links(&self) -> &[TreePath] {
        &self.unsafe_links
    }

    /// Fails if the download would overwrite a file or create a link that points out.
    pub(in crate::ops) fn refuse_unsafe(&self, options: &DownloadOptions) -> Result<()> {
        let list = |lines: Vec<String>| {
            let mut shown: Vec<String> = lines.iter().take(10).cloned().collect();
            if lines.len() > shown.len() {
                shown.push(format!("and {} more", lines.len() - shown.len()));
            }
            shown.join("\n")
        };
        let blocked = |why: &&'static str| !options.force || *why != DIFFERS;
        let blocking: Vec<_> = self.in_the_way.iter().filter(|(_, why)| blocked(why)).collect();
        if !blocking.is_empty() {
            let forcible = blocking.iter().all(|(_, why)| *why == DIFFERS);
            let lines = blocking.iter().map(|(path, why)| format!("{path} {why}")).collect();
            let to = options.to.display();
            let what = match blocking.len() {
                1 => format!("a path in '{to}' is in the way"),
                many => format!("{many} paths in '{to}' are in the way"),
            };
            return Err(Error::refused(format!("{what}; nothing was written"))
                .with_source(list(lines))
                .with_hint(if forcible {
                    "overwrite them with --force, or write elsewhere with --to DIR"
                } else {
                    "move them away, or write elsewhere with --to DIR"
                }));
        }
        if !self.unsafe_links.is_empty() && !options.unsafe_links {
            let listed = self.unsafe_links.iter().map(ToString::to_string).collect();
            let links = match self.unsafe_links.len() {
                1 => "1 link points".to_owned(),
                many => format!("{many} links point"),
            };
            return Err(Error::refused(format!(
                "{links} out of the destination; nothing was written"
            ))
            .with_source(list(listed))
            .with_hint("if you trust the links, create them with --unsafe-links"));
        }
        Ok(())
    }
}

const DIFFERS: &str = "differs";

impl Planner<'_> {
    /// Plans the contents of the tree `root`. `exists` is true if the destination exists. The walk
    /// does not recurse, so a deep tree cannot overflow the stack.
    fn tree(&mut self, root: Id, exists: bool) -> Result<()> {
        let history = self.repo.history();
        let mut budget = history.budget();
        let top = Below { tree: root, path: TreePath::root(), place: DirectoryPlace::of(exists) };
        let mut trees = RecentTrees::new(history);
        let mut levels = vec![top.open(&mut trees)?];
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.entries.next() else {
                levels.pop();
                continue;
            };
            check_interrupt(self.progress)?;
            let path = join(&level.path, &entry)?;
            if !self.is_wanted(&path) {
                continue;
            }
            budget.keep(history, &[Some(root)], path.as_bytes().len())?;
            let below = match level.place {
                DirectoryPlace::Exists => self.at(path, &entry, true)?,
                DirectoryPlace::Missing => self.at(path, &entry, false)?,
                DirectoryPlace::In(root) => self.missing(root, path, &entry),
            };
            if let Some(below) = below {
                let next = below.open(&mut trees)?;
                let length = next.path.as_bytes().len();
                budget.enter(levels.len(), length, next.entries.len())?;
                levels.push(next);
            }
        }
        Ok(())
    }

    /// Plans one entry of the directory `parent`. `exists` is true if the destination has that
    /// directory.
    fn entry(&mut self, parent: &TreePath, entry: &TreeEntry, exists: bool) -> Result<()> {
        let path = join(parent, entry)?;
        if self.is_wanted(&path) {
            self.at(path, entry, exists)?;
        }
        Ok(())
    }

    /// Plans `entry` at `path`. Returns the directory to enter, if `entry` is one.
    fn at(&mut self, path: TreePath, entry: &TreeEntry, exists: bool) -> Result<Option<Below>> {
        let existing = match self.destination.filter(|_| exists) {
            Some(destination) => destination.stat(path.as_bytes()).on("read", path.to_path())?,
            None => None,
        };
        match (entry.mode, existing) {
            (EntryMode::Directory, Some((FileType::Directory, _))) => {
                Ok(Some(Below { tree: entry.id, path, place: DirectoryPlace::Exists }))
            }
            (EntryMode::Directory, Some((file_type, _))) => {
                let why = if file_type == FileType::Symlink {
                    "is a link where a directory belongs"
                } else {
                    "is a file where a directory belongs"
                };
                self.plan.in_the_way.push((path, why));
                Ok(None)
            }
            (_, Some((FileType::Directory, _))) => {
                self.plan.in_the_way.push((path, "is a directory where a file belongs"));
                Ok(None)
            }
            (mode, Some((file_type, stat))) => {
                self.present(path, mode, &entry.id, file_type, &stat)?;
                Ok(None)
            }
            (_, None) => {
                let root = self.new_root(path.clone(), false);
                Ok(self.missing(root, path, entry))
            }
        }
    }

    fn is_wanted(&self, path: &TreePath) -> bool {
        let only = &self.options.only;
        only.is_empty() || only.iter().any(|only| path.starts_with(only) || only.starts_with(path))
    }

    fn new_root(&mut self, path: TreePath, replace: bool) -> u32 {
        self.plan.roots.push(Root { path, replace });
        self.plan.roots.len() as u32 - 1
    }

    /// Plans `entry` at `path`, which does not exist yet. Returns the directory to enter, if
    /// `entry` is one.
    fn missing(&mut self, root: u32, path: TreePath, entry: &TreeEntry) -> Option<Below> {
        match entry.mode {
            EntryMode::Directory => {
                self.plan.directories.push((root, path.clone()));
                return Some(Below { tree: entry.id, path, place: DirectoryPlace::In(root) });
            }
            EntryMode::Symlink => {
                self.links.push((root, path, entry.id));
            }
            EntryMode::File | EntryMode::Executable => {
                let executable = entry.mode == EntryMode::Executable;
                self.plan.files.push(PlannedFile { executable, path, root });
                self.plan.ids.push(entry.id);
            }
        }
        None
    }

    /// Reads the targets of the links, and fetches their contents if necessary. An existing link
    /// with the right target needs no content.
    fn read_links(&mut self) -> Result<()> {
        let mut links = std::mem::take(&mut self.links);
        links.retain(|(root, path, id)| {
            let existing = std::fs::read_link(self.options.to.join(path.to_path()));
            let target = existing.ok().map(|target| target.into_os_string().into_encoded_bytes());
            let Some(target) = target.filter(|target| Id::of_blob(target) == *id) else {
                return true;
            };
            self.link(*root, path.clone(), target);
            false
        });
        let ids: Vec<Id> = links.iter().map(|(_, _, id)| *id).collect();
        fetch_missing(self.repo, &ids, self.progress)?;
        let mut reader = self.repo.content().reader().with_supply(Some(supply_of(self.repo)));
        for (root, path, id) in links {
            let target = reader.read(&id, MAX_LINK)?;
            self.link(root, path, target);
        }
        Ok(())
    }

    fn link(&mut self, root: u32, path: TreePath, target: Vec<u8>) {
        if points_out(&path, &target) {
            self.plan.unsafe_links.push(path.clone());
        }
        self.plan.links.push(PlannedLink { target, path, root });
    }

    /// Plans a file or link at a path that already exists.
    fn present(
        &mut self,
        path: TreePath,
        mode: EntryMode,
        id: &Id,
        file_type: FileType,
        stat: &Stat,
    ) -> Result<()> {
        let same = match (mode, file_type) {
            (EntryMode::Symlink, FileType::Symlink) => {
                let destination = self.destination.expect("because a path in it exists");
                let target = destination.read_link(path.as_bytes()).on("read", path.to_path())?;
                Id::of_blob(&target) == *id
            }
            (EntryMode::File | EntryMode::Executable, FileType::RegularFile) => {
                stat.executable == (mode == EntryMode::Executable)
                    && self.id_of(&path, stat)? == Some(*id)
            }
            _ => false,
        };
        if same {
            self.plan.unchanged += 1;
            return Ok(());
        }
        self.plan.in_the_way.push((path.clone(), DIFFERS));
        self.plan.replaced.push(path.clone());
        let root = self.new_root(path.clone(), true);
        let entry = TreeEntry { name: b"".into(), mode, id: *id };
        self.missing(root, path, &entry);
        Ok(())
    }

    /// Returns the id of a file in the destination. Returns `None` if the file changes while it is
    /// read, or cannot be read.
    fn id_of(&self, path: &TreePath, stat: &Stat) -> Result<Option<Id>> {
        let absolute = self.options.to.join(path.to_path());
        if let Some(id) = self.cache.find(absolute.as_os_str().as_bytes(), stat) {
            return Ok(Some(id));
        }
        let destination = self.destination.expect("because a path in it exists");
        let mut file = match destination.open_file(path.as_bytes()).on("read", &absolute) {
            // An unreadable file cannot be verified, so it counts as different.
            Err(error) if error.kind() == ErrorKind::Unauthorized => return Ok(None),
            other => other?,
        };
        let mut hasher = ObjectHasher::blob(stat.size);
        let mut left = stat.size;
        let mut buffer = vec![0; 1 << 18];
        loop {
            check_interrupt(self.progress)?;
            let got = std::io::Read::read(&mut file, &mut buffer).on("read", &absolute)? as u64;
            if got == 0 {
                return Ok((left == 0).then(|| hasher.finish()));
            }
            if got > left {
                return Ok(None);
            }
            left -= got;
            hasher.update(&buffer[..got as usize]);
        }
    }
}

/// A directory of the tree whose contents will be planned.
struct Below {
    tree: Id,
    path: TreePath,
    place: DirectoryPlace,
}

/// The destination of the contents of a directory.
#[derive(Debug, Clone, Copy)]
enum DirectoryPlace {
    /// The directory exists in the destination.
    Exists,
    /// The directory does not exist. Each of its entries is a separate staged root.
    Missing,
    /// The directory belongs to the staged root with this number.
    In(u32),
}

impl DirectoryPlace {
    fn of(exists: bool) -> Self {
        if exists { DirectoryPlace::Exists } else { DirectoryPlace::Missing }
    }
}

impl Below {
    fn open(self, trees: &mut RecentTrees<'_>) -> Result<Level> {
        let entries = trees.read(&self.tree)?.into_iter();
        Ok(Level { path: self.path, place: self.place, entries })
    }
}

/// A directory whose contents are being planned.
struct Level {
    path: TreePath,
    place: DirectoryPlace,
    entries: IntoIter<TreeEntry>,
}

fn join(parent: &TreePath, entry: &TreeEntry) -> Result<TreePath> {
    parent
        .join(&entry.name)
        .map_err(|defect| Error::corrupt("the tree contains an invalid name").with_source(defect))
}

/// Returns true if a link at `path` with this target leads out of the destination, judged by the
/// names alone.
fn points_out(path: &TreePath, target: &[u8]) -> bool {
    if target.starts_with(b"/") {
        return true;
    }
    let mut depth = path.components().count() as i64 - 1;
    for component in target.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_out_are_detected() {
        let out = |path: &str, target: &str| {
            points_out(&TreePath::parse(path).unwrap(), target.as_bytes())
        };
        assert!(out("a", "/etc/passwd"));
        assert!(out("a", "../x"));
        assert!(out("d/a", "../../x"));
        assert!(out("d/a", "b/../../../x/y"));
        assert!(!out("d/a", "../x"));
        assert!(!out("a", "b/c"));
    }
}
