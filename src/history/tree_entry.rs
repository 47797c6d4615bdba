//! Converts trees to and from Git's bytes.
//!
//! Every tree object is checked before it is used: known modes in Git's spelling, names that stay
//! in the directory, Git's order, no duplicates.

use std::cmp::Ordering;

use bstr::{BStr, BString, ByteSlice};

use crate::error::{Error, Result};
use crate::id::{Id, ObjectKind};
use crate::tree_path::{check_name, escaped};

/// The mode of a tree entry: one of four modes of Git.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryMode {
    /// A file, mode 100644.
    File,
    /// An executable file, mode 100755.
    Executable,
    /// A symbolic link, mode 120000. The blob is its target.
    Symlink,
    /// A directory, mode 040000.
    Directory,
}

impl EntryMode {
    /// Returns the mode in six octal digits, as `git ls-tree` prints it.
    pub fn octal(self) -> &'static str {
        match self {
            EntryMode::File => "100644",
            EntryMode::Executable => "100755",
            EntryMode::Symlink => "120000",
            EntryMode::Directory => "040000",
        }
    }

    /// Returns the mode as in a tree object: without a leading zero.
    fn in_tree(self) -> &'static str {
        match self {
            EntryMode::Directory => "40000",
            mode => mode.octal(),
        }
    }

    /// Parses a mode in a tree object. Returns `None` for any other spelling.
    fn from_tree(digits: &[u8]) -> Option<Self> {
        [EntryMode::File, EntryMode::Directory, EntryMode::Executable, EntryMode::Symlink]
            .into_iter()
            .find(|mode| mode.in_tree().as_bytes() == digits)
    }

    /// Returns true if this is a directory.
    pub fn is_directory(self) -> bool {
        self == EntryMode::Directory
    }

    /// Returns the kind of object that an entry of this mode names.
    pub fn object_kind(self) -> ObjectKind {
        if self.is_directory() { ObjectKind::Tree } else { ObjectKind::Blob }
    }
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TreeEntry {
    /// The file name: one component, with any bytes that [`check_name`] allows.
    pub name: BString,
    /// The mode.
    pub mode: EntryMode,
    /// The blob or tree.
    pub id: Id,
}

/// Compares entries in the order of a tree: by bytes, with `/` appended to the name of a directory.
pub(super) fn git_order(a: (&[u8], EntryMode), b: (&[u8], EntryMode)) -> Ordering {
    let common = a.0.len().min(b.0.len());
    a.0[..common].cmp(&b.0[..common]).then_with(|| {
        let next = |(name, mode): (&[u8], EntryMode)| match name.get(common) {
            Some(byte) => Some(*byte),
            None => mode.is_directory().then_some(b'/'),
        };
        next(a).cmp(&next(b))
    })
}

/// An entry of a tree that borrows its name from the tree's bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryRef<'a> {
    pub(super) name: &'a BStr,
    pub(super) mode: EntryMode,
    pub(super) id: Id,
}

impl EntryRef<'_> {
    pub(super) fn to_entry(self) -> TreeEntry {
        TreeEntry { name: self.name.to_owned(), mode: self.mode, id: self.id }
    }
}

/// The reason why a tree is invalid.
#[derive(Debug, thiserror::Error)]
pub(super) enum TreeDefect {
    #[error("it ends in the middle of an entry")]
    Truncated,
    #[error("an entry has the unknown mode '{0}'")]
    Mode(String),
    #[error("entry '{name}': {defect}")]
    Name { name: String, defect: crate::tree_path::NameDefect },
    #[error("entry '{0}' is not in order")]
    Order(String),
    #[error("entry '{0}' appears twice")]
    Duplicate(String),
    #[error("entry '{0}' has a null object id")]
    NullId(String),
}

/// Parses and checks the entries of a tree one by one. The first defect ends the iteration.
pub(super) struct TreeEntries<'a> {
    rest: &'a [u8],
    last: Option<(&'a [u8], EntryMode)>,
    /// The names of earlier entries that the current name begins with, shortest first. Between a
    /// file `a` and a directory `a`, Git's order allows `a-` and `a.b`. Every name between them
    /// begins with `a`, so a duplicate name is still in this list when it occurs again.
    prefixes: Vec<&'a [u8]>,
}

