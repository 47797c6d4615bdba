//! `art init`: creates a repository.

use std::path::{Path, PathBuf};

use artifacts::name::ProjectName;
use artifacts::ops::init::init;
use artifacts::{Name, Result, Settings};

use crate::context::Context;
use crate::paths;
use crate::report::{Exit, help_tail};

/// Create a repository in a directory
///
/// The repository is the directory `.artifacts` in DIR. Running the command again is harmless.
/// Inside a Git work tree, the command adds `.artifacts` to `.git/info/exclude`, so that git
/// ignores the repository. Without `--project`, the project is named after the user account and the
/// directory.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art init", "art init data --project alice/digits"],
    &[&[Exit::No, Exit::Unauthorized, Exit::Unavailable]],
))]
pub(crate) struct Args {
    /// The directory, which is created if missing
    #[arg(value_name = "DIR", default_value = ".", value_parser = paths::parser())]
    place: PathBuf,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let directory = context.cwd().join(&args.place);
    let project = match &context.globals.project {
        Some(project) => project.clone(),
        None => default_project(context, &directory)?,
    };
    let settings = Settings { project, ..context.settings()? };
    let project = &settings.project;
    let outcome = init(&directory, &settings)?;
    context.ui.summary(&outcome, |page| {
        let shown = outcome.directory.display();
        if outcome.created {
            writeln!(page, "created the repository {shown} for {project}")
        } else {
            writeln!(page, "the repository {shown} already exists")
        }
    })?;
    Ok(Exit::Ok)
}

/// The configured project, otherwise `USER/DIRECTORY` with invalid characters replaced.
fn default_project(context: &Context<'_>, directory: &Path) -> Result<ProjectName> {
    let settings = context.settings()?;
    if let Some(project) = context.config()?.project()? {
        return Ok(project);
    }
    let last = directory.components().next_back();
    let last = last.map(|part| part.as_os_str().to_string_lossy().into_owned());
    Ok(ProjectName {
        owner: as_name(&settings.identity.user, "local")?,
        project: as_name(&last.unwrap_or_default(), "default")?,
    })
}

/// `text` with the characters replaced that a name cannot contain, or `fallback` if nothing is
/// left.
fn as_name(text: &str, fallback: &str) -> Result<Name> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let clean: String = text.chars().map(|c| if allowed(c) { c } else { '-' }).take(100).collect();
    let clean = clean.trim_matches(['-', '.']);
    clean.parse().or_else(|_| fallback.parse())
}
