//! Walks the objects that are reachable from some commits and not from others. Used by push, and by
//! the check after a fetch.
//!
//! The walk skips a directory that is the same at the same path in a commit and one of its parents.
//! A change in a tree of a million files therefore costs only its parent directories. Objects that
//! a parent has at another path may be shown again. Commits that both sides reach may also be shown
//! again if clocks differed a lot. Nothing is ever left out.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::History;
use super::expiry::{Expiry, is_own_expired};
use super::new_commits::{in_order, paint_new};
use super::object::expect_kind;
use super::record_tree::ARTIFACTS;
use super::tree_entry::{EntryRef, TreeEntries, corrupt, git_order};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Id, ObjectKind};
use crate::progress::{Progress, check_interrupt};

/// The maximum length of a chain of tags.
const MAX_TAGS: usize = 5;

/// Receives the objects of a walk.
pub(super) trait Visitor {
    /// Called once for each Git object other than a blob, with its bytes.
    fn object(&mut self, kind: ObjectKind, id: &Id, bytes: &[u8]) -> Result<()>;
    /// Called once for each blob of the Git repository.
    fn blob(&mut self, id: &Id) -> Result<()>;
    /// Called for each file or link below `artifacts`, possibly several times.
    fn content(&mut self, id: Id);
    /// Called for content of an old commit that a new commit replaces or removes.
    fn old_content(&mut self, id: Id);
    /// Called for a missing Git object. An error ends the walk.
    fn missing(&mut self, kind: ObjectKind, id: &Id) -> Result<()>;
}

/// The error for a missing object that the history needs.
pub(super) fn missing_object(kind: ObjectKind, id: &Id) -> Error {
    Error::corrupt(format!("the {} {id} is missing from this repository", kind.as_str()))
        .with_hint("find all missing objects: art fsck")
}

/// A directory to visit, and the directories at its path in the parents.
struct Directory {
    tree: Id,
    bases: Vec<BaseTree>,
    place: EntryPlace,
}

#[derive(Debug, Clone, Copy)]
struct BaseTree {
    tree: Id,
    /// True if the tree belongs to an old commit, whose contents were not shown.
    is_old: bool,
    /// True if the content of the commit expired, so that it may be missing. Its trees are known,
    /// but its content is not.
    is_expired: bool,
}

/// The position of an entry in a record's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryPlace {
    Root,
    Record,
    Content,
    /// Among the artifacts of a commit whose content expired.
    ExpiredContent,
}

impl EntryPlace {
    /// Returns the place of the directory `entry` within a directory of this place.
    fn below(self, entry: &EntryRef<'_>, is_expired: bool) -> EntryPlace {
        match self {
            EntryPlace::Root if entry.name == ARTIFACTS && is_expired => EntryPlace::ExpiredContent,
            EntryPlace::Root if entry.name == ARTIFACTS => EntryPlace::Content,
            EntryPlace::Root | EntryPlace::Record => EntryPlace::Record,
            EntryPlace::Content | EntryPlace::ExpiredContent => self,
        }
    }

    /// Returns the mark for a tree or blob that was seen at such a place. Entries below it are
    /// skipped only at places with the same mark.
    fn mark(self) -> u8 {
        match self {
            EntryPlace::Root => 1,
            EntryPlace::Record => 2,
            EntryPlace::Content => 4,
            EntryPlace::ExpiredContent => 8,
        }
    }

    /// Returns the marks of the places that show everything that this place shows.
    fn covered_by(self) -> u8 {
        match self {
            EntryPlace::ExpiredContent => self.mark() | EntryPlace::Content.mark(),
            _ => self.mark(),
        }
    }
}

/// The commits whose content may be missing.
#[derive(Clone, Copy)]
pub(crate) struct Expired<'a> {
    /// The expired commits after the move that the walk is for. Their content is not shown.
    pub(crate) now: &'a Expiry,
    /// The commits that expired before or after the move. Nothing relies on their content.
    pub(crate) ever: &'a Expiry,
}

