//! Parts of the formats that a later release writes: this release keeps and heeds them.

use std::path::{Path, PathBuf};

use artifacts::history::edit::{self, Edit};
use artifacts::history::{Commit, EntryMode, Expected, Revision};
use artifacts::name::RefName;
use artifacts::ops::download::{DownloadOptions, download};
use artifacts::ops::fsck::{FsckOptions, FsckOutcome, fsck};
use artifacts::ops::upload::{UploadOptions, UploadOutcome, UploadSource, upload};
use artifacts::record::{Expiration, Record, RunRecord};
use artifacts::tree_path::TreePath;
use artifacts::{ErrorKind, Id, NoProgress, Repository, Settings};

struct Place {
    _directory: tempfile::TempDir,
    work: PathBuf,
    repo: Repository,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let work = directory.path().canonicalize().unwrap();
    let repo = Repository::create(&work, Settings::default()).unwrap();
    Place { _directory: directory, work, repo }
}

impl Place {
    /// Uploads `data`, which has one file with this content.
    fn upload(&self, content: &str) -> UploadOutcome {
        std::fs::create_dir_all(self.work.join("data")).unwrap();
        std::fs::write(self.work.join("data/file"), content).unwrap();
        let options = UploadOptions::new(&self.work, [UploadSource::Path("data".into())]);
        upload(&self.repo, &options, &mut std::io::empty(), &NoProgress).unwrap()
    }

    fn run(&self) -> RefName {
        self.repo.current_run().unwrap().unwrap()
    }

    fn tip(&self) -> Id {
        self.repo.history().find_ref(&self.run()).unwrap()
    }

    fn record(&self, commit: &Id) -> RunRecord {
        let history = self.repo.history();
        let tree = history.read_commit(commit).unwrap().tree;
        let path = TreePath::parse(RunRecord::FILE).unwrap();
        let blob = history.entry_at(&tree, &path).unwrap().unwrap().id;
        RunRecord::decode(&history.read_blob(&blob).unwrap()).unwrap()
    }

    /// Commits a change of one file in the root tree of the run.
    fn commit(&self, file: &str, bytes: &[u8]) -> Id {
        let history = self.repo.history();
        let tip = self.tip();
        let before = history.read_commit(&tip).unwrap();
        let mut writer = history.writer().unwrap();
        let put = Edit::Put { mode: EntryMode::File, id: writer.blob(bytes).unwrap() };
        let edits = [(TreePath::parse(file).unwrap(), put)];
        let tree = edit::apply(&mut writer, Some(before.tree), &edits).unwrap();
        let commit = Commit { tree, parents: vec![tip], ..before };
        let id = writer.commit(&commit).unwrap();
        writer.flush().unwrap();
        let mut transaction = self.repo.transaction();
        transaction.update(self.run(), Expected::Id(tip), Some(id), "change");
        transaction.commit(self.repo.settings().lock_timeout).unwrap();
        id
    }

    fn expire(&self, through: Option<Id>, own: bool) -> Id {
        let mut record = self.record(&self.tip());
        record.expired = Some(Expiration {
            through,
            own,
            at: "2026-11-30T08:00:00Z".parse().unwrap(),
            by: "Ada <ada@example.org>".to_owned(),
            rule: "runs: name: nightly%".to_owned(),
            policy: None,
            files: 1,
            bytes: 1,
            extra: artifacts::record::Extra::new(),
        });
        self.commit(RunRecord::FILE, &record.encode().unwrap())
    }

    /// Removes all content except `kept`.
    fn drop_content(&self, kept: &[Id]) {
        let session = self.repo.content().begin().unwrap();
        let is_kept = |id: &Id| kept.contains(id);
        self.repo.content().drop_content(Some(&session), &is_kept, &NoProgress).unwrap();
    }

    fn fsck(&self) -> FsckOutcome {
        fsck(&self.repo, &FsckOptions::default().full(true), &NoProgress).unwrap()
    }

    fn download(&self, revision: &str, to: &Path) -> artifacts::Result<()> {
        self.download_expired(revision, to, false)
    }

    fn download_expired(&self, revision: &str, to: &Path, allowed: bool) -> artifacts::Result<()> {
        let revision = Revision::parse(revision.as_bytes()).unwrap();
        let source = artifacts::catalog::revision::resolve(&self.repo, &revision)?;
        let options = DownloadOptions::new(source, to).allow_expired(allowed);
        download(&self.repo, &options, &NoProgress).map(drop)
    }
}

fn blob(content: &str) -> Id {
    Id::of_blob(content.as_bytes())
}

#[test]
fn expired_content_that_is_missing_is_not_damage() {
    let place = place();
    let first = place.upload("one").commit.unwrap();
    place.upload("two");
    place.drop_content(&[blob("two")]);
    assert!(!place.fsck().sound, "nothing expired yet");
    place.expire(Some(first), false);
    let found = place.fsck();
    assert!(found.sound, "{:?}", found.defects);
    assert_eq!((found.expired, found.affected_commits), (1, 0));
    // Content that a later commit needs did not expire.
    place.drop_content(&[]);
    let found = place.fsck();
    assert_eq!((found.sound, found.expired), (false, 1));
    assert_eq!(found.affected_commits, 2, "{:?}", found.affected);
}

#[test]
fn a_download_of_expired_content_is_refused_with_the_rule() {
    let place = place();
    let first = place.upload("one").commit.unwrap();
    place.upload("two");
    place.expire(Some(first), false);
    let to = place.work.join("out");
    let refused = |allowed: bool| {
        let error = place.download_expired(&first.to_hex(), &to, allowed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Policy, "{error:?}");
        let text = "expired 2026-11-30 by Ada <ada@example.org>, rule runs: name: nightly%";
        assert!(error.message().contains(text), "{error:?}");
    };
    refused(false);
    place.download_expired(&first.to_hex(), &to, true).unwrap();
    std::fs::remove_dir_all(&to).unwrap();
    place.drop_content(&[blob("two")]);
    refused(false);
    refused(true);
    place.download("HEAD", &to).unwrap();
}

#[test]
fn an_upload_of_the_same_files_makes_expired_content_needed_again() {
    let place = place();
    let first = place.upload("one").commit.unwrap();
    place.expire(Some(first), true);
    place.drop_content(&[]);
    assert_eq!((place.fsck().sound, place.fsck().expired), (true, 1));
    let again = place.upload("one").commit.expect("a commit of the files that expired");
    let expired = place.record(&again).expired.unwrap();
    assert_eq!((expired.through, expired.own), (Some(first), false));
    let found = place.fsck();
    assert_eq!((found.sound, found.expired), (true, 0), "{:?}", found.defects);
    assert_eq!(place.upload("one").commit, None);
}

#[test]
fn an_upload_keeps_what_expired_before_it() {
    let place = place();
    let first = place.upload("one").commit.unwrap();
    place.expire(Some(first), true);
    let next = place.upload("two").commit.unwrap();
    let expired = place.record(&next).expired.unwrap();
    assert_eq!((expired.through, expired.own), (Some(first), false));
    place.drop_content(&[blob("two")]);
    assert!(place.fsck().sound);
}

#[test]
fn an_upload_keeps_entries_of_the_run_that_it_does_not_know() {
    let place = place();
    place.upload("one");
    place.commit("externals.jsonl", b"{}\n");
    let next = place.upload("two").commit.unwrap();
    let tree = place.repo.history().read_commit(&next).unwrap().tree;
    let names = place.repo.history().read_tree(&tree).unwrap();
    let names: Vec<_> = names.iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(names, ["artifacts", "externals.jsonl", "run.toml"]);
}
