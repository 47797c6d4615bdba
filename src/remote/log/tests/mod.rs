//! Tests of the log's formats, of the remote state, and of concurrent writers.

mod checkpoints;
mod dead_names;
mod files;
mod racing;
mod renames;
mod vouching;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::super::fault::{Fault, FaultStore, Request};
use super::super::layout::EntryName;
use super::super::memory::{Honesty, MemoryStore};
use super::super::store::StoreOptions;
use super::*;
use crate::clock::Timestamp;
use crate::id::{Digest, Id};
use crate::name::RefName;

fn options() -> StoreOptions {
    StoreOptions { first_wait: Duration::from_millis(1), retries: 4, ..StoreOptions::default() }
}

fn memory(honesty: Honesty) -> Store {
    Store::on(Arc::new(MemoryStore::new(honesty)), "memory://test", options())
}

fn id(text: &str) -> Id {
    Id::of_blob(text.as_bytes())
}

fn run(name: &str) -> RefName {
    format!("refs/runs/o/p/{name}").parse().unwrap()
}

/// Creates a push that moves one run's ref; `-` means no commit.
fn push(name: &str, old: &str, new: &str) -> Proposal {
    let commit = |text: &str| (text != "-").then(|| id(text));
    let mut proposal =
        Proposal::new("Ada <ada@example.com>", Timestamp::from_seconds(1_800_000_000), "push");
    proposal.refs.push(RefMove { name: run(name), old: commit(old), new: commit(new) });
    proposal
}

#[track_caller]
fn done(commit: Result<Commit>) -> Committed {
    match commit.unwrap() {
        Commit::Done(committed) => committed,
        other => panic!("{other:?}"),
    }
}

fn at(state: &LogState, name: &str) -> Option<Id> {
    state.remote_state().refs.get(&run(name)).copied()
}

fn linear() -> (Log, LogState) {
    let log = Log::open_or_make(&memory(Honesty::Honest), Protocol::Linear).unwrap();
    let state = log.load().unwrap();
    (log, state)
}

fn siblings() -> (Log, LogState) {
    let log = Log::open_or_make(&memory(Honesty::Declines), Protocol::Siblings).unwrap();
    let state = log.load().unwrap();
    (log, state)
}

#[test]
fn an_entry_is_written_in_the_documented_format() {
    let mut entry = entry_of(12, 7, &push("r", "-", "a"));
    entry.packs.push(Stored { id: Id::EMPTY_TREE, size: 5 });
    entry.seen.push(Seen { write: Uuid::nil(), digest: Id::EMPTY_TREE });
    entry.renamed.push(Renamed { uuid: Uuid::nil(), from: run("q"), to: run("r") });
    let text = String::from_utf8(entry.encode().unwrap()).unwrap();
    let (body, checksum) = text.split_at(text.find("# sha256").unwrap());
    assert_eq!(
        body,
        format!(
            "format = 1\nnumber = 12\nwrite = \"00000000-0000-0000-0000-000000000007\"\n\
             who = \"Ada <ada@example.com>\"\nwhen = \"2027-01-15T08:00:00Z\"\n\
             message = \"push\"\nseen = [\"{} {}\"]\nrefs = [\"- {} refs/runs/o/p/r\"]\n\
             renamed = [\"{} refs/runs/o/p/q refs/runs/o/p/r\"]\n\
             packs = [\"{} 5\"]\n",
            Uuid::nil(),
            Id::EMPTY_TREE,
            id("a"),
            Uuid::nil(),
            Id::EMPTY_TREE
        )
    );
    assert_eq!(checksum, format!("# sha256 {}\n", Digest::of(body.as_bytes())));
}

