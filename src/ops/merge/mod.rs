//! Two states of one ref that went apart, made one again: field by field, path by path.
//!
//! What only one side changed since their last common state is as that side has it; what both changed
//! alike is so; what both changed differently is a conflict, unless someone chose. Nothing that
//! is said for good gets lost, whatever was chosen: stage conditions and lineage of both sides are
//! there, and both commits are parents of the result, so both pasts are its past.
//!
//! | part | how it is merged |
//! | --- | --- |
//! | `tags` | as sets: what a side added is there, what it removed is not |
//! | other keys of a record, known or not | each by itself, tables key by key |
//! | status, times and exit of a run | together: who moved it says all of it |
//! | `lineage` of a run | entries of both, by name; none is lost |
//! | stage conditions of a version | those of both in order of time; if both moved it, to different stages, that is a conflict |
//! | what a version is made of: its run, the artifacts' names, their tree | together |
//! | artifacts of a run | path by path; contents are never looked into |
//! | readme, content | as wholes |
//! | policy of a project | key by key, if the rules make sense together |
//! | a tag | it is on one commit or the other |

mod base;
mod conflict;
mod project;
mod record;
mod run;
mod sequence;
mod table;
mod tie;
mod tree;
mod version;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bstr::BString;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::history::{Commit, EntryMode, ObjectWriter, Signature, TreeEntry};
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::record::{ContentFormat, ProjectRecord, Record, RunRecord, VersionRecord};
use crate::repo::Repository;
use crate::tree_path::{TreePath, escaped};

use base::{BaseFinder, Bases, find_bases};
pub use conflict::{Choice, FieldConflict};
use conflict::{Judge, Side};
use record::{RecordMerge, read_uuid};
pub(crate) use tie::{Tied, join_tie};
use tree::{Node, merge_nodes};

/// What two states of a ref come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// Ours is it already: theirs is the same or a past of it.
    Same,
    /// Theirs is it: ours is a past of it.
    FastForward(Id),
    /// A new commit, whose parents are both. Ours is the first, unless theirs was chosen where the
    /// two are different things of one name.
    Merge(Id),
    /// Nothing, until someone chooses: what both changed differently.
    Conflict(Vec<FieldConflict>),
}

/// How to merge.
#[derive(Debug, Clone, Copy)]
pub struct MergeOptions<'a> {
    /// What decides where both sides changed one thing.
    pub choice: &'a Choice,
    /// Who merges, and when.
    pub who: &'a Signature,
    /// The message of the commit.
    pub message: &'a str,
}

/// The parts of a version or run beside its record.
const ARTIFACTS: &str = "artifacts";
const README: &str = "README.md";

/// Merges two states of the ref `name`, the commits `ours` and `theirs`, and adds what is new to
/// `writer`. No ref is moved.
///
/// For a tag there is never a new commit: where ours is chosen it is [`Merged::Same`], where theirs
/// is, a [`Merged::FastForward`].
///
/// Fails for what can't be read, with [`Unsupported`](crate::ErrorKind::Unsupported) for what a newer
/// program has written.
pub fn merge_ref(
    repo: &Repository,
    writer: &mut ObjectWriter<'_>,
    name: &RefName,
    (ours, theirs): (Id, Id),
    options: &MergeOptions<'_>,
) -> Result<Merged> {
    let bases = match find_bases(repo.history(), ours, theirs)? {
        Bases::Same | Bases::Theirs => return Ok(Merged::Same),
        Bases::Ours => return Ok(Merged::FastForward(theirs)),
        Bases::Apart(bases) => bases,
    };
    let mut judge = Judge::new(options.choice);
    if name.kind() == RefKind::Tag {
        return Ok(merge_tag(&mut judge, (ours, theirs)));
    }
    let file = record_file(name.kind());
    let (our, their) = (State::read(repo, file, ours)?, State::read(repo, file, theirs)?);
    let (tree, parents) = if our.is_another(&their, name.kind()) {
        let another = || conflict::another(name.kind(), our.uuid, their.uuid);
        let side = judge.settle(name.kind().as_str(), another);
        match side {
            Side::Ours => (our.tree, vec![ours, theirs]),
            Side::Theirs => (their.tree, vec![theirs, ours]),
        }
    } else {
        let what = (name.kind(), our.uuid);
        let base = BaseFinder::new((repo, &mut *writer), what, options.who).find(&bases)?;
        let base = base.as_deref();
        if let Some(base) = base {
            judge = Judge::with_doubts(options.choice, base.doubts.clone());
        }
        let base = base.map(|base| &base.state);
        let states = States { base, ours: &our, theirs: &their };
        let merged = merge_states(writer, &mut judge, name.kind(), &states, options.who)?;
        (merged.tree, vec![ours, theirs])
    };
    if !judge.conflicts.is_empty() {
        return Ok(Merged::Conflict(judge.conflicts));
    }
    let (author, committer) = (options.who.clone(), options.who.clone());
    let message = options.message.to_owned();
    writer.commit(&Commit { tree, parents, author, committer, message }).map(Merged::Merge)
}

fn merge_tag(judge: &mut Judge<'_>, (ours, theirs): (Id, Id)) -> Merged {
    let text = |id: Id| Some(id.short());
    let conflict = FieldConflict {
        what: "tag".to_owned(),
        base: None,
        ours: text(ours),
        theirs: text(theirs),
    };
    match judge.settle("tag", || conflict) {
        _ if !judge.conflicts.is_empty() => Merged::Conflict(std::mem::take(&mut judge.conflicts)),
        Side::Ours => Merged::Same,
        Side::Theirs => Merged::FastForward(theirs),
    }
}