impl Directory {
    /// Returns true if one of the directories at this path is the same: its objects are known.
    fn is_known(&self) -> bool {
        self.bases.iter().any(|base| base.tree == self.tree)
    }
}

/// Returns true if one of `bases` has the same object `id`. If the walk also needs the content of
/// the object, an expired base does not count.
fn is_shown(id: &Id, bases: &[BaseTree], needs_content: bool) -> bool {
    bases.iter().any(|base| base.tree == *id && !(needs_content && base.is_expired))
}

/// A walk.
pub(super) struct Reach<'a> {
    history: &'a History,
    visitor: &'a mut dyn Visitor,
    progress: &'a dyn Progress,
    /// The trees and blobs that were shown, with the marks of their places.
    seen: HashMap<Id, u8>,
    /// `None` if no commit expired.
    expired: Option<Expired<'a>>,
    /// For each commit that was read: true if its own record lets its files expire.
    own_expired: HashMap<Id, bool>,
}

impl<'a> Reach<'a> {
    pub(super) fn new(
        history: &'a History,
        visitor: &'a mut dyn Visitor,
        progress: &'a dyn Progress,
    ) -> Self {
        let (seen, own_expired) = Default::default();
        Reach { history, visitor, progress, seen, expired: None, own_expired }
    }

    /// Does not show the content of expired commits, and shows all content of other commits that
    /// only expired commits share with them.
    pub(super) fn with_expired(mut self, expired: Option<Expired<'a>>) -> Self {
        self.expired = expired;
        self
    }

    /// Returns true if the content of `commit` expired according to one of the two expiries.
    fn is_expired(&mut self, commit: &Id, choose: fn(&Expired<'a>) -> &'a Expiry) -> Result<bool> {
        let Some(expired) = &self.expired else { return Ok(false) };
        let (history, own) = (self.history, &mut self.own_expired);
        choose(expired).is_expired_if(history, commit, &mut || {
            if let Some(known) = own.get(commit) {
                return Ok(*known);
            }
            let is_own = is_own_expired(history, commit)?;
            own.insert(*commit, is_own);
            Ok(is_own)
        })
    }

    /// Shows the objects that are reachable from `tips` and not from `have`: commits from the
    /// oldest on, with parents before children, then annotated tags, then trees and blobs in the
    /// order of the commits.
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
            let mut bases = Vec::new();
            for parent in &links.parents {
                let Some(node) = painting.nodes.get(parent) else { continue };
                let Some(links) = &node.links else { continue };
                let (tree, is_old) = (links.tree, node.is_settled());
                let is_expired = self.is_expired(parent, |expired| expired.ever)?;
                bases.push(BaseTree { tree, is_old, is_expired });
            }
            let is_expired = self.is_expired(commit, |expired| expired.now)?;
            let root = Directory { tree: links.tree, bases, place: EntryPlace::Root };
            self.walk_tree(root, is_expired)?;
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

    /// Returns the commit that `id` leads to, if it exists. Passes the tags on the way to `tagged`.
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
        Err(Error::corrupt(format!("the chain of tags to {id} is too long")))
    }

    fn walk_tree(&mut self, root: Directory, is_expired: bool) -> Result<()> {
        if is_shown(&root.tree, &root.bases, !is_expired) {
            return Ok(());
        }
        let mut waiting = vec![root];
        while let Some(directory) = waiting.pop() {
            let marks = self.seen.get(&directory.tree).copied().unwrap_or_default();
            if marks & directory.place.covered_by() != 0 {
                continue;
            }
            check_interrupt(self.progress)?;
            let Some(bytes) = self.read_tree(&directory.tree)? else { continue };
            if marks == 0 && !directory.is_known() {
                self.visitor.object(ObjectKind::Tree, &directory.tree, &bytes)?;
                self.progress.advance(1);
            }
            self.seen.insert(directory.tree, marks | directory.place.mark());
            let first = waiting.len();
            self.look_into(&directory, (&bytes, is_expired), &mut waiting)?;
            // Visit the first directory next.
            waiting[first..].reverse();
        }
        Ok(())
    }

