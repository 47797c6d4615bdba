//! `art resolve`: resolves a conflict between the two sides of a ref, and keeps both histories.
//!
//! It works on fetched data and sends no request. A push shares the result.

use std::collections::{BTreeMap, BTreeSet};

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::version::read_version_record;
use crate::catalog::{RecordChange, change_records};
use crate::error::{Error, ErrorKind, Result};
use crate::history::Commit;
use crate::id::Id;
use crate::name::{Name, RefKind, RefName};
use crate::remote::log::LogState;
use crate::repo::Repository;
use crate::sync::merge::{
    Choice, FieldConflict, MergeOptions, Merged, PairMerge, merge_ref, merge_renamed_pair,
};
use crate::sync::{
    RefMemory, RefRelation, RefSides, RemoteMemory, RenamedPair, Sides, find_name,
    find_renamed_pairs, open_renames, ref_relations,
};

/// The options: the conflict and its resolution.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct ResolveOptions {
    /// The remote; `None` for the default one.
    #[setters(into)]
    pub remote: Option<Name>,
    /// The ref, as typed.
    #[setters(into)]
    pub reference: String,
    /// The side to choose if both sides changed the same thing.
    pub choice: Choice,
    /// The commit message.
    #[setters(into)]
    pub message: Option<String>,
}

impl ResolveOptions {
    /// Creates options that settle the conflict of `reference` by `choice`.
    pub fn new(reference: impl Into<String>, choice: Choice) -> Self {
        ResolveOptions { remote: None, reference: reference.into(), choice, message: None }
    }
}

/// The result of resolving a conflict.
#[derive(Debug, Clone, Serialize)]
pub struct ResolveOutcome {
    /// The remote.
    pub remote: Name,
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The old commit; `None` if the ref did not exist locally.
    pub old: Option<Id>,
    /// The new commit; `None` if the ref is deleted.
    pub new: Option<Id>,
    /// The remaining conflicts. If there are any, the ref has not moved.
    pub conflicts: Vec<FieldConflict>,
}

/// A ref with an unresolved conflict.
#[derive(Debug, Clone, Serialize)]
pub struct ListedConflict {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The parts that both sides changed in different ways.
    pub conflicts: Vec<FieldConflict>,
}

/// The unresolved conflicts with a remote.
#[derive(Debug, Clone, Serialize)]
pub struct ConflictList {
    /// The remote.
    pub remote: Name,
    /// The refs in conflict, sorted.
    pub conflicts: Vec<ListedConflict>,
}

/// Lists the refs that need a choice, as of the last fetch. Changes nothing, and needs no lock.
pub fn list(repo: &Repository, remote: Option<&Name>) -> Result<ConflictList> {
    let remote = repo.choose_remote(remote)?.name;
    let there = fetched(repo, &remote)?;
    let memory = RemoteMemory::of(repo, &remote).refs();
    let state = RemoteMemory::state_of(repo, &remote)?;
    let others = state.as_ref().map(|state| &state.remote_state().conflicts);
    let who = repo.signature();
    let options = MergeOptions { choice: &Choice::None, who: &who, message: "" };
    let mut writer = repo.history().trial_writer()?;
    let mut found: BTreeMap<RefName, Vec<FieldConflict>> = BTreeMap::new();
    let pairs = renamed_pairs(repo, &there, &memory, state.as_ref())?;
    for pair in &pairs {
        let merged = merge_renamed_pair(repo, &mut writer, pair, &options, &mut memory.clone())?;
        if let PairMerge::Conflict(fields) = merged {
            found.entry(pair.name().clone()).or_default().extend(fields);
        }
    }
    let in_pairs: BTreeSet<&RefName> = pairs.iter().flat_map(RenamedPair::names).collect();
    let names: BTreeSet<&RefName> = there
        .keys()
        .chain(memory.deleted_there())
        .chain(others.into_iter().flatten().map(|(name, _)| name))
        .filter(|name| !in_pairs.contains(name))
        .collect();
    let here: BTreeMap<RefName, Id> = repo.history().refs("refs/")?.into_iter().collect();
    let sides = names.into_iter().map(|name| -> RefSides {
        (name.clone(), here.get(name).copied(), there.get(name).copied())
    });
    let sides: Vec<RefSides> = sides.collect();
    let (compared, _) = ref_relations(repo, &memory, &sides)?;
    for ((name, ours, theirs), (_, relation)) in sides.iter().zip(&compared) {
        let mut pairs = Vec::new();
        if is_open(*relation) {
            pairs.push((*ours, *theirs));
        }
        let sides = others.and_then(|others| others.get(name)).into_iter().flatten();
        pairs.extend(sides.map(|side| (*ours, side.commit)));
        for (ours, theirs) in pairs {
            let fields = match (ours, theirs) {
                (Some(ours), Some(theirs)) => {
                    match merge_ref(repo, &mut writer, name, (ours, theirs), &options)? {
                        Merged::Conflict(fields) => fields,
                        _ => continue,
                    }
                }
                (None, None) => continue,
                _ => vec![FieldConflict::deletion(None, ours, theirs)],
            };
            found.entry(name.clone()).or_default().extend(fields);
        }
    }
    let conflicts =
        found.into_iter().map(|(name, conflicts)| ListedConflict { name, conflicts }).collect();
    Ok(ConflictList { remote, conflicts })
}

