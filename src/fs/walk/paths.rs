//! The paths of the directories of a walk, which are built when they are needed.

use bstr::BString;

use super::{Directory, Walk, joined};

/// Builds the paths of directories. A step from a directory to one inside it or beside it does not
/// build the path again from the root.
#[derive(Debug)]
pub struct Paths<'a> {
    directories: &'a [Directory],
    index: u32,
    path: BString,
}

impl Paths<'_> {
    /// Returns the path of the directory at `index`, relative to the root of the walk. The root's
    /// path is empty.
    pub fn directory(&mut self, index: usize) -> &BString {
        let index = index as u32;
        let mut names = Vec::new();
        let mut above = index;
        let up = |at: u32| self.directories[at as usize].parent;
        // Parents come before children.
        while above != self.index && above != 0 && up(self.index) != above {
            names.push(above);
            above = up(above);
        }
        if above != self.index {
            let name = &self.directories[self.index as usize].name;
            let length = if above == 0 { 0 } else { self.path.len() - name.len() - 1 };
            self.path.truncate(length);
        }
        for at in names.into_iter().rev() {
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&self.directories[at as usize].name);
        }
        self.index = index;
        &self.path
    }

    /// Returns the path of the entry `name` of the directory at `index`.
    pub fn entry(&mut self, index: usize, name: &[u8]) -> BString {
        joined(self.directory(index), name)
    }
}

/// The sizes of the paths of a walk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PathSizes {
    /// The levels of the deepest directory.
    pub depth: usize,
    /// The bytes of the longest path of a directory.
    pub longest: usize,
    /// The bytes of the paths of all entries.
    pub total: u64,
}

impl Walk {
    /// Returns a builder of the paths of directories.
    pub fn paths(&self) -> Paths<'_> {
        Paths { directories: &self.directories, index: 0, path: BString::default() }
    }

    /// Measures the paths, relative to the root of the walk.
    pub fn path_sizes(&self) -> PathSizes {
        let mut sizes = PathSizes::default();
        let mut known: Vec<(usize, usize)> = Vec::with_capacity(self.directories.len());
        for (index, directory) in self.directories.iter().enumerate() {
            let (depth, length) = match known.get(directory.parent as usize) {
                _ if index == 0 => (0, 0),
                Some((depth, 0)) => (depth + 1, directory.name.len()),
                Some((depth, above)) => (depth + 1, above + 1 + directory.name.len()),
                None => continue,
            };
            known.push((depth, length));
            sizes.depth = sizes.depth.max(depth);
            sizes.longest = sizes.longest.max(length);
            let stems = directory.len() as u64 * (length as u64 + 1);
            sizes.total += stems + directory.names.len() as u64;
        }
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::atomic;
    use crate::fs::walk::{EntryKind, Everything, walk};
    use crate::progress::NoProgress;
    use crate::tree_path::ESCAPED;

    #[test]
    fn a_walk_formats_no_path_for_a_message() {
        let root = tempfile::tempdir().unwrap();
        atomic::create_dir_all(&root.path().join("a/b/c")).unwrap();
        let before = ESCAPED.get();
        walk(root.path(), &Everything, 1, &NoProgress).unwrap();
        assert_eq!(ESCAPED.get(), before);
    }

    #[test]
    fn paths_are_right_in_any_order_and_their_sizes_are_measured() {
        let root = tempfile::tempdir().unwrap();
        let paths = ["a/b/c", "a/b/d/e", "a/f", "g", "g/h/i", "abc/b/c"];
        for path in paths {
            atomic::create_dir_all(&root.path().join(path)).unwrap();
        }
        let walk = walk(root.path(), &Everything, 1, &NoProgress).unwrap();
        let mut expected = vec![BString::default(); walk.directories.len()];
        for (index, directory) in walk.directories.iter().enumerate() {
            for (name, kind) in directory.iter() {
                let EntryKind::Directory(below) = kind else { continue };
                expected[below as usize] = joined(&expected[index], name);
            }
        }
        for first in 0..expected.len() {
            for second in 0..expected.len() {
                let mut paths = walk.paths();
                assert_eq!(paths.directory(first), &expected[first]);
                assert_eq!(paths.directory(second), &expected[second]);
            }
        }
        let all: usize = expected.iter().map(|path| path.len()).sum();
        // The total counts a slash before each name at the top.
        let tops = expected.iter().filter(|path| !path.is_empty() && !path.contains(&b'/')).count();
        let sizes = PathSizes { depth: 4, longest: 7, total: (all + tops) as u64 };
        assert_eq!(walk.path_sizes(), sizes);
    }
}
