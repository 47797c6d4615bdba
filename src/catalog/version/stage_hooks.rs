//! Runs the hooks before and after versions move to other stages.
//!
//! A hook may be slow and may run `art`, so it runs while no lock is held. The change is first
//! rehearsed, and the hook runs for the planned moves. Then the change is made under the lock, if
//! its moves are still the same.

use crate::catalog::hook::{StageEvent, has_pre, run_post, run_pre};
use crate::catalog::record_change::{Changed, RecordChange, StageMove, change_if, rehearse};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::repo::Repository;

/// The maximum number of rehearsals, if the planned moves differ each time.
const ATTEMPTS: usize = 10;

/// Versions that moved to other stages, before `post-stage` runs for them.
#[must_use]
pub(crate) struct StagedVersions(Vec<StageEvent>);

impl StagedVersions {
    /// Runs the post hook. The caller must not hold a lock.
    pub(crate) fn run_post_hook(&self, repo: &Repository, progress: &dyn Progress) {
        for event in &self.0 {
            run_post(repo, event, progress);
        }
    }
}

/// Like [`change_records`](crate::catalog::change_records), for changes that may move versions to other
/// stages. Runs the hook `pre-stage` for each move before the change. The caller must run
/// `post-stage` when no lock is held.
///
/// `body` may run several times and must do the same each time. Only the last run takes effect.
pub(crate) fn change_stages<T>(
    repo: &Repository,
    progress: &dyn Progress,
    mut body: impl FnMut(&mut RecordChange<'_>) -> Result<T>,
) -> Result<(Changed<T>, StagedVersions)> {
    let is_asked = has_pre::<StageEvent>(repo);
    let mut approved: Vec<StageEvent> = Vec::new();
    for _ in 0..ATTEMPTS {
        if is_asked {
            let wanted = rehearse(repo, &mut body)?;
            let wanted: Vec<_> = wanted.into_iter().map(|moved| moved.event).collect();
            for event in wanted.iter().filter(|event| !approved.contains(event)) {
                run_pre(repo, event, progress)?;
            }
            approved = wanted;
        }
        let is_approved =
            |moves: &[StageMove]| !is_asked || moves.iter().map(|moved| &moved.event).eq(&approved);
        if let Some((changed, moves)) = change_if(repo, &mut body, is_approved)? {
            let after =
                moves.into_iter().map(|StageMove { event, commit }| StageEvent { commit, ..event });
            return Ok((changed, StagedVersions(after.collect())));
        }
    }
    let message =
        format!("other changes interfered with each of {ATTEMPTS} attempts to run the hook");
    Err(Error::new(ErrorKind::Moved, message)
        .with_hint("try again; to see the changes, run art history VERSION"))
}
