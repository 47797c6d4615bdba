//! The garbage collection on a remote: retires files that nothing needs, and deletes them after a
//! grace.
//!
//! | step | effect |
//! | --- | --- |
//! | mark | finds the content that the remote's refs and recently replaced commits need |
//! | retire | one log entry: files that nothing needs are retired, and packs that are mostly not needed are replaced |
//! | name | after the grace, one log entry: their names are dead, and nobody adds them again |
//! | delete | the files with dead names are deleted |
//!
//! Each call does what is due. A stopped call leaves nothing behind that a later call does not find:
//! files that no entry names, or dead names. An entry of a collection counts only directly behind the
//! state that was marked, so no concurrent push can come to need what it retires. The page
//! `internals/garbage-proof.md` of the book has the rules and why they are enough.

mod ages;
mod mark;
mod remove;
mod rewrite;
mod scratch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::ages::EntryAges;
use self::mark::{Marked, NeededFrames};
use self::rewrite::NewFiles;
use super::author_line;
use super::connection::Connection;
use crate::content::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::fault;
use crate::id::Id;
use crate::progress::{Progress, Unit};
use crate::remote::log::{Commit, GcTimes, Proposal, Stored, StoredKind};
use crate::remote::{Features, FileKind, Protocol};

/// The number of attempts if others push at the same time.
const ATTEMPTS: usize = 20;
/// The number of entries that one call adds at most.
const ROUNDS: usize = 4;
/// The feature word that keeps writers out that do not know the rules beside a collection.
const FEATURE: &str = "gc";
/// Packs of this total size are always replaced if most of them is not needed.
const LEAST_REPACK: u64 = 32 << 20;
/// How long dead names are remembered after their files are gone.
const REMEMBERED: Duration = Duration::from_hours(30 * 24);
/// How long a call without work is sure that there is none, at most.
const IDLE: Duration = Duration::from_hours(7 * 24);

/// The limits of a collection on a remote.
#[derive(Debug, Clone)]
pub(crate) struct CollectRules {
    /// The times to record on the remote; `None` for those that it has.
    pub(crate) times: Option<GcTimes>,
    /// The caller is sure that nobody else uses the remote: the times count for this call only.
    pub(crate) alone: bool,
    /// The most bytes of packs to replace, in percent of the remote's packs.
    pub(crate) max_repack: u64,
    /// Only report.
    pub(crate) dry_run: bool,
}

/// The work of a collection on a remote.
#[derive(Debug, Clone, Default)]
pub(crate) struct Collected {
    /// The number and bytes of retired files, without those that only compaction retired.
    pub(crate) retired: (u64, u64),
    /// The bytes of packs that were copied into new ones.
    pub(crate) copied: u64,
    /// The number and bytes of deleted files.
    pub(crate) deleted: (u64, u64),
    /// The number and bytes of files that wait for the grace.
    pub(crate) waiting: (u64, u64),
    /// The commits whose content is no longer kept.
    pub(crate) forgotten: u64,
    /// The number of files that could not be deleted, with the first reason.
    pub(crate) failed: Option<(u64, String)>,
    /// The store tells no times, so nothing is deleted from a log with siblings.
    pub(crate) has_no_times: bool,
    /// The time until more files are due, if that is known.
    pub(crate) next: Option<Duration>,
    /// The number of entries that were added to the log.
    pub(crate) entries: u64,
}

/// The changes of one entry.
#[derive(Default)]
struct Plan {
    /// Live packs and segments to retire.
    retired: BTreeSet<Id>,
    /// Packs whose needed frames go to new packs.
    sources: BTreeMap<Id, NeededFrames>,
    /// Retired Git packs to add again.
    meta: Vec<Stored>,
    /// The names to mark as dead.
    deleted: BTreeSet<Id>,
    /// The entries whose deletions are done.
    gone: BTreeSet<uuid::Uuid>,
}

impl Plan {
    fn is_empty(&self) -> bool {
        self.retired.is_empty()
            && self.sources.is_empty()
            && self.meta.is_empty()
            && self.deleted.is_empty()
            && self.gone.is_empty()
    }
}

