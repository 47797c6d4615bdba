//! Reads every commit, tree and record that refs and logs reach, each once, and looks up every
//! content. There is no recursion: deep trees need no stack.

use std::collections::HashSet;
use std::rc::Rc;

use bstr::BString;
use serde::Serialize;

use super::defect::{DamagedPart, Defect, Defects, in_one_line};
use crate::content::{ContentCheck, ContentTotals};
use crate::error::{Error, ErrorKind, Result};
use crate::history::{ARTIFACTS, Commit, Expansion, Expiry, History, RefSurvey, TreeEntry};
use crate::id::{Id, ObjectKind};
use crate::name::RefName;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::record::{ProjectRecord, Record, RunRecord, VersionRecord};
use crate::tree_path::TreePath;

/// The records. Each commit has exactly one of them.
const RECORDS: [&str; 3] = [RunRecord::FILE, ProjectRecord::FILE, VersionRecord::FILE];

/// A visited commit.
pub(super) struct Visited {
    /// The number of the label of the ref that reached it.
    pub(super) label: usize,
    pub(super) commit: Id,
    pub(super) artifacts: Option<Id>,
}

/// The location where a tree was found.
struct TreePlace<'w> {
    commit: &'w Id,
    label: &'w str,
}

/// The numbers of checked objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Refs.
    pub refs: u64,
    /// Commits that refs and logs reach.
    pub commits: u64,
    /// Trees.
    pub trees: u64,
    /// Records and the files beside them.
    pub records: u64,
    /// Files among the artifacts. Files of identical directories count once.
    pub files: u64,
    /// Git objects, including those that no ref or log reaches.
    pub objects: u64,
    /// The content store.
    pub content: ContentTotals,
}

/// A walk over the whole history.
pub(super) struct Walk<'a> {
    pub(super) history: &'a History,
    pub(super) content: &'a ContentCheck,
    progress: &'a dyn Progress,
    /// The labels of refs and logs, by number.
    pub(super) labels: Vec<String>,
    /// The commits, each before its parents.
    pub(super) commits: Vec<Visited>,
    /// Trees whose files are content.
    pub(super) trees: HashSet<Id>,
    /// The reached objects.
    pub(super) reached: HashSet<Id>,
    /// Trees whose files are Git objects.
    plain_trees: HashSet<Id>,
    /// The expanded sizes of the trees in `trees`.
    expansion: Expansion,
    /// True if any content or tree is missing.
    pub(super) has_losses: bool,
    /// Contents that the index does not list.
    pub(super) unknown_contents: HashSet<Id>,
    /// The contents that remotes must have, because their refs reach them; sorted.
    promised: Vec<Id>,
    /// The needed contents of `promised` that are missing locally.
    pub(super) elsewhere: HashSet<Id>,
    /// The commits whose content expired.
    expiry: Expiry,
    /// The artifacts of expired commits: the tree, its commit, and the number of its label.
    expired_trees: Vec<(Id, Id, usize)>,
    /// The missing contents that only expired commits have.
    pub(super) expired: HashSet<Id>,
    /// True while the walk visits trees of expired commits.
    is_expired: bool,
    /// For each removed remote: its contents, sorted, and the needed ones among them that exist
    /// nowhere else.
    pub(super) forgotten: Vec<(Vec<Id>, HashSet<Id>)>,
    /// For each commit that a remote let go of: its contents, sorted, and those among them that are
    /// missing.
    pub(super) let_go: Vec<(Vec<Id>, HashSet<Id>)>,
    pub(super) damaged_objects: Vec<Id>,
    pub(super) defects: Defects<Defect>,
    pub(super) checked: Checked,
}

impl<'a> Walk<'a> {
    /// Creates a walk. Remotes also have the content of the commits `former_tips`.
    pub(super) fn new(
        history: &'a History,
        content: &'a ContentCheck,
        former_tips: &[Id],
        progress: &'a dyn Progress,
    ) -> Self {
        Walk {
            history,
            content,
            progress,
            labels: Vec::new(),
            commits: Vec::new(),
            trees: HashSet::new(),
            reached: HashSet::new(),
            plain_trees: HashSet::new(),
            expansion: Expansion::default(),
            has_losses: false,
            unknown_contents: HashSet::new(),
            promised: promised(history, former_tips, progress),
            elsewhere: HashSet::new(),
            expiry: Expiry::default(),
            expired_trees: Vec::new(),
            expired: HashSet::new(),
            is_expired: false,
            forgotten: Vec::new(),
            let_go: Vec::new(),
            damaged_objects: Vec::new(),
            defects: Defects::default(),
            checked: Checked::default(),
        }
    }

