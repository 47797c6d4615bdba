//! `art policy check`.

use artifacts::ops::policy::{CheckOutcome, CheckPolicyOptions, check};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::{Page, sanitize};
use crate::version::{VersionArg, WhyArgs};

/// Check if a version may move to a stage
///
/// Names every rule that refuses the move, and the versions that would be displaced. Checks your
/// permissions at this moment. Hooks do not run, and nothing changes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art policy check v1 production",
        "art policy check @staging production --reason Release --json",
    ],
    &[Exit::OF_READS, &[Exit::Policy]],
))]
pub(super) struct Args {
    #[command(flatten)]
    version: VersionArg,

    /// The stage to check
    #[arg(value_name = "STAGE")]
    stage: Name,

    #[command(flatten)]
    why: WhyArgs,
}

pub(super) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let options = CheckPolicyOptions::new(args.version.version.clone(), args.stage.clone())
        .reason(args.why.reason()?)
        .message(args.why.message()?);
    let outcome = check(&context.repo()?, &options)?;
    context.ui.show(&outcome, |page| view(page, &outcome))?;
    Ok(if outcome.allowed { Exit::Ok } else { Exit::Policy })
}

fn view(page: &mut Page<'_>, outcome: &CheckOutcome) -> Result<()> {
    let CheckOutcome { version, project, from, to, .. } = outcome;
    let may = if outcome.allowed { "may" } else { "may not" };
    if from == to {
        writeln!(page, "{project}:{version} {may} move to {to} again")?;
    } else {
        writeln!(page, "{project}:{version} {may} move from {from} to {to}")?;
    }
    for failure in &outcome.failed {
        writeln!(page, "  {}: {}", failure.rule, sanitize::text(&failure.message))?;
        if let Some(hint) = &failure.hint {
            writeln!(page, "    {}", sanitize::text(hint))?;
        }
    }
    if outcome.allowed {
        for leaver in &outcome.displaced {
            let (version, from, to) = (&leaver.version, &leaver.from, &leaver.to);
            writeln!(page, "{version} would be displaced: {from} -> {to}")?;
        }
    }
    Ok(())
}
