//! `art project update`.

use artifacts::ops::project::{UpdateOptions, UpdateOutcome, update};
use artifacts::record::Tags;
use artifacts::{ProjectName, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::Page;

/// Changes the description and the tags of a project, and makes its record where it has none
///
/// An empty description or list of tags clears it. With nothing to change, the project is made if
/// it is not there.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art project update --description 'Reads digits' --tags vision,paper",
        "art project update --add-tag public --remove-tag draft",
        "art project update ada/letters",
    ],
    &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Unavailable,
        Exit::Corrupt,
    ],
))]
pub(super) struct Args {
    /// The project, instead of that of `-p`
    #[arg(value_name = "OWNER/PROJECT")]
    name: Option<ProjectName>,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Its tags, instead of those it has
    #[arg(long, value_name = "TAG,…", value_parser = Tags::parse)]
    tags: Option<Tags>,

    /// More tags; may be repeated
    #[arg(long, value_name = "TAG,…", value_parser = Tags::parse)]
    add_tag: Vec<Tags>,

    /// Tags it shall no longer have; may be repeated
    #[arg(long, value_name = "TAG,…", value_parser = Tags::parse)]
    remove_tag: Vec<Tags>,
}

pub(super) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let options = UpdateOptions {
        project: args.name.clone().or_else(|| context.globals.project.clone()),
        description: args.description.clone(),
        tags: args.tags.clone(),
        add_tags: union(&args.add_tag),
        remove_tags: union(&args.remove_tag),
        command: context.env.command_line(),
    };
    let outcome = update(&context.repo()?, &options)?;
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    Ok(Exit::Ok)
}

fn union(lists: &[Tags]) -> Tags {
    lists.iter().flat_map(Tags::iter).map(str::to_owned).collect()
}

fn view(page: &mut Page<'_>, outcome: &UpdateOutcome) -> Result<()> {
    let project = &outcome.project;
    match outcome.commit.filter(|_| outcome.changed).map(|commit| commit.short()) {
        None => writeln!(page, "project {project} is so already"),
        Some(commit) if outcome.created => writeln!(page, "made the project {project}, {commit}"),
        Some(commit) => writeln!(page, "changed the project {project}, {commit}"),
    }
}
