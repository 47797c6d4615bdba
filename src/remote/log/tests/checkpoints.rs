//! Tests of checkpoints: how many are kept, and what readers and writers do while old ones are
//! removed.

use std::path::Path;

use super::*;

/// Lists the keys of the checkpoints, the oldest first.
fn checkpoints(log: &Log) -> Vec<String> {
    let listed = log.store().list("checkpoint/", None, 1000).unwrap();
    let keys = listed.into_iter().map(|object| object.key);
    keys.filter(|key| Path::new(key).extension().is_some_and(|extension| extension == "zst"))
        .collect()
}

fn numbers(log: &Log) -> Vec<u64> {
    let number = |key: &String| key.strip_prefix("checkpoint/")?.split('-').next()?.parse().ok();
    checkpoints(log).iter().filter_map(number).collect()
}

/// Adds entries that move one ref forward, and writes checkpoints as a push does.
fn add_entries(log: &Log, state: &mut LogState, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let old = if number == 1 { "-".to_owned() } else { (number - 1).to_string() };
        let committed = done(log.commit(state, &push("r", &old, &number.to_string())));
        if committed.wants_checkpoint {
            log.write_checkpoint(state).unwrap();
        }
    }
}

fn requests_of_a_reader(log: &Log, state: &LogState) -> u64 {
    let before = log.store().traffic();
    let mut reader = log.load().unwrap();
    log.refresh(&mut reader).unwrap();
    assert_eq!(reader.remote_state(), state.remote_state());
    log.store().traffic().since(before).requests
}

#[test]
fn only_the_newest_checkpoints_stay() {
    let (log, mut state) = linear();
    add_entries(&log, &mut state, 1..=200);
    assert_eq!(numbers(&log), [184, 192, 200]);
    assert!(requests_of_a_reader(&log, &state) <= 4);
    let (log, mut state) = siblings();
    add_entries(&log, &mut state, 1..=200);
    assert!(numbers(&log).len() <= 4, "{:?}", numbers(&log));
    requests_of_a_reader(&log, &state);
}

#[test]
fn a_reader_whose_checkpoint_was_removed_uses_the_newest_remaining_one() {
    let (log, mut state) = linear();
    add_entries(&log, &mut state, 1..=80);
    let hint = log.store().read("checkpoint/latest.toml", 1 << 16).unwrap();
    let old = checkpoints(&log).pop().unwrap();
    add_entries(&log, &mut state, 81..=160);
    assert!(!checkpoints(&log).contains(&old));
    // A slow writer's hint names the checkpoint that others removed.
    log.store().write("checkpoint/latest.toml", hint).unwrap();
    let requests = requests_of_a_reader(&log, &state);
    assert!(requests <= 8, "{requests} requests: the reader began with the first entry");
}

#[test]
fn a_slow_writer_leaves_the_hint_at_the_newest_checkpoint() {
    let (log, mut state) = linear();
    add_entries(&log, &mut state, 1..=16);
    let slow = state.clone();
    add_entries(&log, &mut state, 17..=120);
    log.write_checkpoint(&slow).unwrap();
    let hint = log.store().read("checkpoint/latest.toml", 1 << 16).unwrap();
    let hint = String::from_utf8(hint.to_vec()).unwrap();
    assert!(hint.contains("number = 120"), "{hint}");
    assert_eq!(numbers(&log), [104, 112, 120]);
    assert!(requests_of_a_reader(&log, &state) <= 4);
}

#[test]
fn a_store_that_cannot_delete_keeps_old_checkpoints() {
    let objects = Arc::new(MemoryStore::new(Honesty::Honest));
    let refuse =
        |_, request: Request, _: &str| (request == Request::Delete).then_some(Fault::Refused);
    let store = FaultStore::new(objects, refuse);
    let log = Log::open_or_make(
        &Store::on(Arc::new(store), "memory://test", options()),
        Protocol::Linear,
    );
    let log = log.unwrap();
    let mut state = log.load().unwrap();
    add_entries(&log, &mut state, 1..=64);
    assert_eq!(numbers(&log).len(), 8);
    assert!(requests_of_a_reader(&log, &state) <= 4);
}

