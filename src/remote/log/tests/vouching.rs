//! Tests of the digests of entries: each entry vouches for all entries before it.

use super::*;

fn replace(log: &Log, name: &EntryName, message: &str) {
    let bytes = log.store().read(&name.key(), 1 << 20).unwrap();
    let entry = Entry::decode_named(name, &bytes).unwrap();
    let other = Entry { message: message.to_owned(), ..entry };
    log.store().write(&name.key(), other.encode().unwrap()).unwrap();
}

#[test]
fn an_entry_names_the_file_of_the_entry_before_it() {
    for (log, mut state) in [linear(), siblings()] {
        let first = done(log.commit(&mut state, &push("r", "-", "a"))).entry;
        let second = done(log.commit(&mut state, &push("r", "a", "b"))).entry;
        assert_eq!(second.seen, [seen(&first)]);
        // A writer that starts from a checkpoint or a saved state names it, too.
        log.renew_checkpoint(&state).unwrap();
        let mut loaded = log.load().unwrap();
        log.refresh(&mut loaded).unwrap();
        let saved = LogState::decode(&state.encode().unwrap()).unwrap();
        for mut state in [loaded, saved] {
            let third = done(log.commit(&mut state, &push("r", "b", "c"))).entry;
            assert_eq!(third.seen, [seen(&second)]);
            let name = *log.names(&state).unwrap().last().unwrap();
            log.store().delete(&[name.key()]).unwrap();
        }
    }
}

#[test]
fn an_entry_that_was_replaced_under_its_write_id_is_noticed() {
    let (log, mut state) = linear();
    let _ = done(log.commit(&mut state, &push("r", "-", "a")));
    let _ = done(log.commit(&mut state, &push("r", "a", "b")));
    let sound = audit(log.store(), log.made(), Some(&state)).unwrap();
    assert!(sound.defects.is_empty(), "{:?}", sound.defects);
    let name = |number| EntryName { number, write: None };
    replace(&log, &name(1), "another message");
    let found = audit(log.store(), log.made(), None).unwrap();
    assert_eq!(found.defects.len(), 1, "{:?}", found.defects);
    assert_eq!(found.defects[0].key, name(1).key());
    assert!(found.defects[0].problem.contains("it was changed after"), "{:?}", found.defects);
    // A reader who remembers the newest entry opens the log again if its file is another one.
    let made = log.made().clone();
    let reopen = || Log::try_reopen(log.store().clone(), made.clone(), &state).unwrap();
    assert!(reopen().is_some());
    replace(&log, &name(2), "another message");
    assert!(reopen().is_none());
}

#[test]
fn a_sibling_that_was_replaced_under_its_write_id_is_noticed() {
    let (log, mut state) = siblings();
    let first = done(log.commit(&mut state, &push("r", "-", "a"))).entry;
    let _ = done(log.commit(&mut state, &push("r", "a", "b")));
    let name = EntryName { number: first.number, write: Some(first.write) };
    replace(&log, &name, "another message");
    let found = audit(log.store(), log.made(), None).unwrap();
    assert_eq!(found.defects.len(), 1, "{:?}", found.defects);
    assert_eq!(found.defects[0].key, name.key());
}

#[test]
fn a_restored_entry_says_so_and_is_no_defect() {
    let (log, mut state) = linear();
    let _ = done(log.commit(&mut state, &push("r", "-", "a")));
    let _ = done(log.commit(&mut state, &push("r", "a", "b")));
    let _ = done(log.commit(&mut state, &push("r", "b", "c")));
    let name = EntryName { number: 2, write: None };
    log.store().delete(&[name.key()]).unwrap();
    let found = audit(log.store(), log.made(), Some(&state)).unwrap();
    let restorer = Restorer { who: "Ada".to_owned(), when: Timestamp::from_seconds(1_800_000_000) };
    let keys = found.restore(log.store(), log.made(), &restorer).unwrap();
    assert_eq!(keys, [name.key()]);
    let bytes = log.store().read(&name.key(), 1 << 20).unwrap();
    let entry = Entry::decode_named(&name, &bytes).unwrap();
    assert!(entry.restored);
    assert_eq!(entry.seen.len(), 1);
    let found = audit(log.store(), log.made(), Some(&state)).unwrap();
    assert!(found.defects.is_empty(), "{:?}", found.defects);
}