/// Returns true if a ref with this relation can need a choice.
fn is_open(relation: RefRelation) -> bool {
    use RefRelation::{DeletedHereChangedThere, DeletedThereChangedHere, Diverged};
    matches!(relation, Diverged | DeletedHereChangedThere | DeletedThereChangedHere)
}

/// The commits of the remote's refs, as fetched.
fn fetched(repo: &Repository, remote: &Name) -> Result<BTreeMap<RefName, Id>> {
    let tracked = repo.history().refs(&RefName::tracking_prefix(remote))?.into_iter();
    Ok(tracked.map(|(name, id)| (name.untracked(), id)).collect())
}

/// Resolves a conflict.
///
/// Conflicts that the choice does not decide are not an error: they are part of the result, and the
/// ref has not moved. Fails with [`Refused`](ErrorKind::Refused) if there is no conflict.
pub fn resolve(repo: &Repository, options: &ResolveOptions) -> Result<ResolveOutcome> {
    let remote = repo.choose_remote(options.remote.as_ref())?.name;
    let side = Side::find(repo, &remote, options)?;
    let changed = change_records(repo, |change| side.settle(change))?;
    let Settled { name, old, new, conflicts, memory: now } = changed.value;
    RemoteMemory::of(repo, &remote).save_refs(&now)?;
    Ok(ResolveOutcome { remote, name, old, new, conflicts })
}

/// The outcome of a resolution.
struct Settled {
    name: RefName,
    old: Option<Id>,
    new: Option<Id>,
    conflicts: Vec<FieldConflict>,
    memory: RefMemory,
}

/// The other side of a ref, as fetched.
struct Side<'a> {
    repo: &'a Repository,
    options: &'a ResolveOptions,
    name: RefName,
    /// The commits of the remote's refs.
    there: BTreeMap<RefName, Id>,
    /// The remote's log, as fetched.
    state: Option<LogState>,
    /// The commits by other writers, on a store that cannot prevent concurrent moves; `None` is a
    /// deletion.
    others: Vec<Option<Id>>,
    memory: RefMemory,
}

impl<'a> Side<'a> {
    fn find(repo: &'a Repository, remote: &Name, options: &'a ResolveOptions) -> Result<Self> {
        let there = fetched(repo, remote)?;
        let memory = RemoteMemory::of(repo, remote).refs();
        let state = RemoteMemory::state_of(repo, remote)?;
        let conflicts = state.as_ref().map(|state| &state.remote_state().conflicts);
        let names = there.keys().chain(memory.deleted_there()).cloned();
        let names = names.chain(conflicts.into_iter().flatten().map(|(name, _)| name.clone()));
        let mut all: BTreeSet<RefName> = names.collect();
        for pair in renamed_pairs(repo, &there, &memory, state.as_ref())? {
            all.extend(pair.names().cloned());
        }
        let place = format!(" on '{remote}'");
        let name = find_name(&options.reference, &repo.settings().project, &all, &place)?;
        let sides = conflicts.and_then(|conflicts| conflicts.get(&name));
        let others = sides.into_iter().flatten().map(|side| side.commit).collect();
        Ok(Side { repo, options, name, there, state, others, memory })
    }

