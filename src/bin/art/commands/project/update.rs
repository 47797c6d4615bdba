//! `art project update`.

use artifacts::ops::project::{UpdateOutcome, UpdateProjectOptions, update};
use artifacts::record::Tags;
use artifacts::{ProjectName, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::Page;

/// Change the description and tags of a project
///
/// Creates the record of the project if there is none. An empty description or tag list clears the
/// field. Without options, only creates the project if it does not exist.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art project update --description 'Reads digits' --tags vision,paper",
        "art project update --add-tag public --remove-tag draft",
        "art project update ada/letters",
    ],
    &[Exit::OF_WRITES],
))]
pub(super) struct Args {
    /// The project [default: the current project]
    #[arg(value_name = "OWNER/PROJECT")]
    name: Option<ProjectName>,

    /// The new description of the project
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// The new tags, which replace the current ones
    #[arg(long, value_name = "TAG,…", value_parser = Tags::parse)]
    tags: Option<Tags>,

    /// Tags to add; can be repeated
    #[arg(long, value_name = "TAG,…", value_parser = Tags::parse)]
    add_tag: Vec<Tags>,

    /// Tags to remove; can be repeated
    #[arg(long, value_name = "TAG,…", value_parser = Tags::parse)]
    remove_tag: Vec<Tags>,
}

pub(super) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let options = UpdateProjectOptions::default()
        .project(args.name.clone().or_else(|| context.globals.project.clone()))
        .description(args.description.clone())
        .tags(args.tags.clone())
        .add_tags(union(&args.add_tag))
        .remove_tags(union(&args.remove_tag));
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
        None => writeln!(page, "project {project} is unchanged"),
        Some(commit) if outcome.created => {
            writeln!(page, "created the project {project}, {commit}")
        }
        Some(commit) => writeln!(page, "changed the project {project}, {commit}"),
    }
}
