//! `art remote show`.

use artifacts::ops::remote::{Amount, ProjectCounts, RemoteDetails, Side, show};
use artifacts::remote::Protocol;
use artifacts::{Id, Name, Result};

use crate::commands::log;
use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::format::{count, grouped, size};
use crate::ui::{Page, Style};

/// Asks a remote what it has: guarantee, size, versions, conflicts, the last pushes
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art remote show", "art remote show lab --json"],
    Exit::OF_REMOTES,
))]
pub(super) struct Args {
    /// The remote [default: the only one, or origin]
    #[arg(value_name = "NAME")]
    name: Option<Name>,
}

pub(super) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let details = show(&context.repo()?, args.name.as_ref(), context.progress())?;
    context.ui.show(&details, |page| view(page, &details))?;
    Ok(Exit::Ok)
}

fn view(page: &mut Page<'_>, details: &RemoteDetails) -> Result<()> {
    let name = page.paint(&details.name, Style::Name);
    writeln!(page, "remote {name}{}", if details.default { " (default)" } else { "" })?;
    field(page, "uri", &details.uri)?;
    match (details.guarantee, &details.meaning) {
        (Some(guarantee), Some(meaning)) => {
            field(page, "guarantee", &format!("{guarantee}: {meaning}"))?;
        }
        _ => field(page, "guarantee", "not known: the first push tries it out")?,
    }
    let Some(log) = details.log else {
        return writeln!(page, "  nothing was pushed yet");
    };
    let log = match log {
        Protocol::Linear => "one entry after the other",
        Protocol::Siblings => "entries can stand side by side",
    };
    field(page, "log", &format!("{}, {log}", count(details.entries, "entry", "entries")))?;
    if details.entries == 0 {
        return writeln!(page, "  nothing was pushed yet");
    }
    amount(page, "packs", details.packs)?;
    amount(page, "meta", details.meta)?;
    amount(page, "segments", details.segments)?;
    if details.retired.count > 0 {
        amount(page, "retired", details.retired)?;
    }
    projects(page, &details.projects)?;
    conflicts(page, details)?;
    writeln!(page, "last pushes:")?;
    details.pushes.iter().try_for_each(|entry| log::remote::push(page, entry))
}

fn field(page: &mut Page<'_>, label: &str, text: &str) -> Result<()> {
    writeln!(page, "  {label:<10} {text}")
}

fn amount(page: &mut Page<'_>, label: &str, amount: Amount) -> Result<()> {
    field(page, label, &format!("{}, {}", grouped(amount.count), size(amount.bytes)))
}

fn projects(page: &mut Page<'_>, projects: &[ProjectCounts]) -> Result<()> {
    if !projects.is_empty() {
        writeln!(page, "projects:")?;
    }
    for counts in projects {
        let runs = count(counts.runs, "run", "runs");
        let versions = count(counts.versions, "version", "versions");
        let tags = count(counts.tags, "tag", "tags");
        writeln!(page, "  {}: {runs}, {versions}, {tags}", counts.project)?;
    }
    Ok(())
}

fn conflicts(page: &mut Page<'_>, details: &RemoteDetails) -> Result<()> {
    if !details.conflicts.is_empty() {
        writeln!(page, "conflicts:")?;
    }
    let at = |commit: Option<Id>| commit.map_or("(deleted)".to_owned(), |commit| commit.short());
    for conflict in &details.conflicts {
        let side = |side: &Side| format!("{} by entry {}", at(side.commit), side.number);
        let sides: Vec<String> = conflict.sides.iter().map(side).collect();
        writeln!(page, "  {}  {}, also {}", conflict.name, at(conflict.commit), sides.join(", "))?;
    }
    Ok(())
}
