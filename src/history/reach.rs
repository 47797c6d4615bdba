//! What is reachable from some commits and not from others: the way of a push and of the check
//! after a fetch.
//!
//! The walk is thin. A directory that is the same in a commit and in one of its parents at the same
//! path is not looked into, so a change in a tree of a million files costs the directories above it.
//! What stands at another path in a parent may therefore be shown again; so may be commits that both
//! sides reach where clocks were far apart. Nothing is ever left out.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use bstr::ByteSlice;

use super::History;
use super::new_commits::{in_order, paint_new};
use super::object::expect_kind;
use super::tree_entry::{Entries, EntryRef, corrupt, git_order};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Id, ObjectKind};
use crate::progress::{Progress, check_interrupt};

/// The entry of a record's root tree below which everything but the directories is content.
const ARTIFACTS: &[u8] = b"artifacts";

/// How many tags may lead from one to the next.
const MAX_TAGS: usize = 5;

/// Sees what a walk comes to.
pub(super) trait Visitor {
    /// A Git object other than a blob, with its bytes; each once.
    fn object(&mut self, kind: ObjectKind, id: &Id, bytes: &[u8]) -> Result<()>;
    /// A blob of the Git repository; each once.
    fn blob(&mut self, id: &Id) -> Result<()>;
    /// A file or link below `artifacts`; some more than once.
    fn content(&mut self, id: Id);
    /// One that a commit that is not new has where a new one has another or none.
    fn old_content(&mut self, id: Id);
    /// A Git object that is not here; an error ends the walk.
    fn missing(&mut self, kind: ObjectKind, id: &Id) -> Result<()>;
}

/// The error for an object without which the history is not whole.
pub(super) fn missing_object(kind: ObjectKind, id: &Id) -> Error {
    Error::corrupt(format!("the {} {id} is missing in this repository", kind.as_str()))
        .with_hint("see what else is missing: art fsck")
}

/// A directory that is to be looked into, and the directories at its path in the parents.
struct Directory {
    tree: Id,
    bases: Vec<BaseTree>,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
struct BaseTree {
    tree: Id,
    /// It is of a commit that is not new: what is in it was never shown.
    is_old: bool,
}

/// Where in a record's tree something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Record,
    Content,
}

impl Place {
    /// The place of the directory `entry` in a directory of this place.
    fn below(self, entry: &EntryRef<'_>) -> Place {
        match self {
            Place::Root if entry.name.as_bytes() == ARTIFACTS => Place::Content,
            Place::Root | Place::Record => Place::Record,
            Place::Content => Place::Content,
        }
    }

    /// The mark of a tree or blob that was seen in such a place: what is below it counts as the
    /// same only there.
    fn mark(self) -> u8 {
        match self {
            Place::Root => 1,
            Place::Record => 2,
            Place::Content => 4,
        }
    }
}

/// One walk.
pub(super) struct Reach<'a> {
    history: &'a History,
    visitor: &'a mut dyn Visitor,
    progress: &'a dyn Progress,
    /// The trees and blobs that were shown, with the marks of where.
    seen: HashMap<Id, u8>,
}

impl<'a> Reach<'a> {
    pub(super) fn new(
        history: &'a History,
        visitor: &'a mut dyn Visitor,
        progress: &'a dyn Progress,
    ) -> Self {
        Reach { history, visitor, progress, seen: HashMap::new() }
    }

    /// Shows what is reachable from `tips` and not from `have`: commits from the oldest on, parents
    /// before their children, then annotated tags, then trees and blobs in the order of the commits.
    pub(super) fn walk(&mut self, tips: &[Id], have: &[Id]) -> Result<()> {
        let known: HashSet<Id> = have.iter().copied().collect();
        let tips: Vec<&Id> = tips.iter().filter(|tip| !known.contains(tip)).collect();
        if tips.is_empty() {
            return Ok(());
        }
        let mut starts = Vec::new();
        let mut tags = Vec::new();
        let mut seen_tags = HashSet::new();
        for tip in tips {
            starts.extend(self.peel(tip, &mut |tag| {
                let is_new = seen_tags.insert(tag) && !known.contains(&tag);
                tags.extend(is_new.then_some(tag));
            })?);
        }
        let painting = paint_new(self.history, &starts, &known, self.progress)?;
        let (commits, missing) = in_order(&painting);
        for id in missing {
            self.visitor.missing(ObjectKind::Commit, &id)?;
        }
        self.show(ObjectKind::Commit, &commits)?;
        self.show(ObjectKind::Tag, &tags)?;
        for commit in &commits {
            let Some(links) = &painting.nodes[commit].links else { continue };
            let base = |parent: &Id| {
                let node = painting.nodes.get(parent)?;
                Some(BaseTree { tree: node.links.as_ref()?.tree, is_old: node.is_settled() })
            };
            let bases = links.parents.iter().filter_map(base).collect();
            self.walk_tree(Directory { tree: links.tree, bases, place: Place::Root })?;
        }
        Ok(())
    }

    fn show(&mut self, kind: ObjectKind, ids: &[Id]) -> Result<()> {
        for id in ids {
            check_interrupt(self.progress)?;
            let bytes = self.history.read(id, kind)?;
            self.visitor.object(kind, id, &bytes)?;
            self.progress.advance(1);
        }
        Ok(())
    }

