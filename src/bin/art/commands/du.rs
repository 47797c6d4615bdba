//! `art du`: disk usage.

use artifacts::Result;
use artifacts::ops::du::{DuOutcome, du};
use artifacts::repo::Repository;

use crate::context::Context;
use crate::records::report_unreadable;
use crate::report::{Exit, help_tail};
use crate::ui::format::{count, grouped, size};
use crate::ui::table::{Cell, Table};
use crate::ui::{Page, Style};

/// Show the disk usage of the repository
///
/// Shows the size of each part of the repository, the amount of uploaded and stored data, and the
/// size of each run. The OWN column counts the bytes that no other run needs, in any of its
/// commits. Runs are sorted by this column, largest first. A damaged run is marked, and its row lacks
/// the part that cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art du", "art du --json"],
    &[&[
        Exit::Partly,
        Exit::NotARepository,
        Exit::Unauthorized,
        Exit::Corrupt,
        Exit::Interrupted,
    ]],
))]
pub(crate) struct Args {}

pub(crate) fn exec(context: &Context<'_>, _args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let mut outcome = du(&repo, context.progress())?;
    context.ui.show(&outcome, |page| view(page, &repo, &outcome))?;
    if outcome.content.missing > 0 {
        let contents = count(outcome.content.missing, "content is", "contents are");
        context.ui.warn(&format!("{contents} missing, and on no remote; see: art fsck"));
    }
    let mut exit = Exit::Ok;
    for damaged in std::mem::take(&mut outcome.damaged) {
        exit = report_unreadable(context, &damaged.name, damaged.error);
    }
    Ok(exit)
}

/// If more than one part in this many is in no run, version or tag, the view suggests `art gc`.
const GARBAGE: u64 = 5;

/// The maximum number of runs shown; `--json` has all.
const SHOWN: usize = 20;

fn view(page: &mut Page<'_>, repo: &Repository, outcome: &DuOutcome) -> Result<()> {
    let mut table = Table::new(["PART", "FILES", "SIZE"]);
    let row = |name: &str, files: u64, bytes: u64| {
        vec![Cell::text(name), Cell::figure(grouped(files)), Cell::figure(size(bytes))]
    };
    for part in outcome.parts.iter().filter(|part| part.usage.files > 0) {
        table.row(row(part.part, part.usage.files, part.usage.bytes));
    }
    table.row(row("total", outcome.total.files, outcome.total.bytes));
    table.print(page)?;
    show_content(page, outcome)?;
    show_runs(page, repo, outcome)
}

fn show_content(page: &mut Page<'_>, outcome: &DuOutcome) -> Result<()> {
    let content = &outcome.content;
    if content.commits == 0 {
        return Ok(());
    }
    let commits = count(content.commits, "commit", "commits");
    writeln!(page, "\n{} uploaded in {commits}", size(content.uploaded))?;
    if content.elsewhere > 0 {
        let contents = count(content.elsewhere, "content is", "contents are");
        writeln!(page, "not counted: {contents} only on a remote")?;
    }
    if content.expired > 0 {
        let contents = count(content.expired, "content", "contents");
        writeln!(page, "not counted: {contents} that expired and are no longer stored")?;
    }
    let times = ratio(content.uploaded, content.distinct);
    writeln!(page, "{} unique{times}", size(content.distinct))?;
    let times = ratio(content.distinct, content.stored);
    writeln!(page, "{} stored{times}", size(content.stored))?;
    // A damaged run may need content that nothing else needs.
    if content.unused > 0 && outcome.damaged.is_empty() {
        writeln!(page, "{} of this is in no run, version or tag", size(content.unused))?;
        if content.unused > content.stored / GARBAGE {
            writeln!(page, "more than a fifth; see how much can be freed: art gc --dry-run")?;
        }
    }
    Ok(())
}

/// The ratio of `before` to `after`, if the size shrank.
fn ratio(before: u64, after: u64) -> String {
    if after == 0 || before < after {
        return String::new();
    }
    format!(" ({:.1}× smaller)", before as f64 / after as f64)
}

fn show_runs(page: &mut Page<'_>, repo: &Repository, outcome: &DuOutcome) -> Result<()> {
    if outcome.runs.is_empty() {
        return Ok(());
    }
    writeln!(page)?;
    let mut table = Table::new(["RUN", "COMMITS", "FILES", "SIZE", "OWN"]);
    for run in outcome.runs.iter().take(SHOWN) {
        let name = if run.project == repo.settings().project {
            run.run.to_string()
        } else {
            format!("{}:{}", run.project, run.run)
        };
        let name = if run.expired { format!("{name} (expired)") } else { name };
        let name = if run.damaged { format!("{name} (damaged)") } else { name };
        table.row(vec![
            Cell::text(name).styled(Style::Name),
            Cell::figure(grouped(run.commits)),
            Cell::figure(grouped(run.files)),
            Cell::figure(size(run.bytes)),
            Cell::figure(size(run.own)),
        ]);
    }
    table.print(page)?;
    match outcome.runs.len().saturating_sub(SHOWN) as u64 {
        0 => Ok(()),
        more => writeln!(page, "and {} (see --json)", count(more, "other run", "other runs")),
    }
}
