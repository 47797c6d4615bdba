//! Bounds of walks through trees.
//!
//! Ten tree objects can name 10^10 files, because a tree may hold another tree many times. So a walk
//! that follows every path counts its entries. A walk that also keeps them in memory first computes
//! the full number, which takes one look at each distinct tree.

use std::collections::HashMap;

use super::diff::Trees;
use super::{History, TreeEntry};
use crate::error::{Error, Result};
use crate::id::Id;

/// How far a walk through one tree may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkLimits {
    /// The most files, links and directories in one tree: `limits.entries`.
    pub entries: u64,
    /// The most directories inside one another: `limits.depth`.
    pub depth: u32,
}

impl Default for WalkLimits {
    fn default() -> Self {
        WalkLimits { entries: 10_000_000, depth: 10_000 }
    }
}

/// Bytes of paths for each entry that a tree may have: the memory of a walk that keeps its paths.
const PATH_BYTES_PER_ENTRY: u64 = 256;
/// Bytes of one path for each level that a tree may have, and the least bound of a path.
const PATH_BYTES_PER_LEVEL: usize = 8;
const SHORTEST_PATH_BOUND: usize = 4096;
/// A walk that keeps more entries, or more bytes of paths, computes the size of the whole tree.
const KEPT_ENTRIES: u64 = 100_000;
const KEPT_BYTES: u64 = 32 << 20;

impl WalkLimits {
    fn path_bytes(self) -> u64 {
        self.entries.saturating_mul(PATH_BYTES_PER_ENTRY)
    }

    /// Fails if a directory at `depth`, with a path of `path` bytes, is deeper than a walk may go.
    fn check_depth(self, depth: usize, path: usize) -> Result<()> {
        let most = usize::try_from(self.depth).unwrap_or(usize::MAX);
        let longest = most.saturating_mul(PATH_BYTES_PER_LEVEL).max(SHORTEST_PATH_BOUND);
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
            "if the tree is right, raise the limit: art config set limits.depth {next}"
        )))
    }

    fn check_entries(self, entries: u64, path_bytes: u64) -> Result<()> {
        if entries <= self.entries && path_bytes <= self.path_bytes() {
            return Ok(());
        }
        let message = if entries > self.entries {
            format!("the tree has more than {} files and directories", self.entries)
        } else {
            format!("the paths of the tree have more than {} bytes in all", self.path_bytes())
        };
        let next = self.entries.saturating_mul(10);
        Err(Error::corrupt(message).with_hint(format!(
            "if the tree is right, raise the limit: art config set limits.entries {next}"
        )))
    }
}

/// Counts the entries of one walk, and fails with [`Corrupt`](crate::ErrorKind::Corrupt) where it
/// goes too far.
#[derive(Debug, Clone)]
pub struct WalkBudget {
    limits: WalkLimits,
    entries: u64,
    kept: u64,
    kept_bytes: u64,
    is_measured: bool,
}

impl WalkBudget {
    /// The budget of a walk that has not begun.
    pub fn new(limits: WalkLimits) -> Self {
        WalkBudget { limits, entries: 0, kept: 0, kept_bytes: 0, is_measured: false }
    }

    /// Counts a directory `depth` levels below the root, with a path of `path` bytes and this number
    /// of entries.
    pub fn enter(&mut self, depth: usize, path: usize, entries: usize) -> Result<()> {
        self.limits.check_depth(depth, path)?;
        self.entries = self.entries.saturating_add(entries as u64);
        self.limits.check_entries(self.entries, 0)
    }

    /// Counts an entry that the walk keeps in memory with its path of `path` bytes. Where many are
    /// kept, the trees `roots` that the walk goes through are measured before more are.
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

/// The small trees that a walk read last. In a tree that names the same trees at many paths, each is
/// read and decompressed once, not at each path.
pub(crate) struct RecentTrees<'t> {
    trees: &'t dyn Trees,
    known: HashMap<Id, Vec<TreeEntry>>,
}

/// The most trees that are kept, and the most entries of one.
const RECENT_TREES: usize = 256;
const RECENT_ENTRIES: usize = 64;

impl<'t> RecentTrees<'t> {
    /// A reader of `trees` that has read nothing.
    pub(crate) fn new(trees: &'t dyn Trees) -> Self {
        RecentTrees { trees, known: HashMap::new() }
    }

    /// The entries of the tree `id`, in Git's order.
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

/// The sizes of trees with all that is below them; each distinct tree is read once.
#[derive(Debug, Default)]
pub struct Expansion {
    known: HashMap<Id, Size>,
}

/// The size of a tree, as if each path were written down.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    entries: u64,
    /// Bytes of the paths, relative to the tree.
    path_bytes: u64,
    depth: usize,
    /// Bytes of the longest path.
    longest: usize,
}

/// A tree whose directories are not all measured.
struct Open {
    id: Id,
    size: Size,
    /// The length of the name and the tree of each directory that is left.
    left: Vec<(usize, Id)>,
}

impl Expansion {
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if a walk through all of `root` would go
    /// beyond the limits of `trees`. A tree that can't be read counts as empty: the walk itself
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
            // The way down is bounded too, or the measuring itself would take too much.
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
    /// Adds what is in a directory with a name of `name` bytes.
    fn add(&mut self, name: usize, below: Size) {
        let prefixes = below.entries.saturating_mul(name as u64 + 1);
        self.entries = self.entries.saturating_add(below.entries);
        self.path_bytes = self.path_bytes.saturating_add(below.path_bytes).saturating_add(prefixes);
        self.depth = self.depth.max(below.depth + 1);
        self.longest = self.longest.max(name.saturating_add(1).saturating_add(below.longest));
    }
}

impl History {
    /// How far a walk through one tree may go.
    pub fn limits(&self) -> WalkLimits {
        self.limits
    }

    /// The same history with other bounds of walks.
    #[must_use]
    pub fn with_limits(self, limits: WalkLimits) -> Self {
        History { limits, ..self }
    }

    /// The budget of a walk that has not begun.
    pub fn budget(&self) -> WalkBudget {
        WalkBudget::new(self.limits)
    }
}
