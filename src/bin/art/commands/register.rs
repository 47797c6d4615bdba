//! `art register`: creates a version of a run or of a path.

use artifacts::history::Revision;
use artifacts::ops::register::{
    RegisterAction, RegisterOptions, RegisterOutcome, RegisterSource, register,
};
use artifacts::ops::upload::{UploadOptions, UploadSource};
use artifacts::record::{Content, VersionKind};
use artifacts::{Name, Result};
use clap::builder::NonEmptyStringValueParser;

use crate::context::Context;
use crate::paths;
use crate::report::{Exit, help_tail};
use crate::ui::Page;
use crate::version::{AboutArgs, WhyArgs, names};
use crate::{changes, revision, stages};

/// Create a version that pins the state of a run
///
/// A version pins a commit of a run, or only its named artifacts. Later uploads to the run do not
/// change the version. A version starts in the first stage of its project. `--path` first uploads
/// to a new run. Running the command again changes nothing. If the version exists and differs,
/// `--force` changes the given fields and keeps the other fields, the stage and all history.
///
/// Warns if the version has no files, or if its run failed, was stopped or is still running.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art register v1",
        "art register v2 --run baseline --artifacts model,tokenizer --kind model",
        "art register v3 --path model --description 'cluster build' --tags cuda,fp16",
        "art register v3 --force --content '{\"accuracy\": 0.91}' --readme @CARD.md",
    ],
    &[Exit::OF_MOVES],
))]
pub(crate) struct Args {
    /// The name of the version
    #[arg(value_name = "VERSION")]
    version: Name,

    #[command(flatten)]
    source: SourceArgs,

    /// Include only these named artifacts of the run: a,b; see `art lineage`
    #[arg(
        long,
        value_name = "LIST",
        conflicts_with = "paths",
        value_parser = NonEmptyStringValueParser::new()
    )]
    artifacts: Option<String>,

    #[command(flatten)]
    about: AboutArgs,

    /// The kind of the version: artifact or model
    #[arg(long, value_name = "KIND")]
    kind: Option<VersionKind>,

    /// Move the version to this stage
    #[arg(long, value_name = "STAGE")]
    stage: Option<Name>,

    #[command(flatten)]
    why: WhyArgs,

    /// Change the version if it exists
    #[arg(short, long)]
    force: bool,

    /// Also register from a disabled version
    #[arg(long)]
    allow_disabled: bool,
}

/// The source of the version.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct SourceArgs {
    /// The run [default: the current run]
    #[arg(long, value_name = "RUN")]
    run: Option<Name>,

    /// A commit of a run, or a version whose content to pin
    #[arg(long, value_name = "REV", value_parser = revision::parser())]
    rev: Option<Revision>,

    /// Files or directories to upload first; can be repeated
    ///
    /// They are stored under their paths from the top of the work tree.
    #[arg(long = "path", value_name = "PATH", value_parser = paths::source())]
    paths: Vec<UploadSource>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo_with_threads(context.config()?.upload_threads()?)?;
    let given = args.about.content(context)?;
    let options = RegisterOptions::new(args.version.clone())
        .project(context.globals.project.clone())
        .source(source(context, &args.source))
        .artifacts(names(args.artifacts.as_deref().unwrap_or_default())?)
        .description(args.about.description.clone())
        .tags(args.about.tags()?)
        .content(given.map(|bytes| Content::parse(&bytes)).transpose()?)
        .readme(args.about.readme(context)?)
        .kind(args.kind)
        .stage(args.stage.clone())
        .reason(args.why.reason()?)
        .message(args.why.message()?)
        .force(args.force)
        .allow_disabled(args.allow_disabled);
    let outcome = register(&repo, &options, &mut context.stdin()?, context.progress())?;
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    stages::warn(context, &outcome.version, &outcome.run, outcome.run_status, &outcome.total);
    Ok(Exit::Ok)
}

fn source(context: &Context<'_>, args: &SourceArgs) -> RegisterSource {
    if let Some(run) = &args.run {
        return RegisterSource::Run(run.clone());
    }
    if let Some(revision) = &args.rev {
        return RegisterSource::Revision(revision.clone());
    }
    if args.paths.is_empty() {
        return RegisterSource::Current;
    }
    RegisterSource::Path(Box::new(
        UploadOptions::new(context.cwd(), args.paths.clone())
            .project(context.globals.project.clone())
            .always_new(true),
    ))
}

fn view(page: &mut Page<'_>, outcome: &RegisterOutcome) -> Result<()> {
    let RegisterOutcome { version, project, stage, run, .. } = outcome;
    let verb = match outcome.action {
        RegisterAction::Created => "registered",
        RegisterAction::Updated => "changed",
        RegisterAction::Unchanged => {
            writeln!(page, "{project}:{version} is unchanged, in {stage}")?;
            return Ok(());
        }
    };
    writeln!(page, "{verb} {project}:{version}, in {stage}")?;
    let made = if outcome.new_run { "new run" } else { "run" };
    writeln!(page, "from {made} {run} at {}", outcome.run_commit.short())?;
    writeln!(page, "{}", changes::total(&outcome.total))?;
    if !outcome.artifacts.is_empty() {
        let names: Vec<&str> = outcome.artifacts.iter().map(Name::as_str).collect();
        writeln!(page, "includes {}", names.join(", "))?;
    }
    stages::view_displaced(page, &outcome.displaced)
}
