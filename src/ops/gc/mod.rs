//! `art gc`: removes commits and content that no ref and no undo needs.
//!
//! The long part runs beside writers: it marks what is needed, and copies it out of packs that are
//! mostly garbage. Then the exclusive lock is held for a moment: refs that moved meanwhile are marked
//! too, and everything else is removed in an order that is safe at every step:
//!
//! 1. the record of this collection, which explains what is missing
//! 2. reflog lines about commits that go
//! 3. content: first from the index, then the packs
//! 4. Git objects
//!
//! Writers hold the shared lock from their first look-up to the move of their refs. Everything that
//! a writer found in the store is therefore reachable from a ref when the exclusive lock is held.

mod caches;
mod largest;
mod remote;
mod roots;

use std::time::Duration;

use derive_setters::Setters;
use serde::Serialize;

use self::caches::Caches;
pub use self::caches::LeftPath;
pub use self::largest::DoomedState;
pub use self::remote::{GcRemoteOptions, GcRemoteOutcome, UndeletedFiles, gc_remote};
use self::roots::Roots;
use crate::catalog::drop_garbage_note;
use crate::clock::Timestamp;
use crate::content::{Dropped, RewriteRule};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::fault;
use crate::history::{GarbageTotals, UndoWindow};
use crate::id::Id;
use crate::progress::Progress;
use crate::repo::{Repository, RepositoryLock};

/// The number of attempts if other commands remove content at the same time.
const ATTEMPTS: usize = 3;
/// Git objects stay for this long, because `git` does not hold the lock of the repository.
const GRACE: Duration = Duration::from_hours(1);

/// The options of a garbage collection.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct GcOptions {
    /// Keep operations that are younger for undo; `None` for the setting. Zero keeps no operation.
    pub prune: Option<Duration>,
    /// Rewrite every pack with unneeded content, not only packs that are mostly unneeded.
    pub full: bool,
    /// Also remove caches, which are created again when they are needed.
    pub cache: bool,
    /// Only report what would be removed. Removes nothing.
    pub dry_run: bool,
}

/// The result of a garbage collection or of a dry run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GcOutcome {
    /// The number of removed commits.
    pub commits: u64,
    /// The number of removed Git objects: commits, trees, records.
    pub objects: u64,
    /// The number of removed lines of reflogs.
    pub log_lines: u64,
    /// The number of contents removed from the index: blobs, chunks and manifests.
    pub contents: u64,
    /// The number of packs that were removed or became smaller.
    pub packs: u64,
    /// The freed bytes of packs, Git objects and caches.
    pub bytes: u64,
    /// The bytes that were copied into new packs.
    pub bytes_rewritten: u64,
    /// The number of operations that can be undone with all their content.
    pub operations: u64,
    /// The time of the newest older operation: it and all before it can no longer be undone if
    /// that needs removed content.
    pub undo_lost_through: Option<Timestamp>,
    /// The largest states of refs that would be removed. Only in a dry run.
    pub largest: Vec<DoomedState>,
    /// The files that could not be removed.
    pub failed: Vec<LeftPath>,
}

/// Removes commits and content that no ref and no undo needs.
///
/// Fails with [`Locked`](ErrorKind::Locked) if another garbage collection is running or writers hold
/// the lock for too long, and with [`Corrupt`](ErrorKind::Corrupt) if anything that is needed cannot
/// be read. In both cases, nothing was removed.
pub fn gc(repo: &Repository, options: &GcOptions, progress: &dyn Progress) -> Result<GcOutcome> {
    let outcome = if options.dry_run {
        plan(repo, options, progress)
    } else {
        collect(repo, options, progress)
    };
    progress.end();
    let outcome = outcome.map_err(|error| {
        error.or_interrupted("nothing needed was removed", "run the same command again")
    })?;
    Ok(outcome)
}

impl GcOptions {
    fn window(&self, repo: &Repository) -> UndoWindow {
        let settings = repo.settings();
        let age = self.prune.unwrap_or(settings.gc.prune);
        let now = settings.clock.now();
        // Nothing has happened since a time in the future.
        let since = if age.is_zero() {
            i64::MAX
        } else {
            now.seconds().saturating_sub_unsigned(age.as_secs())
        };
        let operations = if age.is_zero() { 0 } else { settings.gc.keep_operations };
        UndoWindow { since: Timestamp::from_seconds(since), now, operations }
    }