/// The file of the record that refs of `kind` are about.
fn record_file(kind: RefKind) -> &'static str {
    match kind {
        RefKind::Project | RefKind::Tag => ProjectRecord::FILE,
        RefKind::Run => RunRecord::FILE,
        RefKind::Version => VersionRecord::FILE,
    }
}

/// What a commit of a record holds.
struct State {
    tree: Id,
    entries: BTreeMap<BString, Node>,
    /// The bytes of its record.
    record: Vec<u8>,
    uuid: Uuid,
}

impl State {
    fn read(repo: &Repository, file: &str, commit: Id) -> Result<Self> {
        Self::try_read(repo, file, commit)?.ok_or_else(|| {
            Error::corrupt(format!("the commit {commit} has no {file}")).with_hint("art fsck")
        })
    }

    /// `None` for a commit of something else.
    fn try_read(repo: &Repository, file: &str, commit: Id) -> Result<Option<Self>> {
        let history = repo.history();
        let tree = history.read_commit(&commit)?.tree;
        let entries = history.read_tree(&tree)?.into_iter();
        let entries: BTreeMap<BString, Node> =
            entries.map(|TreeEntry { name, mode, id }| (name, Node { mode, id })).collect();
        let Some(node) = entries.get(file.as_bytes()).filter(|node| !node.mode.is_directory())
        else {
            return Ok(None);
        };
        let record = history.read_blob(&node.id)?;
        let uuid = read_uuid(file, &record)?;
        Ok(Some(State { tree, entries, record, uuid }))
    }

    /// Whether the two are different things that happen to have one name. A project is its name.
    fn is_another(&self, other: &State, kind: RefKind) -> bool {
        kind != RefKind::Project && self.uuid != other.uuid
    }

    fn node(&self, name: &[u8]) -> Option<Node> {
        self.entries.get(name).copied()
    }
}

/// The states of a record that are merged.
struct States<'a> {
    base: Option<&'a State>,
    ours: &'a State,
    theirs: &'a State,
}

impl States<'_> {
    fn records(&self) -> [Option<&[u8]>; 3] {
        let states = [self.base, Some(self.ours), Some(self.theirs)];
        states.map(|state| state.map(|state| state.record.as_slice()))
    }

    fn nodes(&self, name: &[u8]) -> [Option<Node>; 3] {
        [self.base.and_then(|state| state.node(name)), self.ours.node(name), self.theirs.node(name)]
    }
}

/// The merged record with all that is beside it.
fn merge_states(
    writer: &mut ObjectWriter<'_>,
    judge: &mut Judge<'_>,
    kind: RefKind,
    states: &States<'_>,
    who: &Signature,
) -> Result<State> {
    let mut entries = Vec::new();
    let file = record_file(kind);
    let records = states.records();
    let trees = states.nodes(ARTIFACTS.as_bytes());
    let RecordMerge { bytes, pin } = record::merge(judge, kind, (records, trees), who)?;
    entries.push(entry(file.as_bytes(), Node { mode: EntryMode::File, id: writer.blob(&bytes)? }));
    let mut done: Vec<&[u8]> = vec![file.as_bytes()];
    if let Some(side) = pin {
        let [_, ours, theirs] = trees;
        entries.extend(side.of(ours, theirs).map(|node| entry(ARTIFACTS.as_bytes(), node)));
        done.push(ARTIFACTS.as_bytes());
    }
    if kind == RefKind::Version {
        entries.extend(merge_content(judge, states));
        done.extend(ContentFormat::ALL.map(|format| format.file().as_bytes()));
    }
    let sides = [Some(states.ours), Some(states.theirs), states.base].into_iter().flatten();
    let mut names: Vec<&[u8]> =
        sides.flat_map(|state| state.entries.keys()).map(|name| name.as_slice()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names.into_iter().filter(|name| !done.contains(name)) {
        let path = TreePath::parse(name)?;
        let what = if name == README.as_bytes() { "readme".to_owned() } else { escaped(name) };
        let nodes = states.nodes(name);
        // The directory of the artifacts is there also when it is empty.
        let stays = name == ARTIFACTS.as_bytes();
        let node = merge_nodes(writer, judge, (&path, &what), nodes, stays)?;
        entries.extend(node.map(|node| entry(name, node)));
    }
    let beside = entries
        .iter()
        .map(|TreeEntry { name, mode, id }| (name.clone(), Node { mode: *mode, id: *id }));
    let (record, uuid, beside) = (bytes, states.ours.uuid, beside.collect());
    Ok(State { tree: writer.tree(entries)?, entries: beside, record, uuid })
}

fn entry(name: &[u8], Node { mode, id }: Node) -> TreeEntry {
    TreeEntry { name: name.into(), mode, id }
}

/// The content of a version, which is one file under one of two names.
fn merge_content(judge: &mut Judge<'_>, states: &States<'_>) -> Vec<TreeEntry> {
    let content =
        |state: &State| ContentFormat::ALL.map(|format| state.node(format.file().as_bytes()));
    let base = states.base.map(content).unwrap_or_default();
    let (ours, theirs) = (content(states.ours), content(states.theirs));
    let text = |nodes: [Option<Node>; 2]| nodes.into_iter().flatten().next().map(Node::text);
    let side = judge.decide("content", [&base, &ours, &theirs], || FieldConflict {
        what: "content".to_owned(),
        base: text(base),
        ours: text(ours),
        theirs: text(theirs),
    });
    let named = ContentFormat::ALL.into_iter().zip(side.of(ours, theirs));
    named.filter_map(|(format, node)| Some(entry(format.file().as_bytes(), node?))).collect()
}
