//! The verbs of runs and tags, and of operations on the whole repository.

use artifacts::catalog::run::NewRun;
use artifacts::error::{Error, Result};
use artifacts::history::RefPage;
use artifacts::ops::lineage::{AddLineageOptions, Direction, add};
use artifacts::ops::run::{RunOptions, begin};
use artifacts::ops::runs::{self, FinishRunOptions, RunsOptions, UpdateRunOptions};
use artifacts::ops::tag;
use artifacts::record::query::{Query, Sort};
use artifacts::record::{RUN_FIELDS, Tags};
use artifacts::{FsckOptions, TagOptions, UndoOptions};
use serde::Deserialize;
use serde_json::Value;

use crate::context::{parse, parse_all, parse_optional};
use crate::operation::{Call, Verbs, json};

pub(crate) const VERBS: Verbs = &[
    ("run_begin", run_begin),
    ("run_finish", run_finish),
    ("run_show", run_show),
    ("run_update", run_update),
    ("runs", list_runs),
    ("lineage_add", lineage_add),
    ("tag", set_tag),
    ("tags", list_tags),
    ("undo", undo),
    ("fsck", fsck),
];

/// Joins tags as the command takes them.
pub(crate) fn tags(tags: &[String]) -> Result<Tags> {
    Tags::parse(&tags.join(","))
}

#[derive(Deserialize)]
struct BeginArgs {
    name: Option<String>,
    numbered: bool,
    description: String,
    tags: Vec<String>,
    command: Vec<String>,
}

fn run_begin(call: &mut Call<'_>) -> Result<Value> {
    let args: BeginArgs = call.options()?;
    let new_run = NewRun {
        name: parse_optional(args.name.as_ref())?,
        numbered: args.numbered,
        description: args.description,
        tags: tags(&args.tags)?,
        source: None,
        words: args.command.into_iter().map(Into::into).collect(),
    };
    let options =
        RunOptions::new(&call.context.cwd).project(call.context.project()?).new_run(new_run);
    json(&begin(&call.repo()?, &options, call.progress())?)
}

#[derive(Deserialize)]
struct FinishArgs {
    run: Option<String>,
    status: String,
    exit_code: Option<i32>,
    signal: Option<String>,
}

fn run_finish(call: &mut Call<'_>) -> Result<Value> {
    let args: FinishArgs = call.options()?;
    let options = FinishRunOptions::new(parse(&args.status)?)
        .project(call.context.project()?)
        .run(parse_optional(args.run.as_ref())?)
        .exit_code(args.exit_code)
        .signal(args.signal);
    json(&runs::finish(&call.repo()?, &options)?)
}

#[derive(Deserialize)]
struct RunArgs {
    run: Option<String>,
}

fn run_show(call: &mut Call<'_>) -> Result<Value> {
    let args: RunArgs = call.options()?;
    let run = parse_optional(args.run.as_ref())?;
    let project = call.context.project()?;
    json(&runs::show(&call.repo()?, project.as_ref(), run.as_ref(), call.progress())?)
}

#[derive(Deserialize)]
struct UpdateRunArgs {
    run: Option<String>,
    name: Option<String>,
    description: Option<String>,
    tags: Option<Vec<String>>,
    add_tags: Vec<String>,
    remove_tags: Vec<String>,
}

fn run_update(call: &mut Call<'_>) -> Result<Value> {
    let args: UpdateRunArgs = call.options()?;
    let options = UpdateRunOptions::default()
        .project(call.context.project()?)
        .run(parse_optional(args.run.as_ref())?)
        .name(parse_optional(args.name.as_ref())?)
        .description(args.description)
        .tags(args.tags.as_deref().map(tags).transpose()?)
        .add_tags(tags(&args.add_tags)?)
        .remove_tags(tags(&args.remove_tags)?);
    json(&runs::update(&call.repo()?, &options)?)
}

#[derive(Deserialize)]
struct RunsArgs {
    query: String,
    sort: String,
    limit: Option<usize>,
    offset: usize,
}

fn list_runs(call: &mut Call<'_>) -> Result<Value> {
    let args: RunsArgs = call.options()?;
    let options = RunsOptions::default()
        .project(call.context.project()?)
        .query(Some(Query::parse(&args.query, RUN_FIELDS)?))
        .sort(Some(Sort::parse(&args.sort, RUN_FIELDS)?))
        .limit(args.limit)
        .offset(args.offset);
    let list = runs::list(&call.repo()?, &options, call.progress())?;
    for unreadable in &list.unreadable {
        call.progress
            .warn(&format!("{} can't be read: {}", unreadable.reference, unreadable.error));
    }
    json(&list.runs)
}

#[derive(Deserialize)]
struct LineageArgs {
    run: Option<String>,
    name: String,
    kind: String,
    path: Option<String>,
    is_input: bool,
    origin: Option<String>,
    summary: Value,
}

fn lineage_add(call: &mut Call<'_>) -> Result<Value> {
    let args: LineageArgs = call.options()?;
    let values = toml::Table::try_from(&args.summary).map_err(|error| {
        Error::invalid("a value of the summary has no type in TOML").with_source(error)
    })?;
    let direction = match (args.is_input, args.origin) {
        (_, Some(origin)) => Direction::InputFrom(origin),
        (true, None) => Direction::Input,
        (false, None) => Direction::Output,
    };
    let options = AddLineageOptions::new(&call.context.cwd, parse(&args.name)?, parse(&args.kind)?)
        .project(call.context.project()?)
        .run(parse_optional(args.run.as_ref())?)
        .path(args.path.map(Into::into))
        .direction(direction)
        .values(values);
    json(&add(&call.repo()?, &options, call.progress())?)
}

#[derive(Deserialize)]
struct TagArgs {
    name: String,
    rev: Option<String>,
    force: bool,
}

fn set_tag(call: &mut Call<'_>) -> Result<Value> {
    let args: TagArgs = call.options()?;
    let options = TagOptions::new(parse(&args.name)?)
        .revision(parse_optional(args.rev.as_ref())?)
        .force(args.force);
    json(&tag::tag(&call.repo()?, &options)?)
}

fn list_tags(call: &mut Call<'_>) -> Result<Value> {
    let list = tag::list(&call.repo()?, &RefPage::default())?;
    for damaged in &list.damaged {
        call.progress.warn(&format!("{} can't be read: {}", damaged.name, damaged.error));
    }
    json(&list.tags)
}

#[derive(Deserialize)]
struct UndoArgs {
    operation: Option<String>,
    dry_run: bool,
}

fn undo(call: &mut Call<'_>) -> Result<Value> {
    let args: UndoArgs = call.options()?;
    let options = UndoOptions::default().operation(args.operation).dry_run(args.dry_run);
    json(&artifacts::undo(&call.repo()?, &options, call.progress())?)
}

#[derive(Deserialize)]
struct FsckArgs {
    full: bool,
    repair: bool,
}

fn fsck(call: &mut Call<'_>) -> Result<Value> {
    let args: FsckArgs = call.options()?;
    let options = FsckOptions::default().full(args.full).repair(args.repair);
    let directory = call.context.directory()?;
    let settings = call.context.settings(Some(&directory), call.progress)?;
    json(&artifacts::ops::fsck::fsck_at(&directory, settings, &options, call.progress())?)
}

/// Parses the revisions of versions.
pub(crate) fn revisions(texts: &[String]) -> Result<Vec<artifacts::history::Revision>> {
    parse_all(texts)
}