    /// Walks from all refs, then from all logs.
    pub(super) fn all(&mut self, survey: &RefSurvey) -> Result<()> {
        self.progress.begin("checking history", None, Unit::Items);
        let parsed = survey.refs.iter().filter_map(|(name, id)| Some((name.parse().ok()?, *id)));
        let kinds = parsed.map(|(name, id): (RefName, Id)| (name.kind(), id));
        self.expiry = Expiry::of_refs(self.history, kinds)?;
        for (name, id) in &survey.refs {
            self.from(name.clone(), id)?;
        }
        for (name, ids) in &survey.logs {
            for id in ids {
                self.from(format!("the log of {name}"), id)?;
            }
        }
        self.expired_content()
    }

    /// Visits the artifacts of expired commits last: what another commit needs is then known.
    fn expired_content(&mut self) -> Result<()> {
        self.is_expired = true;
        for (tree, commit, label) in std::mem::take(&mut self.expired_trees) {
            let label = self.labels.get(label).cloned().unwrap_or_default();
            let place = TreePlace { commit: &commit, label: &label };
            let path = TreePath::root().join(ARTIFACTS.as_bytes()).unwrap_or_default();
            self.walk_tree(tree, path, &place, true)?;
        }
        self.is_expired = false;
        Ok(())
    }

    /// Walks from the commit of a ref or log to the first commits.
    fn from(&mut self, label: String, root: &Id) -> Result<()> {
        if self.reached.contains(root) {
            return Ok(());
        }
        let Some(commit) = self.peel(&label, root) else { return Ok(()) };
        let number = self.labels.len();
        let mut stack = vec![(commit, None)];
        while let Some((id, child)) = stack.pop() {
            if !self.reached.insert(id) {
                continue;
            }
            check_interrupt(self.progress)?;
            self.progress.advance(1);
            match self.history.read_commit(&id) {
                Ok(commit) => {
                    self.checked.commits += 1;
                    let artifacts = self.commit(&label, &id, &commit)?;
                    self.commits.push(Visited { label: number, commit: id, artifacts });
                    stack.extend(commit.parents.iter().rev().map(|parent| (*parent, Some(id))));
                }
                Err(error) => {
                    let whose = match child {
                        Some(child) => format!("the parent of commit {child}"),
                        None => label.clone(),
                    };
                    self.bad_object(DamagedPart::Commit, &id, &whose, error)?;
                }
            }
        }
        self.labels.push(label);
        Ok(())
    }

    /// Resolves an annotated tag to its object; returns other objects unchanged.
    fn peel(&mut self, label: &str, root: &Id) -> Option<Id> {
        if !matches!(self.history.try_kind(root), Ok(Some(ObjectKind::Tag))) {
            return Some(*root);
        }
        self.reached.insert(*root);
        match self.history.peel(root) {
            Ok(id) => Some(id),
            Err(error) => {
                let problem = format!("the tag of {label}: {}", in_one_line(&error));
                self.defects.object(DamagedPart::Refs, root, problem);
                None
            }
        }
    }

    /// Records an unusable object. `whose` describes the object that refers to it.
    fn bad_object(&mut self, part: DamagedPart, id: &Id, whose: &str, error: Error) -> Result<()> {
        let what = match error.kind() {
            ErrorKind::Interrupted => return Err(error),
            ErrorKind::NotFound => "it is missing".to_owned(),
            _ => {
                self.damaged_objects.push(*id);
                in_one_line(&error)
            }
        };
        self.defects.object(part, id, format!("{what} ({whose})"));
        Ok(())
    }

