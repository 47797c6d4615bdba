//! The verbs of versions.

use std::path::PathBuf;

use artifacts::error::Result;
use artifacts::ops::history::HistoryOptions;
use artifacts::ops::register::{RegisterOptions, RegisterSource};
use artifacts::ops::stage::StageTarget;
use artifacts::ops::update::ContentChange;
use artifacts::ops::versions::VersionsOptions;
use artifacts::record::query::{Query, Sort};
use artifacts::record::{Content, VERSION_FIELDS};
use artifacts::{
    CopyOptions, DeleteOptions, GetOptions, StageOptions, TransferOptions, UpdateOptions,
    UploadOptions,
};
use serde::Deserialize;
use serde_json::Value;

use crate::context::{parse, parse_all, parse_optional};
use crate::operation::{Call, Verbs, json};
use crate::records::{revisions, tags};

pub(crate) const VERBS: Verbs = &[
    ("versions", list),
    ("get", get),
    ("register", register),
    ("update", update),
    ("stage", stage),
    ("history", history),
    ("delete", delete),
    ("copy", copy),
    ("transfer", transfer),
];

#[derive(Deserialize)]
struct ListArgs {
    query: String,
    sort: String,
    stage: Option<String>,
    at: Option<String>,
    all_projects: bool,
    limit: Option<usize>,
    offset: usize,
}

fn list(call: &mut Call<'_>) -> Result<Value> {
    let args: ListArgs = call.options()?;
    let sort = (!args.sort.is_empty()).then(|| Sort::parse(&args.sort, VERSION_FIELDS));
    let options = VersionsOptions::default()
        .project(call.context.project()?)
        .all_projects(args.all_projects)
        .stage(parse_optional(args.stage.as_ref())?)
        .at(parse_optional(args.at.as_ref())?)
        .query(Some(Query::parse(&args.query, VERSION_FIELDS)?))
        .sort(sort.transpose()?)
        .limit(args.limit)
        .offset(args.offset);
    let list = artifacts::ops::versions::versions(&call.repo()?, &options, call.progress())?;
    for unreadable in &list.unreadable {
        call.progress
            .warn(&format!("{} can't be read: {}", unreadable.reference, unreadable.error));
    }
    json(&list.versions)
}

#[derive(Deserialize)]
struct VersionArgs {
    version: String,
}

fn get(call: &mut Call<'_>) -> Result<Value> {
    let args: VersionArgs = call.options()?;
    let options = GetOptions::new(parse(&args.version)?).count_limit(u64::MAX);
    json(&artifacts::get(&call.repo()?, &options, call.progress())?)
}

#[derive(Deserialize)]
struct RegisterArgs {
    version: String,
    run: Option<String>,
    rev: Option<String>,
    paths: Vec<PathBuf>,
    artifacts: Vec<String>,
    description: Option<String>,
    tags: Option<Vec<String>>,
    content: Option<String>,
    readme: Option<String>,
    kind: Option<String>,
    stage: Option<String>,
    reason: Option<String>,
    message: String,
    force: bool,
}

fn register(call: &mut Call<'_>) -> Result<Value> {
    let args: RegisterArgs = call.options()?;
    let source = match (&args.run, &args.rev) {
        (Some(run), _) => RegisterSource::Run(parse(run)?),
        (None, Some(rev)) => RegisterSource::Revision(parse(rev)?),
        (None, None) if args.paths.is_empty() => RegisterSource::Current,
        (None, None) => RegisterSource::Path(Box::new(
            UploadOptions::new(&call.context.cwd, args.paths)
                .project(call.context.project()?)
                .always_new(true),
        )),
    };
    let content = args.content.map(|text| Content::parse(text.as_bytes())).transpose()?;
    let options = RegisterOptions::new(parse(&args.version)?)
        .project(call.context.project()?)
        .source(source)
        .artifacts(parse_all(&args.artifacts)?)
        .description(args.description)
        .tags(args.tags.as_deref().map(tags).transpose()?)
        .content(content)
        .readme(args.readme)
        .kind(parse_optional(args.kind.as_ref())?)
        .stage(parse_optional(args.stage.as_ref())?)
        .reason(args.reason)
        .message(args.message)
        .force(args.force);
    json(&artifacts::register(&call.repo()?, &options, &mut std::io::empty(), call.progress())?)
}

