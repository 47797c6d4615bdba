//! `art run`: makes a new run, alone or around a command.
//!
//! Around a command, each step is a commit of its own, so that what is known is kept whatever ends
//! the next one: the run with its uploads, that the command began, how it ended, each output.

mod change;
mod command;
mod load;
mod many;
mod prepare;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use uuid::Uuid;

use self::command::{Ended, execute};
use super::upload::{self, Destination, Source, UploadOptions, UploadOutcome};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::progress::Progress;
use crate::record::{RunRecord, RunStatus};
use crate::repo::Repository;
use crate::tree_path::text_of_bytes;

pub(crate) use change::{change_run, commit_record, create_run};
pub(crate) use command::name_of_signal;
pub(crate) use load::{LoadedRun, find_run, load_run, run_reference};
pub(crate) use many::read_runs;
pub use prepare::NewRun;
pub(crate) use prepare::{
    PreparedRun, Wanted, Which, already_there, find_entry, prepare_run, wanted_run,
};

/// What to run, and what to keep of it.
#[derive(Debug, Default)]
pub struct RunOptions {
    /// The directory to run in, absolute; relative paths start from it.
    pub cwd: PathBuf,
    /// The project, if not the repository's default.
    pub project: Option<ProjectName>,
    /// What to make the run of; with its words, the command is run.
    pub new_run: NewRun,
    /// What to upload before the command begins.
    pub upload: Option<UploadFirst>,
    /// What to upload after the command has ended, however it ended; each in the work tree, and
    /// stored under its path from the top.
    pub outputs: Vec<PathBuf>,
    /// What was typed, for the log of operations.
    pub command: String,
}

/// What to upload before the command begins.
#[derive(Debug, Clone)]
pub struct UploadFirst {
    /// A file or directory.
    pub from: PathBuf,
    /// Its place in the run.
    pub to: Destination,
}

/// The run that was made, and how it went.
#[derive(Debug, Serialize)]
pub struct RunOutcome {
    /// Its name.
    pub run: Name,
    /// Its project.
    pub project: ProjectName,
    /// What stays the same when its name changes.
    pub uuid: Uuid,
    /// Its newest commit.
    pub commit: Id,
    /// How far it is.
    pub status: RunStatus,
    /// When its command began.
    pub started_at: Option<Timestamp>,
    /// When that ended.
    pub finished_at: Option<Timestamp>,
    /// What its command ended with; absent if a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<String>,
    /// What a shell would exit with after the command: its code, 128 and the number of the signal,
    /// 127 or 126 if it could not be started.
    pub shell_code: u8,
    /// What was uploaded, before and after.
    pub uploads: Vec<UploadOutcome>,
    /// What went wrong besides the command: an output that was not uploaded, a record that could
    /// not be written.
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

/// Who stands by while a command runs, to pass signals on to it.
pub trait Watch {
    /// The run is recorded and its command is about to begin.
    fn begins(&mut self) -> Result<()> {
        Ok(())
    }

    /// It began, as this process.
    fn started(&mut self, _process: u32) {}