    /// Checks the tree of a commit; returns the tree of its artifacts.
    fn commit(&mut self, label: &str, id: &Id, commit: &Commit) -> Result<Option<Id>> {
        let place = TreePlace { commit: id, label };
        let Some(entries) = self.read_tree(&commit.tree, &place, &TreePath::root())? else {
            return Ok(None);
        };
        if let Some(defect) = self.history.find_time_defect(id)? {
            self.defects.object(DamagedPart::Commit, id, format!("{defect} ({label})"));
        }
        let mut artifacts = None;
        let mut has_record = false;
        for entry in entries {
            let path = TreePath::root().join(&entry.name).unwrap_or_default();
            let is_directory = entry.mode.is_directory();
            if entry.is_artifacts() {
                artifacts = Some(entry.id);
                let is_new = !self.trees.contains(&entry.id);
                if is_new && let Err(error) = self.expansion.check(self.history, &entry.id) {
                    let problem = format!("{error} ('{path}' in commit {id} of {label})");
                    self.defects.object(DamagedPart::Tree, &entry.id, problem);
                }
                if self.expiry.is_expired(self.history, id)? {
                    self.expired_trees.push((entry.id, *id, self.labels.len()));
                    artifacts = None;
                } else {
                    self.walk_tree(entry.id, path, &place, true)?;
                }
            } else if is_directory {
                self.walk_tree(entry.id, path, &place, false)?;
            } else {
                has_record |= RECORDS.iter().any(|record| entry.name == record.as_bytes());
                self.file(&entry, &path, &place)?;
            }
        }
        if !has_record && label.parse::<RefName>().is_ok() {
            let problem = format!("it has no record ({label})");
            self.defects.object(DamagedPart::Commit, id, problem);
        }
        Ok(artifacts)
    }

    /// The entries of a tree; `None` if it is unreadable.
    fn read_tree(
        &mut self,
        id: &Id,
        place: &TreePlace<'_>,
        path: &TreePath,
    ) -> Result<Option<Vec<TreeEntry>>> {
        let is_new = self.reached.insert(*id);
        match self.history.read_tree(id) {
            Ok(entries) => {
                self.checked.trees += u64::from(is_new);
                Ok(Some(entries))
            }
            Err(error) => {
                self.has_losses = true;
                let what = if path.is_root() { "the root".to_owned() } else { format!("'{path}'") };
                let whose = format!("{what} in commit {} of {}", place.commit, place.label);
                self.bad_object(DamagedPart::Tree, id, &whose, error)?;
                Ok(None)
            }
        }
    }

    /// Walks a directory and all unvisited directories below it.
    fn walk_tree(
        &mut self,
        root: Id,
        path: TreePath,
        place: &TreePlace<'_>,
        is_content: bool,
    ) -> Result<()> {
        // Entries of one directory share its path, because a hostile tree can have many pending
        // entries.
        let mut stack = vec![(root, Rc::new(path), BString::default())];
        while let Some((id, parent, name)) = stack.pop() {
            let seen = if is_content { &mut self.trees } else { &mut self.plain_trees };
            if !seen.insert(id) {
                continue;
            }
            check_interrupt(self.progress)?;
            self.progress.advance(1);
            let path = Rc::new(path_below(&parent, &name));
            let Some(entries) = self.read_tree(&id, place, &path)? else { continue };
            for entry in entries {
                if entry.mode.is_directory() {
                    stack.push((entry.id, Rc::clone(&path), entry.name));
                } else if is_content {
                    self.content(&entry.id);
                } else {
                    self.file(&entry, &path_below(&path, &entry.name), place)?;
                }
            }
        }
        Ok(())
    }

    /// Returns true if a content is present locally, or if a current or removed remote has it.
    pub(super) fn has_content(&self, id: &Id) -> bool {
        let is_elsewhere = || {
            !self.content.is_indexed(id)
                && (self.is_promised(id) || self.find_forgotten(id).is_some())
        };
        self.content.has(id) || is_elsewhere()
    }

    fn is_promised(&self, id: &Id) -> bool {
        self.promised.binary_search(id).is_ok()
    }

    /// The number of a removed remote that had a content.
    fn find_forgotten(&self, id: &Id) -> Option<usize> {
        self.forgotten.iter().position(|(had, _)| had.binary_search(id).is_ok())
    }

