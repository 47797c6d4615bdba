//! Asks the hooks before versions go to other stages, and tells them after it.
//!
//! A hook may take long and may call `art`, so it is asked while no lock is held: the change is
//! rehearsed, the hook is asked about what would be done, and then it is done under the lock, if it
//! is still the same.

use super::change::{Changed, RecordChange, StageMove, change_if, rehearse};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::hook::{StageEvent, has_pre, run_post, run_pre};
use crate::progress::Progress;
use crate::repo::Repository;

/// How often the hook is asked, where what it was asked about is another thing each time.
const ATTEMPTS: usize = 10;

/// Versions that went to other stages, of which the hook `post-stage` has not heard yet.
#[must_use]
pub(crate) struct StagedVersions(Vec<StageEvent>);

impl StagedVersions {
    /// Tells the hook. No lock may be held.
    pub(crate) fn tell(&self, repo: &Repository, progress: &dyn Progress) {
        for event in &self.0 {
            run_post(repo, event, progress);
        }
    }
}

/// As [`change_records`](super::change_records), for what may put versions in other stages: asks the
/// hook `pre-stage` about each of them before. The caller tells `post-stage`, once no lock is held.
///
/// `body` may run several times and must do the same each time; only the last time counts.
pub(crate) fn change_stages<T>(
    repo: &Repository,
    command: &str,
    progress: &dyn Progress,
    mut body: impl FnMut(&mut RecordChange<'_>) -> Result<T>,
) -> Result<(Changed<T>, StagedVersions)> {
    let is_asked = has_pre::<StageEvent>(repo);
    let mut approved: Vec<StageEvent> = Vec::new();
    for _ in 0..ATTEMPTS {
        if is_asked {
            let wanted = rehearse(repo, command, &mut body)?;
            let wanted: Vec<_> = wanted.into_iter().map(|moved| moved.event).collect();
            for event in wanted.iter().filter(|event| !approved.contains(event)) {
                run_pre(repo, event, progress)?;
            }
            approved = wanted;
        }
        let is_approved =
            |moves: &[StageMove]| !is_asked || moves.iter().map(|moved| &moved.event).eq(&approved);
        if let Some((changed, moves)) = change_if(repo, command, &mut body, is_approved)? {
            let after =
                moves.into_iter().map(|StageMove { event, commit }| StageEvent { commit, ..event });
            return Ok((changed, StagedVersions(after.collect())));
        }
    }
    let message = format!("something else changed each of the {ATTEMPTS} times the hook was asked");
    Err(Error::new(ErrorKind::Moved, message).with_hint("art history VERSION says who; try again"))
}
