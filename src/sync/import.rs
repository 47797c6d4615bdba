//! Imports the history of a remote: its Git objects, then its refs as tracking refs.
//!
//! No ref ever points to missing objects. Git packs are imported first, then the history of all
//! refs is verified to be complete, and then all refs move in one transaction. Content is not
//! fetched here.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::connection::Connection;
use super::former_tips::{add_former_tips, has_former_tips, overtaken, retain_former_tips};
use super::object_reader::ObjectReader;
use super::ref_relation::is_another;
use crate::error::{Error, ErrorKind, Result};
use crate::history::Expected;
use crate::id::Id;
use crate::name::{Name, RefName};
use crate::progress::{NoProgress, Progress, Unit};
use crate::remote::FileKind;
use crate::repo::Repository;

/// A change of a remote's ref since the last fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrackedMove {
    /// The name of the ref on the remote.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The old commit; `None` if the ref is new.
    pub old: Option<Id>,
    /// The new commit; `None` if the ref was deleted.
    pub new: Option<Id>,
    /// True if the ref is missing although no entry of the log deleted it: the remote was emptied or
    /// restored. The ref does not count as deleted.
    #[serde(skip)]
    pub is_lost: bool,
}

/// A conflict between two writers who moved the same ref, on a remote that cannot prevent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenConflict {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The commit of the ref.
    pub commit: Option<Id>,
    /// The commits of the other sides; `None` is a deletion.
    pub others: Vec<Option<Id>>,
}

/// The result of a fetch.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Imported {
    /// The changed refs.
    pub moved: Vec<TrackedMove>,
    /// The unresolved conflicts.
    pub conflicts: Vec<OpenConflict>,
    /// The number of fetched Git objects.
    pub objects: u64,
}

/// The number of times that an import reads the log again before objects count as missing.
const LOOKS: u32 = 8;

/// The number of attempts to move tracking refs that other processes move too.
const ATTEMPTS: usize = 100;