    fn rule(&self) -> RewriteRule {
        if self.full { RewriteRule::FreesAny } else { RewriteRule::FreesHalf }
    }

    /// Git objects that were written since this time stay, in seconds since 1970.
    fn new_since(&self, repo: &Repository, now: i64) -> i64 {
        let age = self.prune.unwrap_or(repo.settings().gc.prune);
        if age.is_zero() { i64::MAX } else { now.saturating_sub_unsigned(GRACE.min(age).as_secs()) }
    }
}

fn plan(repo: &Repository, options: &GcOptions, progress: &dyn Progress) -> Result<GcOutcome> {
    let _lock = lock_if_possible(repo)?;
    let history = repo.history();
    let window = options.window(repo);
    let roots = Roots::find(repo, &window)?;
    let marked = roots.mark(repo, progress)?;
    let has_content = |id: &Id| marked.has_content(id);
    let content = repo.content().prepare_drop(None, &has_content, options.rule(), progress)?;
    let since = options.new_since(repo, window.now.seconds());
    let garbage = history.find_garbage(&|id| marked.has_object(id), since, progress)?;
    let cut = history.find_reflog_cut(&|id| marked.is_reached(id), progress)?;
    let mut outcome = roots.outcome(content.dropped(), garbage.totals, cut.lines);
    outcome.bytes += Caches::find(repo, options.cache)?.bytes();
    outcome.largest = largest::largest(repo, &cut, &marked, progress)?;
    Ok(outcome)
}

/// Locks out removals, if this user may write.
fn lock_if_possible(repo: &Repository) -> Result<Option<RepositoryLock>> {
    match repo.lock_shared() {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind() == ErrorKind::Unauthorized => Ok(None),
        Err(error) => Err(error),
    }
}

fn collect(repo: &Repository, options: &GcOptions, progress: &dyn Progress) -> Result<GcOutcome> {
    repo.require_writable()?;
    let _collection = repo.lock_collection()?;
    for _ in 0..ATTEMPTS {
        if let Some(mut outcome) = try_collect(repo, options, progress)? {
            drop_garbage_note(repo);
            let caches = Caches::find(repo, options.cache)?;
            outcome.bytes += caches.bytes();
            outcome.failed = caches.remove();
            return Ok(outcome);
        }
    }
    let message = "other commands removed content at the same time";
    Err(Error::new(ErrorKind::Locked, message).with_hint("run the command again: art gc"))
}

/// Returns `None` if another command removed content between the two locks.
fn try_collect(
    repo: &Repository,
    options: &GcOptions,
    progress: &dyn Progress,
) -> Result<Option<GcOutcome>> {
    let history = repo.history();
    let shared = repo.lock_shared()?;
    let session = repo.content().begin_collection()?;
    let window = options.window(repo);
    let mut roots = Roots::find(repo, &window)?;
    let marked = roots.mark(repo, progress)?;
    let has_content = |id: &Id| marked.has_content(id);
    let content =
        repo.content().prepare_drop(Some(&session), &has_content, options.rule(), progress)?;
    let since = options.new_since(repo, session.began() / 1_000_000_000);
    let mut garbage = history.find_garbage(&|id| marked.has_object(id), since, progress)?;
    history.move_kept_objects(&mut garbage, progress)?;
    let cut = history.find_reflog_cut(&|id| marked.is_reached(id), progress)?;
    fault::reached("collection prepared")?;
    drop(shared);

    progress.begin("waiting for writers", None, crate::progress::Unit::Items);
    let _alone = repo.lock_exclusive()?;
    let mut refs = history.lock_refs(repo.settings().lock_timeout)?;
    if !content.is_current()? {
        return Ok(None);
    }
    let moved = roots.mark_moved(repo, &marked, progress)?;
    let is_idle = content.dropped() == Dropped::default()
        && garbage.totals == GarbageTotals::default()
        && cut.lines == 0;
    if !is_idle {
        roots.record(repo, window.now)?;
    }
    refs.cut_reflogs(&cut, &|id| marked.is_reached(id) || moved.has_object(id))?;
    let dropped = content.apply(&moved.content)?;
    let totals =
        history.remove_garbage(garbage, &|id| moved.has_object(id) || moved.has_content(id))?;
    Ok(Some(roots.outcome(dropped, totals, cut.lines)))
}
