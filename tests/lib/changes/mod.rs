//! Changes of versions and projects, and their undo.

mod random;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use artifacts::clock::{Clock, Timestamp};
use artifacts::history::TreeEntry;
use artifacts::name::{RefKind, RefName};
use artifacts::ops::copy::{CopyOptions, copy};
use artifacts::ops::delete::{DeleteOptions, delete, plan_delete};
use artifacts::ops::register::{RegisterOptions, register};
use artifacts::ops::stage::{StageOptions, StageTarget, stage};
use artifacts::ops::undo::{UndoOptions, UndoOutcome, undo};
use artifacts::ops::update::{UpdateOptions, update};
use artifacts::ops::upload::{UploadOptions, upload};
use artifacts::record::{ProjectRecord, Record, StageCondition, VersionRecord};
use artifacts::{ErrorKind, Id, NoProgress, Repository, Result, Settings};
use tempfile::TempDir;

/// A clock that advances by a minute on each call.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.fetch_add(60, Ordering::SeqCst))
    }
}

/// A repository with a run of the project `ada/digits`.
struct Desk {
    repo: Repository,
    _directory: TempDir,
}

/// All that can be said of a version or project but its stages' conditions: its record and what
/// lies beside it.
#[derive(Debug, Clone, PartialEq)]
enum State {
    Version(Box<VersionRecord>, Vec<TreeEntry>),
    Project(Box<ProjectRecord>),
    Other(Id),
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let work = directory.path().canonicalize().unwrap();
        let project = "ada/digits".parse().unwrap();
        let clock = Arc::new(Ticking(AtomicI64::new(1_790_000_000)));
        let settings = Settings { clock, project, ..Settings::default() };
        let repo = Repository::create(&work, settings).unwrap();
        std::fs::write(work.join("model"), "0.1").unwrap();
        let options = UploadOptions::new(work, ["model"]);
        upload(&repo, &options, &mut std::io::empty(), &NoProgress).unwrap();
        Desk { repo, _directory: directory }
    }

    fn register(&self, name: &str) -> Result<Option<String>> {
        let options = RegisterOptions::new(name.parse().unwrap());
        let outcome = register(&self.repo, &options, &mut std::io::empty(), &NoProgress)?;
        Ok(outcome.operation)
    }

    fn stage(&self, name: &str, to: StageTarget, reason: Option<&str>) -> Result<Option<String>> {
        let options =
            StageOptions::new(name.parse().unwrap(), to).reason(reason.map(str::to_owned));
        Ok(stage(&self.repo, &options, &NoProgress)?.operation)
    }

    fn undo(&self) -> Result<UndoOutcome> {
        undo(&self.repo, &UndoOptions::default(), &NoProgress)
    }

    /// Every ref and the commit it is at.
    fn refs(&self) -> BTreeMap<RefName, Id> {
        self.repo.history().refs("refs/").unwrap().into_iter().collect()
    }

    /// The state of every ref.
    fn states(&self) -> BTreeMap<RefName, State> {
        let refs = self.refs().into_iter();
        refs.map(|(name, commit)| (name.clone(), self.state(&name, commit))).collect()
    }

    fn state(&self, name: &RefName, commit: Id) -> State {
        match name.kind() {
            RefKind::Version => {
                let (mut record, beside) = self.version(commit);
                record.stage_conditions.clear();
                State::Version(Box::new(record), beside)
            }
            RefKind::Project => {
                let (bytes, _) = self.read(commit, ProjectRecord::FILE);
                State::Project(Box::new(ProjectRecord::decode(&bytes).unwrap()))
            }
            _ => State::Other(commit),
        }
    }

    /// The record of a version, and what lies beside it.
    fn version(&self, commit: Id) -> (VersionRecord, Vec<TreeEntry>) {
        let (bytes, beside) = self.read(commit, VersionRecord::FILE);
        (VersionRecord::decode(&bytes).unwrap(), beside)
    }

    fn read(&self, commit: Id, file: &str) -> (Vec<u8>, Vec<TreeEntry>) {
        let history = self.repo.history();
        let tree = history.read_tree(&history.read_commit(&commit).unwrap().tree).unwrap();
        let (record, beside): (Vec<TreeEntry>, _) =
            tree.into_iter().partition(|entry| entry.name == file);
        (history.read_blob(&record[0].id).unwrap(), beside)
    }

    fn conditions(&self, name: &str) -> Vec<StageCondition> {
        let name = format!("refs/versions/ada/digits/{name}").parse().unwrap();
        self.version(self.refs()[&name]).0.stage_conditions
    }
}

fn to(stage: &str) -> StageTarget {
    StageTarget::Stage(stage.parse().unwrap())
}

#[test]
fn a_deletion_planned_before_a_change_is_refused() {
    let desk = Desk::new();
    desk.register("v1").unwrap();
    desk.register("v2").unwrap();
    let versions = vec!["v2".parse().unwrap(), "v1".parse().unwrap()];
    let plan = || plan_delete(&desk.repo, &DeleteOptions::new(versions.clone()));
    let planned = plan().unwrap();
    desk.stage("v1", to("staging"), None).unwrap();
    let error = delete(&desk.repo, planned).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Moved);
    assert!(error.message().contains("'v1' has changed in the meantime"), "{error:?}");
    assert_eq!(desk.conditions("v2").len(), 1, "nothing was deleted");
    let planned = plan().unwrap();
    delete(&desk.repo, plan().unwrap()).unwrap();
    let error = delete(&desk.repo, planned).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Moved);
}

#[test]
fn a_stage_confirmed_for_another_reason_is_undone_too() {
    let desk = Desk::new();
    desk.register("v1").unwrap();
    desk.stage("v1", to("staging"), Some("A")).unwrap();
    desk.stage("v1", to("staging"), Some("B")).unwrap();
    let undone = desk.undo().unwrap();
    assert_eq!(undone.records[0].from_stage, undone.records[0].to_stage);
    let conditions = desk.conditions("v1");
    let reasons: Vec<_> = conditions.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(reasons[1..], ["A", "B", "Undo"]);
    assert_eq!(conditions[3].last_transition_time, conditions[1].last_transition_time);
}

#[test]
fn an_old_name_is_free_for_another_version() {
    let desk = Desk::new();
    desk.register("v1").unwrap();
    let rename = |from: &str, to: &str| {
        let mut options = UpdateOptions::new(from.parse().unwrap());
        options.name = Some(to.parse().unwrap());
        update(&desk.repo, &options)
    };
    rename("v1", "old").unwrap();
    let copied = copy(
        &desk.repo,
        &CopyOptions::new("old".parse().unwrap()).name("v1".parse::<artifacts::Name>().unwrap()),
    );
    assert_eq!(copied.unwrap().version.as_str(), "v1");
    // It is another one, so this is no rename that was made before.
    assert_eq!(rename("v1", "old").unwrap_err().kind(), ErrorKind::AlreadyExists);
    desk.undo().unwrap();
    desk.undo().unwrap();
    let names: Vec<String> = desk.refs().keys().map(|name| name.name().to_string()).collect();
    assert!(names.contains(&"v1".to_owned()) && !names.contains(&"old".to_owned()), "{names:?}");
}