    /// The commit that `id` leads to, if it is here; the tags on the way go to `tagged`.
    fn peel(&mut self, id: &Id, tagged: &mut dyn FnMut(Id)) -> Result<Option<Id>> {
        let mut id = *id;
        for _ in 0..=MAX_TAGS {
            match self.history.try_kind(&id)? {
                Some(ObjectKind::Tag) => {
                    tagged(id);
                    id = self.history.tagged(&id)?;
                }
                Some(ObjectKind::Commit) => return Ok(Some(id)),
                Some(kind) => {
                    let message = format!("{id} is a {}, not a commit", kind.as_str());
                    return Err(Error::corrupt(message));
                }
                None => {
                    self.visitor.missing(ObjectKind::Commit, &id)?;
                    return Ok(None);
                }
            }
        }
        Err(Error::corrupt(format!("the tags that lead to {id} are too many")))
    }

    fn walk_tree(&mut self, root: Directory) -> Result<()> {
        if root.bases.iter().any(|base| base.tree == root.tree) {
            return Ok(());
        }
        let mut waiting = vec![root];
        while let Some(directory) = waiting.pop() {
            let marks = self.seen.get(&directory.tree).copied().unwrap_or_default();
            if marks & directory.place.mark() != 0 {
                continue;
            }
            check_interrupt(self.progress)?;
            let Some(bytes) = self.read_tree(&directory.tree)? else { continue };
            if marks == 0 {
                self.visitor.object(ObjectKind::Tree, &directory.tree, &bytes)?;
                self.progress.advance(1);
            }
            self.seen.insert(directory.tree, marks | directory.place.mark());
            let first = waiting.len();
            self.look_into(&directory, &bytes, &mut waiting)?;
            // The first directory is the next.
            waiting[first..].reverse();
        }
        Ok(())
    }

    fn read_tree(&mut self, id: &Id) -> Result<Option<Vec<u8>>> {
        match expect_kind(id, ObjectKind::Tree, self.history.try_read(id)?) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.visitor.missing(ObjectKind::Tree, id)?;
                // Once is enough.
                self.seen.insert(*id, u8::MAX);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Shows the files of a directory that none of its bases has, and lets such directories wait.
    fn look_into(
        &mut self,
        directory: &Directory,
        bytes: &[u8],
        waiting: &mut Vec<Directory>,
    ) -> Result<()> {
        // A base that is not here, or damaged, excludes nothing.
        let read = |base: &BaseTree| {
            Some((self.history.read(&base.tree, ObjectKind::Tree).ok()?, base.is_old))
        };
        let read: Vec<(Vec<u8>, bool)> = directory.bases.iter().filter_map(read).collect();
        let mut bases: Vec<Base<'_>> =
            read.iter().map(|(bytes, is_old)| Base::new(bytes, *is_old)).collect();
        let is_content = directory.place == Place::Content;
        let mut old = |entry: &EntryRef<'_>| {
            if is_content && !entry.mode.is_directory() {
                self.visitor.old_content(entry.id);
            }
        };
        let mut files = Vec::new();
        for entry in Entries::new(bytes) {
            let entry = entry.map_err(|defect| corrupt(&directory.tree, &defect))?;
            let mut below = Vec::new();
            for base in &mut bases {
                if let Some(tree) = base.advance_to(&entry, &mut old) {
                    below.push(BaseTree { tree, is_old: base.is_old });
                }
            }
            if below.iter().any(|base| base.tree == entry.id) {
                continue;
            }
            if entry.mode.is_directory() {
                let place = directory.place.below(&entry);
                waiting.push(Directory { tree: entry.id, bases: below, place });
            } else {
                let replaced = below.iter().filter(|base| base.is_old);
                replaced.for_each(|base| old(&EntryRef { id: base.tree, ..entry }));
                files.push(entry.id);
            }
        }
        for base in bases {
            base.finish(&mut old);
        }
        files.into_iter().try_for_each(|id| self.show_file(directory.place, id))
    }

    fn show_file(&mut self, place: Place, id: Id) -> Result<()> {
        if place == Place::Content {
            self.visitor.content(id);
            return Ok(());
        }
        let marks = self.seen.entry(id).or_default();
        if *marks == 0 {
            *marks = place.mark();
            self.visitor.blob(&id)?;
            self.progress.advance(1);
        }
        Ok(())
    }
}

/// The same directory in a parent, gone through beside.
struct Base<'a> {
    rest: Entries<'a>,
    next: Option<EntryRef<'a>>,
    is_old: bool,
}

impl<'a> Base<'a> {
    fn new(bytes: &'a [u8], is_old: bool) -> Self {
        let mut base = Base { rest: Entries::new(bytes), next: None, is_old };
        base.advance();
        base
    }

    fn advance(&mut self) -> Option<EntryRef<'a>> {
        std::mem::replace(&mut self.next, self.rest.next().and_then(Result::ok))
    }

    /// What it has under the name of `entry`; what it has before goes to `old`, if it is.
    fn advance_to(
        &mut self,
        entry: &EntryRef<'_>,
        old: &mut dyn FnMut(&EntryRef<'_>),
    ) -> Option<Id> {
        loop {
            let next = self.next.as_ref()?;
            match git_order((next.name, next.mode), (entry.name, entry.mode)) {
                Ordering::Less if self.is_old => self.advance().iter().for_each(&mut *old),
                Ordering::Less => _ = self.advance(),
                Ordering::Equal => return self.advance().map(|found| found.id),
                Ordering::Greater => return None,
            }
        }
    }

    /// What it has behind the last entry goes to `old`, if it is.
    fn finish(mut self, old: &mut dyn FnMut(&EntryRef<'_>)) {
        while let Some(next) = self.advance().filter(|_| self.is_old) {
            old(&next);
        }
    }
}
