//! Applies many edits to a tree in one pass. Only directories on the way to an edit are read and
//! written.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bstr::{BString, ByteSlice};

use super::tree_entry::git_order;
use super::{EntryMode, ObjectWriter, TreeEntry};
use crate::error::Result;
use crate::id::Id;
use crate::tree_path::TreePath;

/// An edit of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Replaces the entry with this file, link or directory. A directory includes the contents of
    /// its tree.
    Put {
        /// The mode.
        mode: EntryMode,
        /// The blob or tree. A blob does not need to exist in this repository.
        id: Id,
    },
    /// Removes the entry and everything below it. A missing entry is not an error.
    Remove,
}

/// Returns the tree that results from applying `edits` to the tree `root`. `None` means an empty
/// tree.
///
/// An edit of a directory applies before edits below it. Otherwise, the order does not matter,
/// except that the later of two edits of one path wins. A `Put` creates its missing parent
/// directories, and replaces a file that is in the way. A directory that loses its last entry by a
/// `Remove` is removed, unless one of `edits` put it. Directories that were empty before stay.
pub fn apply(
    writer: &mut ObjectWriter<'_>,
    root: Option<Id>,
    edits: &[(TreePath, Edit)],
) -> Result<Id> {
    let mut order: Vec<&(TreePath, Edit)> = edits.iter().collect();
    // The sort is stable, so that the later of two edits of one path stays last.
    order.sort_by(|(a, _), (b, _)| by_component(a, b));
    let mut open = OpenDirectories::new(writer, root)?;
    for (path, edit) in order {
        match path.split_last() {
            Some((parent, name)) => open.edit(&parent, name, edit)?,
            None => open.replace_root(edit)?,
        }
    }
    open.finish()
}

/// Orders paths so that everything below a directory follows it directly: a slash sorts before any
/// other byte.
fn by_component(a: &TreePath, b: &TreePath) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    match a.iter().zip(b).find(|(a, b)| a != b) {
        Some((a, b)) => rank(*a).cmp(&rank(*b)),
        None => a.len().cmp(&b.len()),
    }
}

/// The open directories, from the root to the parent of the last edit.
struct OpenDirectories<'w, 'h> {
    writer: &'w mut ObjectWriter<'h>,
    root: Directory,
    below: Vec<(BString, Directory)>,
}

/// A directory that is being changed.
#[derive(Default)]
struct Directory {
    /// The tree it was read from, or `None` for a new directory.
    id: Option<Id>,
    entries: Vec<TreeEntry>,
    changes: BTreeMap<BString, EntryChange>,
    /// True if the directory stays when it becomes empty.
    stays: bool,
}

#[derive(Clone, Copy)]
struct EntryChange {
    entry: Option<(EntryMode, Id)>,
    /// True if an edit put the entry by its own path.
    is_put: bool,
}

impl<'w, 'h> OpenDirectories<'w, 'h> {
    fn new(writer: &'w mut ObjectWriter<'h>, root: Option<Id>) -> Result<Self> {
        let root = match root {
            Some(id) => Directory::read(writer, id, true)?,
            None => Directory { stays: true, ..Directory::default() },
        };
        Ok(OpenDirectories { writer, root, below: Vec::new() })
    }

    fn edit(&mut self, parent: &TreePath, name: &[u8], edit: &Edit) -> Result<()> {
        self.close_to(common_depth(&self.below, parent))?;
        for component in parent.components().skip(self.below.len()) {
            let last = self.below.last().map_or(&self.root, |(_, directory)| directory);
            let next = match last.find(component) {
                Some((EntryMode::Directory, id)) => {
                    let is_put = last.changes.get(component.as_bytes()).is_some_and(|c| c.is_put);
                    Directory::read(self.writer, id, is_put)?
                }
                // Do not create parents of a path to remove.
                _ if *edit == Edit::Remove => return Ok(()),
                _ => Directory::default(),
            };
            self.below.push((component.to_owned(), next));
        }
        let change = match *edit {
            Edit::Put { mode, id } => EntryChange { entry: Some((mode, id)), is_put: true },
            Edit::Remove => EntryChange { entry: None, is_put: false },
        };
        self.innermost().changes.insert(name.into(), change);
        Ok(())
    }