/// Creates a proposal that creates `count` refs.
fn many_refs(count: u32) -> Proposal {
    let mut proposal = push("r", "-", "a");
    // Digests don't compress.
    let moves = (0..count).map(|n| push(&format!("r{n}"), "-", &n.to_string()));
    proposal.refs = moves.flat_map(|one| one.refs).collect();
    proposal
}

#[test]
fn a_long_checkpoint_is_written_less_often() {
    let (log, mut state) = linear();
    let mut written = Vec::new();
    for number in 1..=100u64 {
        let mut proposal = push("r", "-", "a");
        proposal.refs.clear();
        if number == 20 {
            proposal = many_refs(12_000);
        }
        if done(log.commit(&mut state, &proposal)).wants_checkpoint {
            log.write_checkpoint(&state).unwrap();
            written.extend(numbers(&log).pop());
        }
    }
    written.dedup();
    assert_eq!(written, [8, 16, 32, 48, 64, 80, 96]);
    requests_of_a_reader(&log, &state);
}

#[test]
fn a_long_entry_is_read_only_by_readers_without_its_checkpoint() {
    let (log, mut state) = linear();
    let committed = done(log.commit(&mut state, &many_refs(20_000)));
    assert!(committed.is_long && !committed.wants_checkpoint);
    log.renew_checkpoint(&state).unwrap();
    let length = log.store().try_size(&state.remote_state().last.unwrap().key()).unwrap().unwrap();
    assert!(length > 1 << 20, "{length}");
    // The writer, and a reader with the state, check that the entry still exists, without reading
    // it.
    let saved = LogState::decode(&state.encode().unwrap()).unwrap();
    let before = log.store().traffic();
    assert!(Log::try_reopen(log.store().clone(), log.made().clone(), &saved).unwrap().is_some());
    let moved = log.store().traffic().since(before);
    assert!(moved.requests == 1 && moved.received < 8 << 10, "{moved:?}");
    // A new reader gets the entry's changes from the checkpoint.
    assert!(requests_of_a_reader(&log, &state) <= 3);
    // A replaced entry is detected, even if the new one is short.
    let key = saved.remote_state().last.unwrap().key();
    for count in [0, 20_000] {
        let other = entry_of(1, 9, &many_refs(count));
        log.store().write(&key, other.encode().unwrap()).unwrap();
        let log = Log::try_reopen(log.store().clone(), log.made().clone(), &saved).unwrap();
        assert!(log.is_none());
    }
}

#[test]
fn a_reader_learns_the_features_of_all_entries() {
    let (log, mut state) = linear();
    let mut proposal = push("r", "-", "a");
    proposal.features.needed_to_write.insert("later".to_owned());
    let _ = done(log.commit(&mut state, &proposal));
    let error = log.commit(&mut state, &push("r", "a", "b")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("made by a newer art"), "{error:?}");
    // A reader can still read, from the entries and from a saved state.
    let mut other = log.load().unwrap();
    log.refresh(&mut other).unwrap();
    assert_eq!(at(&other, "r"), Some(id("a")));
    let saved = LogState::decode(&state.encode().unwrap()).unwrap();
    assert_eq!(saved, state);
    assert_eq!(log.check_writable(&saved).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn an_entry_with_an_unknown_feature_is_not_read() {
    for (log, mut state) in [linear(), siblings()] {
        let reader = log.load().unwrap();
        let mut proposal = push("r", "-", "a");
        proposal.features.needed_to_read.insert("later".to_owned());
        // The writer of this release refuses the entry when it reads it back.
        let _ = log.commit(&mut state, &proposal);
        for mut known in [reader, log.load().unwrap()] {
            let error = log.refresh(&mut known).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }
}