    fn settle(&self, change: &mut RecordChange<'_>) -> Result<Settled> {
        let pairs = renamed_pairs(self.repo, &self.there, &self.memory, self.state.as_ref())?;
        if let Some(pair) = pairs.iter().find(|pair| pair.is_about(&self.name)) {
            return self.settle_pair(change, pair);
        }
        let here = self.repo.history().try_find_ref(&self.name)?;
        let there = self.there.get(&self.name).copied();
        let sides: [RefSides; 1] = [(self.name.clone(), here, there)];
        let (compared, _) = ref_relations(self.repo, &self.memory, &sides)?;
        let relation = compared.first().map_or(RefRelation::Same, |(_, relation)| *relation);
        let (name, memory) = (self.name.clone(), self.memory.clone());
        let mut settled = Settled { name, old: here, new: here, conflicts: Vec::new(), memory };
        let mut is_open = !self.others.is_empty();
        match (relation, here, there) {
            (RefRelation::Diverged, Some(ours), Some(theirs)) => {
                is_open = true;
                settled.new = self.merge(change, ours, theirs, &mut settled.conflicts)?;
                if self.name.kind() == RefKind::Tag && settled.new == here {
                    // Records the remote's commit as known and superseded, so that a push moves the
                    // tag from that commit.
                    settled.memory.note_agreed(&self.name, there);
                }
            }
            (RefRelation::DeletedHereChangedThere, _, Some(theirs)) => {
                is_open = true;
                self.keep_or_delete(None, Some(theirs), &mut settled);
            }
            (RefRelation::DeletedThereChangedHere, Some(ours), _) => {
                is_open = true;
                self.keep_or_delete(Some(ours), None, &mut settled);
            }
            _ => {}
        }
        for other in &self.others {
            self.join_other(change, *other, &mut settled)?;
        }
        if !is_open {
            let name = self.name.name();
            let message =
                format!("there is no conflict about {} '{name}'", self.name.kind().as_str());
            return Err(Error::refused(message).with_hint("list the conflicts: art resolve"));
        }
        if !settled.conflicts.is_empty() {
            settled.new = here;
        } else if settled.new != here {
            change.move_ref(self.name.clone(), here, settled.new, &self.subject());
        }
        Ok(settled)
    }

    /// Resolves a conflict about a ref that has different names on the two sides.
    fn settle_pair(&self, change: &mut RecordChange<'_>, pair: &RenamedPair) -> Result<Settled> {
        if let (Choice::Stage(stage), Some((_, ours)), Some((_, theirs))) =
            (&self.options.choice, &pair.ours, &pair.theirs)
        {
            self.check_stage(stage, *ours, *theirs)?;
        }
        let (choice, who, message) = (&self.options.choice, self.repo.signature(), self.subject());
        let options = MergeOptions { choice, who: &who, message: &message };
        let mut memory = self.memory.clone();
        let merged = merge_renamed_pair(self.repo, change.writer(), pair, &options, &mut memory)?;
        let here = pair.ours.as_ref().map(|(_, commit)| *commit);
        let name = pair.name().clone();
        let mut settled = Settled { name, old: here, new: here, conflicts: Vec::new(), memory };
        match merged {
            PairMerge::Conflict(fields) => settled.conflicts = fields,
            PairMerge::Moved(moved) => {
                if let Some((name, commit)) = &moved.to {
                    settled.old = here.filter(|_| settled.name == *name);
                    (settled.name, settled.new) = (name.clone(), Some(*commit));
                } else {
                    settled.new = None;
                }
                pair.note_merged(&mut settled.memory, moved.to.as_ref(), &self.there);
                moved.apply(change.transaction(), &message);
            }
        }
        Ok(settled)
    }

    fn subject(&self) -> String {
        let what = match &self.options.choice {
            Choice::Ours => "ours",
            Choice::Theirs => "theirs",
            Choice::Stage(_) | Choice::None => "both",
        };
        let default = || format!("Resolve a conflict: {what}");
        self.options.message.clone().unwrap_or_else(default)
    }

    /// Merges two commits. Adds undecided conflicts to `open`.
    fn merge(
        &self,
        change: &mut RecordChange<'_>,
        ours: Id,
        theirs: Id,
        open: &mut Vec<FieldConflict>,
    ) -> Result<Option<Id>> {
        if let Choice::Stage(stage) = &self.options.choice {
            self.check_stage(stage, ours, theirs)?;
        }
        let who = self.repo.signature();
        let options =
            MergeOptions { choice: &self.options.choice, who: &who, message: &self.subject() };
        let merged = merge_ref(self.repo, change.writer(), &self.name, (ours, theirs), &options)?;
        Ok(Some(match merged {
            Merged::Same => ours,
            Merged::FastForward(commit) | Merged::Merge(commit) => commit,
            Merged::Conflict(fields) => {
                open.extend(fields);
                ours
            }
        }))
    }

