//! `art promote`: puts a version in the next stage of its project's order.

use crate::error::Result;
use crate::progress::Progress;
use crate::repo::Repository;

use super::stage::{StageOptions, StageOutcome, StageTarget, stage};

/// Puts a version in the stage after the one it is in; else as [`stage`]. What `options` say of the
/// stage does not count.
///
/// Fails with [`Refused`](crate::ErrorKind::Refused) for a version in the last stage or outside of
/// the order.
pub fn promote(
    repo: &Repository,
    options: &StageOptions,
    progress: &dyn Progress,
) -> Result<StageOutcome> {
    stage(repo, &StageOptions { to: StageTarget::Next, ..options.clone() }, progress)
}
