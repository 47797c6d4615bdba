//! The commits that a garbage collection keeps, and everything that they need.
//!
//! | commits | kept |
//! | --- | --- |
//! | the targets of refs; earlier targets within the undo window | objects and content |
//! | commits that the memory of remotes names; the last commits of removed versions | objects |
//!
//! A removed version stays readable as a record: it may have been disabled, and the history of all
//! versions is never shortened. Content of expired commits is not kept.

use std::collections::BTreeSet;

use super::GcOutcome;
use crate::catalog::version::removed_versions;
use crate::clock::Timestamp;
use crate::content::Dropped;
use crate::error::Result;
use crate::history::{
    Expired, Expiry, GarbageTotals, KeptCommits, Marks, Missing, OutgoingWalk, UndoWindow,
};
use crate::id::Id;
use crate::progress::{NoProgress, Progress};
use crate::repo::Repository;
use crate::sync::remembered_commits;

/// The commits to start from.
pub(super) struct Roots {
    kept: KeptCommits,
    /// Commits whose objects are kept without their content.
    records: BTreeSet<Id>,
}

/// The kept objects and contents.
pub(super) struct Marked {
    /// The commits of refs and of the undo window, and everything that they need.
    needed: Marks,
    /// The other kept objects.
    records: Marks,
    /// The commits of refs and of the undo window.
    tips: Vec<Id>,
    /// The commits whose content is not kept.
    expiry: Expiry,
}

impl Marked {
    /// Returns true if the object is kept together with its content.
    pub(super) fn is_reached(&self, id: &Id) -> bool {
        self.needed.has_object(id)
    }

    /// Returns true if the Git object is kept. A commit that git made by hand has its files as Git
    /// objects.
    pub(super) fn has_object(&self, id: &Id) -> bool {
        self.needed.has_object(id) || self.records.has_object(id) || self.needed.has_content(id)
    }

    /// Returns true if the content of a file is kept.
    pub(super) fn has_content(&self, id: &Id) -> bool {
        self.needed.has_content(id)
    }
}

impl Roots {
    pub(super) fn find(repo: &Repository, window: &UndoWindow) -> Result<Self> {
        let kept = repo.history().kept_commits(window)?;
        let mut records = remembered_commits(repo)?;
        let removed = removed_versions(repo, None, &NoProgress)?;
        records.extend(removed.into_iter().map(|(_, commit)| commit));
        Ok(Roots { kept, records })
    }

    pub(super) fn mark(&self, repo: &Repository, progress: &dyn Progress) -> Result<Marked> {
        let history = repo.history();
        let tips: Vec<Id> = self.kept.tips.iter().copied().collect();
        let expiry = self.expiry(repo)?;
        let expired = Some(Expired { now: &expiry, ever: &expiry });
        let walk = OutgoingWalk { tips: &tips, have: &[], expired };
        let needed = history.mark(&walk, Missing::Fails, progress)?;
        let records: Vec<Id> = self.records.iter().copied().collect();
        let walk = OutgoingWalk { tips: &records, have: &tips, expired: None };
        let records = history.mark(&walk, Missing::Allowed, progress)?;
        Ok(Marked { needed, records, tips, expiry })
    }

    fn expiry(&self, repo: &Repository) -> Result<Expiry> {
        let history = repo.history();
        Expiry::of_all(history)?.at_all_times(history, self.kept.values.iter().copied())
    }

    /// Marks what refs need that moved since. The caller holds the lock that excludes all writers.
    pub(super) fn mark_moved(
        &mut self,
        repo: &Repository,
        marked: &Marked,
        progress: &dyn Progress,
    ) -> Result<Marks> {
        let history = repo.history();
        let moved = history.add_moved(&mut self.kept)?;
        let mut is_revived = marked.expiry.commits(history).next().is_some();
        for commit in &moved {
            is_revived |= marked.expiry.is_expired(history, commit)?;
        }
        // Content that had expired may be needed again. Then no other commit vouches for it.
        let expiry = if is_revived { self.expiry(repo)? } else { Expiry::default() };
        let expired = Some(Expired { now: &expiry, ever: &expiry });
        let have = if is_revived { &[][..] } else { &marked.tips };
        let walk = OutgoingWalk { tips: &moved, have, expired };
        history.mark(&walk, Missing::Fails, progress)
    }

    /// Records that older operations may lack commits or content.
    pub(super) fn record(&self, repo: &Repository, time: Timestamp) -> Result<()> {
        match &self.kept.last_gone {
            Some((id, _)) => repo.history().record_collection(time, id),
            None => Ok(()),
        }
    }

    pub(super) fn outcome(
        &self,
        content: Dropped,
        objects: GarbageTotals,
        log_lines: u64,
    ) -> GcOutcome {
        GcOutcome {
            commits: objects.commits,
            objects: objects.objects,
            log_lines,
            contents: content.contents,
            packs: content.packs,
            bytes: content.bytes_freed + objects.bytes_freed,
            bytes_rewritten: content.bytes_rewritten,
            operations: self.kept.operations,
            undo_lost_through: self.kept.last_gone.as_ref().map(|(_, time)| *time),
            largest: Vec::new(),
            failed: Vec::new(),
        }
    }
}
