//! `art log`: the commits of a history, newest first.

pub(crate) mod remote;

use std::path::PathBuf;

use artifacts::Name;
use artifacts::error::{Error, Result};
use artifacts::history::Revision;
use artifacts::ops::log::{LogEntry, LogOptions, log};
use artifacts::repo::Repository;

use crate::changes;
use crate::context::Context;
use crate::paths;
use crate::report::{self, Exit, help_tail};
use crate::revision;
use crate::ui::graph::{Graph, Rows};
use crate::ui::{Page, Style, sanitize};

/// The maximum number of refs shown beside a commit without -v.
const MAX_REFS: usize = 6;

/// Show the commit history, newest first
///
/// Starts from the current run, or from REV. Each commit has two lines. The first line shows its
/// id, the refs that point to it, and its message. The second line shows the author, the time, the
/// number of files that changed compared with the first parent, and the bytes of the added and
/// modified files. A commit whose content expired is marked (expired). With `--graph`, a commit never
/// appears above its descendants.
///
/// With PATH, shows only the commits that changed one of the paths, and follows renames. PATH is
/// relative to the working directory. The path in `REV:PATH` is relative to the root of the
/// revision.
///
/// With `--remote`, shows the log of a remote. Each entry is a push, with the refs that moved and
/// what was added. A move that conflicts with another push is marked (conflict).
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art log",
        "art log -- model/weights.bin",
        "art log run/baseline -n 5 --stat",
        "art log --all --graph",
        "art log HEAD:model",
        "art log --remote origin -n 3",
    ],
    &[Exit::OF_READS, &[Exit::Partly, Exit::Unavailable, Exit::Interrupted]],
))]
pub(crate) struct Args {
    /// The first commit to show, and a path that limits the log [default: HEAD]
    #[arg(value_name = "REV[:PATH]", value_parser = revision::parser())]
    revision: Option<Revision>,

    /// Show only commits that changed files at or below these paths
    #[arg(value_name = "PATH", last = true, value_parser = paths::parser())]
    paths: Vec<PathBuf>,

    /// Show at most N commits
    #[arg(short = 'n', long = "limit", value_name = "N")]
    limit: Option<usize>,

    /// Start from all runs, versions, tags and projects
    #[arg(long)]
    all: bool,

    /// Draw the history as a graph
    #[arg(long)]
    graph: bool,

    /// Show the pushes to this remote
    #[arg(long, value_name = "NAME", conflicts_with_all = ["revision", "paths", "all", "graph", "stat"])]
    remote: Option<Name>,

    /// List each changed file, and show the total size of the commit
    #[arg(long)]
    stat: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    if let Some(name) = &args.remote {
        return remote::exec(context, name, args.limit);
    }
    let looks = context.ui.looks();
    let behind = args.revision.as_ref().map(|rev| rev.path().clone()).unwrap_or_default();
    if args.graph && !(behind.is_root() && args.paths.is_empty()) {
        return Err(Error::invalid("--graph cannot be combined with a path")
            .with_hint("omit --graph or the path"));
    }
    let repo = context.repo()?;
    let is_short = !looks.json && looks.verbose == 0;
    let options = LogOptions::default()
        .revision(args.revision.clone())
        .paths(paths::places(context.cwd(), &repo, &behind, &args.paths)?)
        .all(args.all)
        .topological(args.graph)
        .limit(args.limit)
        .stat(args.stat)
        .max_refs(if is_short { MAX_REFS } else { usize::MAX });
    let mut graph = args.graph.then(Graph::default);
    let mut outcome = None;
    context.ui.print(|page| {
        let mut show = |entry: &LogEntry| {
            page.item(entry, |page| view(page, &repo, entry, graph.as_mut()))?;
            // Flush so that the newest commits appear while the rest is searched.
            if looks.terminal { page.flush() } else { Ok(()) }
        };
        outcome = Some(log(&repo, &options, &mut show, context.progress())?);
        Ok(())
    })?;
    if outcome.as_ref().is_some_and(|outcome| outcome.is_empty) {
        context.ui.note("no commits yet; create the first one: art upload PATH");
    }
    let damage = outcome.and_then(|outcome| outcome.damage);
    Ok(damage.map_or(Exit::Ok, |error| report::damaged(&error, &context.ui)))
}

fn view(
    page: &mut Page<'_>,
    repo: &Repository,
    entry: &LogEntry,
    graph: Option<&mut Graph>,
) -> Result<()> {
    let rows = graph.map(|graph| graph.add(&entry.commit, &entry.parents));
    let front = |row: fn(&Rows) -> &String| {
        let width = |rows: &Rows| rows.commit.len();
        rows.as_ref().map_or(String::new(), |rows| format!("{:1$} ", row(rows), width(rows)))
    };
    let is_long = page.looks().verbose > 0;
    let id = if is_long { entry.commit.to_string() } else { entry.commit.short() };
    let id = page.paint(id, Style::Id);
    let refs = changes::refs(page, repo, &entry.refs, entry.more_refs, entry.is_head);
    let subject = sanitize::subject(&entry.message);
    let mark = if entry.expired { " (expired)" } else { "" };
    writeln!(page, "{}{id}{refs} {subject}{mark}", front(|rows| &rows.commit))?;
    let mut who = sanitize::subject(&entry.author.name);
    if is_long {
        who.push_str(&format!(" <{}>", sanitize::subject(&entry.author.email)));
    }
    let changed = match &entry.changes {
        Some(changes) => changes::summary(changes, entry.record_changed),
        None => "its changes can't be read".to_owned(),
    };
    let line = format!("{who}, {}: {changed}", page.time(entry.time));
    writeln!(page, "{}    {}", front(|rows| &rows.second), page.paint(line, Style::Dim))?;
    let indent = format!("{}    ", front(|rows| &rows.rest));
    if let Some(total) = &entry.total {
        writeln!(page, "{indent}total: {}", changes::total(total))?;
    }
    if is_long {
        let body = sanitize::text(&entry.message);
        for line in body.lines().skip(1).skip_while(|line| line.trim().is_empty()) {
            writeln!(page, "{}", format!("{indent}{line}").trim_end())?;
        }
    }
    for file in entry.files.iter().flatten() {
        changes::file(page, &indent, file)?;
    }
    for join in rows.iter().flat_map(|rows| &rows.joins) {
        writeln!(page, "{join}")?;
    }
    Ok(())
}