impl Connection<'_> {
    /// Does what is due of a garbage collection on the remote. The connection must be refreshed. The
    /// caller holds the shared lock of the repository.
    pub(crate) fn collect_garbage(
        &mut self,
        rules: &CollectRules,
        progress: &dyn Progress,
    ) -> Result<Collected> {
        let mut done = Collected::default();
        if self.is_idle(rules) {
            return Ok(done);
        }
        self.import(progress)?;
        let session = self.repo.content().begin()?;
        let (mut rounds, mut is_forced) = (0, rules.times.is_some() && !rules.alone);
        for _ in 0..ATTEMPTS {
            let times = self.times(rules);
            let ages = EntryAges::read(self)?;
            let files = self.list_files(progress)?;
            let marked = self.mark(&ages, times.prune, progress)?;
            let mut plan = self.plan(&ages, &files, &marked, rules, &mut done)?;
            self.keep_needed_history(&mut plan, &marked, &session, progress)?;
            let has_new_times = is_forced && self.state.remote_state().gc != rules.times;
            let is_settled = plan.is_empty() && marked.rescued.is_empty() && !has_new_times;
            if rules.dry_run {
                done.retired = self.sizes(&plan.retired);
                done.copied = plan.sources.values().map(|frames| frames.bytes).sum();
                done.forgotten = marked.replaced.len() as u64;
                done.deleted = (plan.deleted.len() as u64, files.bytes_of(&plan.deleted));
                return Ok(done);
            }
            if is_settled || rounds == ROUNDS {
                self.delete_dead(&ages, &files, rules, &mut done, progress)?;
                if is_settled && done.failed.is_none() {
                    self.note_idle(&done);
                }
                return Ok(done);
            }
            let retired = self.sizes(&plan.retired);
            let committed = self.commit_plan(&session, &plan, &marked, rules, progress)?;
            let Some(copied) = committed else {
                self.refresh(progress)?;
                self.import(progress)?;
                continue;
            };
            done.retired = (done.retired.0 + retired.0, done.retired.1 + retired.1);
            done.copied += copied;
            done.forgotten += marked.replaced.len() as u64;
            done.entries += 1;
            (rounds, is_forced) = (rounds + 1, false);
        }
        let message = format!("other writers changed the remote during all {ATTEMPTS} attempts");
        Err(Error::new(ErrorKind::Unavailable, message)
            .with_hint("nothing needed was removed; try again when fewer users push"))
    }

    /// The times that count for this call.
    fn times(&self, rules: &CollectRules) -> GcTimes {
        rules.times.unwrap_or(self.state.remote_state().gc_times())
    }

    /// Chooses what one entry changes.
    fn plan(
        &self,
        ages: &EntryAges,
        files: &remove::StoredFiles,
        marked: &Marked,
        rules: &CollectRules,
        done: &mut Collected,
    ) -> Result<Plan> {
        let times = self.times(rules);
        let state = self.state.remote_state();
        let mut plan = Plan { sources: marked.rescued.clone(), ..Plan::default() };
        let total: u64 = state.packs.values().sum();
        let mut budget = LEAST_REPACK.max(total.saturating_mul(rules.max_repack) / 100);
        let mut sparse = Vec::new();
        for (pack, size) in &state.packs {
            match marked.frames.get(pack) {
                None => _ = plan.retired.insert(*pack),
                Some(frames) if frames.bytes < size / 2 => sparse.push((frames, *size, *pack)),
                Some(_) => {}
            }
        }
        // The packs with the smallest needed share come first.
        sparse.sort_by_key(|(frames, size, pack)| (frames.bytes * 1000 / size.max(&1), *pack));
        for (frames, size, pack) in sparse {
            if size <= budget {
                budget -= size;
                plan.retired.insert(pack);
                let own = plan.sources.entry(pack).or_default();
                own.offsets.extend(&frames.offsets);
                own.bytes += frames.bytes;
            }
        }
        if !plan.retired.is_empty() || !plan.sources.is_empty() {
            plan.retired.extend(state.segments.keys());
        }
        (done.waiting, done.next) = ((0, 0), marked.next);
        for retired in state.retired.values() {
            let age = self.age_of_write(ages, retired.number, retired.write)?;
            match age {
                _ if rules.alone && times.grace.is_zero() => {}
                Some(age) if age >= times.grace => {}
                _ => {
                    done.waiting.0 += 1;
                    done.waiting.1 += retired.size;
                    let left = age.map(|age| times.grace.saturating_sub(age));
                    done.next = min_of(done.next, left);
                    done.has_no_times |= age.is_none();
                    continue;
                }
            }
            plan.deleted.insert(retired.id);
        }
        plan.deleted.extend(self.old_orphans(ages, files, rules));
        for dead in state.dead.values() {
            let age = self.age_of_write(ages, dead.number, dead.write)?;
            if age.is_some_and(|age| age >= REMEMBERED) {
                plan.gone.insert(dead.write);
            }
        }
        plan.gone.retain(|write| {
            state.dead.values().all(|dead| dead.write != *write || !files.has(&dead.id))
        });
        Ok(plan)
    }

    /// Adds the entry of a plan. Returns the bytes of new packs, or `None` if another writer was first.
    fn commit_plan(
        &mut self,
        session: &Session,
        plan: &Plan,
        marked: &Marked,
        rules: &CollectRules,
        progress: &dyn Progress,
    ) -> Result<Option<u64>> {
        let mut new = NewFiles::default();
        if !plan.retired.is_empty() || !plan.sources.is_empty() {
            new =
                self.write_replacements(session, marked, &plan.sources, &plan.retired, progress)?;
        }
        fault::reached("replacements stored")?;
        progress.begin("adding a log entry", None, Unit::Items);
        let now = self.repo.settings().clock.now();
        let mut proposal = Proposal::new(&author_line(self.repo), now, "collect garbage");
        let added: BTreeSet<Id> =
            new.files.packs.iter().chain(&new.files.segments).map(|file| file.id).collect();
        let removed = |ids: &BTreeSet<Id>| ids.difference(&added).copied().collect::<Vec<Id>>();
        proposal.retired = removed(&plan.retired);
        proposal.deleted = removed(&plan.deleted);
        proposal.gone = plan.gone.iter().copied().collect();
        proposal.forgotten.clone_from(&marked.replaced);
        proposal.packs = new.files.packs;
        proposal.meta.clone_from(&plan.meta);
        proposal.segments = new.files.segments;
        proposal.gc = rules.times.filter(|_| !rules.alone);
        proposal.features = Features::needed_to_write(FEATURE);
        proposal.is_exact = true;
        proposal.planned = Some(self.planned());
        match self.log.commit(&mut self.state, &proposal)? {
            Commit::Done(committed) => self.note(&committed.all())?,
            Commit::Moved(_) | Commit::Retired(_) | Commit::Outdated => return Ok(None),
        }
        fault::reached("collection entry added")?;
        for segment in &new.segments {
            self.content()?.keep_segment(&segment.id, segment.path())?;
        }
        self.save()?;
        Ok(Some(new.bytes))
    }

    /// Adds retired Git packs again whose names a plan would mark as dead, if the live ones lack
    /// needed objects: in a log with siblings, a push may have relied on them.
    fn keep_needed_history(
        &self,
        plan: &mut Plan,
        marked: &Marked,
        session: &Session,
        progress: &dyn Progress,
    ) -> Result<()> {
        let state = self.state.remote_state();
        let retired: Vec<Stored> = (state.retired.values())
            .filter(|file| file.kind == StoredKind::Meta)
            .map(|file| Stored { id: file.id, size: file.size })
            .collect();
        let is_due = retired.iter().any(|file| plan.deleted.contains(&file.id));
        if state.protocol == Protocol::Linear || !is_due {
            return Ok(());
        }
        let history = self.history_of(&state.meta, session, progress)?;
        if history.check_closure(&marked.tips, &[], progress)?.is_empty() {
            return Ok(());
        }
        for file in retired {
            plan.deleted.remove(&file.id);
            plan.meta.push(file);
        }
        Ok(())
    }

    /// The age of the entry that retired or deleted a file.
    fn age_of_write(
        &self,
        ages: &EntryAges,
        number: u64,
        write: uuid::Uuid,
    ) -> Result<Option<Duration>> {
        let Some(name) = ages.name_of(number, write) else { return Ok(None) };
        if !ages.needs_entries() {
            return Ok(ages.age_of_name(&name));
        }
        let entries = self.log.entries(&self.state, &[name])?;
        Ok(entries.first().and_then(|(name, entry)| ages.age_of(name, entry)))
    }

    /// The number and the bytes of live files.
    fn sizes(&self, ids: &BTreeSet<Id>) -> (u64, u64) {
        let state = self.state.remote_state();
        let size = |id: &Id| FileKind::ALL.iter().find_map(|kind| kind.files(state).get(id));
        (ids.len() as u64, ids.iter().filter_map(size).sum())
    }

    /// Returns true if an earlier call found that nothing is due yet, and nobody pushed since.
    fn is_idle(&self, rules: &CollectRules) -> bool {
        if rules.alone || rules.times.is_some() || rules.dry_run {
            return false;
        }
        let now = self.repo.settings().clock.now();
        self.memory.idle_until(self.state.remote_state()).is_some_and(|until| now < until)
    }

    /// Records that nothing is due for a while. Longer times of a later call make nothing due earlier.
    fn note_idle(&self, done: &Collected) {
        let wait = done.next.map_or(IDLE, |next| next.min(IDLE));
        let now = self.repo.settings().clock.now();
        self.memory.note_idle(self.state.remote_state(), now, wait);
    }
}

fn min_of(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    a.into_iter().chain(b).min()
}
