//! `art run`: creates a run, with or without a command.
//!
//! With a command, each step is a separate commit, so that a failure of a later step loses nothing:
//! the run with its first upload, the start of the command, its end, and each output.

mod command;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use derive_setters::Setters;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use self::command::{CommandEnd, execute};
use super::upload::{self, Destination, UploadOptions, UploadOutcome, UploadSource};
use crate::catalog::name_of_signal;
use crate::catalog::run::{
    LoadedRun, NewRun, RunChoice, RunTarget, change_run, create_run, run_reference, shown_words,
};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::progress::Progress;
use crate::record::{RunRecord, RunStatus};
use crate::repo::Repository;

/// The command to run, and the files to upload.
#[derive(Debug, Setters)]
#[non_exhaustive]
pub struct RunOptions {
    /// The directory to run in, absolute. Relative paths start from it.
    #[setters(into)]
    pub cwd: PathBuf,
    /// The project; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// The fields of the new run. If it has words, they are run as a command.
    pub new_run: NewRun,
    /// The upload before the command starts.
    #[setters(into)]
    pub upload: Option<UploadFirst>,
    /// The paths to upload after the command ends, even if it failed. They must be in the work
    /// tree, and are stored under their paths from the top.
    #[setters(into)]
    pub outputs: Vec<PathBuf>,
}

impl RunOptions {
    /// Creates options that create a run that records the state of `cwd`.
    pub fn new(cwd: impl Into<PathBuf>) -> Self {
        RunOptions {
            cwd: cwd.into(),
            project: None,
            new_run: NewRun::default(),
            upload: None,
            outputs: Vec::new(),
        }
    }
}

/// The upload before the command starts.
#[derive(Debug, Clone)]
pub struct UploadFirst {
    /// A file or directory.
    pub from: PathBuf,
    /// The destination in the run.
    pub to: Destination,
}

/// The result of a run.
#[derive(Debug, Serialize)]
pub struct RunOutcome {
    /// The run's name.
    pub run: Name,
    /// The run's project.
    pub project: ProjectName,
    /// The run's id, which a rename does not change.
    pub uuid: Uuid,
    /// The newest commit.
    pub commit: Id,
    /// The status.
    pub status: RunStatus,
    /// When the command started.
    pub started_at: Option<Timestamp>,
    /// When the command ended.
    pub finished_at: Option<Timestamp>,
    /// The exit code of the command; absent if a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended the command.
    pub signal: Option<String>,
    /// The exit code that a shell would return: the command's code, 128 plus the number of the
    /// signal, or 127 or 126 if the command could not start.
    pub shell_code: u8,
    /// The uploads before and after the command.
    pub uploads: Vec<UploadOutcome>,
    /// Errors outside the command: an output that was not uploaded, or a record that could not be
    /// written.
    #[serde(serialize_with = "as_objects")]
    pub failures: Vec<Error>,
}

fn as_objects<S: Serializer>(errors: &[Error], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(errors.iter().map(|error| {
        serde_json::json!({
            "kind": error.kind(),
            "message": error.message(),
            "causes": error.causes(),
            "hint": error.hint(),
        })
    }))
}

/// Observes a command, so that signals can be passed on to it.
pub trait Watch {
    /// Called after the run is recorded, before the command starts.
    fn begins(&mut self) -> Result<()> {
        Ok(())
    }

    /// Called when the command has started, with its process id.
    fn started(&mut self, _process: u32) {}

    /// Called when the command has ended or could not start, exactly once after [`Watch::begins`].
    /// Until this returns, no other process can get the process id.
    fn ended(&mut self) {}
}

/// Ignores all events.
impl Watch for () {}