    /// A stage that neither side has would bypass the policy's check of stage moves.
    fn check_stage(&self, stage: &Name, ours: Id, theirs: Id) -> Result<()> {
        if self.name.kind() != RefKind::Version {
            return Err(Error::invalid("only versions have a stage")
                .with_hint("choose a side: --ours or --theirs"));
        }
        let stage_of = |commit: Id| -> Result<Option<Name>> {
            Ok(read_version_record(self.repo, commit)?.map(|record| record.stage))
        };
        let stages = [stage_of(ours)?, stage_of(theirs)?];
        if stages.iter().flatten().any(|one| one == stage) {
            return Ok(());
        }
        let shown = stages.map(|one| one.map_or_else(|| "none".to_owned(), |one| one.to_string()));
        let message =
            format!("the stage is '{}' locally and '{}' on the remote", shown[0], shown[1]);
        Err(Error::refused(message)
            .with_hint(format!("choose one of them, then: art stage {} {stage}", self.name.name())))
    }

    /// Resolves a conflict between a deletion on one side and a change on the other.
    fn keep_or_delete(&self, ours: Option<Id>, theirs: Option<Id>, settled: &mut Settled) {
        match self.options.choice {
            Choice::Ours => {
                settled.new = ours;
                match (ours, theirs) {
                    // The ref is pushed as one that the remote lacks.
                    (Some(_), None) => settled.memory.note_there(&self.name),
                    // The push deletes the ref as it is on the remote now.
                    (None, Some(theirs)) => settled.memory.note_given_up(&self.name, theirs),
                    _ => {}
                }
            }
            Choice::Theirs => {
                settled.new = theirs;
                settled.memory.note_agreed(&self.name, theirs);
            }
            Choice::None | Choice::Stage(_) => {
                settled.conflicts.push(FieldConflict::deletion(None, ours, theirs));
            }
        }
    }

    /// Merges the commit of another writer who moved the ref concurrently.
    fn join_other(
        &self,
        change: &mut RecordChange<'_>,
        other: Option<Id>,
        settled: &mut Settled,
    ) -> Result<()> {
        let now = settled.new;
        match (now, other) {
            (Some(ours), Some(theirs)) => {
                // The local commit may be a merge of earlier sides that is not written yet.
                change.writer().write_out()?;
                settled.new = self.merge(change, ours, theirs, &mut settled.conflicts)?;
            }
            (None, None) => {}
            _ => match self.options.choice {
                Choice::Theirs => settled.new = other,
                Choice::Ours => {
                    // Only a ref that moves can be pushed, and the push settles the conflict.
                    if let Some(ours) = now {
                        settled.new = Some(self.again(change, ours)?);
                    }
                }
                Choice::None | Choice::Stage(_) => {
                    settled.conflicts.push(FieldConflict::deletion(None, now, other));
                }
            },
        }
        Ok(())
    }

    /// Creates a commit on top of `commit` that records the decision to keep it.
    fn again(&self, change: &mut RecordChange<'_>, commit: Id) -> Result<Id> {
        let Commit { tree, .. } = self.repo.history().read_commit(&commit)?;
        change.commit(tree, vec![commit], &self.subject())
    }
}

/// The fetched refs that have different names on the two sides.
fn renamed_pairs(
    repo: &Repository,
    there: &BTreeMap<RefName, Id>,
    memory: &RefMemory,
    state: Option<&LogState>,
) -> Result<Vec<RenamedPair>> {
    let here: BTreeMap<RefName, Id> = repo.history().refs("refs/")?.into_iter().collect();
    let open = match state {
        Some(state) => open_renames(repo.history(), &here, there, state.remote_state())?,
        None => Vec::new(),
    };
    let names = there.keys().chain(memory.deleted_there());
    let names: BTreeSet<&RefName> = names.chain(open.iter().map(|it| &it.former.name)).collect();
    let sides = names.into_iter().map(|name| -> RefSides {
        (name.clone(), here.get(name).copied(), there.get(name).copied())
    });
    let is_equal = |(_, here, there): &RefSides| here.is_some() && here == there;
    let sides: Vec<RefSides> = sides.filter(|sides| !is_equal(sides)).collect();
    let (compared, departed) = ref_relations(repo, memory, &sides)?;
    let sides = Sides { here: &here, there, memory, open: &open, departed: &departed };
    find_renamed_pairs(repo, &sides, &compared)
}

/// Returns the error for conflicts that the choice did not decide.
pub fn still_open(outcome: &ResolveOutcome) -> Error {
    let what: Vec<&str> = outcome.conflicts.iter().map(|one| one.what.as_str()).collect();
    let name = outcome.name.name();
    Error::new(ErrorKind::Moved, format!("'{name}' is still in conflict: {}", what.join(", ")))
        .with_hint(format!("choose a side: art resolve {name} --ours, or --theirs"))
}
