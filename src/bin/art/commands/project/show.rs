//! `art project show`.

use artifacts::ops::project::{ProjectDetails, show};
use artifacts::{ProjectName, Result};

use crate::context::Context;
use crate::report::{self, Exit, help_tail};
use crate::ui::format::{count, grouped};
use crate::ui::{Page, Style, sanitize};

/// Show a project, its stages and its rules
///
/// Also shows how many versions each stage holds.
#[derive(Debug, Default, clap::Args)]
#[command(after_long_help = help_tail(
    &["art project show", "art project show ada/digits --json"],
    &[Exit::OF_READS],
))]
pub(super) struct Args {
    /// The project [default: the current project]
    #[arg(value_name = "OWNER/PROJECT")]
    name: Option<ProjectName>,
}

pub(super) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let project = args.name.as_ref().or(context.globals.project.as_ref());
    let details = show(&context.repo()?, project)?;
    context.ui.show(&details, |page| view(page, &details))?;
    Ok(match &details.policy_problem {
        None => Exit::Ok,
        Some(error) => report::failure(error, &context.ui),
    })
}

fn view(page: &mut Page<'_>, details: &ProjectDetails) -> Result<()> {
    let name = page.paint(&details.name, Style::Name);
    writeln!(page, "project {name}{}", if details.current { " (current)" } else { "" })?;
    field(page, "description", &details.description)?;
    field(page, "tags", &details.tags.iter().collect::<Vec<_>>().join(", "))?;
    if let Some(created) = details.created_at {
        field(page, "created", &page.time(created))?;
    }
    if let (Some(commit), Some(author), Some(time)) =
        (details.commit, &details.author, details.updated_at)
    {
        let updated = page.time(time);
        field(page, "commit", &format!("{} by {author}, {updated}", commit.short()))?;
    }
    field(page, "uuid", &details.uuid.map(|uuid| uuid.to_string()).unwrap_or_default())?;
    field(page, "runs", &grouped(details.runs))?;
    field(page, "versions", &grouped(details.versions))?;
    writeln!(page, "stages:")?;
    let width = details.stages.iter().map(|count| count.stage.as_str().len()).max().unwrap_or(0);
    for at in &details.stages {
        let versions = count(at.versions, "version", "versions");
        let bound = at.capacity.map(|capacity| format!(" of {capacity}")).unwrap_or_default();
        writeln!(page, "  {:<width$}  {versions}{bound}", at.stage.as_str())?;
    }
    let Some(policy) = details.policy.as_ref().filter(|policy| !policy.is_free()) else {
        return Ok(());
    };
    writeln!(page, "policy:")?;
    for line in policy.to_table().to_string().lines() {
        let line = sanitize::text(line);
        writeln!(page, "{}", if line.is_empty() { line } else { format!("  {line}") })?;
    }
    Ok(())
}

/// Prints a labelled line; nothing for an empty text.
fn field(page: &mut Page<'_>, label: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let indented = sanitize::text(text).replace('\n', "\n               ");
    writeln!(page, "  {label:<12} {indented}")
}
