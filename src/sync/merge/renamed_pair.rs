//! Merges a ref that has different names on the two sides, because it was renamed.

use super::conflict::{Choice, FieldConflict};
use super::{MergeOptions, Merged, merge_ref};
use crate::error::Result;
use crate::history::ObjectWriter;
use crate::id::Id;
use crate::name::RefName;
use crate::repo::Repository;
use crate::sync::{RefMemory, RenamedPair};

/// The result of the merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PairMerge {
    /// The local refs to move (name, old commit, new commit); empty if nothing changes.
    Moves(Vec<(RefName, Option<Id>, Option<Id>)>),
    /// Conflicts that need a choice.
    Conflict(Vec<FieldConflict>),
}

/// Merges the two sides of `pair`. If only one side renamed the ref, the new name is used.
/// Everything else is merged as with equal names. Records in `memory` how a push treats the other
/// name.
pub(crate) fn merge_renamed_pair(
    repo: &Repository,
    writer: &mut ObjectWriter<'_>,
    pair: &RenamedPair,
    options: &MergeOptions<'_>,
    memory: &mut RefMemory,
) -> Result<PairMerge> {
    let moves = match (&pair.ours, &pair.theirs) {
        (Some(ours), Some(theirs)) => {
            let commit = match merge(repo, writer, pair, (ours, theirs), options)? {
                Ok(commit) => commit,
                Err(fields) => return Ok(PairMerge::Conflict(fields)),
            };
            let is_ours = if is_renamed_twice(pair) {
                *options.choice == Choice::Ours
            } else {
                ours.0 != pair.was
            };
            if is_ours {
                memory.note_given_up(&theirs.0, theirs.1);
                vec![(ours.0.clone(), Some(ours.1), Some(commit))]
            } else {
                let gone = (ours.0.clone(), Some(ours.1), None);
                vec![gone, (theirs.0.clone(), None, Some(commit))]
            }
        }
        (ours, theirs) => {
            let commit = |side: &Option<(RefName, Id)>| side.as_ref().map(|(_, commit)| *commit);
            match (options.choice, ours, theirs) {
                (Choice::None | Choice::Stage(_), _, _) => {
                    let field = FieldConflict::deletion(None, commit(ours), commit(theirs));
                    return Ok(PairMerge::Conflict(vec![field]));
                }
                (Choice::Theirs, Some((name, commit)), _) => {
                    vec![(name.clone(), Some(*commit), None)]
                }
                (Choice::Theirs, _, Some((name, commit))) => {
                    vec![(name.clone(), None, Some(*commit))]
                }
                (Choice::Ours, None, Some((name, commit))) => {
                    memory.note_given_up(name, *commit);
                    Vec::new()
                }
                (Choice::Ours | Choice::Theirs, _, _) => Vec::new(),
            }
        }
    };
    if pair.theirs.as_ref().is_none_or(|(name, _)| *name != pair.was) {
        memory.note_agreed(&pair.was, None);
    }
    Ok(PairMerge::Moves(moves.into_iter().filter(|(_, old, new)| old != new).collect()))
}

fn is_renamed_twice(pair: &RenamedPair) -> bool {
    [&pair.ours, &pair.theirs].into_iter().flatten().all(|(name, _)| *name != pair.was)
}

/// Merges both states to one commit, or returns the undecided conflicts.
fn merge(
    repo: &Repository,
    writer: &mut ObjectWriter<'_>,
    pair: &RenamedPair,
    (ours, theirs): (&(RefName, Id), &(RefName, Id)),
    options: &MergeOptions<'_>,
) -> Result<std::result::Result<Id, Vec<FieldConflict>>> {
    let merged = merge_ref(repo, writer, &ours.0, (ours.1, theirs.1), options)?;
    let (commit, mut fields) = match merged {
        Merged::Same => (ours.1, Vec::new()),
        Merged::FastForward(commit) | Merged::Merge(commit) => (commit, Vec::new()),
        Merged::Conflict(fields) => (ours.1, fields),
    };
    let is_chosen = matches!(options.choice, Choice::Ours | Choice::Theirs);
    let is_named = fields.iter().any(|field| field.what == "name");
    if is_renamed_twice(pair) && !is_chosen && !is_named {
        let text = |name: &RefName| Some(name.project().to_string());
        fields.push(FieldConflict {
            what: "project".to_owned(),
            base: text(&pair.was),
            ours: text(&ours.0),
            theirs: text(&theirs.0),
        });
    }
    Ok(if fields.is_empty() { Ok(commit) } else { Err(fields) })
}
