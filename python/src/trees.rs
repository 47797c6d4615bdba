//! The verbs of files: upload, download, list, read, compare.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use artifacts::catalog::revision::resolve;
use artifacts::error::Result;
use artifacts::ops::cat::{cat_range, find};
use artifacts::ops::diff::Endpoint;
use artifacts::ops::upload::{Destination, UploadSource, plan_upload, upload};
use artifacts::progress::Progress;
use artifacts::{
    CatOptions, DiffOptions, DownloadOptions, LogOptions, LsOptions, ShowOptions, StatusOptions,
    TreePath, UploadOptions,
};
use serde::Deserialize;
use serde_json::Value;

use crate::context::{Context, parse, parse_optional};
use crate::operation::{Call, Verbs, json};

pub(crate) const VERBS: Verbs = &[
    ("upload", run_upload),
    ("download", download),
    ("show", show),
    ("ls", ls),
    ("find_file", find_file),
    ("log", log),
    ("diff", diff),
    ("status", status),
];

#[derive(Deserialize)]
struct UploadArgs {
    paths: Vec<PathBuf>,
    run: Option<String>,
    to: Option<String>,
    tag: Option<String>,
    message: Option<String>,
    merge: bool,
    ignore: bool,
    keep_going: bool,
    dry_run: bool,
}

fn run_upload(call: &mut Call<'_>) -> Result<Value> {
    let args: UploadArgs = call.options()?;
    let mut sources: Vec<_> = args.paths.into_iter().map(UploadSource::Path).collect();
    if call.data.is_some() {
        sources = vec![UploadSource::Input];
    }
    let to = args.to.map(|to| {
        let directory = to.ends_with('/');
        TreePath::parse(to.as_bytes()).map(|path| Destination { path, directory })
    });
    let options = UploadOptions::new(&call.context.cwd, sources)
        .to(to.transpose()?)
        .project(call.context.project()?)
        .run(parse_optional(args.run.as_ref())?)
        .tag(parse_optional(args.tag.as_ref())?)
        .message(args.message)
        .merge(args.merge)
        .no_ignore(!args.ignore)
        .keep_going(args.keep_going);
    let mut data = Cursor::new(call.data.take().unwrap_or_default());
    let repo = call.repo()?;
    if args.dry_run {
        return json(&plan_upload(&repo, &options, &mut data, call.progress())?);
    }
    json(&upload(&repo, &options, &mut data, call.progress())?)
}

#[derive(Deserialize)]
struct DownloadArgs {
    rev: String,
    to: PathBuf,
    paths: Vec<String>,
    force: bool,
    unsafe_links: bool,
    allow_disabled: bool,
    dry_run: bool,
}

fn download(call: &mut Call<'_>) -> Result<Value> {
    let args: DownloadArgs = call.options()?;
    let repo = call.repo()?;
    let only = args.paths.iter().map(|path| TreePath::parse(path.as_bytes()));
    let source = resolve(&repo, &parse(&args.rev)?)?;
    let options = DownloadOptions::new(source, call.context.cwd.join(args.to))
        .only(only.collect::<Result<Vec<_>>>()?)
        .force(args.force)
        .unsafe_links(args.unsafe_links)
        .allow_disabled(args.allow_disabled)
        .dry_run(args.dry_run);
    json(&artifacts::download(&repo, &options, call.progress())?)
}

#[derive(Deserialize)]
struct RevArgs {
    rev: String,
}

fn show(call: &mut Call<'_>) -> Result<Value> {
    let args: RevArgs = call.options()?;
    let options = ShowOptions::new(parse(&args.rev)?);
    json(&artifacts::show(&call.repo()?, &options, call.progress())?)
}

#[derive(Deserialize)]
struct LsArgs {
    rev: String,
    recursive: bool,
    sizes: bool,
}

fn ls(call: &mut Call<'_>) -> Result<Value> {
    let args: LsArgs = call.options()?;
    let options = LsOptions::new(parse(&args.rev)?).recursive(args.recursive).sizes(args.sizes);
    let mut rows = Vec::new();
    let mut add = |entry: &artifacts::ops::ls::LsEntry| {
        rows.push(json(entry)?);
        Ok(())
    };
    artifacts::ls(&call.repo()?, &options, &mut add, call.progress())?;
    Ok(Value::Array(rows))
}

fn find_file(call: &mut Call<'_>) -> Result<Value> {
    let args: RevArgs = call.options()?;
    json(&find(&call.repo()?, &CatOptions::new(parse(&args.rev)?), call.progress())?)
}

/// Reads a range of the file that `rev` names.
pub(crate) fn read(
    context: &Context,
    rev: &str,
    range: (u64, u64),
    progress: &Arc<dyn Progress>,
) -> Result<Vec<u8>> {
    let repo = context.repo(progress)?;
    let file = find(&repo, &CatOptions::new(parse(rev)?), progress.as_ref())?;
    let mut bytes = Vec::new();
    cat_range(&repo, &file, range, &mut bytes, progress.as_ref())?;
    Ok(bytes)
}

#[derive(Deserialize)]
struct LogArgs {
    rev: Option<String>,
    paths: Vec<String>,
    all: bool,
    limit: Option<usize>,
    stat: bool,
}

fn log(call: &mut Call<'_>) -> Result<Value> {
    let args: LogArgs = call.options()?;
    let paths = args.paths.iter().map(|path| TreePath::parse(path.as_bytes()));
    let options = LogOptions::default()
        .revision(parse_optional(args.rev.as_ref())?)
        .paths(paths.collect::<Result<Vec<_>>>()?)
        .all(args.all)
        .limit(args.limit)
        .stat(args.stat)
        .max_refs(usize::MAX);
    let mut rows = Vec::new();
    let mut add = |entry: &artifacts::ops::log::LogEntry| {
        rows.push(json(entry)?);
        Ok(())
    };
    let outcome = artifacts::log(&call.repo()?, &options, &mut add, call.progress())?;
    outcome.damage.map_or(Ok(Value::Array(rows)), Err)
}

#[derive(Deserialize)]
struct DiffArgs {
    a: String,
    b: Option<String>,
    paths: Vec<PathBuf>,
}

fn diff(call: &mut Call<'_>) -> Result<Value> {
    let args: DiffArgs = call.options()?;
    let from = Endpoint::Revision(parse(&args.a)?);
    let to = match parse_optional(args.b.as_ref())? {
        Some(revision) => Endpoint::Revision(revision),
        None => Endpoint::WorkTree,
    };
    let options = DiffOptions::new(&call.context.cwd, from, to).paths(args.paths);
    json(artifacts::diff(&call.repo()?, &options, call.progress())?.outcome())
}

#[derive(Deserialize)]
struct StatusArgs {
    path: Option<PathBuf>,
    rev: Option<String>,
}

fn status(call: &mut Call<'_>) -> Result<Value> {
    let args: StatusArgs = call.options()?;
    let options = StatusOptions::new(&call.context.cwd)
        .path(args.path)
        .revision(parse_optional(args.rev.as_ref())?)
        .project(call.context.project()?);
    json(&artifacts::status(&call.repo()?, &options, call.progress())?)
}
