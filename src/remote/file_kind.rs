//! The kinds of files that the log of a remote names, and values for each kind.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use super::log::RemoteState;
use crate::id::Id;

/// The kind of a file that the log names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A content pack.
    Pack,
    /// A Git pack of commits, trees and records.
    Meta,
    /// An index segment.
    Segment,
}

impl FileKind {
    /// All kinds, in the order of a push: the segments are last because they name the packs.
    pub const ALL: [FileKind; 3] = [FileKind::Pack, FileKind::Meta, FileKind::Segment];

    /// The files of this kind that the log names, with their sizes in bytes.
    pub fn files(self, remote_state: &RemoteState) -> &BTreeMap<Id, u64> {
        match self {
            FileKind::Pack => &remote_state.packs,
            FileKind::Meta => &remote_state.meta,
            FileKind::Segment => &remote_state.segments,
        }
    }

    /// The directory of the files, with a slash at the end.
    pub fn directory(self) -> &'static str {
        match self {
            FileKind::Pack => "packs/",
            FileKind::Meta => "meta/",
            FileKind::Segment => "index/",
        }
    }

    /// The key of the file with this id.
    pub fn key(self, id: Id) -> String {
        let extension = match self {
            FileKind::Pack => "tar.zst",
            FileKind::Meta => "pack",
            FileKind::Segment => "idx",
        };
        let hex = id.to_hex();
        format!("{}{}/{hex}.{extension}", self.directory(), &hex[..2])
    }
}

/// A value for each kind of file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PerKind<T> {
    /// The value for content packs.
    pub packs: T,
    /// The value for Git packs.
    pub meta: T,
    /// The value for index segments.
    pub segments: T,
}

impl<T> Index<FileKind> for PerKind<T> {
    type Output = T;

    fn index(&self, kind: FileKind) -> &T {
        match kind {
            FileKind::Pack => &self.packs,
            FileKind::Meta => &self.meta,
            FileKind::Segment => &self.segments,
        }
    }
}

impl<T> IndexMut<FileKind> for PerKind<T> {
    fn index_mut(&mut self, kind: FileKind) -> &mut T {
        match kind {
            FileKind::Pack => &mut self.packs,
            FileKind::Meta => &mut self.meta,
            FileKind::Segment => &mut self.segments,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_the_format() {
        let id = Id::EMPTY_TREE;
        assert_eq!(FileKind::Pack.key(id), format!("packs/6e/{id}.tar.zst"));
        assert_eq!(FileKind::Meta.key(id), format!("meta/6e/{id}.pack"));
        assert_eq!(FileKind::Segment.key(id), format!("index/6e/{id}.idx"));
    }
}
