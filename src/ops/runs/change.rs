//! `art runs switch`, `finish` and `update`: changes the current run, the status and the fields of
//! a run.

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::change_records;
use crate::catalog::run::{LoadedRun, change_run, find_run, load_run, run_reference};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::record::{RunStatus, Tags};
use crate::repo::Repository;

/// A run after a change.
#[derive(Debug, Clone, Serialize)]
pub struct RunState {
    /// The run's name.
    pub run: Name,
    /// The run's project.
    pub project: ProjectName,
    /// The status.
    pub status: RunStatus,
    /// The new commit; `None` if nothing changed.
    pub commit: Option<Id>,
}

impl RunState {
    fn of(run: &LoadedRun, commit: Option<Id>) -> Self {
        RunState {
            run: run.reference.name().clone(),
            project: run.reference.project().clone(),
            status: run.record.status,
            commit,
        }
    }
}

/// The result of switching to a run.
#[derive(Debug, Clone, Serialize)]
pub struct SwitchOutcome {
    /// The new current run.
    pub run: Name,
    /// The run's project.
    pub project: ProjectName,
    /// The previous current run.
    pub previous: Option<RefName>,
}

/// Makes a run the current run.
pub fn switch(
    repo: &Repository,
    project: Option<&ProjectName>,
    run: &Name,
) -> Result<SwitchOutcome> {
    let _lock = repo.lock_shared()?;
    let run = find_run(repo, project, Some(run))?.reference;
    let previous = repo.history().head()?;
    let mut transaction = repo.transaction();
    transaction.set_head(Some(run.clone())).commit(repo.settings().lock_timeout)?;
    Ok(SwitchOutcome { run: run.name().clone(), project: run.project().clone(), previous })
}

/// The run to finish, and its final status.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct FinishRunOptions {
    /// The project; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// The run; `None` for the current run.
    #[setters(into)]
    pub run: Option<Name>,
    /// The final status; see [`is_final`](RunStatus::is_final).
    pub status: RunStatus,
    /// The exit code of the program; `None` if it is unknown or a signal ended the program.
    #[setters(into)]
    pub exit_code: Option<i32>,
    /// The name of the signal that ended the program, such as `SIGTERM`.
    #[setters(into)]
    pub signal: Option<String>,
}

impl FinishRunOptions {
    /// Creates options that set the status of the current run.
    pub fn new(status: RunStatus) -> Self {
        FinishRunOptions { project: None, run: None, status, exit_code: None, signal: None }
    }
}

/// Marks a run as finished.
pub fn finish(repo: &Repository, options: &FinishRunOptions) -> Result<RunState> {
    if !options.status.is_final() {
        return Err(Error::invalid(format!("'{}' is not a final status", options.status))
            .with_hint("use succeeded, failed or stopped"));
    }
    let reference = run_reference(repo, options.project.as_ref(), options.run.as_ref())?;
    let done = change_run(repo, &reference, |run| {
        run.record.set_status(options.status, repo.settings().clock.now());
        if options.exit_code.is_some() || options.signal.is_some() {
            run.record.exit_code = options.exit_code;
            run.record.signal.clone_from(&options.signal);
        }
        Ok(format!("finish as {}", options.status))
    })?;
    Ok(RunState::of(&done.run, done.commit))
}

/// The changes of a run's record. `None` keeps a field.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct UpdateRunOptions {
    /// The project; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// The run; `None` for the current run.
    #[setters(into)]
    pub run: Option<Name>,
    /// The new name.
    #[setters(into)]
    pub name: Option<Name>,
    /// The description. An empty text clears it.
    #[setters(into)]
    pub description: Option<String>,
    /// The tags that replace all existing tags. An empty list clears them.
    #[setters(into)]
    pub tags: Option<Tags>,
    /// Tags to add.
    pub add_tags: Tags,
    /// Tags to remove.
    pub remove_tags: Tags,
}

impl UpdateRunOptions {
    /// Changes the record. Returns the subject of the commit.
    fn apply(&self, run: &mut LoadedRun) -> String {
        let record = &mut run.record;
        let before = record.clone();
        if let Some(name) = &self.name {
            record.name = name.clone();
        }
        if let Some(description) = &self.description {
            record.description.clone_from(description);
        }
        if let Some(tags) = &self.tags {
            record.tags = tags.clone();
        }
        record.tags.add(&self.add_tags);
        record.tags.remove(&self.remove_tags);
        let renamed = format!("name (was {})", before.name);
        let changes = [
            (record.name != before.name, renamed.as_str()),
            (record.description != before.description, "description"),
            (record.tags != before.tags, "tags"),
        ];
        let words: Vec<&str> =
            changes.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what).collect();
        format!("update {}", words.join(", "))
    }
}

/// Changes the record of a run. A new name moves the ref. Its history moves too, and a current run
/// stays current.
pub fn update(repo: &Repository, options: &UpdateRunOptions) -> Result<RunState> {
    let reference = run_reference(repo, options.project.as_ref(), options.run.as_ref())?;
    let changed = change_records(repo, |change| {
        let mut run = load_run(repo, &reference)?;
        let subject = options.apply(&mut run);
        let to = RefName::run(reference.project().clone(), run.record.name.clone());
        let commit = if to == reference {
            change.update_run(&run, &subject)?
        } else {
            Some(change.relocate_run(&run, &to, &subject)?)
        };
        Ok(RunState::of(&LoadedRun { reference: to, ..run }, commit))
    })?;
    Ok(changed.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::run::NewRun;
    use crate::ops::run::{RunOptions, begin};
    use crate::progress::NoProgress;
    use crate::repo::Settings;

    #[test]
    fn a_program_that_is_the_run_begins_and_finishes_it() {
        let work = tempfile::tempdir().unwrap();
        let repo = Repository::create(work.path(), Settings::default()).unwrap();
        let name: Name = "train".parse().unwrap();
        let new_run = NewRun {
            name: Some(name.clone()),
            numbered: true,
            words: vec!["python".into(), "train.py".into()],
            ..NewRun::default()
        };
        let options = RunOptions::new(work.path()).new_run(new_run);
        let begun = begin(&repo, &options, &NoProgress).unwrap();
        assert_eq!((begun.run, begun.status), (name, RunStatus::Running));
        assert!(begun.started_at.is_some() && begun.finished_at.is_none());
        let second = begin(&repo, &options, &NoProgress).unwrap();
        assert_eq!(second.run.as_str(), "train-2", "the name was taken");

        let options = FinishRunOptions::new(RunStatus::Stopped)
            .run(second.run.clone())
            .signal("SIGTERM".to_owned());
        assert_eq!(finish(&repo, &options).unwrap().status, RunStatus::Stopped);
        let record = find_run(&repo, None, Some(&second.run)).unwrap().record;
        assert_eq!(record.command, ["python", "train.py"]);
        assert_eq!((record.exit_code, record.signal.as_deref()), (None, Some("SIGTERM")));
        assert!(record.finished_at.is_some());
    }
}
