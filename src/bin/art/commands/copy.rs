//! `art copy`: creates a version from an existing one.

use artifacts::ops::copy::{ContentChange, CopyOptions, CopyOutcome, copy};
use artifacts::record::VersionKind;
use artifacts::{Name, ProjectName, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::{Page, moves};
use crate::version::{AboutArgs, VersionArg};

/// Create a version from an existing one
///
/// The copy gets the run, artifacts, kind, description, tags, content and readme of VERSION, unless
/// other values are given. It has its own history: it starts in the first stage of its project, and
/// its first history entry names VERSION. A copy needs no additional space for content. Making the
/// same copy again changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art copy v1",
        "art copy v1 --name v2 --description 'v1, for the new cluster'",
        "art copy @production --to-project alice/releases --name 1.0.0",
    ],
    &[Exit::OF_WRITES, &[Exit::Policy]],
))]
pub(crate) struct Args {
    #[command(flatten)]
    version: VersionArg,

    /// The project of the copy [default: the version's project]
    #[arg(long, value_name = "OWNER/PROJECT")]
    to_project: Option<ProjectName>,

    /// The name of the copy [default: VERSION-copy]
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,

    #[command(flatten)]
    about: AboutArgs,

    /// The kind of the copy: artifact or model
    #[arg(long, value_name = "KIND")]
    kind: Option<VersionKind>,

    /// Also copy a disabled version
    #[arg(long)]
    allow_disabled: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let options = CopyOptions::new(args.version.version.clone())
        .to_project(args.to_project.clone())
        .name(args.name.clone())
        .description(args.about.description.clone())
        .tags(args.about.tags()?)
        .content(ContentChange::parse(args.about.content(context)?.as_deref())?)
        .readme(args.about.readme(context)?)
        .kind(args.kind)
        .allow_disabled(args.allow_disabled);
    let repo = context.repo()?;
    let outcome = copy(&repo, &options)?;
    let source = moves::short(&repo, &outcome.source);
    context.ui.summary(&outcome, |page| view(page, &outcome, &source))?;
    Ok(Exit::Ok)
}

fn view(page: &mut Page<'_>, outcome: &CopyOutcome, source: &str) -> Result<()> {
    let CopyOutcome { version, project, stage, .. } = outcome;
    if outcome.operation.is_none() {
        writeln!(page, "{project}:{version} is already a copy of {source}, in {stage}")?;
        return Ok(());
    }
    writeln!(page, "copied {source} to {project}:{version}, in {stage}")?;
    Ok(())
}