impl<'a> TreeEntries<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        TreeEntries { rest: bytes, last: None, prefixes: Vec::new() }
    }

    fn parse(&mut self) -> Result<EntryRef<'a>, TreeDefect> {
        let space = self.rest.iter().take(8).position(|byte| *byte == b' ');
        let (digits, rest) = match space {
            Some(at) => (&self.rest[..at], &self.rest[at + 1..]),
            None => return Err(TreeDefect::Truncated),
        };
        let mode = EntryMode::from_tree(digits).ok_or_else(|| TreeDefect::Mode(escaped(digits)))?;
        let end = rest.find_byte(0).ok_or(TreeDefect::Truncated)?;
        let name = &rest[..end];
        let id = rest.get(end + 1..end + 1 + Id::LEN).ok_or(TreeDefect::Truncated)?;
        let id = Id::from_slice(id).ok_or(TreeDefect::Truncated)?;
        self.rest = &rest[end + 1 + Id::LEN..];
        Ok(EntryRef { name: name.as_bstr(), mode, id })
    }

    fn check(&mut self, entry: &EntryRef<'a>) -> Result<(), TreeDefect> {
        let name: &'a [u8] = entry.name;
        check_name(name).map_err(|defect| TreeDefect::Name { name: escaped(name), defect })?;
        while self.prefixes.pop_if(|prefix| !name.starts_with(prefix)).is_some() {}
        if self.prefixes.last() == Some(&name) {
            return Err(TreeDefect::Duplicate(escaped(name)));
        }
        self.prefixes.push(name);
        let this = (name, entry.mode);
        if self.last.is_some_and(|last| git_order(last, this) != Ordering::Less) {
            return Err(TreeDefect::Order(escaped(name)));
        }
        self.last = Some(this);
        if entry.id.is_null() {
            return Err(TreeDefect::NullId(escaped(name)));
        }
        Ok(())
    }
}

impl<'a> Iterator for TreeEntries<'a> {
    type Item = Result<EntryRef<'a>, TreeDefect>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let checked = self.parse().and_then(|entry| self.check(&entry).map(|()| entry));
        if checked.is_err() {
            self.rest = &[];
        }
        Some(checked)
    }
}

/// Parses the entries of the tree `id` from its bytes.
pub fn decode(id: &Id, bytes: &[u8]) -> Result<Vec<TreeEntry>> {
    TreeEntries::new(bytes)
        .map(|entry| entry.map(EntryRef::to_entry).map_err(|defect| corrupt(id, &defect)))
        .collect()
}

pub(super) fn corrupt(id: &Id, defect: &TreeDefect) -> Error {
    Error::corrupt(format!("tree {id} can't be used: {defect}"))
}

/// Sorts entries in Git's order and encodes the tree. Fails for entries that no tree can contain.
pub fn encode(mut entries: Vec<TreeEntry>) -> Result<Vec<u8>> {
    entries.sort_unstable_by(|a, b| git_order((&a.name, a.mode), (&b.name, b.mode)));
    let size = entries.iter().map(|entry| entry.name.len() + 8 + Id::LEN).sum();
    let mut bytes = Vec::with_capacity(size);
    for entry in &entries {
        bytes.extend_from_slice(entry.mode.in_tree().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(&entry.name);
        bytes.push(0);
        bytes.extend_from_slice(entry.id.as_bytes());
    }
    match TreeEntries::new(&bytes).find_map(Result::err) {
        Some(defect) => {
            Err(Error::invalid(format!("these files cannot be in one directory: {defect}")))
        }
        None => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;

    proptest! {
        #[test]
        fn parsing_any_bytes_never_panics(bytes in any::<Vec<u8>>()) {
            let _ = decode(&Id::NULL, &bytes);
        }

        #[test]
        fn trees_round_trip_and_any_cut_is_noticed(
            names in proptest::collection::btree_set("[ab./\u{e9}]{1,3}", 1..9),
            cut in any::<proptest::sample::Index>(),
        ) {
            let modes = [EntryMode::File, EntryMode::Directory, EntryMode::Symlink];
            let entries: Vec<_> = names
                .iter()
                .filter(|name| check_name(name.as_bytes()).is_ok())
                .enumerate()
                .map(|(n, name)| TreeEntry {
                    name: name.as_str().into(),
                    mode: modes[n % 3],
                    id: Id::of_blob(name.as_bytes()),
                })
                .collect();
            let bytes = encode(entries.clone()).unwrap();
            let mut found = decode(&Id::NULL, &bytes).unwrap();
            let in_order = found.clone();
            found.sort_by(|a, b| a.name.cmp(&b.name));
            prop_assert_eq!(found, entries);
            let at = cut.index(bytes.len().max(1));
            match decode(&Id::NULL, &bytes[..at.min(bytes.len())]) {
                Ok(some) => prop_assert_eq!(&some[..], &in_order[..some.len()]),
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Corrupt),
            }
        }
    }
}
