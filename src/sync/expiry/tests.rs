//! Tests of pushes of expired content, and of reads beside a garbage collection on the remote.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::super::{content_of_history, fetch_missing};
use super::*;
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::fs::atomic;
use crate::history::edit::{self, Edit};
use crate::history::{Commit, EntryMode, Expected};
use crate::ops::clone::{CloneOptions, clone};
use crate::ops::fsck::remote::{Depth, RemoteFsckOptions, fsck_remote};
use crate::ops::push::{PushOptions, RepairRemoteOptions, push, repair};
use crate::ops::upload::{UploadOptions, UploadSource, upload};
use crate::progress::NoProgress;
use crate::record::{Expiration, Extra, Record};
use crate::remote::fault::{FaultStore, Request};
use crate::remote::log::{self, Proposal, StoredKind};
use crate::remote::{FileKind, FsStore, Guarantee, Log, RemoteUri, Store, StoreOptions, Wrap};
use crate::repo::{RemoteConfig, Settings};
use crate::tree_path::TreePath;

/// A repository with one run, which is pushed to a store in a directory.
struct Place {
    root: TempDir,
    repo: Repository,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let work = root.path().join("a");
        let store = root.path().join("store");
        atomic::create_dir_all(&work).unwrap();
        atomic::create_dir_all(&store).unwrap();
        let repo = Repository::create(&work, Settings::default()).unwrap();
        let uri = store.to_str().unwrap().to_owned();
        let remote = RemoteConfig { name: "lab".parse().unwrap(), uri, guarantee: None };
        repo.add_remote(&remote).unwrap();
        Place { root, repo }
    }

    /// Uploads one file, with this content, to the run.
    fn upload(&self, content: &str) -> Id {
        let work = self.repo.top();
        atomic::write(&work.join("file"), work, content.as_bytes()).unwrap();
        let options = UploadOptions::new(work, [UploadSource::Path("file".into())]);
        upload(&self.repo, &options, &mut std::io::empty(), &NoProgress).unwrap();
        self.repo.history().find_ref(&self.run()).unwrap()
    }

    fn push(&self) {
        push(&self.repo, &PushOptions::default(), &NoProgress).unwrap();
    }

    fn run(&self) -> RefName {
        self.repo.current_run().unwrap().unwrap()
    }

    /// Commits a record of the run in which content expired.
    fn expire(&self, through: Option<Id>, own: bool) {
        let history = self.repo.history();
        let tip = history.find_ref(&self.run()).unwrap();
        let (before, tree) = RecordTree::with_commit(history, &tip).unwrap();
        let mut record: RunRecord = tree.record(history).unwrap().unwrap();
        let at = Timestamp::from_seconds(1_790_000_000);
        let (by, rule) = ("Ada <ada@example.org>".to_owned(), "by hand".to_owned());
        let (policy, extra) = (None, Extra::new());
        let expired = Expiration { through, own, at, by, rule, policy, files: 1, bytes: 1, extra };
        record.expired = Some(expired);
        let mut writer = history.writer().unwrap();
        let id = writer.blob(&record.encode().unwrap()).unwrap();
        let put = Edit::Put { mode: EntryMode::File, id };
        let edits = [(TreePath::parse(RunRecord::FILE).unwrap(), put)];
        let tree = edit::apply(&mut writer, Some(before.tree), &edits).unwrap();
        let new = writer.commit(&Commit { tree, parents: vec![tip], ..before }).unwrap();
        writer.flush().unwrap();
        let mut transaction = self.repo.transaction();
        transaction.update(self.run(), Expected::Id(tip), Some(new), "expire");
        transaction.commit(self.repo.settings().lock_timeout).unwrap();
    }

    fn connect(&self) -> Connection<'_> {
        let mut connection = Connection::open(&self.repo, None).unwrap();
        connection.refresh(&NoProgress).unwrap();
        connection
    }

    /// Retires all packs of the remote.
    fn retire_packs(&self) {
        let mut connection = self.connect();
        let mut proposal = Proposal::new("Ada", Timestamp::from_seconds(1_790_000_000), "gc");
        proposal.retired = connection.state.remote_state().packs.keys().copied().collect();
        let done = connection.log.commit(&mut connection.state, &proposal).unwrap();
        assert!(matches!(done, log::Commit::Done(_)));
        connection.save().unwrap();
    }

    /// Deletes the retired packs of the remote.
    fn delete_packs(&self) {
        let connection = self.connect();
        let retired = connection.state.remote_state().retired.values();
        for one in retired.filter(|one| one.kind == StoredKind::Pack) {
            atomic::remove_file(&self.store().join(FileKind::Pack.key(one.id))).unwrap();
        }
    }

    fn store(&self) -> PathBuf {
        self.root.path().join("store")
    }

    fn clone(&self, name: &str) -> Repository {
        let uri = RemoteUri::parse(self.store().to_str().unwrap(), Path::new("/")).unwrap();
        let options = CloneOptions::new(uri, self.root.path().join(name))
            .name("lab".parse::<crate::Name>().unwrap())
            .project(Settings::default().project);
        clone(&options, Settings::default(), &NoProgress).unwrap();
        Repository::discover(&self.root.path().join(name), Settings::default()).unwrap()
    }

    #[track_caller]
    fn assert_remote_is_sound(&self) {
        let options = RemoteFsckOptions::new("lab".parse().unwrap()).depth(Depth::Full);
        let found = fsck_remote(&self.repo, &options, &NoProgress).unwrap();
        assert!(found.sound, "{:?}", found.defects);
    }
}

