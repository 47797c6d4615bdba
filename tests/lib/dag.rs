//! Random histories of any shape, with real records and contents, for tests against git.

use std::collections::{BTreeMap, BTreeSet};

use artifacts::clock::Timestamp;
use artifacts::history::edit::{Edit, apply};
use artifacts::history::{Commit, EntryMode, History, Signature, TreeEntry, Visit};
use artifacts::{Id, TreePath};
use proptest::collection::vec;
use proptest::prelude::*;

use super::git;

/// One commit of a history, before it is made.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Which commits before it are its parents; none for a first commit.
    pub(crate) parents: Vec<usize>,
    /// When it was made, by its maker's clock.
    pub(crate) time: i64,
    /// The changes of its tree: a path and its new content, or `None` to remove the path.
    pub(crate) edits: Vec<(usize, Option<u8>)>,
}

const PATHS: [&str; 8] = [
    "artifacts/a",
    "artifacts/d/a",
    "artifacts/d/b",
    "artifacts/d/e/f",
    "artifacts/x/e/f",
    "README.md",
    "notes/artifacts/n",
    "notes/d/a",
];

/// Up to `most` commits; with `is_skewed`, clocks are anywhere.
pub(crate) fn plans(most: usize, is_skewed: bool) -> impl Strategy<Value = Vec<Plan>> {
    let edit = (0..PATHS.len(), prop::option::weighted(0.8, 0..6u8));
    let one = (vec(any::<prop::sample::Index>(), 0..3), -50..50i64, vec(edit, 0..4));
    vec(one, 1..most).prop_map(move |plans| {
        let make = |(at, (parents, skew, edits)): (usize, (Vec<prop::sample::Index>, i64, _))| {
            // Most often something recent.
            let near = |index: prop::sample::Index| at - 1 - index.index(at.min(6));
            let parents: BTreeSet<usize> =
                if at == 0 { BTreeSet::new() } else { parents.into_iter().map(near).collect() };
            let time = 1_700_000_000 + if is_skewed { skew } else { at as i64 };
            Plan { parents: parents.into_iter().collect(), time, edits }
        };
        plans.into_iter().enumerate().map(make).collect()
    })
}

/// A history in a directory of its own.
pub(crate) struct Dag {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) history: History,
    pub(crate) commits: Vec<Id>,
}

pub(crate) fn signature(time: i64) -> Signature {
    let time = Timestamp::from_seconds(time);
    Signature { name: "Ada".into(), email: "ada@example.org".into(), time }
}

pub(crate) fn commit(tree: Id, parents: Vec<Id>, time: i64, message: &str) -> Commit {
    let who = signature(time);
    Commit { tree, parents, author: who.clone(), committer: who, message: message.into() }
}

impl Dag {
    pub(crate) fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        History::init(directory.path()).unwrap();
        let history = History::open(directory.path()).unwrap();
        Dag { directory, history, commits: Vec::new() }
    }

    pub(crate) fn new(plans: &[Plan]) -> Self {
        let mut dag = Dag::empty();
        for (at, plan) in plans.iter().enumerate() {
            let parents: Vec<Id> = plan.parents.iter().map(|parent| dag.commits[*parent]).collect();
            let first = parents.first().map(|id| dag.history.read_commit(id).unwrap().tree);
            let mut writer = dag.history.writer().unwrap();
            let mut edits = Vec::new();
            let record = writer.blob(format!("uuid = {at}\n").as_bytes()).unwrap();
            let file = |id| Edit::Put { mode: EntryMode::File, id };
            edits.push((TreePath::parse("run.toml").unwrap(), file(record)));
            let mut paths: BTreeMap<usize, Edit> = BTreeMap::new();
            for (path, content) in &plan.edits {
                let edit = match content {
                    // Contents are in no Git repository, and records are.
                    Some(n) if PATHS[*path].starts_with("artifacts/") => file(Id::of_blob(&[*n])),
                    Some(n) => file(writer.blob(&[*n, *n]).unwrap()),
                    None => Edit::Remove,
                };
                paths.insert(*path, edit);
            }
            edits.extend(
                paths.into_iter().map(|(path, edit)| (TreePath::parse(PATHS[path]).unwrap(), edit)),
            );
            let tree = apply(&mut writer, first, &edits).unwrap();
            let made = commit(tree, parents, plan.time, &format!("commit {at}"));
            dag.commits.push(writer.commit(&made).unwrap());
            writer.flush().unwrap();
        }
        dag
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// All commits reachable from some, by git.
    pub(crate) fn commits_of(&self, tips: &[Id], not: &[Id]) -> BTreeSet<Id> {
        self.rev_list(&["rev-list"], tips, not)
    }

    /// All Git objects reachable from some, by git; contents are in no repository.
    pub(crate) fn objects_of(&self, tips: &[Id]) -> BTreeSet<Id> {
        let all = self.rev_list(&["rev-list", "--objects", "--missing=allow-any"], tips, &[]);
        all.into_iter().filter(|id| self.history.contains(id)).collect()
    }

    fn rev_list(&self, arguments: &[&str], tips: &[Id], not: &[Id]) -> BTreeSet<Id> {
        let tips = tips.iter().map(Id::to_hex);
        let names: Vec<String> = tips.chain(not.iter().map(|id| format!("^{id}"))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let listed = git::run(self.path(), &[arguments, &names].concat());
        listed.lines().map(|line| line[..64].parse().unwrap()).collect()
    }

    /// The contents that the trees of these commits name.
    pub(crate) fn contents_of(&self, commits: &BTreeSet<Id>) -> BTreeSet<Id> {
        let mut found = BTreeSet::new();
        for commit in commits {
            let tree = self.history.read_commit(commit).unwrap().tree;
            let mut visit = |path: &TreePath, entry: &TreeEntry| {
                if path.as_bytes().starts_with(b"artifacts/") && !entry.mode.is_directory() {
                    found.insert(entry.id);
                }
                Ok(Visit::Enter)
            };
            self.history.visit_tree(&tree, &mut visit).unwrap();
        }
        found
    }

    /// The commits that the indexes choose.
    pub(crate) fn choose(&self, chosen: &[prop::sample::Index]) -> Vec<Id> {
        chosen.iter().map(|index| *index.get(&self.commits)).collect()
    }
}