    fn read_tree(&mut self, id: &Id) -> Result<Option<Vec<u8>>> {
        match expect_kind(id, ObjectKind::Tree, self.history.try_read(id)?) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.visitor.missing(ObjectKind::Tree, id)?;
                // Report it only once.
                self.seen.insert(*id, u8::MAX);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Shows the files of a directory that none of its bases has, and queues such directories.
    fn look_into(
        &mut self,
        directory: &Directory,
        (bytes, is_expired): (&[u8], bool),
        waiting: &mut Vec<Directory>,
    ) -> Result<()> {
        // A missing or damaged base excludes nothing.
        let read =
            |base: &BaseTree| Some((self.history.read(&base.tree, ObjectKind::Tree).ok()?, *base));
        let read: Vec<(Vec<u8>, BaseTree)> = directory.bases.iter().filter_map(read).collect();
        let mut bases: Vec<Base<'_>> =
            read.iter().map(|(bytes, base)| Base::new(bytes, *base)).collect();
        let is_content = directory.place == EntryPlace::Content;
        let mut old = |entry: &EntryRef<'_>| {
            if is_content && !entry.mode.is_directory() {
                self.visitor.old_content(entry.id);
            }
        };
        let mut files = Vec::new();
        for entry in TreeEntries::new(bytes) {
            let entry = entry.map_err(|defect| corrupt(&directory.tree, &defect))?;
            let mut below = Vec::new();
            for base in &mut bases {
                if let Some(tree) = base.advance_to(&entry, &mut old) {
                    below.push(BaseTree { tree, ..base.of });
                }
            }
            let place = directory.place.below(&entry, is_expired);
            let needs_content = is_content || place == EntryPlace::Content;
            if is_shown(&entry.id, &below, needs_content) {
                continue;
            }
            if entry.mode.is_directory() {
                waiting.push(Directory { tree: entry.id, bases: below, place });
            } else {
                let replaced = below.iter().filter(|base| base.is_old && !base.is_expired);
                replaced.for_each(|base| old(&EntryRef { id: base.tree, ..entry }));
                files.push(entry.id);
            }
        }
        for base in bases {
            base.finish(&mut old);
        }
        files.into_iter().try_for_each(|id| self.show_file(directory.place, id))
    }

    fn show_file(&mut self, place: EntryPlace, id: Id) -> Result<()> {
        if place == EntryPlace::ExpiredContent {
            return Ok(());
        }
        if place == EntryPlace::Content {
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

/// The same directory in a parent, read in parallel.
struct Base<'a> {
    rest: TreeEntries<'a>,
    next: Option<EntryRef<'a>>,
    of: BaseTree,
}

impl<'a> Base<'a> {
    fn new(bytes: &'a [u8], of: BaseTree) -> Self {
        let mut base = Base { rest: TreeEntries::new(bytes), next: None, of };
        base.advance();
        base
    }

    /// Returns true if the replaced content of this base is on the other side.
    fn has_old_content(&self) -> bool {
        self.of.is_old && !self.of.is_expired
    }

    fn advance(&mut self) -> Option<EntryRef<'a>> {
        std::mem::replace(&mut self.next, self.rest.next().and_then(Result::ok))
    }

    /// Returns the id that the base has under the name of `entry`. Earlier entries go to `old` if
    /// the base is old.
    fn advance_to(
        &mut self,
        entry: &EntryRef<'_>,
        old: &mut dyn FnMut(&EntryRef<'_>),
    ) -> Option<Id> {
        loop {
            let next = self.next.as_ref()?;
            match git_order((next.name, next.mode), (entry.name, entry.mode)) {
                Ordering::Less if self.has_old_content() => {
                    self.advance().iter().for_each(&mut *old);
                }
                Ordering::Less => _ = self.advance(),
                Ordering::Equal => return self.advance().map(|found| found.id),
                Ordering::Greater => return None,
            }
        }
    }

    /// Passes the remaining entries to `old` if the base is old.
    fn finish(mut self, old: &mut dyn FnMut(&EntryRef<'_>)) {
        while let Some(next) = self.advance().filter(|_| self.has_old_content()) {
            old(&next);
        }
    }
}