fn blob(content: &str) -> Id {
    Id::of_blob(content.as_bytes())
}

#[test]
fn a_remote_without_expired_content_is_sound() {
    let place = Place::new();
    let first = place.upload("one");
    place.push();
    place.retire_packs();
    place.upload("two");
    place.push();
    place.delete_packs();
    let options = RemoteFsckOptions::new("lab".parse().unwrap()).depth(Depth::Full);
    assert!(!fsck_remote(&place.repo, &options, &NoProgress).unwrap().sound);
    place.expire(Some(first), false);
    place.push();
    place.assert_remote_is_sound();
    // A full clone fetches what did not expire.
    let other = place.clone("b");
    let tip = other.history().find_ref(&place.run()).unwrap();
    assert_eq!(content_of_history(&other, &[tip], &NoProgress).unwrap(), [blob("two")]);
}

#[test]
fn a_push_sends_content_that_only_expired_commits_of_the_remote_had() {
    let place = Place::new();
    let first = place.upload("one");
    place.expire(Some(first), true);
    place.push();
    place.retire_packs();
    place.delete_packs();
    place.assert_remote_is_sound();
    // The same files again: the tree is the same, but the remote has none of its content.
    place.upload("one");
    place.push();
    place.assert_remote_is_sound();
    fetch_missing(&place.clone("b"), &[blob("one")], &NoProgress).unwrap();
}

#[test]
fn a_tag_of_an_expired_commit_brings_its_content_to_the_remote() {
    let place = Place::new();
    let first = place.upload("one");
    place.upload("two");
    place.expire(Some(first), false);
    place.push();
    place.retire_packs();
    place.delete_packs();
    let name = RefName::tag(place.run().project().clone(), "keep".parse().unwrap());
    let mut transaction = place.repo.transaction();
    transaction.update(name, Expected::Absent, Some(first), "tag");
    transaction.commit(place.repo.settings().lock_timeout).unwrap();
    place.push();
    let there = place.clone("b");
    fetch_missing(&there, &[blob("one")], &NoProgress).unwrap();
    assert!(there.content().contains(&blob("one")).unwrap());
}

#[test]
fn content_is_read_from_a_retired_pack_that_still_exists() {
    let place = Place::new();
    place.upload("one");
    place.push();
    place.retire_packs();
    let there = place.clone("b");
    fetch_missing(&there, &[blob("one")], &NoProgress).unwrap();
    assert!(there.content().contains(&blob("one")).unwrap());
    place.delete_packs();
    let late = place.clone("c");
    fetch_missing(&late, &[blob("one")], &NoProgress).unwrap();
    assert!(!late.content().contains(&blob("one")).unwrap());
}

#[test]
fn a_reader_with_an_older_state_finds_content_that_moved_to_another_pack() {
    let place = Place::new();
    place.upload("one");
    place.push();
    place.upload("two");
    place.push();
    let there = place.clone("b");
    let mut reader = Connection::open(&there, None).unwrap();
    reader.refresh(&NoProgress).unwrap();
    // A repository with both contents in one pack sends that pack.
    let other = place.clone("c");
    fetch_missing(&other, &[blob("one"), blob("two")], &NoProgress).unwrap();
    place.retire_packs();
    repair(&other, &RepairRemoteOptions::default(), &NoProgress).unwrap();
    place.delete_packs();
    let wanted = [blob("one")];
    let stale = reader.content().unwrap().bring(&wanted, &NoProgress).unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Corrupt);
    let brought =
        reader.look_again(&NoProgress, &mut |reader| reader.content()?.bring(&wanted, &NoProgress));
    assert_eq!(brought.unwrap().contents, 1);
    assert!(!reader.has_news(&NoProgress));
}

