//! Merges two diverged states of a ref: field by field and path by path.
//!
//! If only one side changed a part since the common base, that side's value is used. If both sides
//! made the same change, that value is used. If they made different changes, the part is a conflict,
//! unless the user chose a side. Permanent records are never lost, whatever the choice: the result
//! has the stage conditions and the lineage of both sides. Both commits are its parents, so it
//! includes both histories.
//!
//! | part | merge |
//! | --- | --- |
//! | `tags` | as sets: additions and removals of both sides apply |
//! | other keys of a record, known or not | each key separately, tables key by key |
//! | status, times and exit of a run | together: all from the side that changed the status |
//! | `lineage` of a run | the entries of both sides, by name; none is lost |
//! | stage conditions of a version | those of both sides in order of time; if both sides moved the version to different stages, that is a conflict |
//! | the contents of a version: its run, the artifacts' names, their tree | together |
//! | artifacts of a run | path by path; file contents are never read |
//! | readme, content | each as a whole |
//! | policy of a project | key by key, if the combined rules are valid |
//! | a tag | the commit of one side |

mod base;
mod conflict;
mod expired;
mod project;
mod record;
mod renamed_pair;
mod run;
mod sequence;
mod table;
mod tree;
mod version;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bstr::BString;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::history::{ARTIFACTS, Commit, EntryMode, ObjectWriter, Signature, TreeEntry};
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::record::{ContentFormat, ProjectRecord, Record, RunRecord, VersionRecord};
use crate::repo::Repository;
use crate::tree_path::{TreePath, escaped};

use base::{BaseFinder, Bases, find_bases};
pub use conflict::{Choice, FieldConflict};
use conflict::{Judge, MergeSide};
use record::{RecordMerge, read_uuid};
pub(crate) use renamed_pair::{PairMerge, PairMove, merge_renamed_pair, name_conflict};
use tree::{Node, merge_nodes};

/// The result of merging two states of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// Ours is the result: theirs is equal or an ancestor.
    Same,
    /// Theirs is the result: ours is an ancestor.
    FastForward(Id),
    /// A new commit with both states as parents. Ours is the first parent, unless the two are
    /// different records with the same name and theirs was chosen.
    Merge(Id),
    /// Conflicts that need a choice.
    Conflict(Vec<FieldConflict>),
}

/// The options of a merge.
#[derive(Debug, Clone, Copy)]
pub struct MergeOptions<'a> {
    /// The side to choose if both sides changed the same part.
    pub choice: &'a Choice,
    /// The user and the time of the merge.
    pub who: &'a Signature,
    /// The message of the commit.
    pub message: &'a str,
}

const README: &str = "README.md";

/// Merges two states of the ref `name`, the commits `ours` and `theirs`, and adds new objects to
/// `writer`. Moves no ref.
///
/// A merge of tags never creates a commit: if ours is chosen, the result is [`Merged::Same`]; if
/// theirs is chosen, a [`Merged::FastForward`].
///
/// Fails for unreadable states, and with [`Unsupported`](crate::ErrorKind::Unsupported) for states
/// from a newer program.
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
    let (our, their) =
        (RecordState::read(repo, file, ours)?, RecordState::read(repo, file, theirs)?);
    let (tree, parents) = if our.is_another(&their, name.kind()) {
        let another = || conflict::another(name.kind(), our.uuid, their.uuid);
        let side = judge.settle(name.kind().as_str(), another);
        match side {
            MergeSide::Ours => (our.tree, vec![ours, theirs]),
            MergeSide::Theirs => (their.tree, vec![theirs, ours]),
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
        MergeSide::Ours => Merged::Same,
        MergeSide::Theirs => Merged::FastForward(theirs),
    }
}

/// The file name of the record for refs of `kind`.
fn record_file(kind: RefKind) -> &'static str {
    match kind {
        RefKind::Project | RefKind::Tag => ProjectRecord::FILE,
        RefKind::Run => RunRecord::FILE,
        RefKind::Version => VersionRecord::FILE,
    }
}

/// The contents of a commit of a record.
struct RecordState {
    tree: Id,
    entries: BTreeMap<BString, Node>,
    /// The bytes of the record.
    record: Vec<u8>,
    uuid: Uuid,
}

impl RecordState {
    fn read(repo: &Repository, file: &str, commit: Id) -> Result<Self> {
        Self::try_read(repo, file, commit)?.ok_or_else(|| {
            Error::corrupt(format!("the commit {commit} has no {file}")).with_hint("art fsck")
        })
    }

    /// Returns `None` for a commit of another kind of record.
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
        Ok(Some(RecordState { tree, entries, record, uuid }))
    }

    /// Returns true if the two are different records with the same name. Projects are identified by
    /// their name.
    fn is_another(&self, other: &RecordState, kind: RefKind) -> bool {
        kind != RefKind::Project && self.uuid != other.uuid
    }

    fn node(&self, name: &[u8]) -> Option<Node> {
        self.entries.get(name).copied()
    }
}

/// The base and the two states to merge.
struct States<'a> {
    base: Option<&'a RecordState>,
    ours: &'a RecordState,
    theirs: &'a RecordState,
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

/// Merges the records and the files beside them.
fn merge_states(
    writer: &mut ObjectWriter<'_>,
    judge: &mut Judge<'_>,
    kind: RefKind,
    states: &States<'_>,
    who: &Signature,
) -> Result<RecordState> {
    let mut entries = Vec::new();
    let file = record_file(kind);
    let records = states.records();
    let trees = states.nodes(ARTIFACTS.as_bytes());
    let history = writer.history();
    // A commit that is not in this repository is later than none.
    let is_later = |a: &Id, b: &Id| history.is_ancestor(b, a).unwrap_or(false);
    let RecordMerge { bytes, pin } = record::merge(judge, kind, (records, trees), who, &is_later)?;
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
        // The directory of the artifacts exists even if it is empty.
        let stays = name == ARTIFACTS.as_bytes();
        let node = merge_nodes(writer, judge, (&path, &what), nodes, stays)?;
        entries.extend(node.map(|node| entry(name, node)));
    }
    let beside = entries
        .iter()
        .map(|TreeEntry { name, mode, id }| (name.clone(), Node { mode: *mode, id: *id }));
    let (record, uuid, beside) = (bytes, states.ours.uuid, beside.collect());
    Ok(RecordState { tree: writer.tree(entries)?, entries: beside, record, uuid })
}

fn entry(name: &[u8], Node { mode, id }: Node) -> TreeEntry {
    TreeEntry { name: name.into(), mode, id }
}

/// Merges the content of a version, which is one file with one of two names.
fn merge_content(judge: &mut Judge<'_>, states: &States<'_>) -> Vec<TreeEntry> {
    let content =
        |state: &RecordState| ContentFormat::ALL.map(|format| state.node(format.file().as_bytes()));
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
