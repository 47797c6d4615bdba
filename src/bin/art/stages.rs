//! Shared by `art stage`, `promote` and `register`: the options and the output of a move.

use artifacts::catalog::changes::Total;
use artifacts::ops::stage::{DisplacedVersion, StageOptions, StageOutcome, StageTarget};
use artifacts::record::RunStatus;
use artifacts::record::policy::DISABLED;
use artifacts::{Name, Result};

use crate::changes;
use crate::context::Context;
use crate::ui::Page;
use crate::version::{VersionArg, WhyArgs};

/// The options of a move to a stage.
#[derive(Debug, clap::Args)]
pub(crate) struct MoveArgs {
    #[command(flatten)]
    why: WhyArgs,

    /// Move the version only if it is in STAGE now
    #[arg(long, value_name = "STAGE")]
    expect: Option<Name>,
}

impl MoveArgs {
    /// The move of `version` to `to`.
    pub(crate) fn options(&self, version: &VersionArg, to: StageTarget) -> Result<StageOptions> {
        Ok(StageOptions::new(version.version.clone(), to)
            .reason(self.why.reason()?)
            .message(self.why.message()?)
            .expect(self.expect.clone()))
    }
}

/// Warns of a moved version, unless it was disabled.
pub(crate) fn warn_of_move(context: &Context<'_>, outcome: &StageOutcome) {
    if outcome.changed && outcome.stage.as_str() != DISABLED {
        warn(context, &outcome.version, &outcome.run, outcome.run_status, &outcome.total);
    }
}

/// Shows the move of a version.
pub(crate) fn view(page: &mut Page<'_>, outcome: &StageOutcome) -> Result<()> {
    let StageOutcome { version, project, from, stage, .. } = outcome;
    if !outcome.changed {
        writeln!(page, "{project}:{version} is already in {stage}")?;
        return Ok(());
    }
    writeln!(page, "{project}:{version}: {from} -> {stage}")?;
    view_displaced(page, &outcome.displaced)
}

/// Warns of a version without files, or with a run that did not succeed.
pub(crate) fn warn(
    context: &Context<'_>,
    version: &Name,
    run: &Name,
    status: Option<RunStatus>,
    total: &Total,
) {
    let is_doubtful =
        matches!(status, Some(RunStatus::Running | RunStatus::Failed | RunStatus::Stopped));
    if !is_doubtful && total.files > 0 {
        return;
    }
    let status = status.map_or("unknown", RunStatus::as_str);
    let total = changes::total(total);
    context.ui.warn(&format!("{version} holds {total}; the status of its run {run} is {status}"));
}

/// Shows the displaced versions.
pub(crate) fn view_displaced(page: &mut Page<'_>, displaced: &[DisplacedVersion]) -> Result<()> {
    for DisplacedVersion { version, from, to, .. } in displaced {
        writeln!(page, "{version} was displaced: {from} -> {to}")?;
    }
    Ok(())
}
