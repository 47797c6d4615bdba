//! `versions --at` prints for a time the list that `versions` printed then.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifacts::clock::{FixedClock, Timestamp};
use artifacts::history::{Expected, Revision, Undoing};
use artifacts::name::RefName;
use artifacts::ops::copy::{CopyOptions, copy};
use artifacts::ops::delete::{DeleteOptions, delete, plan_delete};
use artifacts::ops::history::{HistoryOptions, history};
use artifacts::ops::register::{RegisterOptions, RegisterSource, register};
use artifacts::ops::stage::{StageOptions, StageTarget, stage};
use artifacts::ops::transfer::{TransferOptions, transfer};
use artifacts::ops::undo::{UndoOptions, undo};
use artifacts::ops::update::{UpdateOptions, update};
use artifacts::ops::upload::{UploadOptions, upload};
use artifacts::ops::versions::{VersionList, VersionsOptions, versions};
use artifacts::{NoProgress, Repository, Settings};
use proptest::prelude::*;

/// A repository with one run, that acts at the time it is told.
struct Place {
    directory: tempfile::TempDir,
}

/// Names and stages of versions.
type Seen = BTreeMap<String, String>;

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Repository::create(directory.path(), Settings::default()).unwrap();
        let place = Place { directory };
        std::fs::write(place.directory.path().join("a"), b"a").unwrap();
        let options = UploadOptions::new(place.directory.path().to_owned(), ["a"]);
        upload(&place.at(0), &options, &mut std::io::empty(), &NoProgress).unwrap();
        place
    }

    /// The repository at a second.
    fn at(&self, second: i64) -> Repository {
        let clock = Arc::new(FixedClock(time(second)));
        let command = if second == 0 { SETUP } else { "test" }.to_owned();
        let settings = Settings { clock, command, ..Settings::default() };
        Repository::discover(self.directory.path(), settings).unwrap()
    }

    fn list(&self, at: Option<i64>) -> VersionList {
        let options = VersionsOptions::default().at(at.map(time)).all_projects(true);
        versions(&self.at(0), &options, &NoProgress).unwrap()
    }

    fn seen(&self, at: Option<i64>) -> Seen {
        let list = self.list(at);
        assert!(list.unreadable.is_empty(), "{:?}", list.unreadable);
        let row = |version: &artifacts::ops::versions::IndexedVersion| {
            (version.reference.to_string(), version.summary.stage.to_string())
        };
        list.versions.iter().map(row).collect()
    }

    /// Makes a version in the other project, so that this is there.
    fn register_elsewhere(&self) {
        let mut options = RegisterOptions::new("first".parse().unwrap());
        options.project = Some(OTHER.parse().unwrap());
        let run = self.at(0).history().head().unwrap().unwrap();
        let source = format!("{}:run/{}", run.project(), run.name());
        options.source = RegisterSource::Revision(source.parse().unwrap());
        register(&self.at(0), &options, &mut std::io::empty(), &NoProgress).unwrap();
    }

    fn register(&self, second: i64, name: &str) {
        let mut options = RegisterOptions::new(name.parse().unwrap());
        options.source = RegisterSource::Revision("HEAD".parse().unwrap());
        // There already, perhaps, and in another stage: then nothing happens.
        let _ = register(&self.at(second), &options, &mut std::io::empty(), &NoProgress);
    }

    fn stage(&self, second: i64, name: &str, to: &str) {
        let options =
            StageOptions::new(name.parse().unwrap(), StageTarget::Stage(to.parse().unwrap()));
        let _ = stage(&self.at(second), &options, &NoProgress);
    }

    /// Moves a version to another name as it is, or removes it.
    fn relocate(&self, second: i64, from: &str, to: Option<&str>) {
        let repo = self.at(second);
        let project = repo.settings().project.clone();
        let name = |name: &str| RefName::version(project.clone(), name.parse().unwrap());
        let history = repo.history();
        let Some(commit) = history.try_find_ref(&name(from)).unwrap() else { return };
        let mut transaction = history.transaction(&repo.signature(), "move");
        transaction.update(name(from), Expected::Id(commit), None, "move");
        if let Some(to) = to.filter(|to| *to != from) {
            if history.try_find_ref(&name(to)).unwrap().is_some() {
                return;
            }
            transaction.update(name(to), Expected::Absent, Some(commit), "move");
        }
        transaction.commit(repo.settings().lock_timeout).unwrap();
    }

    fn delete(&self, second: i64, name: &str) {
        let options = DeleteOptions::new(vec![name.parse().unwrap()]).force(true);
        let repo = self.at(second);
        if let Ok(plan) = plan_delete(&repo, &options) {
            delete(&repo, plan).unwrap();
        }
    }

    fn rename(&self, second: i64, from: &str, to: &str) {
        let mut options = UpdateOptions::new(from.parse().unwrap());
        options.name = Some(to.parse().unwrap());
        let _ = update(&self.at(second), &options);
    }

    fn copy(&self, second: i64, from: &str, to: &str) {
        let mut options = CopyOptions::new(from.parse().unwrap());
        options.name = Some(to.parse().unwrap());
        options.allow_disabled = true;
        let _ = copy(&self.at(second), &options);
    }

    /// To the other project and back, in turns.
    fn transfer(&self, second: i64, name: &str) {
        for (from, to) in [(name.to_owned(), OTHER), (format!("{OTHER}:{name}"), "local/default")] {
            let options = TransferOptions::new(from.parse().unwrap(), to.parse().unwrap());
            if transfer(&self.at(second), &options).is_ok() {
                return;
            }
        }
    }

    fn undo(&self, second: i64) {
        // The operations of the setup are never undone.
        if self
            .at(0)
            .history()
            .find_undoable(Undoing::Newest)
            .unwrap()
            .is_some_and(|last| last.operation.command != SETUP)
        {
            let _ = undo(&self.at(second), &UndoOptions::default(), &NoProgress);
        }
    }
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_790_000_000 + second)
}

