//! Many processes stage and change the rules in parallel: none waits forever, no change is lost, and
//! no stage exceeds its capacity.

use std::path::{Path, PathBuf};

use artifacts::history::Revision;
use artifacts::name::RefName;
use artifacts::ops::policy::{PolicySource, SetPolicyOptions, set};
use artifacts::ops::project::{UpdateProjectOptions, show, update};
use artifacts::ops::register::{RegisterOptions, register};
use artifacts::ops::stage::{StageOptions, StageTarget, stage};
use artifacts::ops::upload::{self, UploadOptions, upload};
use artifacts::record::{ProjectRecord, Record, Tags};
use artifacts::{NoProgress, Repository, Settings, TreePath};

/// How many versions go to production, each by a writer of its own.
const VERSIONS: usize = 12;

/// How many writers change the record of the project.
const EDITORS: usize = 8;

fn settings() -> Settings {
    Settings { project: "o/p".parse().unwrap(), ..Settings::default() }
}

fn open(directory: &Path) -> Repository {
    Repository::open(directory, settings()).unwrap()
}

/// A repository with a run and versions of it.
fn made(work: &Path) -> PathBuf {
    let repo = Repository::create(work, settings()).unwrap();
    std::fs::write(work.join("w.bin"), "weights").unwrap();
    let options =
        UploadOptions::new(work.to_owned(), vec![upload::UploadSource::Path("w.bin".into())]);
    upload(&repo, &options, &mut std::io::empty(), &NoProgress).unwrap();
    for number in 0..VERSIONS {
        let options = RegisterOptions::new(format!("v{number}").parse().unwrap());
        register(&repo, &options, &mut std::io::empty(), &NoProgress).unwrap();
    }
    repo.directory().to_owned()
}

fn set_rules(repo: &Repository, rules: &[&str]) {
    let settings = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    let options = SetPolicyOptions::new(PolicySource::Settings(settings));
    set(repo, &options).unwrap();
}

fn put_in_production(repo: &Repository, version: &str) {
    let options = StageOptions::new(
        version.parse::<Revision>().unwrap(),
        StageTarget::Stage("production".parse().unwrap()),
    )
    .reason("Race".to_owned());
    stage(repo, &options, &NoProgress).unwrap();
}

fn add_tag(repo: &Repository, number: usize) {
    let options =
        UpdateProjectOptions::default().add_tags(Tags::parse(&format!("t{number}")).unwrap());
    assert!(update(repo, &options).unwrap().changed);
}

#[test]
fn a_stage_never_holds_more_than_it_may_and_no_change_of_a_project_is_lost() {
    let work = tempfile::tempdir().unwrap();
    let directory = made(work.path());
    let repo = open(&directory);
    set_rules(&repo, &["production.capacity=1", "production.displaced=staging"]);
    std::thread::scope(|scope| {
        for number in 0..VERSIONS {
            let directory = &directory;
            scope.spawn(move || put_in_production(&open(directory), &format!("v{number}")));
        }
        for number in 0..EDITORS {
            let directory = &directory;
            scope.spawn(move || {
                let repo = open(directory);
                add_tag(&repo, number);
                let stage = if number % 2 == 0 { "testing" } else { "staging" };
                set_rules(&repo, &[&format!("{stage}.tags="), &format!("{stage}.reason=false")]);
            });
        }
    });
    let details = show(&repo, None).unwrap();
    assert_eq!(details.tags.len(), EDITORS);
    let held: Vec<u64> = details.stages.iter().map(|stage| stage.versions).collect();
    assert_eq!(held, [0, VERSIONS as u64 - 1, 1, 0]);
    assert_eq!(commits(&repo), 1 + EDITORS, "one for the rules, one for each tag, in one line");
}

/// The commits of the project's record: each follows the one before, and loses none of its tags.
fn commits(repo: &Repository) -> usize {
    let history = repo.history();
    let reference = RefName::project_record("o/p".parse().unwrap());
    let mut next = history.try_find_ref(&reference).unwrap();
    let (mut count, mut tags) = (0, usize::MAX);
    while let Some(id) = next {
        let commit = history.read_commit(&id).unwrap();
        let file = TreePath::parse(ProjectRecord::FILE).unwrap();
        let blob = history.entry_at(&commit.tree, &file).unwrap().unwrap();
        let record = ProjectRecord::decode(&history.read_blob(&blob.id).unwrap()).unwrap();
        assert!(record.tags.len() < tags || record.tags.is_empty());
        assert!(commit.parents.len() <= 1);
        (count, tags) = (count + 1, record.tags.len());
        next = commit.parents.first().copied();
    }
    count
}
