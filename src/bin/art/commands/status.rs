//! `art status`: the changes since the last upload.

use std::path::PathBuf;

use artifacts::Result;
use artifacts::history::Revision;
use artifacts::ops::status::{StatusOptions, StatusOutcome, status};

use crate::context::Context;
use crate::paths;
use crate::report::{Exit, help_tail};
use crate::revision;
use crate::ui::format::size;
use crate::ui::{Page, Style, changes};

/// Compare a directory with the current run
///
/// Shows what `art upload PATH` would change in the run, and how much it would store. PATH is
/// relative to the working directory. The changes are printed with their paths from the top of the
/// work tree. A PATH that no longer exists is shown as deleted. Ignore files apply. Without a
/// current run, everything is shown as added.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art status", "art status model --rev v1", "art status model --rev run/base:models/old"],
    &[Exit::OF_READS, &[Exit::Partly, Exit::Unavailable, Exit::Interrupted]],
))]
pub(crate) struct Args {
    /// A file or directory [default: .]
    #[arg(value_name = "PATH", value_parser = paths::parser())]
    path: Option<PathBuf>,

    /// Compare with REV instead of the current run; PATH is the directory in REV
    #[arg(long, value_name = "REV[:PATH]", value_parser = revision::parser())]
    rev: Option<Revision>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = StatusOptions::new(context.cwd())
        .path(args.path.clone())
        .revision(args.rev.clone())
        .project(context.globals.project.clone());
    let outcome = status(&repo, &options, context.progress())?;
    changes::warn_of_omissions(&context.ui, &outcome.survey);
    context.ui.show(&outcome, |page| view(page, &outcome))?;
    Ok(if outcome.survey.failed.is_empty() { Exit::Ok } else { Exit::Partly })
}

fn view(page: &mut Page<'_>, outcome: &StatusOutcome) -> Result<()> {
    let base = match (&outcome.reference, &outcome.commit) {
        (Some(name), Some(commit)) => {
            let name = page.paint(name.name(), Style::Name);
            format!("{name} {}", page.paint(commit.short(), Style::Id))
        }
        (None, Some(commit)) => page.paint(commit.short(), Style::Id),
        _ => "no current run".to_owned(),
    };
    if outcome.survey.changes.is_empty() {
        writeln!(page, "{base}: no changes")?;
    } else {
        writeln!(page, "{base}: {}", changes::counts(&outcome.survey.changes))?;
        changes::list(page, &outcome.survey.changes)?;
    }
    changes::what_is_stored(page, &outcome.survey)?;
    let Some(garbage) = &outcome.garbage else { return Ok(()) };
    writeln!(
        page,
        "{} of {} stored were in no run, version or tag at {}; see: art gc --dry-run",
        size(garbage.unused),
        size(garbage.stored),
        page.time(garbage.at)
    )
}
