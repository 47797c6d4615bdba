//! The verbs that create repositories and that talk to remotes.

use std::path::PathBuf;

use artifacts::error::Result;
use artifacts::ops::remote::{AddRemoteOptions, add, list};
use artifacts::remote::RemoteUri;
use artifacts::repo::Settings;
use artifacts::{CloneOptions, FetchOptions, PullOptions, PushOptions};
use serde::Deserialize;
use serde_json::Value;

use crate::context::{parse, parse_optional};
use crate::operation::{Call, Verbs, json};

pub(crate) const VERBS: Verbs = &[
    ("init", init),
    ("find", find),
    ("clone", clone),
    ("remote_add", remote_add),
    ("remotes", remotes),
    ("push", push),
    ("pull", pull),
    ("fetch", fetch),
];

#[derive(Deserialize)]
struct InitArgs {
    path: PathBuf,
    project: Option<String>,
}

fn init(call: &mut Call<'_>) -> Result<Value> {
    let args: InitArgs = call.options()?;
    let mut settings = call.context.new_settings(call.progress)?;
    if let Some(project) = parse_optional(args.project.as_ref())? {
        settings.project = project;
    }
    json(&artifacts::init(&call.context.cwd.join(args.path), &settings)?)
}

/// The place and the project of a repository.
fn find(call: &mut Call<'_>) -> Result<Value> {
    let repo = call.repo()?;
    json(&serde_json::json!({
        "directory": repo.directory(),
        "project": repo.settings().project,
        "run": repo.settings().run,
    }))
}

#[derive(Deserialize)]
struct CloneArgs {
    uri: String,
    path: PathBuf,
    full: bool,
    remote: String,
}

fn clone(call: &mut Call<'_>) -> Result<Value> {
    let args: CloneArgs = call.options()?;
    let cwd = &call.context.cwd;
    let options = CloneOptions::new(RemoteUri::parse(&args.uri, cwd)?, cwd.join(args.path))
        .name(parse(&args.remote)?)
        .project(call.context.project()?)
        .full(args.full);
    let settings: Settings = call.context.settings(None, call.progress)?;
    json(&artifacts::clone(&options, settings, call.progress())?)
}

#[derive(Deserialize)]
struct RemoteArgs {
    name: String,
    uri: String,
}

fn remote_add(call: &mut Call<'_>) -> Result<Value> {
    let args: RemoteArgs = call.options()?;
    let options = AddRemoteOptions::new(parse(&args.name)?, args.uri, &call.context.cwd);
    json(&add(&call.repo()?, &options, call.progress())?)
}

fn remotes(call: &mut Call<'_>) -> Result<Value> {
    json(&list(&call.repo()?)?.remotes)
}

#[derive(Deserialize)]
struct PushArgs {
    remote: Option<String>,
    refs: Vec<String>,
    all: bool,
    force: bool,
    dry_run: bool,
}

fn push(call: &mut Call<'_>) -> Result<Value> {
    let args: PushArgs = call.options()?;
    let options = PushOptions::default()
        .remote(parse_optional(args.remote.as_ref())?)
        .refs(args.refs)
        .all(args.all)
        .force(args.force)
        .dry_run(args.dry_run);
    json(&artifacts::push(&call.repo()?, &options, call.progress())?)
}

#[derive(Deserialize)]
struct PullArgs {
    remote: Option<String>,
    refs: Vec<String>,
    full: bool,
    path: Option<PathBuf>,
}

fn pull(call: &mut Call<'_>) -> Result<Value> {
    let args: PullArgs = call.options()?;
    let options = PullOptions::default()
        .remote(parse_optional(args.remote.as_ref())?)
        .refs(args.refs)
        .full(args.full)
        .path(args.path.map(|path| call.context.cwd.join(path)));
    json(&artifacts::pull(&call.repo()?, &options, call.progress())?)
}

#[derive(Deserialize)]
struct FetchArgs {
    remote: Option<String>,
}

fn fetch(call: &mut Call<'_>) -> Result<Value> {
    let args: FetchArgs = call.options()?;
    let options = FetchOptions::default().remote(parse_optional(args.remote.as_ref())?);
    json(&artifacts::fetch(&call.repo()?, &options, call.progress())?)
}
