//! Tests of connections: requests, the cached state, and stores that break their guarantee.

use std::path::Path;
use std::sync::Mutex;

use tempfile::TempDir;

use super::*;
use crate::fs::atomic;
use crate::fs::read;
use crate::id::Id;
use crate::progress::{NoProgress, Unit};
use crate::remote::layout::EntryName;
use crate::remote::log::{Commit, Proposal, RefMove};
use crate::repo::Settings;

/// A repository with a directory as the remote `lab`.
fn repository(guarantee: Option<Guarantee>) -> (TempDir, Repository) {
    let directory = tempfile::tempdir().unwrap();
    let repo = Repository::create(directory.path(), Settings::default()).unwrap();
    let store = directory.path().join("store");
    atomic::create_dir_all(&store).unwrap();
    let uri = store.to_str().unwrap().to_owned();
    let remote = RemoteConfig { name: "lab".parse().unwrap(), uri, guarantee };
    repo.add_remote(&remote).unwrap();
    (directory, repo)
}

fn lab() -> Name {
    "lab".parse().unwrap()
}

fn put(path: &Path, bytes: &[u8]) {
    atomic::write(path, path.parent().unwrap(), bytes).unwrap();
}

fn push(connection: &mut Connection<'_>, run: &str) {
    let mut proposal =
        Proposal::new("Ada <ada@example.org>", connection.repo.settings().clock.now(), "push");
    let name = format!("refs/runs/o/p/{run}").parse().unwrap();
    proposal.refs.push(RefMove { name, old: None, new: Some(Id::EMPTY_TREE) });
    let done = connection.log.commit(&mut connection.state, &proposal).unwrap();
    assert!(matches!(done, Commit::Done(_)), "{done:?}");
}

