//! `art show`: one commit with its record and changes, or one of its files or directories.

use std::time::Duration;

use artifacts::catalog::revision::{RecordKind, resolve};
use artifacts::error::Result;
use artifacts::history::Revision;
use artifacts::ops::show::{ShowOptions, ShowOutcome, ShownRecord, show};
use artifacts::record::{
    Expiration, LineageEntry, ProjectRecord, RunRecord, SourceRecord, VersionRecord,
};
use artifacts::repo::Repository;

use super::{cat, ls};
use crate::changes;
use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::revision;
use crate::ui::format::{duration, grouped};
use crate::ui::{Page, Style, sanitize};

/// The number of changed files that are listed by default.
const SHOWN: usize = 20;
/// The maximum number of files that are counted, except for JSON.
const COUNTED: usize = 100_000;

/// Show a run, version, project or commit with its changes
///
/// Shows the record and the changes relative to the first parent. If REV has a path, prints the
/// file as `art cat` does, or lists the directory as `art ls` does.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art show", "art show run/baseline", "art show HEAD~1 --limit 100", "art show HEAD:config.json"],
    &[Exit::OF_CONTENT],
))]
pub(crate) struct Args {
    /// The revision, and a path in it
    #[arg(value_name = "REV[:PATH]", value_parser = revision::parser(), default_value = "HEAD")]
    revision: Revision,

    /// List at most N changed files [default: 20; all with --json]
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,

    /// With a path, also print the content of a disabled version
    #[arg(long)]
    allow_disabled: bool,

    /// With a path, also print content that expired and is still stored
    #[arg(long)]
    allow_expired: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let revision = args.revision.clone();
    if !revision.path().is_root() || revision.to_string().ends_with(':') {
        let entry = resolve(&repo, &revision)?.entry(&repo)?;
        return match entry {
            Some(entry) if !entry.mode.is_directory() => {
                let args = cat::Args::of(revision, args.allow_disabled, args.allow_expired);
                cat::exec(context, &args)
            }
            _ => ls::exec(context, &ls::Args::of(revision)),
        };
    }
    let is_json = context.ui.looks().json;
    let options = ShowOptions::new(revision)
        .limit(args.limit.unwrap_or(if is_json { usize::MAX } else { SHOWN }))
        .count_limit(if is_json { usize::MAX } else { COUNTED.max(args.limit.unwrap_or(0)) });
    let outcome = show(&repo, &options, context.progress())?;
    context.ui.show(&outcome, |page| {
        view_commit(page, &repo, &outcome)?;
        view_record(page, &outcome)?;
        view_changes(page, &outcome)
    })?;
    Ok(Exit::Ok)
}

/// Prints a labelled line; nothing for an empty text.
fn field(page: &mut Page<'_>, name: &str, text: &str) -> Result<()> {
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return Ok(()) };
    writeln!(page, "  {name:<11} {}", sanitize::text(first))?;
    for line in lines {
        writeln!(page, "  {:<11} {}", "", sanitize::text(line))?;
    }
    Ok(())
}

fn view_commit(page: &mut Page<'_>, repo: &Repository, outcome: &ShowOutcome) -> Result<()> {
    let kind = match outcome.kind {
        RecordKind::Project => "project",
        RecordKind::Run => "run",
        RecordKind::Version => "version",
    };
    let name = match &outcome.record {
        ShownRecord::Run(run) => run.name.to_string(),
        ShownRecord::Project(project) => project.name.to_string(),
        ShownRecord::Version(version) => version.name.to_string(),
    };
    let title = page.paint(format!("{kind} {name}"), Style::Heading);
    writeln!(page, "{title}")?;
    let id = page.paint(outcome.commit, Style::Id);
    writeln!(page, "  {:<11} {id}", "commit")?;
    let refs = changes::refs(page, repo, &outcome.refs, 0, outcome.is_head);
    if !refs.is_empty() {
        let names = refs.trim_start().trim_start_matches('(').trim_end_matches(')');
        writeln!(page, "  {:<11} {names}", "refs")?;
    }
    for parent in &outcome.parents {
        field(page, "parent", &parent.short())?;
    }
    let (who, time) = (&outcome.author, page.time(outcome.time));
    field(page, "by", &format!("{} <{}>, {time}", who.name, who.email))?;
    field(page, "message", &outcome.message)
}

fn view_record(page: &mut Page<'_>, outcome: &ShowOutcome) -> Result<()> {
    writeln!(page)?;
    match &outcome.record {
        ShownRecord::Run(run) => {
            view_run(page, run)?;
            view_source(page, run.source.as_ref())?;
            view_extra(page, &run.extra)?;
        }
        ShownRecord::Project(project) => view_project(page, project)?,
        ShownRecord::Version(version) => view_version(page, version)?,
    }
    if outcome.kind != RecordKind::Project {
        field(page, "artifacts", &changes::total(&outcome.total))?;
    }
    if let ShownRecord::Run(run) = &outcome.record
        && !run.lineage.is_empty()
    {
        let heading = page.paint("lineage", Style::Heading);
        writeln!(page, "\n{heading}")?;
        run.lineage.iter().try_for_each(|entry| view_lineage(page, entry))?;
    }
    Ok(())
}

