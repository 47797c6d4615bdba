//! `art runs show`.

use std::time::Duration;

use artifacts::Result;
use artifacts::ops::runs::{RunDetails, show};
use artifacts::record::{LineageEntry, RunRecord, SourceRecord};

use super::RunArg;
use super::delete::names;
use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::format::{count, duration, size};
use crate::ui::{Page, Style, sanitize};

/// Show the details of a run
///
/// Shows the record of the run, the versions created from it, the tags that point to it, its files,
/// and its named artifacts.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art runs show", "art runs show sharp-shrimp-1 --json"],
    &[Exit::OF_READS, &[Exit::Interrupted]],
))]
pub(super) struct Args {
    #[command(flatten)]
    run: RunArg,
}

pub(super) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let project = context.globals.project.as_ref();
    let run = show(&repo, project, args.run.run.as_ref(), context.progress())?;
    context.ui.show(&run, |page| view(page, &run))?;
    Ok(Exit::Ok)
}

fn view(page: &mut Page<'_>, run: &RunDetails) -> Result<()> {
    let record = &run.record;
    let name = page.paint(&record.name, Style::Name);
    writeln!(page, "run {name}{}", if run.current { " (current)" } else { "" })?;
    let tags: Vec<&str> = record.tags.iter().collect();
    field(page, "description", &record.description)?;
    field(page, "tags", &tags.join(", "))?;
    field(page, "status", &status(record))?;
    let created = page.time(record.created_at);
    field(page, "created", &created)?;
    let times = [("started", record.started_at), ("finished", record.finished_at)];
    for (label, time) in times {
        let time = time.map(|time| page.time(time));
        field(page, label, &time.unwrap_or_default())?;
    }
    field(page, "command", &record.command.join(" "))?;
    let place = [&record.user, &record.host].map(|part| part.as_deref().unwrap_or("unknown"));
    field(page, "by", &place.join(" on "))?;
    field(page, "source", &record.source.as_ref().map(source).unwrap_or_default())?;
    field(page, "project", &run.project.to_string())?;
    field(page, "uuid", &record.uuid.to_string())?;
    let (commit, updated) = (run.commit.short(), page.time(run.updated_at));
    field(page, "commit", &format!("{commit} by {}, {updated}", run.author))?;
    field(page, "versions", &names(&run.versions))?;
    field(page, "tagged as", &names(&run.tag_refs))?;
    artifacts(page, run)?;
    lineage(page, &record.lineage)
}

/// Prints a labelled line; nothing for an empty text.
fn field(page: &mut Page<'_>, label: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let indented = sanitize::text(text).replace('\n', "\n               ");
    writeln!(page, "  {label:<12} {indented}")
}

/// `failed with exit code 3 after 12 s`
fn status(record: &RunRecord) -> String {
    let mut text = record.status.to_string();
    if let Some(signal) = &record.signal {
        text.push_str(&format!(" by {signal}"));
    } else if let Some(code) = record.exit_code.filter(|code| *code != 0) {
        text.push_str(&format!(" with exit code {code}"));
    }
    if let (Some(from), Some(to)) = (record.started_at, record.finished_at) {
        let seconds = to.seconds().saturating_sub(from.seconds());
        if let Ok(seconds @ 1..) = u64::try_from(seconds) {
            text.push_str(&format!(" after {}", duration(Duration::from_secs(seconds))));
        }
    }
    text
}

/// `3f2a… on main, with changes, of https://host/repo.git`
fn source(source: &SourceRecord) -> String {
    let mut parts = Vec::new();
    parts.extend(source.commit.clone());
    if let Some(branch) = &source.branch {
        parts.push(format!("on {branch}"));
    }
    if let Some(remote) = &source.remote {
        parts.push(format!("of {remote}"));
    }
    if source.dirty == Some(true) {
        parts.push("with changes".to_owned());
    }
    parts.join(" ")
}

fn artifacts(page: &mut Page<'_>, run: &RunDetails) -> Result<()> {
    let summary = &run.artifacts;
    if summary.tree.is_none() {
        return Ok(());
    }
    let missing = match summary.missing {
        0 => String::new(),
        missing => format!(", and {missing} without local content"),
    };
    let files = count(summary.files, "file", "files");
    writeln!(page, "artifacts: {files}, {}{missing}", size(summary.bytes))?;
    for entry in &summary.entries {
        if entry.mode.is_directory() {
            let files = count(entry.files, "file", "files");
            writeln!(page, "  {}/  {files}, {}", entry.name, size(entry.bytes))?;
        } else {
            writeln!(page, "  {}  {}", entry.name, size(entry.bytes))?;
        }
    }
    if summary.more > 0 {
        writeln!(page, "  and {}", count(summary.more, "more entry", "more entries"))?;
    }
    Ok(())
}

fn lineage(page: &mut Page<'_>, entries: &[LineageEntry]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    writeln!(page, "lineage:")?;
    for entry in entries {
        let direction = if entry.is_input { "used" } else { "made" };
        let path = sanitize::name(&entry.path);
        write!(page, "  {direction} {}  {}  {path}", entry.name, entry.kind)?;
        if let Some(origin) = &entry.origin {
            write!(page, "  from {}", sanitize::text(&origin.to_string()))?;
        }
        writeln!(page)?;
    }
    Ok(())
}