/// Creates a run and makes it the current run. If the run has a command, uploads the first files,
/// and runs the command with `ART_RUN`, `ART_DIR` and `ART_PROJECT` added to the environment. Then
/// records how the command ended, and uploads the outputs.
///
/// Returns an error only if the command has not started. The outcome contains all later errors.
pub fn run(
    repo: &Repository,
    options: &RunOptions,
    watch: &mut dyn Watch,
    progress: &dyn Progress,
) -> Result<RunOutcome> {
    let is_command = !options.new_run.words.is_empty();
    if !is_command && (options.upload.is_some() || !options.outputs.is_empty()) {
        return Err(Error::invalid("only a run with a command can upload files")
            .with_hint("give a command: art run -- CMD, or upload with art upload"));
    }
    let work_tree = repo.work_tree(&options.cwd);
    for output in &options.outputs {
        let hint = "let the command write its output inside the work tree";
        work_tree.place(output).map_err(|error| error.with_hint(hint))?;
    }
    let mut uploads = Vec::new();
    let run = create(repo, options, &mut uploads, progress)?;
    if !is_command {
        return Ok(RunOutcome::of(&run, uploads));
    }
    let ended =
        execute(&options.new_run.words, &options.cwd, &variables(repo, options, &run), watch);
    let mut outcome = RunOutcome::of(&run, uploads);
    outcome.shell_code = ended.shell_code();
    outcome.record_end(repo, &run, &ended);
    if let CommandEnd::NotStarted(_, error) = ended {
        outcome.failures.push(error);
        return Ok(outcome);
    }
    for output in &options.outputs {
        outcome.upload_output(repo, options, output, progress);
    }
    Ok(outcome)
}

/// Creates a run with status `running` and makes it the current run, for a program that is the run
/// itself. The words of the command are recorded, and no command starts. Uploads the first files.
///
/// The program ends the run with [`runs::finish`](super::runs::finish). The outputs in `options` are
/// ignored.
pub fn begin(
    repo: &Repository,
    options: &RunOptions,
    progress: &dyn Progress,
) -> Result<RunOutcome> {
    if options.new_run.words.is_empty() {
        return Err(Error::invalid("a run that begins needs the words of its command"));
    }
    let mut uploads = Vec::new();
    let run = create(repo, options, &mut uploads, progress)?;
    Ok(RunOutcome::of(&run, uploads))
}

/// Creates the run with its first upload, and marks a run with a command as running.
fn create(
    repo: &Repository,
    options: &RunOptions,
    uploads: &mut Vec<UploadOutcome>,
    progress: &dyn Progress,
) -> Result<LoadedRun> {
    let subject = subject_of(&options.new_run);
    let now = || repo.settings().clock.now();
    let Some(first) = &options.upload else {
        let wanted = RunTarget {
            project: options.project.as_ref(),
            which: RunChoice::New,
            new_run: &options.new_run,
            cwd: &options.cwd,
            source: OnceCell::new(),
        };
        return create_run(repo, &wanted, |record| {
            if !record.command.is_empty() {
                record.set_status(RunStatus::Running, now());
            }
            subject.clone()
        });
    };
    let done = upload_path(repo, options, progress, |upload| {
        upload.sources = vec![UploadSource::Path(first.from.clone())];
        upload.to = Some(first.to.clone());
        upload.new_run = options.new_run.clone();
        upload.always_new = true;
        upload.project.clone_from(&options.project);
    })?;
    let reference = run_reference(repo, Some(&done.project), Some(&done.run))?;
    uploads.push(done);
    let begun = change_run(repo, &reference, |run| {
        run.record.set_status(RunStatus::Running, now());
        Ok(subject.clone())
    })?;
    Ok(begun.run)
}