fn entry_of(number: u64, write: u128, proposal: &Proposal) -> Entry {
    Entry {
        format: 1,
        number,
        write: Uuid::from_u128(write),
        who: proposal.who.clone(),
        when: proposal.when,
        message: proposal.message.clone(),
        seen: Vec::new(),
        log: None,
        refs: proposal.refs.clone(),
        renamed: proposal.renamed.clone(),
        settled: Vec::new(),
        packs: Vec::new(),
        meta: Vec::new(),
        segments: Vec::new(),
        retired: Vec::new(),
        again: Vec::new(),
        deleted: proposal.deleted.clone(),
        gone: proposal.gone.clone(),
        forgotten: proposal.forgotten.clone(),
        gc: proposal.gc,
        restored: false,
        joined: false,
        digest: FileDigest::default(),
        features: proposal.features.clone(),
        extra: toml::Table::new(),
    }
}

/// The identity of an entry for the entry after it.
fn seen(entry: &Entry) -> Seen {
    Seen { write: entry.write, digest: Digest::of(&entry.encode().unwrap()) }
}

fn with_checksum(body: &str) -> Vec<u8> {
    format!("{body}# sha256 {}\n", Digest::of(body.as_bytes())).into_bytes()
}

#[test]
fn unknown_keys_are_kept_and_a_newer_format_is_refused() {
    let entry = entry_of(1, 1, &push("r", "-", "a"));
    let text = String::from_utf8(entry.encode().unwrap()).unwrap();
    let body =
        text[..text.find("# sha256").unwrap()].to_owned() + "colour = \"red\"\n\n[deep]\nx = 1\n";
    let read = Entry::decode("log/x", &with_checksum(&body)).unwrap();
    assert_eq!(read.extra.len(), 2);
    assert_eq!(read.encode().unwrap(), with_checksum(&body));

    for newer in [with_checksum("format = 2\n"), b"format = 2\nelse = 5\n".to_vec()] {
        let error = Entry::decode("log/x", &newer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("made by a newer art"), "{error:?}");
    }
}