impl Connection<'_> {
    /// Imports the history and refs of the remote. The connection must be refreshed.
    ///
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if refs of the remote point to missing
    /// objects. All other refs have moved in this case.
    pub(crate) fn import(&mut self, progress: &dyn Progress) -> Result<Imported> {
        self.import_history(LOOKS, progress).map_err(|error| {
            let kept = "no ref moved; downloaded history is kept";
            error.or_interrupted(kept, "run the command again to get the rest")
        })
    }

    /// Imports the history. If objects are missing and the log has new entries, starts again, up to
    /// `looks` times.
    fn import_history(&mut self, looks: u32, progress: &dyn Progress) -> Result<Imported> {
        // The files about the remote need their directory from this point on.
        self.save()?;
        let mut imported = Imported { conflicts: self.open_conflicts(), ..Imported::default() };
        let tracked = self.tracked()?;
        let moved = compare(&tracked, &self.state.remote_state().refs);
        let tips = self.tips(&moved);
        let unread = Mutex::new(None);
        if !tips.is_empty() {
            imported.objects = self.fetch_objects(&tips, &unread, progress)?;
            self.fetch_small_segments(progress)?;
        }
        let broken = broken(self.repo, &moved, &tips, progress)?;
        if !broken.is_empty() && looks > 0 && self.has_news(progress) {
            return self.import_history(looks - 1, progress);
        }
        imported.moved = moved.into_iter().filter(|moved| !broken.contains(&moved.name)).collect();
        self.track(&mut imported.moved)?;
        self.save()?;
        if broken.is_empty() {
            return Ok(imported);
        }
        // A pack that the store did not serve says nothing about its content.
        let unread = unread.into_inner().unwrap_or_else(PoisonError::into_inner);
        Err(unread.unwrap_or_else(|| names_what_is_missing(&self.remote.name, &broken)))
    }

    /// The refs of the remote as of the last fetch.
    pub(crate) fn tracked(&self) -> Result<BTreeMap<RefName, Id>> {
        let refs = self.repo.history().refs(&format!("refs/remotes/{}/", &self.remote.name))?;
        Ok(refs.into_iter().map(|(name, id)| (name.untracked(), id)).collect())
    }

    /// The commits that must exist before the refs move: the new commits and the other sides of
    /// conflicts.
    fn tips(&self, moved: &[TrackedMove]) -> Vec<Id> {
        let sides = self.state.remote_state().conflicts.values().flatten();
        let mut tips: Vec<Id> = moved.iter().filter_map(|moved| moved.new).collect();
        tips.extend(sides.filter_map(|side| side.commit));
        tips.sort_unstable();
        tips.dedup();
        tips
    }

    /// The unresolved conflicts on the remote.
    pub(crate) fn open_conflicts(&self) -> Vec<OpenConflict> {
        let remote_state = self.state.remote_state();
        let conflict = |(name, sides): (&RefName, &Vec<_>)| OpenConflict {
            name: name.clone(),
            commit: remote_state.refs.get(name).copied(),
            others: sides.iter().map(|side: &crate::remote::log::Conflict| side.commit).collect(),
        };
        remote_state.conflicts.iter().map(conflict).collect()
    }

    /// Fetches the history of `tips`.
    ///
    /// Fails with [`Corrupt`](crate::ErrorKind::Corrupt) if the remote lacks a part of it.
    pub(super) fn fetch_history(&self, tips: &[Id], progress: &dyn Progress) -> Result<()> {
        let unread = Mutex::new(None);
        self.fetch_objects(tips, &unread, progress)?;
        let known = complete(self.repo)?;
        let Some(first) = self.repo.history().check_closure(tips, &known, progress)?.pop() else {
            return Ok(());
        };
        let unread = unread.into_inner().unwrap_or_else(PoisonError::into_inner);
        let name = &self.remote.name;
        Err(unread.unwrap_or_else(|| {
            Error::corrupt(format!("'{name}' lacks the history of {first}"))
                .with_hint(format!("see what is damaged: art fsck --remote {name}"))
        }))
    }

    /// Fetches the Git packs that `tips` need; returns the number of fetched objects.
    fn fetch_objects(
        &self,
        tips: &[Id],
        unread: &Mutex<Option<Error>>,
        progress: &dyn Progress,
    ) -> Result<u64> {
        let known = complete(self.repo)?;
        let is_complete = || -> Result<bool> {
            Ok(self.repo.history().check_closure(tips, &known, progress)?.is_empty())
        };
        if is_complete()? {
            return Ok(0);
        }
        let mut have = self.memory.imported_packs();
        let before = have.clone();
        let mut objects = self.fetch_lacking(&mut have, unread, progress)?;
        let is_lost_there = self.state.remote_state().meta.keys().any(|id| !have.contains(id));
        // Imported packs may have been lost locally since. If the remote itself lost a pack, that pack
        // explains the missing objects.
        if !is_lost_there && !before.is_empty() && !is_complete()? {
            have.retain(|id| !before.contains(id));
            objects += self.fetch_lacking(&mut have, unread, progress)?;
        }
        self.memory.save_imported_packs(&have, self.state.remote_state())?;
        Ok(objects)
    }

    /// Fetches the Git packs that are not in `have`; returns the number of fetched objects. For a
    /// compacted pack, fetches its missing inputs instead if they are smaller.
    fn fetch_lacking(
        &self,
        have: &mut BTreeSet<Id>,
        unread: &Mutex<Option<Error>>,
        progress: &dyn Progress,
    ) -> Result<u64> {
        let remote_state = self.state.remote_state();
        let compactions = self.memory.compactions(remote_state);
        let (mut objects, mut asked) = (0, BTreeSet::new());
        // A replaced input may be deleted. In this case the second round fetches the compacted pack.
        for by_parts in [true, false] {
            let whole = compactions.whole(&|id| have.contains(id));
            have.extend(whole.into_iter().map(|(compacted, _)| compacted));
            let lacking = remote_state.meta.iter().filter(|(id, _)| !have.contains(id));
            let mut wanted: Vec<(Id, u64)> = lacking.map(|(id, size)| (*id, *size)).collect();
            if by_parts {
                wanted = compactions.cheapest(&wanted, &|id| have.contains(id));
            }
            wanted.retain(|(id, _)| asked.insert(*id));
            let (count, imported) = self.fetch_packs(&wanted, unread, progress)?;
            objects += count;
            have.extend(imported);
        }
        Ok(objects)
    }

    /// Fetches the small index segments along with the history, so that the next read of content needs
    /// few requests.
    fn fetch_small_segments(&self, progress: &dyn Progress) -> Result<()> {
        match self.content()?.complete_small(progress) {
            // A command that needs an unreadable segment reports it.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Corrupt | ErrorKind::Unauthorized | ErrorKind::Unavailable
                ) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    /// Fetches Git packs; returns the number of objects and the imported packs. Warns about lost or
    /// damaged packs and skips them. Refs that need them are found afterwards. Puts the error of a pack
    /// that the store did not serve into `unread`.
    fn fetch_packs(
        &self,
        wanted: &[(Id, u64)],
        unread: &Mutex<Option<Error>>,
        progress: &dyn Progress,
    ) -> Result<(u64, Vec<Id>)> {
        if wanted.is_empty() {
            return Ok((0, Vec::new()));
        }
        let bytes = wanted.iter().map(|(_, size)| size).sum();
        progress.begin("fetching history", Some(bytes), Unit::Bytes);
        let store = self.log.store();
        let fetch = |(id, size): &(Id, u64)| -> Result<Option<(Id, u64)>> {
            let mut has_failed = false;
            let imported = store.read_sound(|| {
                let mut source =
                    ObjectReader::new(store, FileKind::Meta.key(*id), 0..*size, &NoProgress);
                let imported = self.repo.history().import_pack(&mut source, *id, *size, progress);
                has_failed = source.has_failed();
                imported
            });
            match imported {
                Ok(imported) => Ok(Some((*id, imported.objects))),
                Err(error) => {
                    let (kind, text) = (error.kind(), error.to_string());
                    let mut why = vec![text.clone()];
                    why.extend(error.causes());
                    store.defect_of_read(&FileKind::Meta.key(*id), error, has_failed)?;
                    if !matches!(kind, ErrorKind::Corrupt | ErrorKind::NotFound) {
                        let message = format!("cannot read the Git pack {id} of the remote");
                        let error = Error::caused(kind, message, why.join(": "))
                            .with_hint("run the command again, or check it: art fsck --remote");
                        *unread.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    }
                    if self.state.remote_state().meta.contains_key(id) {
                        progress
                            .warn(&format!("the Git pack {id} of the remote is unusable: {text}"));
                    }
                    Ok(None)
                }
            }
        };
        let imported = store.at_once(wanted, &fetch)?;
        let imported: Vec<(Id, u64)> = imported.into_iter().flatten().collect();
        Ok((
            imported.iter().map(|(_, count)| count).sum(),
            imported.iter().map(|(id, _)| *id).collect(),
        ))
    }

    /// Moves the tracking refs of the remote, and marks the refs that it lost without a deletion.
    fn track(&self, moved: &mut [TrackedMove]) -> Result<()> {
        self.note_former_tips(moved)?;
        if moved.is_empty() {
            return self.note_tracked();
        }
        let mut memory = self.memory.refs();
        let gone = moved.iter().filter(|one| one.new.is_none());
        let gone: BTreeMap<RefName, Id> =
            gone.filter_map(|one| Some((one.name.clone(), one.old?))).collect();
        let deleted = self.deleted_by_log(&gone)?;
        for one in moved.iter_mut() {
            one.is_lost = one.new.is_none() && !deleted.contains(&one.name);
            match (one.old, one.new) {
                (Some(old), None) if deleted.contains(&one.name) => {
                    memory.note_deleted_there(&one.name, old);
                }
                (old, Some(new)) => {
                    let old = old.or(memory.was_deleted_there(&one.name));
                    memory.note_there(&one.name);
                    if let Some(old) = old.filter(|_| self.goes_on())
                        && is_another(self.repo.history(), one.name.kind(), &old, &new)?
                    {
                        memory.note_replaced(&one.name, old);
                    }
                }
                (_, None) => memory.note_there(&one.name),
            }
        }
        // Record a deletion before its ref is removed. After a crash in between, it is recorded again.
        self.memory.save_refs(&memory)?;
        let changes = moved.iter().map(|one| (&one.name, one.old, one.new));
        self.move_tracking(&changes.collect::<Vec<_>>(), "fetch")?;
        self.note_tracked()
    }

    /// Moves tracking refs from the commits that were tracked to the new ones. A tracking ref that
    /// another process has moved to a newer commit in the meantime stays: otherwise, a local ref could
    /// be ahead of the tracking ref, and a push would take it for diverged.
    pub(super) fn move_tracking(
        &self,
        moves: &[(&RefName, Option<Id>, Option<Id>)],
        message: &str,
    ) -> Result<()> {
        let history = self.repo.history();
        for _ in 0..ATTEMPTS {
            let now = self.tracked()?;
            let mut transaction = history.transaction(&self.repo.signature(), message);
            transaction.unrecorded();
            let mut count = 0;
            for (name, old, new) in moves {
                let current = now.get(name).copied();
                let is_newer = match (current, new) {
                    _ if current == *old => false,
                    (Some(current), Some(new)) => history.is_ancestor(new, &current)?,
                    // The next fetch decides about a ref that two fetches saw differently.
                    (_, None) => true,
                    (None, Some(_)) => false,
                };
                if !is_newer {
                    let expected = current.map_or(Expected::Absent, Expected::Id);
                    transaction.update(name.tracking(&self.remote.name), expected, *new, message);
                    count += 1;
                }
            }
            if count == 0 {
                return Ok(());
            }
            match transaction.commit(self.repo.settings().lock_timeout) {
                Err(error) if error.kind() == ErrorKind::Moved => {}
                other => return other.map(drop),
            }
        }
        let message =
            format!("other processes moved the tracking refs during all {ATTEMPTS} attempts");
        Err(Error::new(ErrorKind::Locked, message).with_hint("run the command again"))
    }

    /// Records commits of the remote that none of its refs will reach after this fetch.
    fn note_former_tips(&self, moved: &[TrackedMove]) -> Result<()> {
        let remote = &self.remote.name;
        let sides = self.state.remote_state().conflicts.values().flatten();
        let mut commits: BTreeSet<Id> = sides.filter_map(|side| side.commit).collect();
        commits.extend(overtaken(
            self.repo.history(),
            moved.iter().map(|one| (&one.name, one.old, one.new)),
        )?);
        if !self.goes_on() && (!commits.is_empty() || has_former_tips(self.repo, remote)) {
            // The remote may be a different one now. Keep only commits that its log names.
            let named = self.log.named(&self.state)?;
            commits.retain(|id| named.contains(id));
            retain_former_tips(self.repo, remote, &named)?;
        }
        self.note_let_go(&commits)?;
        let forgotten = &self.state.remote_state().forgotten;
        commits.retain(|id| !forgotten.contains_key(id));
        add_former_tips(self.repo, remote, commits)
    }
}