#[derive(Deserialize)]
struct UpdateArgs {
    version: String,
    name: Option<String>,
    description: Option<String>,
    tags: Option<Vec<String>>,
    add_tags: Vec<String>,
    remove_tags: Vec<String>,
    content: Option<String>,
    readme: Option<String>,
}

fn update(call: &mut Call<'_>) -> Result<Value> {
    let args: UpdateArgs = call.options()?;
    let mut options = UpdateOptions::new(parse(&args.version)?)
        .name(parse_optional(args.name.as_ref())?)
        .description(args.description)
        .tags(args.tags.as_deref().map(tags).transpose()?)
        .add_tags(tags(&args.add_tags)?)
        .remove_tags(tags(&args.remove_tags)?)
        .readme(args.readme);
    if let Some(text) = args.content {
        options = options.content(ContentChange::Set(Content::parse(text.as_bytes())?));
    }
    json(&artifacts::update(&call.repo()?, &options)?)
}

#[derive(Deserialize)]
struct StageArgs {
    version: String,
    /// `None` promotes to the next stage.
    stage: Option<String>,
    reason: Option<String>,
    message: String,
    expect: Option<String>,
}

fn stage(call: &mut Call<'_>) -> Result<Value> {
    let args: StageArgs = call.options()?;
    let target = match parse_optional(args.stage.as_ref())? {
        Some(stage) => StageTarget::Stage(stage),
        None => StageTarget::Next,
    };
    let options = StageOptions::new(parse(&args.version)?, target)
        .reason(args.reason)
        .message(args.message)
        .expect(parse_optional(args.expect.as_ref())?);
    json(&artifacts::stage(&call.repo()?, &options, call.progress())?)
}

fn history(call: &mut Call<'_>) -> Result<Value> {
    let args: VersionArgs = call.options()?;
    let options = HistoryOptions::One(parse(&args.version)?);
    let outcome = artifacts::history(&call.repo()?, &options, call.progress())?;
    match outcome.unreadable.into_iter().next() {
        Some(unreadable) => Err(unreadable.error),
        None => json(&outcome.entries),
    }
}

#[derive(Deserialize)]
struct DeleteArgs {
    versions: Vec<String>,
    force: bool,
}

fn delete(call: &mut Call<'_>) -> Result<Value> {
    let args: DeleteArgs = call.options()?;
    let options = DeleteOptions::new(revisions(&args.versions)?).force(args.force);
    let repo = call.repo()?;
    let plan = artifacts::plan_delete(&repo, &options)?;
    json(&artifacts::delete(&repo, plan)?)
}

#[derive(Deserialize)]
struct CopyArgs {
    version: String,
    to_project: Option<String>,
    name: Option<String>,
    description: Option<String>,
    tags: Option<Vec<String>>,
}

fn copy(call: &mut Call<'_>) -> Result<Value> {
    let args: CopyArgs = call.options()?;
    let options = CopyOptions::new(parse(&args.version)?)
        .to_project(parse_optional(args.to_project.as_ref())?)
        .name(parse_optional(args.name.as_ref())?)
        .description(args.description)
        .tags(args.tags.as_deref().map(tags).transpose()?);
    json(&artifacts::copy(&call.repo()?, &options)?)
}

#[derive(Deserialize)]
struct TransferArgs {
    version: String,
    to_project: String,
}

fn transfer(call: &mut Call<'_>) -> Result<Value> {
    let args: TransferArgs = call.options()?;
    let options = TransferOptions::new(parse(&args.version)?, parse(&args.to_project)?);
    json(&artifacts::transfer(&call.repo()?, &options)?)
}
