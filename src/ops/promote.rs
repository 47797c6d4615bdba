//! `art promote`: moves a version to the next stage in its project's order.

use crate::error::Result;
use crate::progress::Progress;
use crate::repo::Repository;

use super::stage::{StageOptions, StageOutcome, StageTarget, stage};

/// Moves a version to the stage after its current one. The stage in `options` is ignored;
/// everything else works like [`stage`].
///
/// Fails with [`Refused`](crate::ErrorKind::Refused) for a version in the last stage or outside the
/// order.
pub fn promote(
    repo: &Repository,
    options: &StageOptions,
    progress: &dyn Progress,
) -> Result<StageOutcome> {
    stage(repo, &StageOptions { to: StageTarget::Next, ..options.clone() }, progress)
}