/// Names all retired files of the remote as deleted, and deletes them.
fn delete_retired(place: &Place) {
    let mut connection = place.connect();
    let retired: Vec<_> = connection.state.remote_state().retired.values().copied().collect();
    let mut proposal = Proposal::new("Ada", Timestamp::from_seconds(1_790_000_000), "gc");
    proposal.deleted = retired.iter().map(|one| one.id).collect();
    let done = connection.log.commit(&mut connection.state, &proposal).unwrap();
    assert!(matches!(done, log::Commit::Done(_)));
    connection.save().unwrap();
    for one in retired {
        let kind = match one.kind {
            StoredKind::Pack => FileKind::Pack,
            StoredKind::Meta => FileKind::Meta,
            StoredKind::Segment => FileKind::Segment,
        };
        atomic::remove_file(&place.store().join(kind.key(one.id))).unwrap();
    }
}

#[test]
fn files_with_deleted_names_are_sent_under_other_names() {
    let place = Place::new();
    place.upload("one");
    place.push();
    let mut connection = place.connect();
    let mut proposal = Proposal::new("Ada", Timestamp::from_seconds(1_790_000_000), "gc");
    let all = connection.state.remote_state().clone();
    let kinds = [&all.packs, &all.meta, &all.segments];
    proposal.retired = kinds.into_iter().flat_map(|files| files.keys().copied()).collect();
    let done = connection.log.commit(&mut connection.state, &proposal).unwrap();
    assert!(matches!(done, log::Commit::Done(_)));
    connection.save().unwrap();
    delete_retired(&place);
    // A repair makes the same files from the same repository.
    let repaired = repair(&place.repo, &RepairRemoteOptions::default(), &NoProgress).unwrap();
    assert!(repaired.check.sound, "{:?}", repaired.check.defects);
    let now = place.connect().state.remote_state().clone();
    assert_eq!((now.dead.len(), now.packs.len(), now.meta.len()), (3, 1, 1));
    assert!(now.dead.keys().all(|id| now.missing(&[*id]) == [*id]), "a dead name is used again");
    place.assert_remote_is_sound();
    let there = place.clone("b");
    fetch_missing(&there, &[blob("one")], &NoProgress).unwrap();
    assert!(there.content().contains(&blob("one")).unwrap());
}

#[test]
fn a_push_sends_again_what_another_writer_removed_at_the_same_moment() {
    let place = Place::new();
    let mut remote = place.repo.find_remote(&"lab".parse().unwrap()).unwrap();
    remote.guarantee = Some(Guarantee::None);
    place.repo.set_remote(&remote).unwrap();
    place.upload("one");
    place.push();
    let work = place.repo.top().to_owned();
    let store = place.store();
    let is_done = AtomicBool::new(false);
    // Directly before this push stores its entry, another writer retires all packs.
    let wrap: Wrap = Arc::new(move |inner| {
        let store = store.clone();
        let is_done = AtomicBool::new(is_done.load(Ordering::SeqCst));
        Arc::new(FaultStore::new(inner, move |_, request, key| {
            let is_entry = request == Request::Write && key.starts_with("log/");
            if is_entry && !is_done.swap(true, Ordering::SeqCst) {
                let objects = Arc::new(FsStore::new(store.clone()));
                let direct = Store::on(objects, "other", StoreOptions::default());
                let log = Log::open(direct).unwrap();
                let mut state = log.load().unwrap();
                log.refresh(&mut state).unwrap();
                let at = Timestamp::from_seconds(1_790_000_000);
                let mut proposal = Proposal::new("Eve", at, "gc");
                proposal.retired = state.remote_state().packs.keys().copied().collect();
                let done = log.commit(&mut state, &proposal).unwrap();
                assert!(matches!(done, log::Commit::Done(_)));
            }
            None
        }))
    });
    let mut settings = Settings::default();
    settings.transfer.wrap = Some(wrap);
    let repo = Repository::discover(&work, settings).unwrap();
    place.upload("two");
    push(&repo, &PushOptions::default(), &NoProgress).unwrap();
    assert!(place.connect().state.remote_state().retired.is_empty());
    place.delete_packs();
    place.assert_remote_is_sound();
}