fn compare(tracked: &BTreeMap<RefName, Id>, there: &BTreeMap<RefName, Id>) -> Vec<TrackedMove> {
    let gone = tracked.iter().filter(|(name, _)| !there.contains_key(name));
    let gone = gone.map(|(name, id)| (name, Some(*id), None));
    let there = there.iter().map(|(name, id)| (name, tracked.get(name).copied(), Some(*id)));
    let mut all: Vec<TrackedMove> = gone
        .chain(there)
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| TrackedMove { name: name.clone(), old, new, is_lost: false })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The commits whose history is complete locally: all local refs and tracking refs.
fn complete(repo: &Repository) -> Result<Vec<Id>> {
    let mut known: Vec<Id> = Vec::new();
    for prefix in ["refs/", "refs/remotes/"] {
        known.extend(repo.history().refs(prefix)?.into_iter().map(|(_, id)| id));
    }
    known.sort_unstable();
    known.dedup();
    Ok(known)
}

/// The refs that point to missing objects.
fn broken(
    repo: &Repository,
    moved: &[TrackedMove],
    tips: &[Id],
    progress: &dyn Progress,
) -> Result<BTreeSet<RefName>> {
    if tips.is_empty() {
        return Ok(BTreeSet::new());
    }
    let known = complete(repo)?;
    let history = repo.history();
    if history.check_closure(tips, &known, progress)?.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut broken = BTreeSet::new();
    // Several refs may have the same commit.
    let mut is_whole: BTreeMap<Id, bool> = BTreeMap::new();
    for one in moved {
        let Some(commit) = one.new else { continue };
        if let Entry::Vacant(unknown) = is_whole.entry(commit) {
            unknown.insert(history.check_closure(&[commit], &known, progress)?.is_empty());
        }
        if is_whole.get(&commit) == Some(&false) {
            broken.insert(one.name.clone());
        }
    }
    Ok(broken)
}

fn names_what_is_missing(remote: &Name, broken: &BTreeSet<RefName>) -> Error {
    const NAMED: usize = 5;
    let mut names: Vec<String> = broken.iter().take(NAMED).map(ToString::to_string).collect();
    if broken.len() > NAMED {
        names.push(format!("and {} more", broken.len() - NAMED));
    }
    let refs = match broken.len() {
        1 => "1 ref points".to_owned(),
        many => format!("{many} refs point"),
    };
    let names = names.join(", ");
    let message = format!("{refs} to objects that the remote '{remote}' lacks: {names}");
    Error::corrupt(message).with_hint(format!("see what is damaged: art fsck --remote {remote}"))
}
