//! Walks through trees. Nothing recurses, so the depth of a tree costs no stack.

use std::collections::HashSet;

use bstr::BString;

use super::tree_entry::{EntryMode, TreeEntries, TreeEntry, corrupt, decode};
use super::{History, RecentTrees};
use crate::error::Result;
use crate::id::{Id, ObjectKind};
use crate::tree_path::TreePath;

/// A visitor's decision about the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// Visit the contents of this directory next, then the following entries.
    Enter,
    /// Skip the contents of this directory.
    Skip,
    /// End the walk.
    Stop,
}

impl History {
    /// Returns the entries of the tree `id`, in Git's order.
    ///
    /// Fails with `Corrupt`, naming the tree and the entry, for anything that Git would not write
    /// or that would lead out of a directory.
    pub fn read_tree(&self, id: &Id) -> Result<Vec<TreeEntry>> {
        decode(id, &self.read(id, ObjectKind::Tree)?)
    }

    /// Returns the entry at `path` in the tree `root`. For the root itself, returns a directory
    /// with an empty name.
    pub fn entry_at(&self, root: &Id, path: &TreePath) -> Result<Option<TreeEntry>> {
        let mut found =
            TreeEntry { name: BString::default(), mode: EntryMode::Directory, id: *root };
        for component in path.components() {
            if !found.mode.is_directory() {
                return Ok(None);
            }
            let bytes = self.read(&found.id, ObjectKind::Tree)?;
            let mut next = None;
            for entry in TreeEntries::new(&bytes) {
                let entry = entry.map_err(|defect| corrupt(&found.id, &defect))?;
                if entry.name == component {
                    next = Some(entry.to_entry());
                }
            }
            match next {
                Some(entry) => found = entry,
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// Shows every entry below the tree `root` to `visitor`: a directory before its contents, and
    /// the entries of each directory in Git's order. Keeps one directory per level in memory.
    ///
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if the walk exceeds [`History::limits`].
    pub fn visit_tree(
        &self,
        root: &Id,
        visitor: &mut dyn FnMut(&TreePath, &TreeEntry) -> Result<Visit>,
    ) -> Result<()> {
        let mut budget = self.budget();
        let mut trees = RecentTrees::new(self);
        let mut path = TreePath::root();
        let entries = trees.read(root)?;
        budget.enter(0, 0, entries.len())?;
        let mut levels = vec![entries.into_iter()];
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.next() else {
                levels.pop();
                path.pop();
                continue;
            };
            path.push(&entry.name).expect("because a tree's names were checked");
            match visitor(&path, &entry)? {
                Visit::Stop => return Ok(()),
                Visit::Enter if entry.mode.is_directory() => {
                    let below = trees.read(&entry.id)?;
                    budget.enter(levels.len(), path.as_bytes().len(), below.len())?;
                    levels.push(below.into_iter());
                }
                Visit::Enter | Visit::Skip => path.pop(),
            }
        }
        Ok(())
    }

    /// Shows every entry below the tree `root` to `visitor`, without its path. The entries of a
    /// tree that appears at several paths are shown once, so each distinct tree is read once.
    pub fn visit_distinct(
        &self,
        root: &Id,
        visitor: &mut dyn FnMut(&TreeEntry) -> Result<Visit>,
    ) -> Result<()> {
        let mut seen = HashSet::from([*root]);
        let mut waiting = vec![*root];
        while let Some(tree) = waiting.pop() {
            for entry in self.read_tree(&tree)? {
                match visitor(&entry)? {
                    Visit::Stop => return Ok(()),
                    Visit::Enter if entry.mode.is_directory() && seen.insert(entry.id) => {
                        waiting.push(entry.id);
                    }
                    Visit::Enter | Visit::Skip => {}
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::history::tests::temporary_history;

    fn raw(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let id = Id::of_blob(b"x");
        let entry = |(mode, name): &(&str, &[u8])| {
            [mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat()
        };
        entries.iter().flat_map(entry).collect()
    }

    #[test]
    fn malformed_trees_are_corrupt_and_named() {
        let (_directory, history) = temporary_history();
        let file = "100644";
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (raw(&[(file, b"..")]), "'..'"),
            (raw(&[("40000", b".")]), "'.'"),
            (raw(&[("40000", b".git")]), "'.git'"),
            (raw(&[(file, b".artifacts")]), "'.artifacts'"),
            (raw(&[(file, b"a/b")]), "'a/b'"),
            (raw(&[(file, b"/etc")]), "'/etc'"),
            (raw(&[(file, b"")]), "empty name"),
            (raw(&[(file, b"a"), (file, b"a")]), "'a' appears twice"),
            (raw(&[(file, b"a"), (file, b"a.b"), ("40000", b"a")]), "'a' appears twice"),
            (raw(&[(file, b"b"), (file, b"a")]), "'a' is not in order"),
            (raw(&[("40000", b"a"), (file, b"a.b")]), "'a.b' is not in order"),
            (raw(&[("160000", b"module")]), "unknown mode '160000'"),
            (raw(&[("040000", b"zero")]), "unknown mode '040000'"),
            (raw(&[("100664", b"group")]), "unknown mode '100664'"),
            (raw(&[(file, b"\x1b[31m..")])[..20].to_vec(), "middle of an entry"),
            (b"100644 no end".to_vec(), "middle of an entry"),
            (b"100644".to_vec(), "middle of an entry"),
            ([b"100644 a\0", &[0; 32][..]].concat(), "has a null object id"),
        ];
        for (bytes, what) in cases {
            let mut writer = history.writer().unwrap();
            let id = writer.add(ObjectKind::Tree, bytes).unwrap();
            let before = writer.read_tree(&id).unwrap_err();
            writer.flush().unwrap();
            let error = history.read_tree(&id).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains(what), "{error:?} says {what}");
            assert!(error.message().contains(&id.to_hex()));
            assert_eq!(before.message(), error.message());
            let path = TreePath::parse("a/b/c").unwrap();
            assert_eq!(history.entry_at(&id, &path).unwrap_err().kind(), ErrorKind::Corrupt);
            assert!(history.visit_tree(&id, &mut |_, _| Ok(Visit::Enter)).is_err());
            assert!(history.diff(None, Some(id)).is_err());
        }
    }

    #[test]
    fn invalid_names_are_not_written() {
        let (_directory, history) = temporary_history();
        let mut writer = history.writer().unwrap();
        let entry = |name: &str, mode| TreeEntry { name: name.into(), mode, id: Id::of_blob(b"") };
        for names in [&["a/b"][..], &[".git"], &["a", "a"], &[""]] {
            let entries = names.iter().map(|name| entry(name, EntryMode::File)).collect();
            assert_eq!(writer.tree(entries).unwrap_err().kind(), ErrorKind::Invalid);
        }
        let both = vec![entry("a", EntryMode::File), entry("a", EntryMode::Directory)];
        assert!(writer.tree(both).is_err());
    }

    #[test]
    fn a_visitor_controls_the_walk() {
        let (_directory, history) = temporary_history();
        let mut writer = history.writer().unwrap();
        let put = |path: &str| {
            let put = crate::history::edit::Edit::Put {
                mode: EntryMode::File,
                id: Id::of_blob(path.as_bytes()),
            };
            (TreePath::parse(path).unwrap(), put)
        };
        let edits = ["a/b/c", "a/d", "e/f", "g"].map(put);
        let root = crate::history::edit::apply(&mut writer, None, &edits).unwrap();
        writer.flush().unwrap();
        let seen = |decide: &dyn Fn(&str) -> Visit| {
            let mut seen = Vec::new();
            history
                .visit_tree(&root, &mut |path, _| {
                    seen.push(path.to_string());
                    Ok(decide(&path.to_string()))
                })
                .unwrap();
            seen
        };
        let all = ["a", "a/b", "a/b/c", "a/d", "e", "e/f", "g"];
        assert_eq!(seen(&|_| Visit::Enter), all);
        let skip = |path: &str| if path == "a" { Visit::Skip } else { Visit::Enter };
        assert_eq!(seen(&skip), ["a", "e", "e/f", "g"]);
        let stop = |path: &str| if path == "a/d" { Visit::Stop } else { Visit::Enter };
        assert_eq!(seen(&stop), all[..4]);
    }
}
