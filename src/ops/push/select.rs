//! Which refs a push moves, which it leaves and which it can't.

use std::collections::{BTreeMap, BTreeSet};

use super::PushOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::history::History;
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::ops::sync::{Connection, Past, Standing, deleted_here, find_name, standing, tracked};
use crate::remote::log::{RefMove, Settled};
use crate::repo::Repository;

/// What a push is about to do.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Selection {
    /// The refs that it moves.
    pub(super) moves: Vec<RefMove>,
    /// Those of them that go elsewhere than forward.
    pub(super) forced: BTreeSet<RefName>,
    /// The sides of conflicts that it ends.
    pub(super) settled: Vec<Settled>,
    /// Refs that can't be moved forward, and how they stand.
    pub(super) refused: Vec<(RefName, Standing)>,
    /// Refs that the remote has gone on with; nothing is to be pushed of them.
    pub(super) behind: Vec<RefName>,
    /// Refs that both sides have at the same place.
    pub(super) same: Vec<(RefName, Id)>,
}

/// Compares what is here with what `connection` knows of the remote.
pub(super) fn select(
    repo: &Repository,
    connection: &Connection<'_>,
    options: &PushOptions,
) -> Result<Selection> {
    let history = repo.history();
    let there = &connection.state.fold().refs;
    let here: BTreeMap<RefName, Id> = history.refs("refs/")?.into_iter().collect();
    let names = asked_for(repo, options, &here, there)?;
    let absent = names.iter().filter(|name| !here.contains_key(*name));
    let deleted = deleted_here(history, absent.cloned())?;
    let past = Past::load(&connection.directory());
    let seen = tracked(repo, connection)?;
    let mut selection = Selection::default();
    for name in names {
        let (ours, theirs) = (here.get(&name).copied(), there.get(&name).copied());
        let mut stands = standing(history, &name, (ours, theirs), &past, &deleted)?;
        if stands == Standing::Diverged
            && was_there(history, &name, (ours, theirs), seen.get(&name).copied())?
        {
            stands = Standing::Behind;
        }
        let is_named = !options.refs.is_empty();
        let forced = options.force
            && match stands {
                Standing::Diverged
                | Standing::DeletedHereChangedThere
                | Standing::DeletedThereChangedHere => true,
                // Only who names it wants it back where it was.
                Standing::Behind | Standing::DeletedThere => is_named,
                _ => false,
            };
        match stands {
            Standing::Ahead | Standing::OnlyHere | Standing::DeletedHere => {
                selection.moves.push(RefMove { name, old: theirs, new: ours });
            }
            _ if forced => {
                selection.forced.insert(name.clone());
                selection.moves.push(RefMove { name, old: theirs, new: ours });
            }
            Standing::Behind | Standing::DeletedThere => selection.behind.push(name),
            Standing::Same => selection.same.extend(ours.map(|commit| (name, commit))),
            Standing::OnlyThere => {}
            Standing::Diverged
            | Standing::DeletedHereChangedThere
            | Standing::DeletedThereChangedHere => selection.refused.push((name, stands)),
        }
    }
    selection.settled = settled(repo, connection, &selection.moves)?;
    Ok(selection)
}

/// Whether the remote had our commit, or one that comes after it, at `seen` when it was last asked,
/// and has gone on since, to a commit that is not here: then there is nothing of ours to push.
fn was_there(
    history: &History,
    name: &RefName,
    sides: (Option<Id>, Option<Id>),
    seen: Option<Id>,
) -> Result<bool> {
    let (Some(ours), Some(theirs), Some(seen)) = (sides.0, sides.1, seen) else {
        return Ok(false);
    };
    if history.try_kind(&theirs)?.is_some() {
        return Ok(false);
    }
    if ours == seen {
        return Ok(true);
    }
    Ok(name.kind() != RefKind::Tag && history.is_ancestor(&ours, &seen)?)
}

/// The refs that are to be compared.
fn asked_for(
    repo: &Repository,
    options: &PushOptions,
    here: &BTreeMap<RefName, Id>,
    there: &BTreeMap<RefName, Id>,
) -> Result<BTreeSet<RefName>> {
    let all: BTreeSet<RefName> = here.keys().chain(there.keys()).cloned().collect();
    let project = &repo.settings().project;
    if !options.refs.is_empty() {
        return options.refs.iter().map(|word| find_name(word, project, &all)).collect();
    }
    let is_wanted = |name: &RefName| options.all || name.project() == project;
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// The sides of conflicts that the moves end: commits that what is pushed comes after, and
/// deletions, which whoever pushes the ref has decided against.
fn settled(
    repo: &Repository,
    connection: &Connection<'_>,
    moves: &[RefMove],
) -> Result<Vec<Settled>> {
    let history = repo.history();
    let conflicts = &connection.state.fold().conflicts;
    let mut settled = Vec::new();
    for moved in moves {
        let Some(new) = moved.new else { continue };
        for side in conflicts.get(&moved.name).into_iter().flatten() {
            let is_in = match side.commit {
                None => true,
                Some(commit) => {
                    history.try_kind(&commit)?.is_some() && history.is_ancestor(&commit, &new)?
                }
            };
            if is_in {
                settled.push(Settled { name: moved.name.clone(), commit: side.commit });
            }
        }
    }
    Ok(settled)
}

impl Selection {
    /// Fails with [`Moved`](ErrorKind::Moved) if a ref can't be moved forward: then none moves.
    pub(super) fn check(&self, remote: &str) -> Result<()> {
        let Some((first, _)) = self.refused.first() else { return Ok(()) };
        let why = |standing: &Standing| match standing {
            Standing::DeletedHereChangedThere => "deleted here, changed there",
            Standing::DeletedThereChangedHere => "deleted there, changed here",
            _ => "the remote has commits that are not here",
        };
        let lines: Vec<String> = self
            .refused
            .iter()
            .take(10)
            .map(|(name, standing)| format!("{name}: {}", why(standing)))
            .chain(
                (self.refused.len() > 10).then(|| format!("and {} more", self.refused.len() - 10)),
            )
            .collect();
        let count = self.refused.len();
        let what = if count == 1 {
            format!("'{}' is not a fast-forward", first.name())
        } else {
            format!("{count} refs are not a fast-forward")
        };
        Err(Error::new(ErrorKind::Moved, format!("{what} on '{remote}'; nothing was pushed"))
            .with_source(lines.join("\n"))
            .with_hint(format!("take in what is there, then push again: art pull {remote}")))
    }
}
