//! Limits for walks through trees.
//!
//! Ten tree objects can name 10^10 files, because a tree can contain another tree many times. A
//! walk that follows every path therefore counts its entries. A walk that also keeps entries in
//! memory first computes the full number, which reads each distinct tree once.

use std::collections::HashMap;

use super::{History, TreeEntry};
use crate::error::{Error, Result};
use crate::id::Id;

/// A source of trees.
pub trait Trees {
    /// Returns the entries of the tree `id`, in Git's order.
    fn tree_entries(&self, id: &Id) -> Result<Vec<TreeEntry>>;
    /// Returns the limits of a walk through one tree.
    fn limits(&self) -> WalkLimits;
}

/// The limits of a walk through one tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkLimits {
    /// The maximum number of files, links and directories in one tree: `limits.entries`.
    pub entries: u64,
    /// The maximum depth of directories: `limits.depth`.
    pub depth: u32,
}

impl Default for WalkLimits {
    fn default() -> Self {
        WalkLimits { entries: 10_000_000, depth: 10_000 }
    }
}

/// The bytes of paths for each allowed entry. This limits the memory of a walk that keeps its
/// paths.
const PATH_BYTES_PER_ENTRY: u64 = 256;
/// The bytes of one path for each allowed level. The limit of a path is at least
/// `SHORTEST_PATH_BOUND`.
const PATH_BYTES_PER_LEVEL: usize = 8;
const SHORTEST_PATH_BOUND: usize = 4096;
/// A walk that keeps more entries, or more bytes of paths, measures the whole tree first.
const KEPT_ENTRIES: u64 = 100_000;
const KEPT_BYTES: u64 = 32 << 20;

impl WalkLimits {
    /// The maximum number of bytes of all paths in one tree.
    pub(crate) fn path_bytes(self) -> u64 {
        self.entries.saturating_mul(PATH_BYTES_PER_ENTRY)
    }

    /// Returns true if a walk that keeps `bytes` bytes of paths exceeds the limits.
    pub(crate) fn refuses_paths(self, bytes: u64) -> bool {
        bytes > self.path_bytes().max(KEPT_BYTES)
    }

    /// Returns a value of `limits.entries` that allows `bytes` bytes of paths, with room to grow.
    pub(crate) fn entries_for(bytes: u64) -> u64 {
        (bytes / PATH_BYTES_PER_ENTRY + 1).saturating_mul(2)
    }

    /// The maximum number of bytes of the path of one directory.
    pub(crate) fn longest_path(self) -> usize {
        let most = usize::try_from(self.depth).unwrap_or(usize::MAX);
        most.saturating_mul(PATH_BYTES_PER_LEVEL).max(SHORTEST_PATH_BOUND)
    }

    /// Returns a value of `limits.depth` that allows a path of `bytes` bytes, with room to grow.
    pub(crate) fn depth_for(bytes: usize) -> usize {
        (bytes / PATH_BYTES_PER_LEVEL + 1).saturating_mul(2)
    }

    /// Fails if a directory at `depth` with a path of `path` bytes exceeds the limits.
    fn check_depth(self, depth: usize, path: usize) -> Result<()> {
        let most = usize::try_from(self.depth).unwrap_or(usize::MAX);
        let longest = self.longest_path();
        if depth <= most && path <= longest {
            return Ok(());
        }
        let message = if depth > most {
            format!("a directory of the tree is more than {most} levels deep")
        } else {
            format!("a path of the tree has more than {longest} bytes")
        };
        let next = u64::from(self.depth).saturating_mul(10);
        Err(Error::corrupt(message).with_hint(format!(
            "if the tree is intended, raise the limit: art config set limits.depth {next}"
        )))
    }

    fn check_entries(self, entries: u64, path_bytes: u64) -> Result<()> {
        if entries <= self.entries && path_bytes <= self.path_bytes() {
            return Ok(());
        }
        let message = if entries > self.entries {
            format!("the tree has more than {} files and directories", self.entries)
        } else {
            format!("the paths of the tree have more than {} bytes in total", self.path_bytes())
        };
        let next = self.entries.saturating_mul(10);
        Err(Error::corrupt(message).with_hint(format!(
            "if the tree is intended, raise the limit: art config set limits.entries {next}"
        )))
    }
}

/// Counts the entries of one walk, and fails with [`Corrupt`](crate::ErrorKind::Corrupt) if the
/// walk exceeds the limits.
#[derive(Debug, Clone)]
pub struct WalkBudget {
    limits: WalkLimits,
    entries: u64,
    kept: u64,
    kept_bytes: u64,
    is_measured: bool,
}

impl WalkBudget {
    /// The budget of a new walk.
    pub fn new(limits: WalkLimits) -> Self {
        WalkBudget { limits, entries: 0, kept: 0, kept_bytes: 0, is_measured: false }
    }

    /// Counts a directory `depth` levels below the root, with a path of `path` bytes and `entries`
    /// entries.
    pub fn enter(&mut self, depth: usize, path: usize, entries: usize) -> Result<()> {
        self.limits.check_depth(depth, path)?;
        self.entries = self.entries.saturating_add(entries as u64);
        self.limits.check_entries(self.entries, 0)
    }