/// Collects warnings.
#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Progress for Warnings {
    fn begin(&self, _phase: &str, _total: Option<u64>, _unit: Unit) {}
    fn advance(&self, _amount: u64) {}
    fn end(&self) {}
    fn warn(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

#[test]
fn a_refresh_without_news_of_a_cached_remote_sends_two_requests() {
    for guarantee in [Guarantee::Exclusive, Guarantee::None] {
        let (_directory, repo) = repository(Some(guarantee));
        let none = Connection::open(&repo, None).err().unwrap();
        assert_eq!(none.kind(), ErrorKind::NotFound);
        let mut first = Connection::open_or_make(&repo, None, false).unwrap();
        assert_eq!(first.log.made().log, guarantee.protocol());
        assert_eq!(
            RemoteMemory::state_of(&repo, &lab())
                .unwrap()
                .map(|state| state.remote_state().entries),
            None
        );
        push(&mut first, "a");
        first.save().unwrap();
        let mut second = Connection::open(&repo, Some(&lab())).unwrap();
        assert!(second.refresh(&NoProgress).unwrap().entries.is_empty());
        assert_eq!(second.traffic().requests, 2, "{guarantee:?}");
        assert_eq!(second.state.remote_state(), first.state.remote_state());
        assert_eq!(
            RemoteMemory::state_of(&repo, &lab()).unwrap().unwrap().remote_state(),
            first.state.remote_state()
        );
    }
}

#[test]
fn a_push_probes_a_store_that_was_not_probed_or_was_read_only() {
    for before in [None, Some(Guarantee::ReadOnly)] {
        let (_directory, repo) = repository(before);
        let connection = Connection::open_or_make(&repo, None, false).unwrap();
        assert_eq!(connection.log.made().log, Protocol::Linear);
        assert_eq!(repo.default_remote().unwrap().guarantee, Some(Guarantee::Exclusive));
        let again = Connection::open_or_make(&repo, None, false).unwrap();
        assert!(again.traffic().requests < 4, "{:?}", again.traffic());
    }
}

#[test]
fn a_cache_of_another_uri_or_a_damaged_cache_is_ignored() {
    let (directory, repo) = repository(Some(Guarantee::Exclusive));
    let mut connection = Connection::open_or_make(&repo, None, false).unwrap();
    push(&mut connection, "a");
    connection.save().unwrap();
    put(&connection.memory.path("have"), b"x");
    let state = connection.memory.path("state");
    let whole = read::read_bounded(&state, read::LARGE).unwrap();
    put(&state, &whole[..whole.len() / 2]);
    assert!(RemoteMemory::state_of(&repo, &lab()).unwrap().is_none());
    assert_eq!(Connection::open(&repo, None).unwrap().state.remote_state().entries, 0);
    put(&state, &whole);
    let mut remote = connection.remote.clone();
    let elsewhere = directory.path().join("elsewhere");
    atomic::create_dir_all(&elsewhere).unwrap();
    remote.uri = elsewhere.to_str().unwrap().to_owned();
    repo.set_remote(&remote).unwrap();
    assert!(RemoteMemory::state_of(&repo, &lab()).unwrap().is_none());
    let mut elsewhere = Connection::open_or_make(&repo, None, false).unwrap();
    assert_eq!(elsewhere.state.remote_state().entries, 0);
    elsewhere.save().unwrap();
    assert!(!read::exists(&elsewhere.memory.path("have")).unwrap(), "it was of the other place");
    RemoteMemory::of(&repo, &lab()).forget().unwrap();
    assert!(RemoteMemory::state_of(&repo, &lab()).unwrap().is_none());
}

#[test]
fn an_emptied_or_restored_store_is_read_again_from_the_start() {
    for guarantee in [Guarantee::Exclusive, Guarantee::None] {
        let (directory, repo) = repository(Some(guarantee));
        let store = directory.path().join("store");
        let mut connection = Connection::open_or_make(&repo, None, false).unwrap();
        push(&mut connection, "a");
        push(&mut connection, "b");
        connection.save().unwrap();
        let last = connection.state.remote_state().last.unwrap();
        atomic::remove_file(&store.join(last.key())).unwrap();
        let mut back = Connection::open(&repo, None).unwrap();
        back.refresh(&NoProgress).unwrap();
        assert_eq!(back.state.remote_state().refs.len(), 1, "{guarantee:?}");
        back.save().unwrap();
        atomic::remove_tree(&store).unwrap();
        let gone = Connection::open(&repo, None).err().unwrap();
        assert_eq!(gone.kind(), ErrorKind::Unavailable, "{guarantee:?}");
        atomic::create_dir_all(&store).unwrap();
        for opened in [Connection::open(&repo, None), Connection::open_or_make(&repo, None, false)]
        {
            assert_eq!(opened.err().unwrap().kind(), ErrorKind::Unavailable, "{guarantee:?}");
        }
        let mut made = Connection::open_or_make(&repo, None, true).unwrap();
        made.refresh(&NoProgress).unwrap();
        assert_eq!(made.state.remote_state().entries, 0, "{guarantee:?}");
    }
}

/// Lets two writers write entry 2 of a remote whose first writer is `connection`. The second writer
/// had read only the first entry.
fn let_two_win(connection: &mut Connection<'_>, store: &Path) {
    push(connection, "a");
    push(connection, "b");
    let second = store.join(EntryName { number: 2, write: None }.key());
    let first_to_win = read::read_bounded(&second, read::LARGE).unwrap();
    atomic::remove_file(&second).unwrap();
    let mut other = Connection::open(connection.repo, None).unwrap();
    other.refresh(&NoProgress).unwrap();
    push(&mut other, "c");
    push(&mut other, "d");
    put(&second, &first_to_win);
}

#[test]
fn a_store_that_let_two_pushes_win_is_downgraded_once_with_a_warning() {
    let (directory, repo) = repository(Some(Guarantee::Exclusive));
    let mut connection = Connection::open_or_make(&repo, None, false).unwrap();
    let_two_win(&mut connection, &directory.path().join("store"));
    let warnings = Warnings::default();
    connection.refresh(&warnings).unwrap();
    assert_eq!(connection.state.remote_state().protocol, Protocol::Siblings);
    assert_eq!(repo.default_remote().unwrap().guarantee, Some(Guarantee::Races));
    let printed = || warnings.0.lock().unwrap().clone();
    assert_eq!(printed().len(), 1, "{:?}", printed());
    assert!(printed()[0].contains("'lab'") && printed()[0].contains("entry 2"), "{:?}", printed());
    connection.save().unwrap();
    let mut again = Connection::open(&repo, None).unwrap();
    again.refresh(&warnings).unwrap();
    assert_eq!(printed().len(), 1);
}

#[test]
fn a_reader_without_write_access_is_warned_and_continues() {
    let (directory, repo) = repository(Some(Guarantee::Exclusive));
    let mut connection = Connection::open_or_make(&repo, None, false).unwrap();
    let_two_win(&mut connection, &directory.path().join("store"));
    let read_only = Some(Guarantee::ReadOnly);
    repo.set_remote(&RemoteConfig { guarantee: read_only, ..connection.remote }).unwrap();
    let mut reader = Connection::open(&repo, None).unwrap();
    let warnings = Warnings::default();
    reader.refresh(&warnings).unwrap();
    assert_eq!(reader.state.remote_state().protocol, Protocol::Linear);
    assert_eq!(reader.state.remote_state().entries, 3);
    assert_eq!(warnings.0.lock().unwrap().len(), 1);
    assert_eq!(repo.default_remote().unwrap().guarantee, read_only);
}

#[test]
fn a_push_downgrades_a_log_that_relies_on_more_than_its_store_guarantees() {
    let (_directory, repo) = repository(Some(Guarantee::Exclusive));
    let mut connection = Connection::open_or_make(&repo, None, false).unwrap();
    push(&mut connection, "a");
    let remote = RemoteConfig { guarantee: Some(Guarantee::Races), ..connection.remote };
    repo.set_remote(&remote).unwrap();
    let warnings = Warnings::default();
    let mut reader = Connection::open(&repo, None).unwrap();
    reader.refresh(&warnings).unwrap();
    assert_eq!(reader.state.remote_state().protocol, Protocol::Linear);
    let mut writer = Connection::open_or_make(&repo, None, false).unwrap();
    writer.refresh(&warnings).unwrap();
    assert_eq!(writer.state.remote_state().protocol, Protocol::Siblings);
    assert_eq!(warnings.0.lock().unwrap().len(), 1);
    reader.refresh(&warnings).unwrap();
    assert_eq!(reader.state.remote_state().protocol, Protocol::Siblings);
}

#[test]
fn a_slow_fetch_moves_no_tracking_ref_back() {
    let (_directory, repo) = repository(Some(Guarantee::Exclusive));
    let connection = Connection::open_or_make(&repo, None, false).unwrap();
    let mut writer = repo.history().writer().unwrap();
    let mut commit = |parents| {
        let (author, tree) = (repo.signature(), Id::EMPTY_TREE);
        let (committer, message) = (author.clone(), String::new());
        let commit = crate::history::Commit { tree, parents, author, committer, message };
        writer.commit(&commit).unwrap()
    };
    let older = commit(Vec::new());
    let newer = commit(vec![older]);
    writer.flush().unwrap();
    let name: RefName = "refs/runs/o/p/a".parse().unwrap();
    let move_to = |old, new| {
        connection.move_tracking(&[(&name, old, new)], "fetch").unwrap();
        connection.tracked().unwrap().get(&name).copied()
    };
    assert_eq!(move_to(None, Some(newer)), Some(newer));
    // Fetches that began before, and end after the first one.
    assert_eq!(move_to(None, Some(older)), Some(newer));
    assert_eq!(move_to(Some(older), None), Some(newer));
    // A fetch after the remote's ref was set back.
    assert_eq!(move_to(Some(newer), Some(older)), Some(older));
}
