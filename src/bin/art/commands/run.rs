//! `art run`: creates a run, alone or around a command.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use artifacts::catalog::run::NewRun;
use artifacts::ops::run::{RunOptions, RunOutcome, UploadFirst, run};
use artifacts::ops::upload::{Destination, UploadOutcome};
use artifacts::record::{RunStatus, Tags};
use artifacts::{Name, Result, TreePath};

use crate::context::Context;
use crate::paths;
use crate::report::{self, Exit, help_tail};
use crate::ui::changes;
use crate::ui::format::{count, duration, size};

/// Create a run, or run a command as a run
///
/// Without CMD, creates a run, makes it the current run, and prints its name.
///
/// With CMD, creates a run and runs CMD as that run. CMD keeps its input, output and signals. The
/// run is recorded before CMD starts, with the commit of the surrounding source repository. When
/// CMD ends, its exit code or signal and the times are recorded. Then each `-o` is uploaded, even
/// if CMD failed. `art` exits with the exit code of CMD. `ART_RUN`, `ART_DIR` and `ART_PROJECT` are
/// set for CMD, so that `art upload` in CMD adds to its run.
///
/// Signals that another process sends to `art` are passed on to CMD. Ctrl-C reaches both, and ends
/// only CMD. If `art` itself is killed, the status of the run stays `running`; use `art runs
/// finish`. With `--json`, the result is the last line of standard output, after the output of CMD.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art run --name baseline --tags plain,first",
        "art run -o model -- python train.py --epochs 3",
        "art run --upload-from data --upload-to inputs -o model -- make train",
    ],
    &[Exit::OF_REMOTES, &[Exit::Policy, Exit::Child(0)]],
))]
pub(crate) struct Args {
    /// The name of the run [default: two words and a number]
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,

    /// The description of the run
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// The tags of the run, separated by commas
    #[arg(long, value_name = "TAG,…", value_parser = Tags::parse)]
    tags: Option<Tags>,

    /// Upload the working directory to `uploads` before CMD starts
    #[arg(short, long, requires = "cmd")]
    upload: bool,

    /// Upload PATH instead of the working directory; implies -u
    #[arg(long, value_name = "PATH", requires = "cmd", value_parser = paths::parser())]
    upload_from: Option<PathBuf>,

    /// Upload to SUBPATH in the run instead of `uploads` (`/` is the root); implies -u
    #[arg(long, value_name = "SUBPATH", requires = "cmd", value_parser = paths::destination())]
    upload_to: Option<Destination>,

    /// Upload OUT after CMD ends, even if CMD failed; can be repeated
    #[arg(short, long, value_name = "OUT", requires = "cmd", value_parser = paths::parser())]
    output: Vec<PathBuf>,

    /// The command and its arguments
    #[arg(value_name = "CMD", last = true)]
    cmd: Vec<OsString>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let threads = context.config()?.upload_threads()?;
    let repo = context.repo_with_threads(threads)?;
    let options = RunOptions::new(context.cwd())
        .project(context.globals.project.clone())
        .new_run(NewRun {
            name: args.name.clone(),
            numbered: false,
            description: args.description.clone().unwrap_or_default(),
            tags: args.tags.clone().unwrap_or_default(),
            source: None,
            words: args.cmd.clone(),
        })
        .upload(args.upload_first()?)
        .outputs(args.output.clone());
    let outcome = run(&repo, &options, &mut context.signals.relay(), context.progress())?;
    if args.cmd.is_empty() {
        context.ui.show(&outcome, |page| writeln!(page, "{}", outcome.run))?;
        return Ok(Exit::Ok);
    }
    let exit = report_outcome(context, &outcome);
    if context.ui.looks().json {
        context.ui.print(|page| page.item(&outcome, |_| Ok(())))?;
    }
    Ok(exit)
}

impl Args {
    fn upload_first(&self) -> Result<Option<UploadFirst>> {
        if !self.upload && self.upload_from.is_none() && self.upload_to.is_none() {
            return Ok(None);
        }
        let to = match &self.upload_to {
            Some(to) => to.clone(),
            None => Destination { path: TreePath::parse("uploads")?, directory: true },
        };
        Ok(Some(UploadFirst { from: self.upload_from.clone().unwrap_or_else(|| ".".into()), to }))
    }
}

/// Reports the result on stderr. Returns the exit code of the command, or of the first other
/// failure.
fn report_outcome(context: &Context<'_>, outcome: &RunOutcome) -> Exit {
    let mut exit = Exit::Child(outcome.shell_code);
    for failure in &outcome.failures {
        let code = report::failure(failure, &context.ui);
        if exit == Exit::Child(0) {
            exit = code;
        }
    }
    for upload in &outcome.uploads {
        changes::warn_of_skipped(&context.ui, &upload.skipped);
    }
    if !context.ui.looks().json {
        context.ui.note(&summary(outcome));
    }
    exit
}

/// `run sharp-shrimp-1 failed with exit code 3 after 12 s; uploaded 4 files, 1.2 MiB`
fn summary(outcome: &RunOutcome) -> String {
    let mut line = format!("run {} {}", outcome.run, outcome.status);
    match (&outcome.signal, outcome.exit_code) {
        (Some(signal), _) => line.push_str(&format!(" by {signal}")),
        (None, Some(code)) if outcome.status != RunStatus::Succeeded => {
            line.push_str(&format!(" with exit code {code}"));
        }
        _ => {}
    }
    if let (Some(from), Some(to)) = (outcome.started_at, outcome.finished_at) {
        let seconds = to.seconds().saturating_sub(from.seconds()).max(0);
        if seconds > 0 {
            let taken = duration(Duration::from_secs(seconds.unsigned_abs()));
            line.push_str(&format!(" after {taken}"));
        }
    }
    if !outcome.uploads.is_empty() {
        let sum = |of: fn(&UploadOutcome) -> u64| outcome.uploads.iter().map(of).sum::<u64>();
        let files = count(sum(|upload| upload.files), "file", "files");
        line.push_str(&format!("; uploaded {files}, {}", size(sum(|upload| upload.bytes))));
    }
    line
}