    fn replace_root(&mut self, edit: &Edit) -> Result<()> {
        self.root = match *edit {
            Edit::Put { mode: EntryMode::Directory, id } => Directory::read(self.writer, id, true)?,
            Edit::Put { .. } => {
                return Err(crate::Error::invalid("a file cannot replace the root directory"));
            }
            Edit::Remove => Directory { stays: true, ..Directory::default() },
        };
        Ok(())
    }

    fn innermost(&mut self) -> &mut Directory {
        self.below.last_mut().map_or(&mut self.root, |(_, directory)| directory)
    }

    /// Writes the directories deeper than `depth`, and updates their parents.
    fn close_to(&mut self, depth: usize) -> Result<()> {
        while self.below.len() > depth
            && let Some((name, directory)) = self.below.pop()
        {
            let entry = directory.write(self.writer)?.map(|id| (EntryMode::Directory, id));
            let parent = self.innermost();
            if parent.find(&name) != entry {
                let is_put = parent.changes.get(&name).is_some_and(|change| change.is_put);
                parent.changes.insert(name, EntryChange { entry, is_put });
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Id> {
        self.close_to(0)?;
        let id = self.root.write(self.writer)?;
        Ok(id.expect("because the root stays even if it is empty"))
    }
}

/// Returns the number of open directories that are ancestors of `path`.
fn common_depth(open: &[(BString, Directory)], path: &TreePath) -> usize {
    open.iter()
        .zip(path.components())
        .take_while(|((name, _), component)| name == component)
        .count()
}

impl Directory {
    fn read(writer: &ObjectWriter<'_>, id: Id, is_put: bool) -> Result<Self> {
        let entries = writer.read_tree(&id)?;
        let stays = is_put || entries.is_empty();
        Ok(Directory { id: Some(id), entries, changes: BTreeMap::new(), stays })
    }

    /// Returns the current entry `name`.
    fn find(&self, name: &[u8]) -> Option<(EntryMode, Id)> {
        match self.changes.get(name.as_bstr()) {
            Some(change) => change.entry,
            None => self.find_before(name).map(|entry| (entry.mode, entry.id)),
        }
    }

    /// Returns the original entry `name`. Files and directories sort differently, so both positions
    /// are searched.
    fn find_before(&self, name: &[u8]) -> Option<&TreeEntry> {
        [EntryMode::File, EntryMode::Directory].into_iter().find_map(|mode| {
            let order = |entry: &TreeEntry| git_order((&entry.name, entry.mode), (name, mode));
            let at = self.entries.binary_search_by(order).ok()?;
            self.entries.get(at)
        })
    }

    /// Writes the directory if it changed. Returns `None` if nothing is left of it.
    fn write(self, writer: &mut ObjectWriter<'_>) -> Result<Option<Id>> {
        let Directory { id, mut entries, changes, stays } = self;
        if let Some(id) = id
            && changes.is_empty()
        {
            return Ok(Some(id));
        }
        entries.retain(|entry| !changes.contains_key(&entry.name));
        entries.extend(changes.into_iter().filter_map(|(name, change)| {
            change.entry.map(|(mode, id)| TreeEntry { name, mode, id })
        }));
        if entries.is_empty() && !stays {
            return Ok(None);
        }
        writer.tree(entries).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::temporary_history;
    use crate::history::{History, Visit};

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn put(at: &str, content: &str) -> (TreePath, Edit) {
        let id = Id::of_blob(content.as_bytes());
        (path(at), Edit::Put { mode: EntryMode::File, id })
    }

    fn remove(at: &str) -> (TreePath, Edit) {
        (path(at), Edit::Remove)
    }

    fn edited(history: &History, root: Option<Id>, edits: &[(TreePath, Edit)]) -> Id {
        let mut writer = history.writer().unwrap();
        let id = apply(&mut writer, root, edits).unwrap();
        writer.flush().unwrap();
        id
    }

    fn listing(history: &History, root: &Id) -> Vec<String> {
        let mut all = Vec::new();
        history
            .visit_tree(root, &mut |path, entry| {
                let slash = if entry.mode.is_directory() { "/" } else { "" };
                all.push(format!("{path}{slash}"));
                Ok(Visit::Enter)
            })
            .unwrap();
        all
    }

    #[test]
    fn directories_are_created_and_removed_with_their_last_entry() {
        let (_directory, history) = temporary_history();
        let one = edited(&history, None, &[put("a/b/c", "1"), put("a.b", "2"), put("a/d", "3")]);
        assert_eq!(listing(&history, &one), ["a.b", "a/", "a/b/", "a/b/c", "a/d"]);
        let two = edited(&history, Some(one), &[remove("a/b/c"), remove("no/such")]);
        assert_eq!(listing(&history, &two), ["a.b", "a/", "a/d"]);
        let three = edited(&history, Some(two), &[remove("a/d"), remove("a.b")]);
        assert_eq!(listing(&history, &three), Vec::<String>::new());
    }

    #[test]
    fn a_file_and_a_directory_replace_each_other() {
        let (_directory, history) = temporary_history();
        let file = edited(&history, None, &[put("a", "1"), put("a-b", "2")]);
        let directory = edited(&history, Some(file), &[put("a/x", "3")]);
        assert_eq!(listing(&history, &directory), ["a-b", "a/", "a/x"]);
        assert_eq!(edited(&history, Some(directory), &[put("a", "1")]), file);
    }

    #[test]
    fn a_directory_is_put_and_edited_below_in_one_pass() {
        let (_directory, history) = temporary_history();
        let inner = edited(&history, None, &[put("x", "1"), put("y", "2")]);
        let whole = (path("d"), Edit::Put { mode: EntryMode::Directory, id: inner });
        let id = edited(&history, None, &[put("d/z", "3"), remove("d/x"), whole]);
        assert_eq!(listing(&history, &id), ["d/", "d/y", "d/z"]);
    }

    #[test]
    fn an_empty_directory_that_was_put_stays() {
        let (_directory, history) = temporary_history();
        let empty = edited(&history, None, &[]);
        let keep = (path("keep"), Edit::Put { mode: EntryMode::Directory, id: empty });
        let one = edited(&history, None, &[keep.clone(), put("x", "1")]);
        assert_eq!(listing(&history, &one), ["keep/", "x"]);
        let two = edited(&history, Some(one), &[put("keep/a", "2")]);
        let back = edited(&history, Some(two), &[remove("keep/a"), keep]);
        assert_eq!(back, one);
        assert_eq!(listing(&history, &edited(&history, Some(one), &[remove("keep/no")])).len(), 2);
    }

    #[test]
    fn the_later_of_two_edits_of_one_path_wins() {
        let (_directory, history) = temporary_history();
        let id =
            edited(&history, None, &[put("a", "1"), remove("a"), put("b", "2"), put("b", "3")]);
        assert_eq!(id, edited(&history, None, &[put("b", "3")]));
    }

    #[test]
    fn a_very_deep_tree_is_edited_and_visited() {
        let (_directory, history) = temporary_history();
        let deep = "d/".repeat(5_000) + "file";
        let id = edited(&history, None, &[put(&deep, "1")]);
        assert_eq!(listing(&history, &id).len(), 5_001);
        assert!(history.entry_at(&id, &path(&deep)).unwrap().is_some());
        let gone = edited(&history, Some(id), &[remove(&deep)]);
        assert_eq!(listing(&history, &gone), Vec::<String>::new());
    }
}
