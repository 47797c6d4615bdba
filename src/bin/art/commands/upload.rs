//! `art upload`: adds files and directories as a commit on a run.

use artifacts::catalog::run::NewRun;
use artifacts::ops::upload::{
    Destination, FileCounts, UploadOptions, UploadOutcome, UploadSource, plan_upload, upload,
};
use artifacts::{Name, Repository, Result};

use crate::context::Context;
use crate::paths;
use crate::report::{Exit, help_tail};
use crate::ui::format::{count, grouped, size};
use crate::ui::{Page, changes};

/// Upload files and directories as a commit on a run
///
/// Adds a commit to the current run, or to a new run if there is none. PATH is relative to the
/// working directory and is stored under its path from the top of the work tree, the directory that
/// contains `.artifacts`. A directory replaces the content at its destination and changes nothing
/// beside it. A PATH outside the work tree needs `--to`.
///
/// Files named `.artifactsignore` exclude files, with the rules of `.gitignore`. If nothing
/// changed, no commit is created. The hook `pre-upload` runs before the upload, `post-upload` after
/// it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art upload",
        "art upload model --to models/latest -m 'epoch 3'",
        "tar -c logs | art upload - --to logs.tar",
    ],
    &[Exit::OF_REMOTES, &[Exit::Partly, Exit::Policy]],
))]
pub(crate) struct Args {
    /// Files and directories to upload; `-` with --to is standard input [default: .]
    #[arg(value_name = "PATH", value_parser = paths::source())]
    paths: Vec<UploadSource>,

    /// The run to add to [default: the current run]
    #[arg(long, value_name = "RUN")]
    run: Option<Name>,

    /// Store PATH at SUBPATH in the run; `/` is the root, a slash at the end means "into"
    #[arg(long, value_name = "SUBPATH", value_parser = paths::destination())]
    to: Option<Destination>,

    /// Create or move this tag to the new commit
    #[arg(long, value_name = "TAG")]
    tag: Option<Name>,

    /// The commit message
    #[arg(short, long, value_name = "MSG")]
    message: Option<String>,

    /// Add to existing directories instead of replacing them
    #[arg(long)]
    merge: bool,

    /// Upload files that ignore files exclude
    #[arg(long)]
    no_ignore: bool,

    /// Continue if files cannot be read; keep their earlier upload in the run
    #[arg(long)]
    keep_going: bool,

    /// Show the planned upload without storing anything
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let threads = context.config()?.upload_threads()?;
    let repo = context.repo_with_threads(threads)?;
    let options = UploadOptions::new(context.cwd(), args.paths.clone())
        .to(args.to.clone())
        .project(context.globals.project.clone())
        .run(args.run.clone())
        .new_run(NewRun::default())
        .tag(args.tag.clone())
        .message(args.message.clone())
        .merge(args.merge)
        .no_ignore(args.no_ignore)
        .keep_going(args.keep_going);
    if args.dry_run {
        return plan(context, &repo, &options);
    }
    let outcome = upload(&repo, &options, &mut context.stdin()?, context.progress())?;
    changes::warn_of_skipped(&context.ui, &outcome.skipped);
    changes::warn_of(&context.ui, &outcome.failed, |path, why| {
        let is_kept = outcome.kept.iter().any(|kept| kept == path);
        let done = if is_kept { "kept the earlier upload of" } else { "left out" };
        format!("{done} {path}: {why}")
    });
    let read = size(outcome.stored.read);
    context.ui.detail(&format!("read {} of {}: {read}", outcome.read_files, outcome.files));
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    Ok(if outcome.failed.is_empty() { Exit::Ok } else { Exit::Partly })
}

/// Shows the plan of an upload.
fn plan(context: &Context<'_>, repo: &Repository, options: &UploadOptions) -> Result<Exit> {
    let plan = plan_upload(repo, options, &mut context.stdin()?, context.progress())?;
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

fn view(page: &mut Page<'_>, outcome: &UploadOutcome) -> Result<()> {
    let files = count(outcome.files, "file", "files");
    let (run, all) = (outcome.run.as_str(), size(outcome.bytes));
    match &outcome.commit {
        Some(commit) => {
            let new = if outcome.new_run { "new run " } else { "" };
            let subject = commit.short();
            writeln!(page, "{new}{run} {subject}: {files}, {all}; {}", changed(&outcome.changed))?;
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
        writeln!(page, "tag {tag} points to the result")?;
    }
    Ok(())
}

/// `2 added, 1 deleted`, without the kinds that are zero.
fn changed(counts: &FileCounts) -> String {
    let kinds = [
        (counts.added, "added"),
        (counts.modified, "modified"),
        (counts.deleted, "deleted"),
        (counts.renamed, "renamed"),
    ];
    let kinds = kinds.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> =
        kinds.map(|(count, kind)| format!("{} {kind}", grouped(count))).collect();
    if words.is_empty() { "no file changed".to_owned() } else { words.join(", ") }
}