#[derive(Debug, Clone)]
enum Step {
    Register(usize),
    Stage(usize, usize),
    Delete(usize),
    Rename(usize, usize),
    Copy(usize, usize),
    Transfer(usize),
    Undo,
}

const OTHER: &str = "other/project";
/// The command of operations that make the place, which no test undoes.
const SETUP: &str = "setup";
const NAMES: [&str; 3] = ["v1", "v2", "v3"];
const STAGES: [&str; 4] = ["testing", "staging", "production", "disabled"];

impl Step {
    fn run(&self, place: &Place, second: i64) {
        match *self {
            Step::Register(name) => place.register(second, NAMES[name]),
            Step::Stage(name, stage) => place.stage(second, NAMES[name], STAGES[stage]),
            Step::Delete(name) => place.delete(second, NAMES[name]),
            Step::Rename(from, to) => place.rename(second, NAMES[from], NAMES[to]),
            Step::Copy(from, to) => place.copy(second, NAMES[from], NAMES[to]),
            Step::Transfer(name) => place.transfer(second, NAMES[name]),
            Step::Undo => place.undo(second),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (name, other, stage) = (0..NAMES.len(), 0..NAMES.len(), 0..STAGES.len());
    prop_oneof![
        3 => name.clone().prop_map(Step::Register),
        6 => (name.clone(), stage).prop_map(|(name, stage)| Step::Stage(name, stage)),
        2 => (name.clone(), other.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => (name.clone(), other).prop_map(|(from, to)| Step::Copy(from, to)),
        1 => name.clone().prop_map(Step::Transfer),
        2 => name.prop_map(Step::Delete),
        3 => Just(Step::Undo),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn versions_at_a_past_time_equal_the_versions_of_that_time(
        steps in prop::collection::vec((step(), prop_oneof![Just(0i64), 1..50i64, -40..0i64]), 1..14),
    ) {
        let place = Place::new();
        place.register_elsewhere();
        // After each operation: when it was, and what was so then.
        let mut moments: Vec<(i64, Seen)> = vec![(0, place.seen(None))];
        let mut now = 100;
        for (step, pause) in steps {
            now = (now + pause).max(1);
            let before = place.at(0).history().operations().unwrap().count();
            step.run(&place, now);
            if place.at(0).history().operations().unwrap().count() > before {
                moments.push((now, place.seen(None)));
            }
        }
        let mut times: Vec<i64> = moments.iter().flat_map(|(t, _)| [t - 1, *t, t + 1]).collect();
        times.push(0);
        for at in times {
            let last = moments.iter().rev().find(|(time, _)| *time <= at);
            let expected = last.map(|(_, seen)| seen.clone()).unwrap_or_default();
            prop_assert_eq!(place.seen(Some(at)), expected.clone(), "at {}", at);
            let options = VersionsOptions::default().at(time(at));
            let own = versions(&place.at(0), &options, &NoProgress).unwrap().versions;
            let is_own = |name: &&String| name.starts_with("refs/versions/local/default/");
            prop_assert_eq!(own.len(), expected.keys().filter(is_own).count());
        }
        prop_assert_eq!(place.seen(Some(1_000_000)), place.seen(None));
    }
}

#[test]
fn a_restored_version_is_absent_for_the_time_between() {
    let place = Place::new();
    place.register(10, "v1");
    place.stage(15, "v1", "staging");
    place.delete(20, "v1");
    place.undo(30);
    place.rename(40, "v1", "v2");
    place.undo(50);
    let seen = |at| {
        let seen = place.seen(Some(at)).into_iter();
        seen.map(|(name, stage)| format!("{}:{stage}", &name[28..])).collect::<Vec<_>>()
    };
    assert_eq!(seen(12), ["v1:testing"]);
    assert_eq!(seen(17), ["v1:staging"]);
    assert_eq!(seen(25), Vec::<String>::new());
    assert_eq!(seen(35), ["v1:staging"]);
    assert_eq!(seen(45), ["v2:staging"]);
    assert_eq!(seen(55), ["v1:staging"]);
    assert!([12, 17, 25, 35, 45].iter().all(|at| place.list(Some(*at)).is_complete));
}

#[test]
fn without_the_log_the_commits_answer_with_a_warning() {
    let place = Place::new();
    place.register(10, "v1");
    place.stage(20, "v1", "staging");
    place.register(30, "v2");
    place.stage(40, "v1", "production");
    assert!(place.list(Some(25)).is_complete);
    let log = place.at(0).directory().join("operations.jsonl");
    std::fs::remove_file(&log).unwrap();
    let seen = |at| place.seen(Some(at)).into_values().collect::<Vec<_>>();
    assert_eq!(seen(5), Vec::<String>::new());
    assert_eq!(seen(15), ["testing"]);
    assert_eq!(seen(25), ["staging"]);
    assert_eq!(seen(35), ["staging", "testing"]);
    assert_eq!(seen(45), ["production", "testing"]);
    assert!(!place.list(Some(25)).is_complete);
    // The log records later operations again.
    place.relocate(50, "v2", None);
    assert_eq!(seen(45), ["production", "testing"]);
    assert_eq!(seen(50), ["production"]);
    assert!(place.list(Some(50)).is_complete);
    assert_eq!(seen(25), ["staging"]);
}

#[test]
fn fetched_versions_use_their_recorded_history() {
    let place = Place::new();
    place.register(10, "v1");
    place.stage(20, "v1", "staging");
    let repo = place.at(60);
    let name = RefName::version(repo.settings().project.clone(), "v1".parse().unwrap());
    let commit = repo.history().find_ref(&name).unwrap();
    std::fs::remove_file(repo.directory().join("operations.jsonl")).unwrap();
    repo.history()
        .transaction(&repo.signature(), "gone")
        .update(name.clone(), Expected::Any, None, "gone")
        .commit(repo.settings().lock_timeout)
        .unwrap();
    std::fs::remove_file(repo.directory().join("operations.jsonl")).unwrap();
    repo.history()
        .transaction(&repo.signature(), "fetch")
        .update(name, Expected::Absent, Some(commit), "fetch")
        .commit(repo.settings().lock_timeout)
        .unwrap();
    place.stage(70, "v1", "production");
    let seen = |at| place.seen(Some(at)).into_values().collect::<Vec<_>>();
    assert_eq!(seen(5), Vec::<String>::new());
    assert_eq!(seen(15), ["testing"]);
    assert_eq!(seen(30), ["staging"]);
    assert_eq!(seen(65), ["staging"]);
    assert_eq!(seen(75), ["production"]);
    assert!(!place.list(Some(30)).is_complete);
    assert!(place.list(Some(65)).is_complete);
}

#[test]
fn the_history_of_all_lists_deleted_versions_and_each_version_once() {
    let place = Place::new();
    place.register(10, "v1");
    place.stage(20, "v1", "staging");
    place.relocate(30, "v1", Some("v2"));
    place.register(40, "v1");
    place.relocate(50, "v1", None);
    place.register(60, "v1");
    place.stage(60, "v1", "production");
    let all = history(&place.at(0), &HistoryOptions::All(None), &NoProgress).unwrap();
    let told: Vec<String> = all
        .entries
        .iter()
        .map(|entry| {
            let gone = if entry.deleted { " (gone)" } else { "" };
            let from = entry.from.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(entry.commit.is_some());
            format!("{}{gone}: {from} -> {}", entry.version, entry.to)
        })
        .collect();
    assert_eq!(
        told,
        [
            "v1: testing -> production",
            "v1:  -> testing",
            "v1 (gone):  -> testing",
            "v2: testing -> staging",
            "v2:  -> testing",
        ]
    );
    place.relocate(70, "v2", None);
    let revision: Revision = "v2".parse().unwrap();
    let one = history(&place.at(0), &HistoryOptions::One(revision), &NoProgress).unwrap();
    assert_eq!(one.entries.len(), 2);
    assert!(one.entries.iter().all(|entry| entry.deleted));
}