#[test]
fn an_incomplete_entry_is_refused() {
    let bytes = entry_of(1, 1, &push("r", "-", "a")).encode().unwrap();
    for length in 0..bytes.len() {
        let error = Entry::decode("log/x", &bytes[..length]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{length}");
    }
    let name = EntryName { number: 2, write: None };
    assert_eq!(Entry::decode_named(&name, &bytes).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn an_entry_that_names_a_tracking_ref_is_refused() {
    let mut entry = entry_of(3, 7, &push("r", "-", "a"));
    entry.refs[0].name = run("r").tracking(&"origin".parse().unwrap());
    let error = Entry::decode("log/x", &entry.encode().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("log/x"), "{error:?}");
}

#[test]
fn an_entry_with_too_many_values_is_refused_before_it_takes_memory() {
    let body = format!("format = 1\nx = [{}]\n", "1,".repeat(500_000));
    let error = Entry::decode("log/x", &with_checksum(&body)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn a_push_and_a_fetch_are_one_request_each() {
    let (log, mut writer) = linear();
    let mut reader = log.load().unwrap();
    let before = log.store().traffic();
    let committed = done(log.commit(&mut writer, &push("r", "-", "a")));
    assert_eq!((committed.entry.number, committed.conflicts.len()), (1, 0));
    assert_eq!(log.store().traffic().since(before).requests, 1);
    log.refresh(&mut reader).unwrap();
    assert_eq!(reader, writer);
    let before = log.store().traffic();
    assert!(log.refresh(&mut reader).unwrap().entries.is_empty());
    assert_eq!(log.store().traffic().since(before).requests, 1);
}

#[test]
fn the_second_writer_adds_a_later_entry_unless_the_same_ref_moved() {
    let (log, mut one) = linear();
    let mut two = one.clone();
    done(log.commit(&mut one, &push("r", "-", "a")));
    let committed = done(log.commit(&mut two, &push("s", "-", "b")));
    assert_eq!((committed.entry.number, committed.others.len()), (2, 1));
    assert_eq!((at(&two, "r"), at(&two, "s")), (Some(id("a")), Some(id("b"))));
    // The first writer has not seen the second entry, and moves the same ref.
    match log.commit(&mut one, &push("s", "-", "c")).unwrap() {
        Commit::Moved(refs) => assert_eq!(refs, [run("s")]),
        other => panic!("{other:?}"),
    }
    assert_eq!(one, two);
    assert_eq!(log.store().list("log/", None, 10).unwrap().len(), 2);
}

#[test]
fn a_push_that_relies_on_a_retired_pack_is_refused() {
    let (log, mut one) = linear();
    let mut first = push("r", "-", "a");
    first.packs.push(Stored { id: id("pack"), size: 9 });
    done(log.commit(&mut one, &first));
    let mut two = one.clone();
    let mut gc = push("r", "a", "a");
    gc.refs.clear();
    gc.retired.push(id("pack"));
    done(log.commit(&mut one, &gc));
    assert_eq!(one.remote_state().retired[&id("pack")].size, 9);
    let mut second = push("s", "-", "b");
    second.relies_on.push(id("pack"));
    match log.commit(&mut two, &second).unwrap() {
        Commit::Retired(packs) => assert_eq!(packs, [id("pack")]),
        other => panic!("{other:?}"),
    }
    // If the pack is sent again, it exists again.
    second.relies_on.clear();
    second.packs.push(Stored { id: id("pack"), size: 9 });
    done(log.commit(&mut two, &second));
    assert!(
        two.remote_state().packs.contains_key(&id("pack")) && two.remote_state().retired.is_empty()
    );
}

#[test]
fn no_fault_at_any_request_loses_or_doubles_a_push() {
    for fault in [Fault::Fails, Fault::Hangs, Fault::AnswerLost, Fault::Cut, Fault::Refused] {
        for (protocol, honesty) in
            [(Protocol::Linear, Honesty::Honest), (Protocol::Siblings, Honesty::Declines)]
        {
            for nth in 0..12 {
                let memory = Arc::new(MemoryStore::new(honesty));
                let good = Store::on(Arc::clone(&memory) as _, "memory://test", options());
                let log = Log::open_or_make(&good, protocol).unwrap();
                let faulty = FaultStore::new(memory, move |n, _, _| (n == nth).then_some(fault));
                let faulty = Store::on(Arc::new(faulty), "memory://test", options());
                let worked = Log::open(faulty).and_then(|log| {
                    let mut state = log.load()?;
                    for (old, new) in [("-", "a"), ("a", "b"), ("b", "c")] {
                        log.refresh(&mut state)?;
                        let committed = log.commit(&mut state, &push("r", old, new))?;
                        assert!(matches!(committed, Commit::Done(_)), "{committed:?}");
                    }
                    Ok(())
                });
                let mut state = log.load().unwrap();
                let news = log.refresh(&mut state).unwrap();
                let moves: Vec<_> = news.entries.iter().map(|entry| entry.refs[0].new).collect();
                let all = [Some(id("a")), Some(id("b")), Some(id("c"))];
                assert!(all.starts_with(&moves), "{fault:?} at {nth}: {moves:?}");
                assert!(
                    state.remote_state().conflicts.is_empty()
                        && state.remote_state().doubled.is_empty()
                );
                if !matches!(fault, Fault::Refused | Fault::Cut) {
                    worked.unwrap();
                    assert_eq!(moves.len(), 3, "{fault:?} at {nth}");
                }
            }
        }
    }
}

#[test]
fn after_a_lost_answer_the_entry_is_looked_up() {
    let memory = Arc::new(MemoryStore::new(Honesty::Honest));
    let good = Store::on(Arc::clone(&memory) as _, "memory://test", options());
    Log::open_or_make(&good, Protocol::Linear).unwrap();
    let faulty = FaultStore::new(memory, |_, request, _| {
        (request == Request::Create).then_some(Fault::AnswerLost)
    });
    let log = Log::open(Store::on(Arc::new(faulty), "memory://test", options())).unwrap();
    let mut state = log.load().unwrap();
    assert_eq!(done(log.commit(&mut state, &push("r", "-", "a"))).entry.number, 1);
    assert_eq!(done(log.commit(&mut state, &push("r", "a", "b"))).entry.number, 2);
}

#[test]
fn an_incomplete_sibling_does_not_count_until_it_is_complete() {
    let (log, mut state) = siblings();
    done(log.commit(&mut state, &push("r", "-", "a")));
    let entry = entry_of(2, 9, &push("r", "a", "b"));
    let name = EntryName { number: 2, write: Some(entry.write) };
    let bytes = Bytes::from(entry.encode().unwrap());
    log.store().write(&name.key(), bytes.slice(..bytes.len() - 1)).unwrap();
    for _ in 0..2 {
        log.refresh(&mut state).unwrap();
        assert_eq!(at(&state, "r"), Some(id("a")));
    }
    log.store().write(&name.key(), bytes).unwrap();
    log.refresh(&mut state).unwrap();
    assert_eq!(at(&state, "r"), Some(id("b")));
}

#[test]
fn an_entry_can_change_the_log_to_one_with_siblings() {
    let (log, mut one) = linear();
    let mut two = one.clone();
    done(log.commit(&mut one, &push("r", "-", "a")));
    for _ in 0..2 {
        log.downgrade(&mut one, "Ada <ada@example.com>", Timestamp::from_seconds(0)).unwrap();
    }
    done(log.commit(&mut one, &push("r", "a", "c")));
    // Writer two has not seen the change, and learns of it when its push loses.
    let committed = done(log.commit(&mut two, &push("s", "-", "d")));
    assert_eq!(committed.others.len(), 3);
    assert_eq!((at(&two, "r"), at(&two, "s")), (Some(id("c")), Some(id("d"))));
    log.refresh(&mut one).unwrap();
    assert_eq!(one.remote_state(), two.remote_state());
    let keys = log.store().list("log/", None, 10).unwrap();
    assert_eq!(keys.iter().filter(|entry| entry.key.len() > 30).count(), 2);
}

#[test]
fn a_replaced_entry_is_detected_by_old_and_new_readers() {
    let (log, mut one) = linear();
    done(log.commit(&mut one, &push("r", "-", "a")));
    // A dishonest store lets another writer win the same number. That writer then adds a second
    // entry.
    let other = entry_of(1, 1, &push("s", "-", "b"));
    let mut next = entry_of(2, 2, &push("s", "b", "c"));
    next.seen.push(seen(&other));
    for entry in [&other, &next] {
        let key = EntryName { number: entry.number, write: None }.key();
        log.store().write(&key, entry.encode().unwrap()).unwrap();
    }
    let news = log.refresh(&mut one).unwrap();
    assert!(news.started_over);
    assert_eq!(news.replaced, [1]);
    assert_eq!((at(&one, "r"), at(&one, "s")), (None, Some(id("c"))));
    // The writer of this entry saw a deleted entry: the gap in the chain is recorded.
    let mut broken = entry_of(3, 3, &push("t", "-", "d"));
    broken.seen.push(Seen { write: Uuid::from_u128(99), digest: id("x") });
    let key = EntryName { number: 3, write: None }.key();
    log.store().write(&key, broken.encode().unwrap()).unwrap();
    let mut reader = log.load().unwrap();
    log.refresh(&mut reader).unwrap();
    assert_eq!(reader.remote_state().doubled.iter().copied().collect::<Vec<_>>(), [2]);
}

#[test]
fn a_reader_from_a_checkpoint_has_the_same_state_as_one_from_the_start() {
    for (log, mut state) in [linear(), siblings()] {
        let mut last = "-".to_owned();
        let mut checkpoints = 0;
        for number in 1..=700 {
            let next = number.to_string();
            let committed = done(log.commit(&mut state, &push("r", &last, &next)));
            if committed.wants_checkpoint {
                log.write_checkpoint(&state).unwrap();
                checkpoints += 1;
            }
            last = next;
        }
        assert_eq!(checkpoints, 700 / EVERY);
        let mut slow = LogState::empty(log.made().log);
        log.refresh(&mut slow).unwrap();
        let before = log.store().traffic();
        let mut quick = log.load().unwrap();
        log.refresh(&mut quick).unwrap();
        let requests = log.store().traffic().since(before).requests;
        assert_eq!(
            (quick.remote_state(), slow.remote_state()),
            (state.remote_state(), state.remote_state())
        );
        assert!(requests < 30, "{requests}");
        // A reader's saved state is complete: nothing is read again.
        let mut saved = LogState::decode(&state.encode().unwrap()).unwrap();
        assert_eq!(saved.remote_state(), state.remote_state());
        let before = log.store().traffic();
        assert!(log.refresh(&mut saved).unwrap().entries.is_empty());
        assert_eq!(log.store().traffic().since(before).requests, 1);
        damage_of_checkpoints_costs_time_only(&log, &state);
    }
}

fn damage_of_checkpoints_costs_time_only(log: &Log, state: &LogState) {
    let listed = log.store().list("checkpoint/", None, 1000).unwrap();
    assert!(listed.len() >= 2);
    for object in &listed {
        log.store().write(&object.key, Bytes::from_static(b"format = 1")).unwrap();
    }
    let mut reader = log.load().unwrap();
    log.refresh(&mut reader).unwrap();
    assert_eq!(reader.remote_state(), state.remote_state());
    log.store().delete(&listed.into_iter().map(|object| object.key).collect::<Vec<_>>()).unwrap();
    let mut reader = log.load().unwrap();
    log.refresh(&mut reader).unwrap();
    assert_eq!(reader.remote_state(), state.remote_state());
}

#[test]
fn a_very_late_sibling_is_applied_in_order() {
    let (log, mut state) = siblings();
    let mut last = "-".to_owned();
    for number in 1..=600 {
        let next = number.to_string();
        done(log.commit(&mut state, &push("r", &last, &next)));
        last = next;
    }
    let late = entry_of(2, 0, &push("r", "1", "late"));
    let key = EntryName { number: 2, write: Some(late.write) }.key();
    log.store().write(&key, late.encode().unwrap()).unwrap();
    // A new reader lists the whole log immediately; an existing reader does so occasionally.
    let mut saved = LogState::decode(&state.encode().unwrap()).unwrap();
    let news = log.refresh(&mut saved).unwrap();
    assert!(news.started_over && news.replaced.is_empty());
    let noticed = (0..=16).position(|_| log.refresh(&mut state).unwrap().started_over);
    assert!(noticed.is_some());
    assert_eq!(state, saved);
    let mut fresh = LogState::empty(Protocol::Siblings);
    log.refresh(&mut fresh).unwrap();
    assert_eq!(state.remote_state(), fresh.remote_state());
    // The late entry is first in the order, so it determines the ref. The other side becomes a
    // conflict.
    assert_eq!(at(&state, "r"), Some(id("late")));
    let sides = &state.remote_state().conflicts[&run("r")];
    assert_eq!(sides.iter().map(|side| side.commit).collect::<Vec<_>>(), [Some(id("600"))]);
}

#[test]
fn a_remote_of_a_newer_program_is_not_changed() {
    let store = memory(Honesty::Honest);
    store.write("art.toml", Bytes::from_static(b"format = 9\n")).unwrap();
    let error = Log::open_or_make(&store, Protocol::Linear).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(Log::open(memory(Honesty::Honest)).unwrap_err().kind(), ErrorKind::NotFound);
}

/// Number, write id, run name, old and new commit.
type Move = (u64, u128, String, Option<u8>, Option<u8>);

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let commit = prop::option::of(0u8..4);
    prop::collection::vec((1u64..6, any::<u128>(), "[ab]", commit.clone(), commit), 1..14)
}

proptest! {
    #[test]
    fn entries_are_read_back(
        number in 1..=crate::remote::layout::MAX_NUMBER,
        write in any::<u128>(),
        who in "\\PC{0,30}",
        message in "(?s).{0,40}",
        moved in moves(),
        packs in prop::collection::vec((any::<[u8; 32]>(), 0u64..4 << 30), 0..4),
        joined in any::<bool>(),
    ) {
        let mut entry = entry_of(number, write, &push("r", "-", "a"));
        (entry.who, entry.joined) = (who, joined);
        entry.message = message;
        entry.refs = moved.iter().map(ref_move).collect();
        entry.packs =
            packs.into_iter().map(|(id, size)| Stored { id: Id::from_bytes(id), size }).collect();
        let bytes = entry.encode().unwrap();
        prop_assert_eq!(Entry::decode("log/x", &bytes).unwrap(), entry);
    }

    #[test]
    fn arbitrary_bytes_are_an_entry_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Entry::decode("log/x", &bytes);
        let _ = LogState::decode(&bytes);
    }

    #[test]
    fn arbitrary_text_is_an_entry_or_an_error(
        body in "(format = 1\n)?([a-z]{1,8} = ([0-9\"\\[\\]]{1,6}|\"[-a-f0-9 /]{0,20}\")\n){0,6}",
    ) {
        let _ = Entry::decode("log/x", &with_checksum(&body));
        let compressed = zstd::bulk::compress(body.as_bytes(), 1).unwrap();
        let _ = LogState::decode(&compressed);
    }

    #[test]
    fn the_state_does_not_depend_on_the_order_of_arrival(moved in moves(), seed in any::<u64>()) {
        let entries: Vec<_> = moved.iter().map(|m| {
            let mut entry = entry_of(m.0, m.1, &push("r", "-", "a"));
            entry.refs = vec![ref_move(m)];
            entry.digest = FileDigest::of(&entry.encode().unwrap());
            (EntryName { number: m.0, write: Some(entry.write) }, Arc::new(entry))
        }).collect();
        let mut sorted = entries.clone();
        sorted.sort_by_key(|(name, _)| *name);
        sorted.dedup_by_key(|(name, _)| *name);
        let mut want = RemoteState::empty(Protocol::Siblings);
        for (name, entry) in &sorted {
            want.apply(*name, entry);
        }
        let mut shuffled = sorted.clone();
        let mut random = seed | 1;
        for index in (1..shuffled.len()).rev() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            shuffled.swap(index, (random % (index as u64 + 1)) as usize);
        }
        let mut state = LogState::empty(Protocol::Siblings);
        for chunk in shuffled.chunks(3) {
            state.insert(chunk.to_vec());
        }
        prop_assert_eq!(state.remote_state(), &want);
        // Nothing is lost: every commit is a ref's commit, a side of a conflict, or the start of a
        // later move.
        for (_, entry) in &sorted {
            let RefMove { name, new, .. } = &entry.refs[0];
            let now = want.refs.get(name).copied();
            let sides = want.conflicts.get(name).into_iter().flatten();
            let kept = now == *new || sides.clone().any(|side| side.commit == *new);
            let passed = sorted.iter().any(|(_, other)| {
                other.refs[0].name == *name && other.refs[0].old == *new
            });
            prop_assert!(kept || passed, "{:?} of {} is lost", new, name);
        }
        // A saved copy of the state equals the state.
        let copy = LogState::decode(&state.encode().unwrap()).unwrap();
        prop_assert_eq!(copy.remote_state(), state.remote_state());
    }
}

fn ref_move((_, _, name, old, new): &Move) -> RefMove {
    let commit = |commit: &Option<u8>| commit.map(|commit| id(&commit.to_string()));
    RefMove { name: run(name), old: commit(old), new: commit(new) }
}

#[test]
fn a_log_copied_to_a_store_without_exclusive_create_can_be_downgraded() {
    let (log, mut state) = linear();
    let _ = done(log.commit(&mut state, &push("r", "-", "a")));
    let copy = memory(Honesty::Declines);
    for listed in log.store().list("", None, 99).unwrap() {
        copy.write(&listed.key, log.store().read(&listed.key, 9999).unwrap()).unwrap();
    }
    let log = Log::open(copy).unwrap();
    let mut state = log.load().unwrap();
    assert!(log.commit(&mut state, &push("s", "-", "a")).is_err());
    log.downgrade(&mut state, "Ada <ada@example.com>", Timestamp::from_seconds(0)).unwrap();
    assert_eq!(state.remote_state().protocol, Protocol::Siblings);
    let _ = done(log.commit(&mut state, &push("s", "-", "a")));
    let mut other = log.load().unwrap();
    log.refresh(&mut other).unwrap();
    assert_eq!(other.remote_state(), state.remote_state());
    assert_eq!((at(&other, "r"), at(&other, "s")), (Some(id("a")), Some(id("a"))));
}