    /// It has ended, or was not started. The process id is not given to another process before this
    /// returns. Called once after [`Watch::begins`].
    fn ended(&mut self) {}
}

/// Nobody stands by.
impl Watch for () {}

/// Makes a new run and makes it the current one. If it has a command: uploads what is to be
/// uploaded first, runs the command in this process's environment with `ART_RUN`, `ART_DIR` and
/// `ART_PROJECT` set, records how it ended, uploads the outputs.
///
/// Fails only as long as the command has not begun; what goes wrong later is in the outcome.
pub fn run(
    repo: &Repository,
    options: &RunOptions,
    watch: &mut dyn Watch,
    progress: &dyn Progress,
) -> Result<RunOutcome> {
    let is_command = !options.new_run.words.is_empty();
    if !is_command && (options.upload.is_some() || !options.outputs.is_empty()) {
        return Err(Error::invalid("only a run around a command uploads by itself")
            .with_hint("give the command: art run -- CMD; or: art upload"));
    }
    let work_tree = repo.work_tree(&options.cwd);
    for output in &options.outputs {
        let hint = "let the command write the output below the top of the work tree";
        work_tree.place(output).map_err(|error| error.with_hint(hint))?;
    }
    let mut uploads = Vec::new();
    let run = begin(repo, options, &mut uploads, progress)?;
    if !is_command {
        return Ok(RunOutcome::of(&run, uploads));
    }
    let ended =
        execute(&options.new_run.words, &options.cwd, &variables(repo, options, &run), watch);
    let mut outcome = RunOutcome::of(&run, uploads);
    outcome.shell_code = ended.shell_code();
    outcome.record_end(repo, options, &run, &ended);
    if let Ended::NotStarted(_, error) = ended {
        outcome.failures.push(error);
        return Ok(outcome);
    }
    for output in &options.outputs {
        outcome.upload_output(repo, options, output, progress);
    }
    Ok(outcome)
}

/// Makes the run: with what is uploaded first, and if it has a command, running.
fn begin(
    repo: &Repository,
    options: &RunOptions,
    uploads: &mut Vec<UploadOutcome>,
    progress: &dyn Progress,
) -> Result<LoadedRun> {
    let subject = subject_of(&options.new_run);
    let now = || repo.settings().clock.now();
    let Some(first) = &options.upload else {
        let wanted = Wanted {
            project: options.project.as_ref(),
            which: Which::New,
            new_run: &options.new_run,
            cwd: &options.cwd,
            source: OnceCell::new(),
        };
        return create_run(repo, &wanted, &options.command, &mut |record| {
            if !record.command.is_empty() {
                record.set_status(RunStatus::Running, now());
            }
            subject.clone()
        });
    };
    let done = upload_path(repo, options, progress, |upload| {
        upload.sources = vec![Source::Path(first.from.clone())];
        upload.to = Some(first.to.clone());
        upload.new_run = options.new_run.clone();
        upload.always_new = true;
        upload.project.clone_from(&options.project);
    })?;
    let reference = run_reference(repo, Some(&done.project), Some(&done.run))?;
    uploads.push(done);
    let begun = change_run(repo, &reference, &options.command, &mut |run| {
        run.record.set_status(RunStatus::Running, now());
        Ok(subject.clone())
    })?;
    Ok(begun.run)
}

/// The subject of the commit with which a run begins.
fn subject_of(new: &NewRun) -> String {
    const LONGEST: usize = 72;
    if new.words.is_empty() {
        return "new run".to_owned();
    }
    let words: Vec<String> =
        new.words.iter().map(|word| text_of_bytes(word.as_encoded_bytes())).collect();
    let line = format!("run {}", words.join(" ")).replace(char::is_control, " ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// What tells the command which run it is.
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
    let mut upload = UploadOptions {
        cwd: options.cwd.clone(),
        command: options.command.clone(),
        ..UploadOptions::default()
    };
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

    /// Writes down how the command ended.
    fn record_end(
        &mut self,
        repo: &Repository,
        options: &RunOptions,
        run: &LoadedRun,
        ended: &Ended,
    ) {
        let now = repo.settings().clock.now();
        let done = change_run(repo, &run.reference, &options.command, &mut |run| {
            Ok(end(&mut run.record, ended, now))
        });
        match done {
            Ok(changed) => {
                self.commit = changed.run.commit;
                self.take_over(&changed.run.record);
            }
            Err(error) => {
                // At least the outcome says it.
                let mut record = run.record.clone();
                end(&mut record, ended, now);
                self.take_over(&record);
                let name = &self.run;
                self.failures.push(
                    error.context(format!("how the run '{name}' ended could not be recorded")),
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
            upload.sources = vec![Source::Path(output.to_owned())];
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

/// Puts the end of its command into a record; returns the subject of the commit.
///
/// Who has said of the run how it went while its command ran, keeps the last word.
fn end(record: &mut RunRecord, ended: &Ended, now: Timestamp) -> String {
    let said = (record.status != RunStatus::Running).then_some((record.status, record.finished_at));
    let subject = match ended {
        Ended::Exited(code) => {
            record.exited(*code, now);
            format!("ended with exit code {code}")
        }
        Ended::Killed(signal) => {
            let name = name_of_signal(*signal);
            let subject = format!("ended by {name}");
            record.killed(name, now);
            subject
        }
        Ended::NotStarted(code, _) => {
            record.exited(i32::from(*code), now);
            "the command could not be started".to_owned()
        }
    };
    if let Some((status, finished_at)) = said {
        record.status = status;
        record.finished_at = finished_at;
    }
    subject
}