    /// Counts an entry that the walk keeps in memory, with a path of `path` bytes. If the walk
    /// keeps many entries, the trees `roots` are measured once.
    pub fn keep(&mut self, trees: &dyn Trees, roots: &[Option<Id>], path: usize) -> Result<()> {
        self.kept += 1;
        self.kept_bytes += path as u64;
        if !self.is_measured && (self.kept > KEPT_ENTRIES || self.kept_bytes > KEPT_BYTES) {
            self.is_measured = true;
            let mut expansion = Expansion::default();
            roots.iter().flatten().try_for_each(|root| expansion.check(trees, root))?;
        }
        Ok(())
    }
}

/// A cache of the small trees that a walk read last. If a tree appears at many paths, it is read
/// and decompressed once.
pub(crate) struct RecentTrees<'t> {
    trees: &'t dyn Trees,
    known: HashMap<Id, Vec<TreeEntry>>,
}

/// The maximum number of cached trees, and the maximum number of entries in a cached tree.
const RECENT_TREES: usize = 256;
const RECENT_ENTRIES: usize = 64;

impl<'t> RecentTrees<'t> {
    /// An empty cache for `trees`.
    pub(crate) fn new(trees: &'t dyn Trees) -> Self {
        RecentTrees { trees, known: HashMap::new() }
    }

    /// Returns the entries of the tree `id`, in Git's order.
    pub(crate) fn read(&mut self, id: &Id) -> Result<Vec<TreeEntry>> {
        if let Some(entries) = self.known.get(id) {
            return Ok(entries.clone());
        }
        let entries = self.trees.tree_entries(id)?;
        if entries.len() <= RECENT_ENTRIES {
            if self.known.len() >= RECENT_TREES {
                self.known.clear();
            }
            self.known.insert(*id, entries.clone());
        }
        Ok(entries)
    }
}

/// Measures trees with everything below them. Each distinct tree is read once.
#[derive(Debug, Default)]
pub struct Expansion {
    known: HashMap<Id, Size>,
}

/// The size of a tree, with every path counted.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    entries: u64,
    /// The bytes of all paths, relative to the tree.
    path_bytes: u64,
    depth: usize,
    /// The bytes of the longest path.
    longest: usize,
}

/// A tree whose directories are not all measured yet.
struct Open {
    id: Id,
    size: Size,
    /// The length of the name and the tree of each remaining directory.
    left: Vec<(usize, Id)>,
}

impl Expansion {
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if a walk through all of `root` would
    /// exceed the limits of `trees`. An unreadable tree counts as empty, because the walk itself
    /// reports it.
    pub fn check(&mut self, trees: &dyn Trees, root: &Id) -> Result<()> {
        let limits = trees.limits();
        let size = self.measure(trees, root, limits)?;
        limits.check_depth(size.depth, size.longest)?;
        limits.check_entries(size.entries, size.path_bytes)
    }

    fn measure(&mut self, trees: &dyn Trees, root: &Id, limits: WalkLimits) -> Result<Size> {
        if let Some(size) = self.known.get(root) {
            return Ok(*size);
        }
        let mut stack = vec![Open::read(trees, *root)];
        loop {
            // Limit the depth here too. Otherwise, measuring itself could need too much memory.
            limits.check_depth(stack.len() - 1, 0)?;
            let Some(open) = stack.last_mut() else { return Ok(Size::default()) };
            let Some((name, below)) = open.left.last().copied() else {
                let Some(Open { id, size, .. }) = stack.pop() else { continue };
                self.known.insert(id, size);
                if stack.is_empty() {
                    return Ok(size);
                }
                continue;
            };
            match self.known.get(&below) {
                Some(size) => {
                    open.size.add(name, *size);
                    open.left.pop();
                }
                None => stack.push(Open::read(trees, below)),
            }
        }
    }
}

impl Open {
    fn read(trees: &dyn Trees, id: Id) -> Self {
        let mut open = Open { id, size: Size::default(), left: Vec::new() };
        for entry in trees.tree_entries(&id).unwrap_or_default() {
            let name = entry.name.len();
            open.size.entries += 1;
            open.size.path_bytes += name as u64;
            open.size.longest = open.size.longest.max(name);
            if entry.mode.is_directory() {
                open.left.push((name, entry.id));
            }
        }
        open
    }
}

impl Size {
    /// Adds the contents of a directory with a name of `name` bytes.
    fn add(&mut self, name: usize, below: Size) {
        let prefixes = below.entries.saturating_mul(name as u64 + 1);
        self.entries = self.entries.saturating_add(below.entries);
        self.path_bytes = self.path_bytes.saturating_add(below.path_bytes).saturating_add(prefixes);
        self.depth = self.depth.max(below.depth + 1);
        self.longest = self.longest.max(name.saturating_add(1).saturating_add(below.longest));
    }
}

impl History {
    /// Returns the limits of a walk through one tree.
    pub fn limits(&self) -> WalkLimits {
        self.limits
    }

    /// Replaces the limits of walks.
    #[must_use]
    pub fn with_limits(self, limits: WalkLimits) -> Self {
        History { limits, ..self }
    }

    /// Returns the budget of a new walk.
    pub fn budget(&self) -> WalkBudget {
        WalkBudget::new(self.limits)
    }
}