    /// Looks up the content of a file among the artifacts.
    fn content(&mut self, id: &Id) {
        self.checked.files += 1;
        if self.content.has(id) {
            return;
        }
        if self.is_expired {
            let is_lost = self.unknown_contents.contains(id);
            if !is_lost && !self.elsewhere.contains(id) && !self.content.is_indexed(id) {
                self.expired.insert(*id);
            }
            return;
        }
        if self.has_content(id) {
            match self.find_forgotten(id).filter(|_| !self.is_promised(id)) {
                Some(at) => drop(self.forgotten[at].1.insert(*id)),
                None => drop(self.elsewhere.insert(*id)),
            }
            return;
        }
        let is_let_go = |(had, _): &&mut (Vec<Id>, _)| had.binary_search(id).is_ok();
        if !self.content.is_indexed(id)
            && let Some((_, missing)) = self.let_go.iter_mut().find(is_let_go)
        {
            missing.insert(*id);
            return;
        }
        self.has_losses = true;
        // If the index lists the content, the pack's defect already covers it.
        if !self.content.is_indexed(id) {
            self.unknown_contents.insert(*id);
        }
    }

    /// Reads a file that is a Git object: a record, or a file beside one.
    fn file(&mut self, entry: &TreeEntry, path: &TreePath, place: &TreePlace<'_>) -> Result<()> {
        if !self.reached.insert(entry.id) {
            return Ok(());
        }
        self.checked.records += 1;
        let checked = self.history.read_blob(&entry.id).and_then(|bytes| match path.as_bytes() {
            b"run.toml" => RunRecord::decode(&bytes).map(drop),
            b"project.toml" => {
                ProjectRecord::decode(&bytes).and_then(|record| record.policy().map(drop))
            }
            b"version.toml" => VersionRecord::decode(&bytes).map(drop),
            _ => Ok(()),
        });
        let Err(error) = checked else { return Ok(()) };
        let whose = format!("{path} in commit {} of {}", place.commit, place.label);
        if error.kind() == ErrorKind::NotFound {
            return self.bad_object(DamagedPart::Record, &entry.id, &whose, error);
        }
        // The object itself may be undamaged.
        if self.history.read_blob(&entry.id).is_err() {
            self.damaged_objects.push(entry.id);
        }
        let problem = format!("{} ({whose})", in_one_line(&error));
        self.defects.object(DamagedPart::Record, &entry.id, problem);
        Ok(())
    }

    /// Reads the objects that no ref or log reaches.
    pub(super) fn rest(&mut self, all: &[Id]) -> Result<()> {
        self.progress.begin("checking objects", Some(all.len() as u64), Unit::Items);
        for id in all {
            self.progress.advance(1);
            if self.reached.contains(id) {
                continue;
            }
            check_interrupt(self.progress)?;
            if let Err(error) = self.history.check_object(id) {
                self.bad_object(DamagedPart::ObjectFile, id, "nothing leads to it", error)?;
            }
        }
        Ok(())
    }
}

/// The path of an entry, for reporting its defect. Omits the end of a path that no file system
/// supports.
fn path_below(path: &TreePath, name: &[u8]) -> TreePath {
    const LONGEST: usize = 4096;
    if name.is_empty() || path.as_bytes().len() > LONGEST {
        return path.clone();
    }
    path.join(name).unwrap_or_default()
}

/// The contents that refs of remotes reach. A push sends the content before the refs move, so the
/// remote has it, and it is fetched when needed. The remote also has the content of its former
/// tips.
fn promised(history: &History, former_tips: &[Id], progress: &dyn Progress) -> Vec<Id> {
    let tracked = history.refs("refs/remotes/").unwrap_or_default();
    let mut tips: Vec<Id> = tracked.into_iter().map(|(_, id)| id).collect();
    tips.extend(former_tips.iter().filter(|id| matches!(history.try_kind(id), Ok(Some(_)))));
    // If the history itself is damaged, no content is promised.
    let needed = || history.needed_content(&tips, &Expiry::of_all(history)?, progress);
    needed().unwrap_or_default()
}
