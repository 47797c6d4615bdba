//! `art expire`: lets content expire.

use artifacts::Result;
use artifacts::history::Revision;
use artifacts::ops::expire::{
    ExpireKind, ExpireOptions, ExpirePlan, ExpireRow, expire, plan_expire,
};
use artifacts::repo::Repository;

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::revision;
use crate::ui::format::{count, grouped, size};
use crate::ui::table::{Cell, Table};
use crate::ui::{ConfirmArgs, Page, Style, sanitize};

/// Expire content by the project's retention rules, or by hand
///
/// The record of a run or version stays for ever: its name, id, lineage, file list and history. Only
/// the content of its files expires. `art gc` removes the content later, and until then `art undo`
/// brings it back. A push sends the records, and a remote needs the content no longer.
///
/// Without RUN or VERSION, the rules in the table `[retention]` of the project decide; see
/// `art policy`. Versions in other stages than the first and `disabled`, commits of tags, the
/// current run and running runs never expire. A version keeps its own files if its run expires.
///
/// The table shows, for each run, upload and version that a rule is about, the files and their size,
/// and the stored bytes that nothing else needs (FREES). The last line counts the bytes that all of
/// it frees together: content that only several runs share counts there.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art expire --dry-run",
        "art expire --yes",
        "art expire nightly-1 nightly-2 -m 'leaked token' --yes",
        "art expire v1 --dry-run",
    ],
    &[Exit::OF_MOVES],
))]
pub(crate) struct Args {
    /// The runs and versions to expire [default: those that the rules decide]
    #[arg(value_name = "RUN|VERSION", value_parser = revision::parser())]
    targets: Vec<Revision>,

    /// The commit message [default: the rule]
    #[arg(short, long, value_name = "MSG")]
    message: Option<String>,

    #[command(flatten)]
    confirm: ConfirmArgs,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = ExpireOptions::default()
        .project(context.globals.project.clone())
        .targets(args.targets.clone());
    let plan = plan_expire(&repo, &options, context.progress())?;
    if args.confirm.dry_run {
        context.ui.show(&plan, |page| view(page, &repo, &plan, true))?;
        return Ok(Exit::Ok);
    }
    let number = plan.expiring().count() as u64;
    if number > 0 {
        let all = plan.expiring();
        let files = count(all.map(|row| row.files).sum(), "file", "files");
        let what = match plan.expiring().next() {
            Some(row) if number == 1 => format!("'{}'", row.name),
            _ => format!("{number} runs and versions"),
        };
        context.confirm(args.confirm, &format!("expire the content of {what}, {files}?"))?;
    }
    let message = args.message.as_deref().unwrap_or_default();
    let outcome = expire(&repo, plan, message)?;
    context.ui.summary(&outcome, |page| view(page, &repo, &outcome.plan, false))?;
    if outcome.operation.is_some() {
        context.ui.detail("to bring the content back: art undo; to free the space: art gc");
    }
    Ok(Exit::Ok)
}

fn view(page: &mut Page<'_>, repo: &Repository, plan: &ExpirePlan, dry_run: bool) -> Result<()> {
    let shown = |row: &&ExpireRow| dry_run || row.expires;
    let rows: Vec<&ExpireRow> = plan.rows.iter().filter(shown).collect();
    if !rows.is_empty() {
        let by = "KEPT BY / EXPIRED BY";
        let mut table = Table::new(["RUN", "LAST UPLOAD", "FILES", "SIZE", "FREES", by]);
        for row in rows {
            table.row(cells(page, repo, row));
        }
        table.print(page)?;
    }
    let number = plan.expiring().count() as u64;
    if number == 0 {
        return writeln!(page, "nothing expires");
    }
    let runs = count(number, "run or version", "runs and versions");
    let verb = if dry_run { "would expire" } else { "expired" };
    writeln!(page, "{verb} the content of {runs}; together, {} can be freed", size(plan.frees))
}

fn cells(page: &Page<'_>, repo: &Repository, row: &ExpireRow) -> Vec<Cell> {
    let mut name = match row.kind {
        ExpireKind::Run => row.name.to_string(),
        ExpireKind::Uploads => format!("{} (older uploads)", row.name),
        ExpireKind::Version => format!("{} (version)", row.name),
    };
    if row.project != repo.settings().project {
        name = format!("{}:{name}", row.project);
    }
    let figure = |text: String| Cell::figure(if row.expires { text } else { "-".to_owned() });
    let by = match &row.kept_by {
        Some(kept_by) => format!("kept: {kept_by}"),
        None => row.rule.clone(),
    };
    vec![
        Cell::text(name).styled(Style::Name),
        Cell::text(page.time(row.last_upload)),
        figure(grouped(row.files)),
        figure(size(row.bytes)),
        figure(size(row.frees)),
        Cell::text(sanitize::subject(&by)),
    ]
}