fn view_run(page: &mut Page<'_>, run: &RunRecord) -> Result<()> {
    field(page, "status", run.status.as_str())?;
    field(page, "description", &run.description)?;
    field(page, "tags", &run.tags.iter().collect::<Vec<_>>().join(", "))?;
    field(page, "created", &page.time(run.created_at))?;
    if let Some(started) = run.started_at {
        field(page, "started", &page.time(started))?;
    }
    if let Some(finished) = run.finished_at {
        let since = run.started_at.map(|started| finished.seconds() - started.seconds());
        let took = since.and_then(|seconds| u64::try_from(seconds).ok());
        let took =
            took.map(|seconds| format!(", after {}", duration(Duration::from_secs(seconds))));
        field(page, "finished", &format!("{}{}", page.time(finished), took.unwrap_or_default()))?;
    }
    view_expired(page, run.expired.as_ref())?;
    field(page, "command", &shell_words(&run.command))?;
    if let Some(code) = run.exit_code {
        field(page, "exit code", &code.to_string())?;
    }
    field(page, "signal", run.signal.as_deref().unwrap_or_default())?;
    let place = [run.user.as_deref(), run.host.as_deref()];
    let place = place.into_iter().flatten().collect::<Vec<_>>().join(" on ");
    field(page, "ran as", &place)?;
    field(page, "uuid", &run.uuid.to_string())
}

fn view_version(page: &mut Page<'_>, version: &VersionRecord) -> Result<()> {
    field(page, "kind", version.kind.as_str())?;
    field(page, "stage", version.stage.as_str())?;
    field(page, "since", &page.time(version.in_stage_since()))?;
    view_expired(page, version.expired.as_ref())?;
    field(page, "description", &version.description)?;
    field(page, "tags", &version.tags.iter().collect::<Vec<_>>().join(", "))?;
    let run = &version.run;
    field(page, "run", &format!("{} at {}", run.name, run.commit.short()))?;
    let names: Vec<&str> = version.artifacts.iter().map(artifacts::Name::as_str).collect();
    field(page, "includes", &names.join(", "))?;
    field(page, "created", &format!("{}, {}", page.time(version.created_at), version.author))?;
    field(page, "uuid", &version.uuid.to_string())?;
    view_extra(page, &version.extra)
}

/// Prints which content expired: all of it, or only that of earlier commits.
fn view_expired(page: &mut Page<'_>, expired: Option<&Expiration>) -> Result<()> {
    let Some(expired) = expired else { return Ok(()) };
    let text = expired.describe();
    match (expired.own, expired.through) {
        (false, Some(through)) => {
            field(page, "content", &format!("through {}: {text}", through.short()))
        }
        _ => field(page, "content", &text),
    }
}

fn view_project(page: &mut Page<'_>, project: &ProjectRecord) -> Result<()> {
    field(page, "description", &project.description)?;
    field(page, "tags", &project.tags.iter().collect::<Vec<_>>().join(", "))?;
    field(page, "created", &page.time(project.created_at))?;
    field(page, "uuid", &project.uuid.to_string())?;
    if !project.policy.is_empty() {
        field(page, "policy", &project.policy.to_string())?;
    }
    if !project.retention.is_empty() {
        field(page, "retention", &project.retention.to_string())?;
    }
    view_extra(page, &project.extra)
}

fn view_source(page: &mut Page<'_>, source: Option<&SourceRecord>) -> Result<()> {
    let Some(source) = source else { return Ok(()) };
    let mut parts = Vec::new();
    if let Some(commit) = &source.commit {
        parts.push(commit.chars().take(12).collect());
    }
    if let Some(branch) = &source.branch {
        parts.push(format!("on {branch}"));
    }
    if source.dirty == Some(true) {
        parts.push("with uncommitted changes".to_owned());
    }
    field(page, "source", &parts.join(" "))?;
    let name = if parts.is_empty() { "source" } else { "" };
    field(page, name, source.remote.as_deref().unwrap_or_default())
}

/// Prints the keys that have no line of their own.
fn view_extra(page: &mut Page<'_>, table: &toml::Table) -> Result<()> {
    for (key, value) in table {
        let text = toml_text(value).unwrap_or_else(|| value.to_string());
        field(page, &sanitize::subject(key), &text)?;
    }
    Ok(())
}

fn toml_text(value: &toml::Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn view_lineage(page: &mut Page<'_>, entry: &LineageEntry) -> Result<()> {
    let name = page.paint(&entry.name, Style::Name);
    let path = sanitize::name(&entry.path);
    let direction = if entry.is_input { "input" } else { "output" };
    write!(page, "  {name}  {} {direction}  {path}", entry.kind)?;
    if let Some(origin) = &entry.origin {
        write!(page, "  from {}", sanitize::subject(&origin.to_string()))?;
    }
    for (key, value) in &entry.summary {
        let value = toml_text(value).unwrap_or_else(|| value.to_string());
        write!(page, "  {}={}", sanitize::subject(key), sanitize::subject(&value))?;
    }
    writeln!(page)
}

fn view_changes(page: &mut Page<'_>, outcome: &ShowOutcome) -> Result<()> {
    let heading = page.paint("changes", Style::Heading);
    let is_record = !outcome.record_changes.is_empty();
    let summary = changes::summary(&outcome.changes, is_record);
    writeln!(page, "\n{heading}: {summary}")?;
    if is_record {
        let keys: Vec<String> =
            outcome.record_changes.iter().map(|key| sanitize::subject(key)).collect();
        writeln!(page, "  in the record: {}", keys.join(", "))?;
    }
    for file in &outcome.files {
        changes::file(page, "  ", file)?;
    }
    if outcome.more > 0 {
        let all = outcome.changes.files() + outcome.changes.directories;
        let id = outcome.commit.short();
        let more = grouped(outcome.more as u64);
        writeln!(page, "  … and {more} more: art show {id} -n {all}")?;
    }
    Ok(())
}

/// A command quoted for a shell.
fn shell_words(words: &[String]) -> String {
    let quoted = |word: &String| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
        if !word.is_empty() && word.chars().all(is_plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}