/// Returns the subject of a run's first commit.
fn subject_of(new: &NewRun) -> String {
    const LONGEST: usize = 72;
    if new.words.is_empty() {
        return "new run".to_owned();
    }
    let words = shown_words(&new.words);
    let line = format!("run {}", words.join(" ")).replace(char::is_control, " ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// The environment variables that identify the run to its command.
fn variables(
    repo: &Repository,
    options: &RunOptions,
    run: &LoadedRun,
) -> [(&'static str, OsString); 3] {
    [
        ("ART_RUN", run.reference.name().as_str().into()),
        ("ART_DIR", options.cwd.join(repo.directory()).into()),
        ("ART_PROJECT", run.reference.project().to_string().into()),
    ]
}

fn upload_path(
    repo: &Repository,
    options: &RunOptions,
    progress: &dyn Progress,
    set: impl FnOnce(&mut UploadOptions),
) -> Result<UploadOutcome> {
    let mut upload = UploadOptions::new(&options.cwd, [] as [UploadSource; 0]);
    set(&mut upload);
    upload::upload(repo, &upload, &mut io::empty(), progress)
}

impl RunOutcome {
    fn of(run: &LoadedRun, uploads: Vec<UploadOutcome>) -> Self {
        let mut outcome = RunOutcome {
            run: run.reference.name().clone(),
            project: run.reference.project().clone(),
            uuid: run.record.uuid,
            commit: run.commit,
            status: run.record.status,
            started_at: None,
            finished_at: None,
            exit_code: None,
            signal: None,
            shell_code: 0,
            uploads,
            failures: Vec::new(),
        };
        outcome.take_over(&run.record);
        outcome
    }

    fn take_over(&mut self, record: &RunRecord) {
        self.status = record.status;
        self.started_at = record.started_at;
        self.finished_at = record.finished_at;
        self.exit_code = record.exit_code;
        self.signal.clone_from(&record.signal);
    }

    /// Records how the command ended.
    fn record_end(&mut self, repo: &Repository, run: &LoadedRun, ended: &CommandEnd) {
        let now = repo.settings().clock.now();
        let done = change_run(repo, &run.reference, |run| Ok(end(&mut run.record, ended, now)));
        match done {
            Ok(changed) => {
                self.commit = changed.run.commit;
                self.take_over(&changed.run.record);
            }
            Err(error) => {
                // The outcome still reports the result.
                let mut record = run.record.clone();
                end(&mut record, ended, now);
                self.take_over(&record);
                let name = &self.run;
                self.failures.push(
                    error.context(format!("the end of the run '{name}' could not be recorded")),
                );
            }
        }
    }

    fn upload_output(
        &mut self,
        repo: &Repository,
        options: &RunOptions,
        output: &Path,
        progress: &dyn Progress,
    ) {
        let done = upload_path(repo, options, progress, |upload| {
            upload.sources = vec![UploadSource::Path(output.to_owned())];
            upload.project = Some(self.project.clone());
            upload.run = Some(self.run.clone());
        });
        match done {
            Ok(done) => {
                self.commit = done.commit.unwrap_or(self.commit);
                self.uploads.push(done);
            }
            Err(error) => {
                let shown = crate::tree_path::escaped(output.as_os_str().as_encoded_bytes());
                self.failures.push(error.context(format!(
                    "the output '{shown}' of the run '{}' was not uploaded",
                    self.run
                )));
            }
        }
    }
}

/// Records the end of the command in the record. Returns the subject of the commit.
///
/// If a user set the status while the command ran, that status stays.
fn end(record: &mut RunRecord, ended: &CommandEnd, now: Timestamp) -> String {
    let set_by_user =
        (record.status != RunStatus::Running).then_some((record.status, record.finished_at));
    let subject = match ended {
        CommandEnd::Exited(code) => {
            record.exited(*code, now);
            format!("ended with exit code {code}")
        }
        CommandEnd::Killed(signal) => {
            let name = name_of_signal(*signal);
            let subject = format!("ended by {name}");
            record.killed(name, now);
            subject
        }
        CommandEnd::NotStarted(code, _) => {
            record.exited(i32::from(*code), now);
            "the command could not be started".to_owned()
        }
    };
    if let Some((status, finished_at)) = set_by_user {
        record.status = status;
        record.finished_at = finished_at;
    }
    subject
}
