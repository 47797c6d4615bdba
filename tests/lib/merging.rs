//! Merges of two users' changes to one version or run: no change is lost, and history, `--at`, log
//! and undo show all changes.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use artifacts::catalog::revision::resolve;
use artifacts::clock::{FixedClock, Timestamp};
use artifacts::history::{Expected, Revision};
use artifacts::id::Id;
use artifacts::name::RefName;
use artifacts::ops::fsck::{FsckOptions, fsck};
use artifacts::ops::history::{HistoryOptions, StageEntry, history};
use artifacts::ops::log::{LogOptions, log};
use artifacts::ops::register::{RegisterOptions, RegisterSource, register};
use artifacts::ops::show::{ShowOptions, show};
use artifacts::ops::stage::{StageOptions, StageTarget, stage};
use artifacts::ops::undo::{UndoOptions, undo};
use artifacts::ops::update::{ContentChange, UpdateOptions, update};
use artifacts::ops::upload::{UploadOptions, UploadSource, upload};
use artifacts::ops::versions::{VersionsOptions, versions};
use artifacts::record::Tags;
use artifacts::sync::merge::{Choice, FieldConflict, MergeOptions, Merged, merge_ref};
use artifacts::{NoProgress, Repository, Settings};

/// A repository that acts at the time it is told.
struct Place {
    directory: tempfile::TempDir,
}

const VERSION: &str = "refs/versions/local/default/v1";

impl Place {
    /// A run with some files, and a version of it.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Repository::create(directory.path(), Settings::default()).unwrap();
        let place = Place { directory };
        for name in ["a", "b", "c"] {
            place.upload(0, name, "before");
        }
        place.register(1);
        place
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The same repository in another place.
    fn twin(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy(&self.path().join("."), directory.path());
        Place { directory }
    }

    /// Takes over the objects of `other`, its packs and its commits.
    fn take(&self, other: &Place) {
        for part in ["objects", "packs", "index"] {
            let part = Path::new(".artifacts").join(part);
            copy(&other.path().join(&part).join("."), &self.path().join(&part));
        }
    }

    fn at(&self, second: i64) -> Repository {
        let clock = Arc::new(FixedClock(time(second)));
        Repository::discover(self.path(), Settings { clock, ..Settings::default() }).unwrap()
    }

    fn upload(&self, second: i64, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
        let options =
            UploadOptions::new(self.path().to_owned(), vec![UploadSource::Path(name.into())])
                .message(format!("upload {name}"));
        upload(&self.at(second), &options, &mut std::io::empty(), &NoProgress).unwrap();
    }

    fn register(&self, second: i64) {
        let mut options = RegisterOptions::new("v1".parse().unwrap());
        options.source = RegisterSource::Revision("HEAD".parse().unwrap());
        register(&self.at(second), &options, &mut std::io::empty(), &NoProgress).unwrap();
    }

    fn stage(&self, second: i64, to: &str) {
        let options =
            StageOptions::new("v1".parse().unwrap(), StageTarget::Stage(to.parse().unwrap()));
        stage(&self.at(second), &options, &NoProgress).unwrap();
    }

    fn update(&self, second: i64, change: impl FnOnce(&mut UpdateOptions)) {
        let mut options = UpdateOptions::new("v1".parse().unwrap());
        change(&mut options);
        update(&self.at(second), &options).unwrap();
    }

    fn commit(&self, name: &str) -> Id {
        self.at(0).history().try_find_ref(&name.parse().unwrap()).unwrap().unwrap()
    }

    fn run(&self) -> String {
        self.at(0).history().head().unwrap().unwrap().to_string()
    }

    fn merge(&self, second: i64, name: &str, theirs: Id, choice: &Choice) -> Merged {
        self.merge_two(second, name, (self.commit(name), theirs), choice)
    }

    fn merge_two(&self, second: i64, name: &str, both: (Id, Id), choice: &Choice) -> Merged {
        let repo = self.at(second);
        let mut writer = repo.history().writer().unwrap();
        let who = repo.signature();
        let options = MergeOptions { choice, who: &who, message: "merge" };
        let merged = merge_ref(&repo, &mut writer, &name.parse().unwrap(), both, &options).unwrap();
        writer.flush().unwrap();
        merged
    }

