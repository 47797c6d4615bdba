//! `art upload`: files and directories become a commit on a run.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use artifacts::ops::run::NewRun;
use artifacts::ops::upload::{
    Destination, Source, UploadOptions, UploadOutcome, plan_upload, upload,
};
use artifacts::{Name, Repository, Result, TreePath};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::format::{count, size};
use crate::ui::{Page, changes};

/// Uploads files and directories as a commit on a run
///
/// Goes to the current run, or to a new one where there is none. A path is stored under its own
/// relative path and replaces what stood there. Files that ignore files leave out (named
/// `.artifactsignore`, with the rules of `.gitignore`) are not taken. If nothing changed, there is
/// no commit. The hook `pre-upload` is asked first, if there is one; `post-upload` hears of the
/// commit.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art upload",
        "art upload model --to models/latest -m 'epoch 3'",
        "tar -c logs | art upload - --to logs.tar",
    ],
    &[
        Exit::No,
        Exit::Partly,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Unavailable,
        Exit::Policy,
        Exit::Corrupt,
        Exit::Interrupted,
    ],
))]
pub(crate) struct Args {
    /// Files and directories; `-` is standard input, with --to [default: .]
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,

    /// The run, instead of the current one
    #[arg(long, value_name = "RUN")]
    run: Option<Name>,

    /// Place it there in the run; `/` is the root, a slash at the end means "into"
    #[arg(long, value_name = "SUBPATH")]
    to: Option<OsString>,

    /// Let this tag point at the result
    #[arg(long, value_name = "TAG")]
    tag: Option<Name>,

    /// What it is, for the history
    #[arg(short, long, value_name = "MSG")]
    message: Option<String>,

    /// Add to directories that are there, instead of replacing them
    #[arg(long)]
    merge: bool,

    /// Take in what ignore files leave out
    #[arg(long)]
    no_ignore: bool,

    /// Leave out files that can't be read, and exit with 3
    #[arg(long)]
    keep_going: bool,

    /// Only tell what would be stored
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let threads = context.config()?.upload_threads()?;
    let repo = context.repo_with_threads(threads)?;
    let options = UploadOptions {
        cwd: context.cwd().to_owned(),
        sources: args.paths.iter().map(source).collect(),
        to: args.to.as_ref().map(destination).transpose()?,
        project: context.globals.project.clone(),
        run: args.run.clone(),
        new_run: NewRun::default(),
        always_new: false,
        tag: args.tag.clone(),
        message: args.message.clone(),
        merge: args.merge,
        no_ignore: args.no_ignore,
        keep_going: args.keep_going,
        command: context.env.command_line(),
    };
    if args.dry_run {
        return plan(context, &repo, &options);
    }
    let outcome = upload(&repo, &options, &mut std::io::stdin().lock(), context.progress())?;
    for (path, what) in &outcome.skipped {
        context.ui.warn(&format!("skipped {path}: {what}"));
    }
    for (path, why) in &outcome.failed {
        context.ui.warn(&format!("left out {path}: {why}"));
    }
    let read = size(outcome.stored.read);
    context.ui.detail(&format!("read {} of {}: {read}", outcome.read_files, outcome.files));
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    Ok(if outcome.failed.is_empty() { Exit::Ok } else { Exit::Partly })
}

/// Tells what would be done.
fn plan(context: &Context<'_>, repo: &Repository, options: &UploadOptions) -> Result<Exit> {
    let plan = plan_upload(repo, options, &mut std::io::stdin().lock(), context.progress())?;
    changes::warn_of_omissions(&context.ui, &plan.survey);
    context.ui.show(&plan, |page| {
        let run = plan.run.as_ref().map_or("a new run", |run| run.as_str());
        if plan.survey.changes.is_empty() {
            writeln!(page, "{run}: nothing would change")?;
        } else {
            writeln!(page, "{run}: {}", changes::counts(&plan.survey.changes))?;
            changes::list(page, &plan.survey.changes)?;
        }
        changes::what_is_stored(page, &plan.survey)
    })?;
    Ok(if plan.survey.failed.is_empty() { Exit::Ok } else { Exit::Partly })
}

fn source(path: &OsString) -> Source {
    if path == "-" { Source::Input } else { Source::Path(path.into()) }
}

pub(super) fn destination(to: &OsString) -> Result<Destination> {
    let bytes = to.as_bytes();
    Ok(Destination { path: TreePath::parse(bytes)?, directory: bytes.ends_with(b"/") })
}

fn view(page: &mut Page<'_>, outcome: &UploadOutcome) -> Result<()> {
    let files = count(outcome.files, "file", "files");
    let (run, all) = (outcome.run.as_str(), size(outcome.bytes));
    match &outcome.commit {
        Some(commit) => {
            let new = if outcome.new_run { "new run " } else { "" };
            let subject = commit.short();
            writeln!(page, "{new}{run} {subject}: {files}, {all}")?;
        }
        None => writeln!(page, "{run}: {files}, {all}; nothing changed")?,
    }
    if outcome.stored.new > 0 {
        let (new, stored) = (size(outcome.stored.new), size(outcome.stored.stored));
        writeln!(page, "stored {new} of new content in {stored}")?;
    }
    if outcome.ignored > 0 {
        writeln!(page, "ignored {}", count(outcome.ignored, "entry", "entries"))?;
    }
    if let Some(tag) = &outcome.tag {
        writeln!(page, "tag {tag} points at it")?;
    }
    Ok(())
}
