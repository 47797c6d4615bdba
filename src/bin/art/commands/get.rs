//! `art get`: everything about a version.

use artifacts::history::Revision;
use artifacts::ops::get::{GetOptions, VersionDetails, get};
use artifacts::record::LineageEntry;
use artifacts::{Name, Result};

use crate::changes;
use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::revision;
use crate::ui::format::count;
use crate::ui::{Page, Style, sanitize};

/// The maximum number of files that are counted, except for JSON.
const COUNTED: u64 = 100_000;

/// Show everything about a version
///
/// Shows the description, the stage and its reason, the run (and if it still exists), the named
/// artifacts and their origins, the number and size of the files, the tags, the content and the
/// readme. With `--json`, also shows every earlier stage.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art get", "art get @production", "art get ada/digits:v1 --json"],
    &[Exit::OF_READS, &[Exit::Unavailable, Exit::Interrupted]],
))]
pub(crate) struct Args {
    /// The version: a name, `OWNER/PROJECT:NAME`, `@STAGE` or `@latest`
    #[arg(value_name = "VERSION", value_parser = revision::parser(), default_value = "@latest")]
    version: Revision,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let is_json = context.ui.looks().json;
    let options =
        GetOptions::new(args.version.clone()).count_limit(if is_json { u64::MAX } else { COUNTED });
    let version = get(&context.repo()?, &options, context.progress())?;
    context.ui.show(&version, |page| view(page, &version))?;
    Ok(Exit::Ok)
}

fn view(page: &mut Page<'_>, version: &VersionDetails) -> Result<()> {
    let record = &version.record;
    let title = page.paint(format!("version {}", record.name), Style::Heading);
    writeln!(page, "{title}")?;
    field(page, "description", &record.description)?;
    field(page, "kind", record.kind.as_str())?;
    field(page, "tags", &record.tags.iter().collect::<Vec<_>>().join(", "))?;
    stage(page, version)?;
    run(page, version)?;
    let names: Vec<&str> = record.artifacts.iter().map(Name::as_str).collect();
    field(page, "includes", &names.join(", "))?;
    field(page, "files", &changes::total(&version.total))?;
    let tags: Vec<&str> = version.tag_refs.iter().map(Name::as_str).collect();
    field(page, "tagged as", &tags.join(", "))?;
    field(page, "created", &format!("{}, {}", page.time(record.created_at), record.author))?;
    field(page, "updated", &page.time(version.updated_at))?;
    field(page, "project", &version.project.to_string())?;
    field(page, "uuid", &record.uuid.to_string())?;
    field(page, "commit", &version.commit.to_hex())?;
    version.lineage.first().map_or(Ok(()), |_| heading(page, "lineage"))?;
    version.lineage.iter().try_for_each(|entry| lineage(page, entry))?;
    let content = version.content.as_ref().map(artifacts::record::Content::text);
    text(page, "content", content)?;
    text(page, "readme", version.readme.as_deref())
}

/// Prints a labelled line; nothing for an empty text.
fn field(page: &mut Page<'_>, label: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let indented = sanitize::text(text).replace('\n', "\n              ");
    writeln!(page, "  {label:<11} {indented}")
}

fn stage(page: &mut Page<'_>, version: &VersionDetails) -> Result<()> {
    let record = &version.record;
    let since = page.time(version.staged_at);
    field(page, "stage", &format!("{} since {since}", record.stage))?;
    let Some(last) = record.stage_conditions.last() else { return Ok(()) };
    let message =
        if last.message.is_empty() { String::new() } else { format!(": {}", last.message) };
    field(page, "", &format!("{}{message}", last.reason))?;
    field(page, "", &format!("by {}, {}", last.author, last.verdict))?;
    match record.stage_conditions.len() as u64 {
        0 | 1 => Ok(()),
        all => {
            let all = count(all, "stage", "stages");
            field(page, "", &format!("{all} in total: art history {}", record.name))
        }
    }
}

fn run(page: &mut Page<'_>, version: &VersionDetails) -> Result<()> {
    let run = &version.record.run;
    let place = match &version.run_ref {
        None => ", which was deleted".to_owned(),
        Some(now) if *now.name() == run.name && *now.project() == run.project => String::new(),
        Some(now) => format!(", now {}:run/{}", now.project(), now.name()),
    };
    field(page, "run", &format!("{} at {}{place}", run.name, run.commit.short()))
}

fn lineage(page: &mut Page<'_>, entry: &LineageEntry) -> Result<()> {
    let direction = if entry.is_input { "used" } else { "made" };
    let name = page.paint(&entry.name, Style::Name);
    write!(page, "  {direction} {name}  {}  {}", entry.kind, sanitize::name(&entry.path))?;
    if let Some(origin) = &entry.origin {
        write!(page, "  from {}", sanitize::subject(&origin.to_string()))?;
    }
    writeln!(page)
}

fn heading(page: &mut Page<'_>, label: &str) -> Result<()> {
    let heading = page.paint(label, Style::Heading);
    writeln!(page, "\n{heading}")
}

/// Prints a text of many lines under a heading.
fn text(page: &mut Page<'_>, label: &str, text: Option<&str>) -> Result<()> {
    let Some(text) = text else { return Ok(()) };
    heading(page, label)?;
    for line in sanitize::text(text.trim_end()).lines() {
        writeln!(page, "{}", format!("  {line}").trim_end())?;
    }
    Ok(())
}
