//! Tests of added and retired files, and of long logs.

use super::*;

#[test]
fn an_entry_with_an_oversized_file_is_refused() {
    let mut pushed = push("r", "-", "a");
    pushed.segments.push(Stored { id: id("segment"), size: (4 << 30) + 1 });
    let (log, mut state) = linear();
    let refused = log.commit(&mut state, &pushed).unwrap_err();
    assert!(refused.to_string().contains("an index segment of 4294967297 bytes"), "{refused}");
    // A foreign writer may not check the size.
    let mut entry = entry_of(1, 7, &pushed);
    entry.segments.push(Stored { id: id("segment"), size: 5 });
    let text = String::from_utf8(entry.encode().unwrap()).unwrap();
    let body = &text[..text.find("# sha256").unwrap()];
    let body = body.replacen(" 5\"", " 4294967297\"", 1);
    let error = Entry::decode("log/1", &with_checksum(&body)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.causes().join(" ").contains("an index segment of 4294967297 bytes"), "{error:?}");
}

/// Creates a push of one file, or a push that retires it.
fn pack(retires: bool) -> Proposal {
    let mut proposal = push("r", "-", "-");
    proposal.refs.clear();
    if retires {
        proposal.retired.push(id("pack"));
    } else {
        proposal.packs.push(Stored { id: id("pack"), size: 9 });
    }
    proposal
}

#[test]
fn a_file_added_again_while_another_writer_retires_it_is_kept() {
    // The write ids decide which entry is first. Try several.
    for _ in 0..8 {
        let (log, mut one) = siblings();
        done(log.commit(&mut one, &pack(false)));
        let mut two = one.clone();
        done(log.commit(&mut one, &pack(true)));
        assert_eq!(one.remote_state().retired[&id("pack")].kind, StoredKind::Pack);
        done(log.commit(&mut two, &pack(false)));
        for state in [&mut one, &mut two] {
            log.refresh(state).unwrap();
            assert!(
                state.remote_state().packs.contains_key(&id("pack"))
                    && state.remote_state().retired.is_empty()
            );
        }
        assert_eq!(LogState::decode(&one.encode().unwrap()).unwrap(), one);
        // A writer who knows both entries can retire the file.
        done(log.commit(&mut two, &pack(true)));
        log.refresh(&mut one).unwrap();
        assert!(one.remote_state().packs.is_empty() && one.remote_state().again.is_empty());
    }
    // An entry that both adds and retires a file keeps the file.
    let (log, mut one) = siblings();
    let mut both = pack(false);
    both.retired.push(id("pack"));
    done(log.commit(&mut one, &both));
    assert!(one.remote_state().packs.contains_key(&id("pack")));
}

#[test]
fn the_newest_entries_of_a_long_log_are_found_without_listing_all_of_it() {
    let (log, mut state) = siblings();
    let mut last = "-".to_owned();
    for number in 1..=600 {
        let next = number.to_string();
        done(log.commit(&mut state, &push("r", &last, &next)));
        last = next;
    }
    let mut reader = LogState::decode(&state.encode().unwrap()).unwrap();
    log.refresh(&mut reader).unwrap();
    let mut asked = Vec::new();
    for _ in 0..20 {
        asked.push(reader.window.as_mut().unwrap().list_behind());
    }
    assert!(asked.iter().filter(|behind| behind.is_none()).count() <= 2, "{asked:?}");
    let behind = asked.into_iter().flatten().next().unwrap();
    assert!(log.store().list("log/", Some(&behind), 1000).unwrap().len() < 600);
}

#[test]
fn an_implausible_number_is_reported_and_never_counted_up_to() {
    use super::super::audit;
    for (log, mut state) in [linear(), siblings()] {
        done(log.commit(&mut state, &push("r", "-", "a")));
        let is_linear = state.remote_state().protocol == Protocol::Linear;
        let number = u64::MAX - 1;
        let write = (!is_linear).then(Uuid::new_v4);
        let key = EntryName { number, write }.key();
        log.store().write(&key, &b"anything"[..]).unwrap();
        let before = log.store().traffic().requests;
        let found = audit(log.store(), log.made(), None).unwrap();
        assert!(found.defects.iter().any(|defect| defect.key == key), "{:?}", found.defects);
        assert_eq!(found.remote_state.number(), 1);
        let mut fresh = log.load().unwrap();
        let refreshed =
            log.refresh(&mut fresh).map(drop).and_then(|()| log.find_gap(&fresh).map(drop));
        let error = refreshed.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains(&key), "{error:?}");
        assert!(log.store().traffic().requests - before < 20);
        // A checkpoint with such a number is refused.
        let mut far = state.clone();
        let number = i64::MAX as u64;
        far.now.last = Some(EntryName { number, write: None });
        far.now.entries = number;
        far.window = None;
        let error = LogState::decode(&far.encode().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    }
}
