//! Merges a ref that has different names on the two sides, because it was renamed.

use super::conflict::{Choice, FieldConflict};
use super::{MergeOptions, Merged, merge_ref};
use crate::error::{Error, Result};
use crate::history::{Expected, ObjectWriter, Rename, Transaction};
use crate::id::Id;
use crate::name::RefName;
use crate::repo::Repository;
use crate::sync::{RefMemory, RenamedPair};

/// The result of the merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PairMerge {
    /// The local ref moves.
    Moved(Box<PairMove>),
    /// Conflicts that need a choice.
    Conflict(Vec<FieldConflict>),
}

/// The move of the local ref of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PairMove {
    /// The local ref now; `None` if it does not exist.
    pub(crate) from: Option<(RefName, Id)>,
    /// The ref after the merge; `None` if it is deleted.
    pub(crate) to: Option<(RefName, Id)>,
    /// The remote's name, if a push must rename the ref from that name.
    pub(crate) dropped: Option<RefName>,
}

impl PairMove {
    /// Adds the move to `transaction`.
    pub(crate) fn apply(self, transaction: &mut Transaction<'_>, subject: &str) {
        let PairMove { from, to, dropped } = self;
        if let (Some(from), Some((to, _))) = (dropped, &to) {
            transaction.note_rename(Rename { from, to: to.clone() });
        }
        match (from, to) {
            (Some(from), Some(to)) if from.0 != to.0 => drop(transaction.rename(from, to, subject)),
            (Some((name, old)), to) => {
                let new = to.map(|(_, commit)| commit);
                transaction.update(name, Expected::Id(old), new, subject);
            }
            (None, Some((name, new))) => {
                transaction.update(name, Expected::Absent, Some(new), subject);
            }
            (None, None) => {}
        }
    }
}

/// Merges the two sides of `pair`. If only one side renamed the ref, the new name is used.
/// Everything else is merged as with equal names. Records in `memory` a ref that the next push
/// deletes.
///
/// Fails with [`Refused`](crate::ErrorKind::Refused) if the remote's name was chosen, but another
/// local ref has it.
pub(crate) fn merge_renamed_pair(
    repo: &Repository,
    writer: &mut ObjectWriter<'_>,
    pair: &RenamedPair,
    options: &MergeOptions<'_>,
    memory: &mut RefMemory,
) -> Result<PairMerge> {
    let (from, mut dropped) = (pair.ours.clone(), None);
    let to = match (&pair.ours, &pair.theirs) {
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
                dropped = is_renamed_twice(pair).then(|| theirs.0.clone());
                Some((ours.0.clone(), commit))
            } else {
                if pair.is_taken && *options.choice == Choice::None {
                    let field = name_conflict(pair, &ours.0, &theirs.0);
                    return Ok(PairMerge::Conflict(vec![field]));
                }
                check_free(pair, &theirs.0)?;
                Some((theirs.0.clone(), commit))
            }
        }
        (ours, theirs) => match (options.choice, ours, theirs) {
            (Choice::None | Choice::Stage(_), _, _) => {
                let commit = |side: &Option<(RefName, Id)>| side.as_ref().map(|(_, id)| *id);
                let field = FieldConflict::deletion(None, commit(ours), commit(theirs));
                return Ok(PairMerge::Conflict(vec![field]));
            }
            (Choice::Theirs, _, theirs) => {
                theirs.iter().try_for_each(|(name, _)| check_free(pair, name))?;
                theirs.clone()
            }
            (Choice::Ours, ours, theirs) => {
                if let (None, Some((name, commit))) = (ours, theirs) {
                    memory.note_given_up(name, *commit);
                }
                ours.clone()
            }
        },
    };
    Ok(PairMerge::Moved(Box::new(PairMove { from, to, dropped })))
}

/// Fails if another local ref has the remote's name.
fn check_free(pair: &RenamedPair, theirs: &RefName) -> Result<()> {
    if !pair.is_taken {
        return Ok(());
    }
    let (kind, name) = (theirs.kind().as_str(), theirs.name());
    let message = format!("another local {kind} is called '{name}'");
    Err(Error::refused(message).with_hint("give it another name first, then pull again"))
}

/// Returns true if both sides renamed the ref, so that the user must choose the name.
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
        fields.push(name_conflict(pair, &ours.0, &theirs.0));
    }
    Ok(if fields.is_empty() { Ok(commit) } else { Err(fields) })
}

/// The conflict between two names of a ref: `name`, or `project` if only the projects differ.
pub(crate) fn name_conflict(pair: &RenamedPair, ours: &RefName, theirs: &RefName) -> FieldConflict {
    let is_project = ours.name() == theirs.name();
    let text = |name: &RefName| {
        Some(if is_project { name.project().to_string() } else { name.name().to_string() })
    };
    FieldConflict {
        what: if is_project { "project" } else { "name" }.to_owned(),
        base: text(&pair.was),
        ours: text(ours),
        theirs: text(theirs),
    }
}
