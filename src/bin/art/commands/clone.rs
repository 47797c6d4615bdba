//! `art clone`: a new repository with all that a remote has.

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

/// Makes a repository with all that a remote has
///
/// The history comes at once, content when it is needed: `art download`, `art cat` and `art export`
/// get just what they read. `--full` gets all of it, for work without a network. The remote is called
/// `origin` in the new repository.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art clone s3://bucket/team", "art clone /srv/store work", "art clone /srv/store . --full"],
    &[
        Exit::No,
        Exit::Unauthorized,
        Exit::Moved,
        Exit::Unavailable,
        Exit::Corrupt,
        Exit::Interrupted,
    ],
))]
pub(crate) struct Args {
    /// Where the remote is
    #[arg(value_name = "URI", value_parser = NonEmptyStringValueParser::new())]
    uri: String,

    /// Where the repository shall stand; else a directory named after the end of URI
    #[arg(value_name = "DIR", value_parser = paths::parser())]
    place: Option<PathBuf>,

    /// Also get all content
    #[arg(long)]
    full: bool,

    /// What the remote is called
    #[arg(long, value_name = "NAME", default_value = "origin")]
    origin: Name,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let uri = RemoteUri::parse(&args.uri, context.cwd())?;
    let directory = match &args.place {
        Some(place) => context.cwd().join(place),
        None => context.cwd().join(last_part(&uri)?),
    };
    let project = project(context)?;
    // A repository around the new one has its own settings.
    let config = context.config_of_user()?;
    let options = CloneOptions {
        uri,
        name: args.origin.clone(),
        directory,
        config: artifacts::config::initial(&config, project.as_ref())?,
        has_project: project.is_some(),
        full: args.full,
        command: context.env.command_line(),
    };
    let settings = context.settings_from(&config)?;
    let outcome = clone(&options, settings, context.progress())?;
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    remotes::warn_of_conflicts(context, &options.name, &outcome.conflicts);
    Ok(if outcome.conflicts.is_empty() { Exit::Ok } else { Exit::Moved })
}

/// The project that was asked for; what the settings of a repository around this one say is not.
fn project(context: &Context<'_>) -> Result<Option<ProjectName>> {
    match &context.globals.project {
        Some(project) => Ok(Some(project.clone())),
        None => context.env.var("ART_PROJECT")?.map(str::parse).transpose(),
    }
}

/// The last part of the place of a remote, as a name for a directory.
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
    remotes::tell_content(page, &outcome.content)?;
    writeln!(page, "the project is {}", outcome.project)
}
