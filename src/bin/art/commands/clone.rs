//! `art clone`: creates a repository from a remote.

use std::path::PathBuf;

use artifacts::ops::clone::{CloneOptions, CloneOutcome, clone};
use artifacts::remote::RemoteUri;
use artifacts::{Error, Name, ProjectName, Result};
use clap::builder::NonEmptyStringValueParser;

use crate::context::Context;
use crate::paths;
use crate::remotes;
use crate::report::{Exit, help_tail};
use crate::ui::Page;
use crate::ui::format::count;

/// Create a repository from a remote
///
/// Downloads the history immediately, and content when it is needed: `art download`, `art cat` and
/// `art export` download only the content that they read. `--full` downloads all content, for work
/// without a network. The new repository names the remote `origin`, unless `--origin` is given.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art clone s3://bucket/team", "art clone /srv/store work", "art clone /srv/store . --full"],
    &[&[Exit::No, Exit::Unauthorized, Exit::Moved, Exit::Unavailable, Exit::Corrupt, Exit::Interrupted]],
))]
pub(crate) struct Args {
    /// The URI of the remote
    #[arg(value_name = "URI", value_parser = NonEmptyStringValueParser::new())]
    uri: String,

    /// The directory of the new repository [default: the last part of URI]
    #[arg(value_name = "DIR", value_parser = paths::parser())]
    place: Option<PathBuf>,

    /// Also download all content
    #[arg(long)]
    full: bool,

    /// The name of the remote
    #[arg(long, value_name = "NAME", default_value = "origin")]
    origin: Name,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let uri = RemoteUri::parse(&args.uri, context.cwd())?;
    let directory = match &args.place {
        Some(place) => context.cwd().join(place),
        None => context.cwd().join(last_part(&uri)?),
    };
    // Settings of a surrounding repository do not apply to the new one.
    let config = context.config_of_user()?;
    let options = CloneOptions::new(uri, directory)
        .name(args.origin.clone())
        .project(project(context)?)
        .full(args.full);
    let settings = context.settings_from(&config)?;
    let outcome = clone(&options, settings, context.progress())?;
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    remotes::warn_of_conflicts(context, &options.name, &outcome.conflicts);
    Ok(if outcome.conflicts.is_empty() { Exit::Ok } else { Exit::Moved })
}

/// The requested project. Settings of a surrounding repository do not count.
fn project(context: &Context<'_>) -> Result<Option<ProjectName>> {
    match &context.globals.project {
        Some(project) => Ok(Some(project.clone())),
        None => context.env.var("ART_PROJECT")?.map(str::parse).transpose(),
    }
}

/// The last part of the URI, as the name of a directory.
fn last_part(uri: &RemoteUri) -> Result<String> {
    let text = uri.to_string();
    let place = text.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let last = place.rsplit(['/', ':']).next().unwrap_or_default();
    let is_name = !last.is_empty() && !matches!(last, "." | "..") && !last.starts_with('-');
    if is_name {
        return Ok(last.to_owned());
    }
    Err(Error::invalid("the directory can't be named after the URI").with_hint("art clone URI DIR"))
}

fn view(page: &mut Page<'_>, outcome: &CloneOutcome) -> Result<()> {
    let (runs, versions) =
        (count(outcome.runs, "run", "runs"), count(outcome.versions, "version", "versions"));
    writeln!(page, "cloned {runs} and {versions} into {}", outcome.directory)?;
    remotes::print_content(page, &outcome.content)?;
    writeln!(page, "the project is {}", outcome.project)
}