    fn move_to(&self, second: i64, name: &str, to: Id) {
        let repo = self.at(second);
        let name: RefName = name.parse().unwrap();
        let now = repo.history().try_find_ref(&name).unwrap();
        let mut transaction = repo.history().transaction(&repo.signature(), "pull");
        let expected = now.map_or(Expected::Absent, Expected::Id);
        transaction.update(name, expected, Some(to), "pull");
        transaction.commit(repo.settings().lock_timeout).unwrap();
    }

    /// Merges and takes the result over.
    fn pull(&self, second: i64, name: &str, theirs: Id, choice: &Choice) -> Id {
        let Merged::Merge(id) = self.merge(second, name, theirs, choice) else {
            panic!("{:?}", self.merge(second, name, theirs, choice))
        };
        self.move_to(second, name, id);
        id
    }

    fn stages(&self) -> Vec<StageEntry> {
        let options = HistoryOptions::One("v1".parse().unwrap());
        let mut entries = history(&self.at(0), &options, &NoProgress).unwrap().entries;
        entries.reverse();
        entries
    }

    /// The stage and the description at a time, as `versions --at` tells.
    fn seen(&self, second: i64) -> String {
        let options = VersionsOptions::default().at(time(second));
        let list = versions(&self.at(0), &options, &NoProgress).unwrap();
        list.versions.iter().map(|version| version.summary.stage.to_string()).collect()
    }

    fn log(&self, revision: &str) -> Vec<(Id, usize)> {
        let revision: Revision = revision.parse().unwrap();
        let options = LogOptions::default().revision(revision);
        let mut seen = Vec::new();
        log(
            &self.at(0),
            &options,
            &mut |entry| {
                seen.push((entry.commit, entry.parents.len()));
                Ok(())
            },
            &NoProgress,
        )
        .unwrap();
        seen
    }
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_790_000_000 + second)
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

