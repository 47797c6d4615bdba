//! What `art stage`, `promote` and `register` share: the reason that stands for none, and how a
//! move is shown.

use artifacts::ops::stage::{DisplacedVersion, StageOptions, StageOutcome, StageTarget};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::ui::Page;
use crate::version::{VersionArg, WhyArgs};

/// The reason that is recorded where none was given.
pub(crate) const UNSAID: &str = "CliStageUpdate";

/// Why a version shall move, and from where.
#[derive(Debug, clap::Args)]
pub(crate) struct MoveArgs {
    #[command(flatten)]
    why: WhyArgs,

    /// Only if it is in STAGE now; else fail (13)
    #[arg(long, value_name = "STAGE")]
    expect: Option<Name>,
}

impl MoveArgs {
    /// The move of `version` to `to`.
    pub(crate) fn options(
        &self,
        context: &Context<'_>,
        version: &VersionArg,
        to: StageTarget,
    ) -> Result<StageOptions> {
        Ok(StageOptions {
            version: version.version.clone(),
            to,
            reason: self.why.reason()?,
            unsaid: UNSAID.to_owned(),
            message: self.why.message()?,
            expect: self.expect.clone(),
            command: context.env.command_line(),
        })
    }
}

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
