//! What `art stage`, `promote` and `register` share: the reason that stands for none, and how a
//! move is shown.

use artifacts::Result;
use artifacts::ops::stage::{DisplacedVersion, StageOutcome};

use crate::ui::Page;

/// The reason that is recorded where none was given.
pub(crate) const UNSAID: &str = "CliStageUpdate";

/// Shows where a version has gone.
pub(crate) fn view(page: &mut Page<'_>, outcome: &StageOutcome) -> Result<()> {
    let StageOutcome { version, project, from, stage, .. } = outcome;
    if !outcome.changed {
        writeln!(page, "{project}:{version} is in {stage} already")?;
        return Ok(());
    }
    writeln!(page, "{project}:{version}: {from} -> {stage}")?;
    view_displaced(page, &outcome.displaced)
}

/// Shows which versions had to make room.
pub(crate) fn view_displaced(page: &mut Page<'_>, displaced: &[DisplacedVersion]) -> Result<()> {
    for DisplacedVersion { version, from, to, .. } in displaced {
        writeln!(page, "{version} made room: {from} -> {to}")?;
    }
    Ok(())
}