fn whats(merged: &Merged) -> Vec<&str> {
    match merged {
        Merged::Conflict(conflicts) => {
            conflicts.iter().map(|conflict: &FieldConflict| conflict.what.as_str()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn equal_and_older_sides_need_no_merge() {
    let ours = Place::new();
    let before = ours.commit(VERSION);
    assert_eq!(ours.merge(5, VERSION, before, &Choice::None), Merged::Same);
    ours.stage(3, "staging");
    let now = ours.commit(VERSION);
    assert_eq!(ours.merge(5, VERSION, before, &Choice::None), Merged::Same);
    let forward = ours.merge_two(5, VERSION, (before, now), &Choice::None);
    assert_eq!(forward, Merged::FastForward(now));
}

#[test]
fn a_merged_version_and_its_history_have_the_changes_of_both_sides() {
    let ours = Place::new();
    let theirs = ours.twin();
    ours.stage(10, "staging");
    ours.update(12, |it| it.description = Some("by us".to_owned()));
    theirs.update(11, |it| it.add_tags = Tags::parse("theirs").unwrap());
    theirs.update(13, |it| it.readme = Some("# Theirs\n".to_owned()));
    ours.take(&theirs);
    let (our_tip, their_tip) = (ours.commit(VERSION), theirs.commit(VERSION));
    let merged = ours.pull(20, VERSION, their_tip, &Choice::None);
    let repo = ours.at(30);
    let commit = repo.history().read_commit(&merged).unwrap();
    assert_eq!(commit.parents, [our_tip, their_tip]);
    let options = ShowOptions::new("v1".parse().unwrap()).limit(10).count_limit(10);
    let shown = show(&repo, &options, &NoProgress).unwrap();
    assert_eq!(shown.record_changes, ["tags"], "against the first parent");
    // All of both sides, each once, children first.
    let log = ours.log("v1");
    let own: Vec<Id> = log.iter().map(|(id, _)| *id).collect();
    assert_eq!(own[0], merged);
    for id in [our_tip, their_tip] {
        assert_eq!(own.iter().filter(|it| **it == id).count(), 1);
    }
    // One more change on top.
    ours.stage(40, "production");
    let entries = ours.stages();
    let stages: Vec<_> = entries.iter().map(|entry| entry.to.as_str()).collect();
    assert_eq!(stages, ["testing", "staging", "production"]);
    assert!(entries.iter().all(|entry| entry.commit.is_some()));
}

#[test]
fn stages_of_both_sides_are_listed_by_time_with_their_commits() {
    let ours = Place::new();
    let theirs = ours.twin();
    ours.stage(10, "staging");
    let our_staging = ours.commit(VERSION);
    theirs.stage(15, "production");
    let their_production = theirs.commit(VERSION);
    ours.stage(20, "testing");
    ours.take(&theirs);
    assert_eq!(whats(&ours.merge(30, VERSION, their_production, &Choice::None)), ["stage"]);
    let choice = Choice::Stage("disabled".parse().unwrap());
    let merged = ours.pull(30, VERSION, their_production, &choice);
    let entries = ours.stages();
    let told: Vec<_> = entries.iter().map(|entry| (entry.to.as_str(), entry.commit)).collect();
    assert_eq!(told.len(), 5);
    assert_eq!(told[1], ("staging", Some(our_staging)));
    assert_eq!(told[2], ("production", Some(their_production)));
    assert_eq!(told[3].0, "testing");
    assert_eq!(told[4], ("disabled", Some(merged)));
    assert_eq!(entries[4].from.as_ref().unwrap().as_str(), "testing");
    assert_eq!(entries[4].reason, "Merged");
}

#[test]
fn commits_of_one_second_are_distinguished_across_a_merge() {
    let ours = Place::new();
    let theirs = ours.twin();
    ours.stage(10, "staging");
    let our_tip = ours.commit(VERSION);
    theirs.stage(10, "production");
    let their_tip = theirs.commit(VERSION);
    ours.take(&theirs);
    // Made in the same second, too.
    let merged = ours.pull(10, VERSION, their_tip, &Choice::Ours);
    let entries = ours.stages();
    let commit = |stage: &str, reason: &str| {
        let mut found = entries.iter().filter(|it| it.to.as_str() == stage && it.reason == reason);
        found.next().unwrap().commit
    };
    assert_eq!(commit("staging", "ClientStageUpdate"), Some(our_tip));
    assert_eq!(commit("production", "ClientStageUpdate"), Some(their_tip));
    assert_eq!(commit("staging", "Merged"), Some(merged));
}

#[test]
fn versions_at_a_time_include_both_sides_of_a_fetched_merge() {
    let here = Place::new();
    let (ours, theirs) = (here.twin(), here.twin());
    ours.stage(10, "staging");
    theirs.stage(20, "staging");
    theirs.stage(30, "production");
    theirs.update(32, |it| it.description = Some("x".to_owned()));
    ours.take(&theirs);
    ours.update(35, |it| it.add_tags = Tags::parse("ours").unwrap());
    let Merged::Conflict(_) = ours.merge(40, VERSION, theirs.commit(VERSION), &Choice::None) else {
        panic!("ours and theirs have moved it to other stages")
    };
    let merged = ours.pull(40, VERSION, theirs.commit(VERSION), &Choice::Theirs);
    here.take(&ours);
    here.move_to(50, VERSION, merged);
    for (second, stage) in
        [(5, "testing"), (10, "staging"), (25, "staging"), (31, "production"), (45, "production")]
    {
        assert_eq!(here.seen(second), stage, "at {second}");
    }
}

#[test]
fn an_undo_of_a_merge_keeps_all_stages_of_both_sides() {
    let ours = Place::new();
    let theirs = ours.twin();
    ours.update(10, |it| it.description = Some("by us".to_owned()));
    theirs.stage(15, "production");
    theirs.update(16, |it| it.readme = Some("theirs".to_owned()));
    ours.take(&theirs);
    ours.pull(20, VERSION, theirs.commit(VERSION), &Choice::None);
    let undone = undo(&ours.at(30), &UndoOptions::default(), &NoProgress).unwrap();
    assert_eq!(undone.records[0].fields, ["readme"]);
    let stages: Vec<_> = ours.stages().iter().map(|entry| entry.to.to_string()).collect();
    assert_eq!(stages, ["testing", "production", "testing"]);
    // Their commits are ancestors now: a second merge changes nothing.
    let again = ours.merge(40, VERSION, theirs.commit(VERSION), &Choice::None);
    assert_eq!(again, Merged::Same);
}

#[test]
fn runs_merge_path_by_path_and_the_log_of_a_path_names_its_authors() {
    let ours = Place::new();
    let theirs = ours.twin();
    let run = ours.run();
    ours.upload(10, "a", "by us");
    let our_tip = ours.commit(&run);
    theirs.upload(11, "b", "by them");
    let their_tip = theirs.commit(&run);
    ours.take(&theirs);
    let merged = ours.pull(20, &run, their_tip, &Choice::None);
    let head = resolve(&ours.at(30), &"HEAD".parse().unwrap()).unwrap();
    assert_eq!(head.commit, merged);
    // Only the sides changed anything, the merge did not.
    assert_eq!(ours.log("HEAD:a")[0].0, our_tip);
    assert_eq!(ours.log("HEAD:b")[0].0, their_tip);
    assert_eq!(ours.log("HEAD")[0], (merged, 2));
    // The same file on both sides.
    let theirs = ours.twin();
    ours.upload(40, "c", "by us");
    theirs.upload(41, "c", "by them");
    ours.take(&theirs);
    let conflict = ours.merge(50, &run, theirs.commit(&run), &Choice::None);
    assert_eq!(whats(&conflict), ["artifacts/c"]);
    let chosen = ours.pull(50, &run, theirs.commit(&run), &Choice::Theirs);
    assert_eq!(ours.log("HEAD:c")[0].0, theirs.commit(&run), "it is as theirs has it");
    assert_eq!(ours.log("HEAD")[0].0, chosen);
}

#[test]
fn an_undo_of_a_merge_of_runs_restores_our_side() {
    let ours = Place::new();
    let theirs = ours.twin();
    let run = ours.run();
    ours.upload(10, "a", "by us");
    let our_tip = ours.commit(&run);
    theirs.upload(11, "new", "by them");
    let their_version = theirs.commit(VERSION);
    ours.update(12, |it| it.readme = Some("ours".to_owned()));
    theirs.update(13, |it| it.description = Some("theirs".to_owned()));
    ours.take(&theirs);
    ours.pull(20, VERSION, theirs.commit(VERSION), &Choice::None);
    ours.pull(21, &run, theirs.commit(&run), &Choice::None);
    assert_ne!(theirs.commit(VERSION), their_version);
    let options = FsckOptions::default().full(true);
    let checked = fsck(&ours.at(30), &options, &NoProgress).unwrap();
    assert!(checked.sound, "{:?}", checked.defects);
    undo(&ours.at(40), &UndoOptions::default(), &NoProgress).unwrap();
    assert_eq!(ours.commit(&run), our_tip);
    // And once more, to merge it is what it was.
    ours.pull(50, &run, theirs.commit(&run), &Choice::None);
    let tree = resolve(&ours.at(60), &"HEAD".parse().unwrap()).unwrap().artifacts.unwrap();
    let names = ours.at(60).history().read_tree(&tree).unwrap();
    let names: Vec<_> = names.into_iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(names, ["a", "b", "c", "new"]);
}

#[test]
fn a_version_recreated_on_both_sides_takes_one_of_them() {
    let ours = Place::new();
    let theirs = ours.twin();
    for (place, name) in [(&ours, "a"), (&theirs, "b")] {
        place.upload(10, name, "changed");
        let mut options = RegisterOptions::new("v1".parse().unwrap());
        options.source = RegisterSource::Revision("HEAD".parse().unwrap());
        options.force = true;
        register(&place.at(11), &options, &mut std::io::empty(), &NoProgress).unwrap();
    }
    ours.take(&theirs);
    let their_tip = theirs.commit(VERSION);
    assert_eq!(whats(&ours.merge(20, VERSION, their_tip, &Choice::None)), ["artifacts"]);
    ours.pull(20, VERSION, their_tip, &Choice::Theirs);
    let read = |place: &Place| resolve(&place.at(30), &"v1".parse().unwrap()).unwrap().artifacts;
    assert_eq!(read(&ours), read(&theirs));
}

#[test]
fn two_versions_of_one_name_are_distinguished() {
    let base = Place::new();
    let (ours, theirs) = (base.twin(), base.twin());
    for (place, second) in [(&ours, 10), (&theirs, 12)] {
        let mut options = RegisterOptions::new("v2".parse().unwrap());
        options.source = RegisterSource::Revision("HEAD".parse().unwrap());
        register(&place.at(second), &options, &mut std::io::empty(), &NoProgress).unwrap();
    }
    ours.take(&theirs);
    let name = "refs/versions/local/default/v2";
    let (our_tip, their_tip) = (ours.commit(name), theirs.commit(name));
    let conflict = ours.merge(20, name, their_tip, &Choice::None);
    assert_eq!(whats(&conflict), ["it is another version of the same name"]);
    for (choice, parents) in
        [(Choice::Ours, [our_tip, their_tip]), (Choice::Theirs, [their_tip, our_tip])]
    {
        let Merged::Merge(id) = ours.merge(20, name, their_tip, &choice) else {
            panic!("{choice:?}")
        };
        let history = ours.at(30);
        let history = history.history();
        let commit = history.read_commit(&id).unwrap();
        assert_eq!(commit.parents, parents);
        assert_eq!(commit.tree, history.read_commit(&parents[0]).unwrap().tree);
    }
}

#[test]
fn content_in_json_and_content_in_yaml_are_the_same_field() {
    let ours = Place::new();
    let theirs = ours.twin();
    let set = |place: &Place, second, text: &str| {
        let content = ContentChange::parse(Some(text.as_bytes())).unwrap();
        place.update(second, |it| it.content = content);
    };
    set(&ours, 10, "{\"a\": 1}");
    set(&theirs, 11, "a: 1\n");
    ours.take(&theirs);
    let their_tip = theirs.commit(VERSION);
    assert_eq!(whats(&ours.merge(20, VERSION, their_tip, &Choice::None)), ["content"]);
    let merged = ours.pull(20, VERSION, their_tip, &Choice::Theirs);
    let history = ours.at(30);
    let history = history.history();
    let tree = history.read_commit(&merged).unwrap().tree;
    let names = history.read_tree(&tree).unwrap().into_iter().map(|entry| entry.name.to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["artifacts", "content.yaml", "version.toml"]);
}

#[test]
fn a_merged_tag_names_one_of_the_commits() {
    let ours = Place::new();
    let run = ours.run();
    let before = ours.commit(&run);
    let theirs = ours.twin();
    ours.upload(10, "a", "by us");
    theirs.upload(11, "a", "by them");
    ours.take(&theirs);
    let (one, other) = (ours.commit(&run), theirs.commit(&run));
    let tag = "refs/tags/local/default/best";
    let merge = |both, choice: &Choice| ours.merge_two(20, tag, both, choice);
    assert_eq!(merge((before, other), &Choice::None), Merged::FastForward(other));
    assert_eq!(whats(&merge((one, other), &Choice::None)), ["tag"]);
    assert_eq!(merge((one, other), &Choice::Ours), Merged::Same);
    assert_eq!(merge((one, other), &Choice::Theirs), Merged::FastForward(other));
}

#[test]
fn repeated_merges_of_merges_terminate() {
    let ours = Place::new();
    let theirs = ours.twin();
    ours.stage(10, "staging");
    theirs.update(11, |it| it.description = Some("theirs".to_owned()));
    let (our_tip, their_tip) = (ours.commit(VERSION), theirs.commit(VERSION));
    ours.take(&theirs);
    theirs.take(&ours);
    // Both merge, each on its own; and then what they have merged.
    let one = ours.pull(20, VERSION, their_tip, &Choice::None);
    let other = theirs.pull(21, VERSION, our_tip, &Choice::None);
    ours.take(&theirs);
    let tree = |id: &Id| ours.at(0).history().read_commit(id).unwrap().tree;
    assert_eq!(tree(&one), tree(&other));
    let both = ours.pull(30, VERSION, other, &Choice::None);
    assert_eq!(tree(&both), tree(&one));
    let told: Vec<_> = ours.stages().iter().map(|entry| entry.to.to_string()).collect();
    assert_eq!(told, ["testing", "staging"]);
}
