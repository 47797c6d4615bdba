//! `art run`: makes a new run, alone or around a command.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use artifacts::ops::run::{NewRun, RunOptions, RunOutcome, UploadFirst, run};
use artifacts::ops::upload::{Destination, UploadOutcome};
use artifacts::record::{RunStatus, Tags};
use artifacts::{Name, Result, TreePath};

use crate::context::Context;
use crate::paths;
use crate::report::{self, Exit, help_tail};
use crate::ui::changes;
use crate::ui::format::{count, duration, size};

/// Makes a new run, alone or around a command
///
/// Without CMD, the run is made, becomes the current one, and its name is printed.
///
/// With CMD, it is run as a run. Its input, output and signals are its own. Its run is recorded
/// before it begins, with the source commit around it; when it has ended, so are its exit code or
/// signal and the times; then each `-o` is uploaded, also if it failed. `art` exits with the
/// command's exit code: 128 and the signal's number if a signal ended it, 127 if it was not found,
/// 126 if it could not be run. The command finds `ART_RUN`, `ART_DIR` and `ART_PROJECT` set, so
/// that `art upload` in it goes to its run.
///
/// Signals that a process sends to `art` are passed on to the command; Ctrl-C reaches both and ends
/// only the command. If `art` itself is killed, the record stays at `running`: see `art runs
/// finish`. With `--json`, the outcome is the last line of standard output, after what the command
/// has printed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art run --name baseline --tags plain,first",
        "art run -o model -- python train.py --epochs 3",
        "art run --upload-from data --upload-to inputs -o model -- make train",
    ],
    &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Unavailable,
        Exit::Policy,
        Exit::Corrupt,
        Exit::Interrupted,
        Exit::Child(0),
    ],
))]
pub(crate) struct Args {
    /// What to call the run [default: two words and a number]
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Words to find it by, with commas between them
    #[arg(long, value_name = "TAG,…", value_parser = Tags::parse)]
    tags: Option<Tags>,

    /// Upload before the command begins: the working directory, to `uploads`
    #[arg(short, long, requires = "cmd")]
    upload: bool,

    /// Upload PATH instead of the working directory; implies -u
    #[arg(long, value_name = "PATH", requires = "cmd", value_parser = paths::parser())]
    upload_from: Option<PathBuf>,

    /// Upload to SUBPATH in the run instead of `uploads`, `/` is the root; implies -u
    #[arg(long, value_name = "SUBPATH", requires = "cmd", value_parser = paths::destination())]
    upload_to: Option<Destination>,

    /// Upload OUT after the command has ended, also if it failed; may be repeated
    #[arg(short, long, value_name = "OUT", requires = "cmd", value_parser = paths::parser())]
    output: Vec<PathBuf>,

    /// The command and its arguments
    #[arg(value_name = "CMD", last = true)]
    cmd: Vec<OsString>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let threads = context.config()?.upload_threads()?;
    let repo = context.repo_with_threads(threads)?;
    let options = RunOptions {
        cwd: context.cwd().to_owned(),
        project: context.globals.project.clone(),
        new_run: NewRun {
            name: args.name.clone(),
            description: args.description.clone().unwrap_or_default(),
            tags: args.tags.clone().unwrap_or_default(),
            source: None,
            words: args.cmd.clone(),
        },
        upload: args.upload_first()?,
        outputs: args.output.clone(),
        command: context.env.command_line(),
    };
    let outcome = run(&repo, &options, &mut context.signals.relay(), context.progress())?;
    if args.cmd.is_empty() {
        context.ui.show(&outcome, |page| writeln!(page, "{}", outcome.run))?;
        return Ok(Exit::Ok);
    }
    let exit = tell(context, &outcome);
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

/// Says on stderr how it went; the code is the command's, or that of what else went wrong.
fn tell(context: &Context<'_>, outcome: &RunOutcome) -> Exit {
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
