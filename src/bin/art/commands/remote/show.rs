//! `art remote show`.

use artifacts::ops::remote::{Amount, ConflictSide, ProjectCounts, RemoteDetails, show};
use artifacts::remote::Protocol;
use artifacts::{Id, Name, Result};

use crate::commands::log;
use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::format::{count, grouped, size};
use crate::ui::{Page, Style};

/// Show the state and contents of a remote
///
/// Contacts the remote. Shows its guarantee, size, versions, conflicts and latest pushes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art remote show", "art remote show lab --json"],
    &[Exit::OF_REMOTES],
))]
pub(super) struct Args {
    /// The remote [default: the only remote, otherwise origin]
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
        _ => field(page, "guarantee", "unknown: the first push probes the store")?,
    }
    let Some(log) = details.log else {
        return writeln!(page, "  nothing has been pushed yet");
    };
    let log = match log {
        Protocol::Linear => "sequential entries",
        Protocol::Siblings => "concurrent entries allowed",
    };
    field(page, "log", &format!("{}, {log}", count(details.entries, "entry", "entries")))?;
    if details.entries == 0 {
        return writeln!(page, "  nothing has been pushed yet");
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
        let side = |side: &ConflictSide| format!("{} by entry {}", at(side.commit), side.number);
        let sides: Vec<String> = conflict.sides.iter().map(side).collect();
        writeln!(page, "  {}  {}, also {}", conflict.name, at(conflict.commit), sides.join(", "))?;
    }
    Ok(())
}
