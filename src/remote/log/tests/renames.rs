//! Tests of renames: what an entry may say, and which former names the remote state keeps.

use super::*;

/// Creates a push of renames (record, old ref, new ref) and of moves (ref, old commit, new commit).
fn renames(renames: &[(u128, &str, &str)], moves: &[(&str, &str, &str)]) -> Proposal {
    let mut proposal = push("unused", "-", "-");
    proposal.refs.clear();
    for (name, old, new) in moves {
        proposal.refs.extend(push(name, old, new).refs);
    }
    let to_renamed = |(uuid, from, to): &(u128, &str, &str)| Renamed {
        uuid: Uuid::from_u128(*uuid),
        from: run(from),
        to: run(to),
    };
    proposal.renamed = renames.iter().map(to_renamed).collect();
    proposal
}

/// The former names: the record, the old name, and the current name.
fn former(state: &LogState) -> Vec<(u128, String, String)> {
    let text = |name: &RefName| name.name().to_string();
    let names = state.remote_state().former_names.iter();
    sorted(names.map(|it| (it.uuid.as_u128(), text(&it.name), text(&it.now))).collect())
}

fn names(all: &[(u128, &str, &str)]) -> Vec<(u128, String, String)> {
    sorted(all.iter().map(|it| (it.0, it.1.to_owned(), it.2.to_owned())).collect())
}

fn sorted(mut names: Vec<(u128, String, String)>) -> Vec<(u128, String, String)> {
    names.sort();
    names
}

#[test]
fn former_names_lead_to_the_current_name_until_the_ref_is_deleted() {
    let (log, mut state) = linear();
    let mut apply = |proposal: &Proposal| {
        done(log.commit(&mut state, proposal));
        former(&state)
    };
    apply(&renames(&[], &[("a", "-", "1"), ("b", "-", "2")]));
    let once = apply(&renames(&[(1, "a", "c")], &[("a", "1", "-"), ("c", "-", "3")]));
    assert_eq!(once, names(&[(1, "a", "c")]));
    let twice = apply(&renames(&[(1, "c", "d")], &[("c", "3", "-"), ("d", "-", "4")]));
    assert_eq!(twice, names(&[(1, "a", "d"), (1, "c", "d")]));
    // Another record gets the first name, and leaves it.
    apply(&renames(&[], &[("a", "-", "5")]));
    let reused = apply(&renames(&[(7, "a", "e")], &[("a", "5", "-"), ("e", "-", "6")]));
    assert_eq!(reused, names(&[(1, "a", "d"), (7, "a", "e"), (1, "c", "d")]));
    // The record gets its first name back.
    let back = apply(&renames(&[(1, "d", "a")], &[("d", "4", "-"), ("a", "-", "8")]));
    assert_eq!(back, names(&[(7, "a", "e"), (1, "c", "a"), (1, "d", "a")]));
    let swapped =
        apply(&renames(&[(1, "a", "b"), (2, "b", "a")], &[("a", "8", "9"), ("b", "2", "10")]));
    let all = [(1, "a", "b"), (7, "a", "e"), (2, "b", "a"), (1, "c", "b"), (1, "d", "b")];
    assert_eq!(swapped, names(&all));
    let deleted = apply(&renames(&[], &[("b", "10", "-"), ("e", "6", "-")]));
    assert_eq!(deleted, names(&[(2, "b", "a")]));
}

#[test]
fn a_checkpoint_keeps_the_former_names() {
    let (log, mut state) = linear();
    done(log.commit(&mut state, &renames(&[], &[("a", "-", "1")])));
    let proposal = renames(&[(1, "a", "b")], &[("a", "1", "-"), ("b", "-", "2")]);
    done(log.commit(&mut state, &proposal));
    log.write_checkpoint(&state).unwrap();
    let reader = log.load().unwrap();
    assert_eq!(reader.remote_state(), state.remote_state());
    assert_eq!(former(&reader), names(&[(1, "a", "b")]));
}

#[test]
fn two_concurrent_renames_of_one_record_are_both_kept() {
    let (log, mut one) = siblings();
    done(log.commit(&mut one, &renames(&[], &[("a", "-", "1")])));
    let mut two = one.clone();
    done(log.commit(&mut one, &renames(&[(1, "a", "b")], &[("a", "1", "-"), ("b", "-", "2")])));
    done(log.commit(&mut two, &renames(&[(1, "a", "c")], &[("a", "1", "-"), ("c", "-", "3")])));
    log.refresh(&mut one).unwrap();
    log.refresh(&mut two).unwrap();
    assert_eq!(one.remote_state(), two.remote_state());
    assert_eq!(former(&one), names(&[(1, "a", "b"), (1, "a", "c")]));
    assert_eq!(LogState::decode(&one.encode().unwrap()).unwrap(), one);
}

#[test]
fn an_entry_whose_renames_do_not_match_its_moves_is_refused() {
    let moves = [("a", "1", "-"), ("b", "-", "2"), ("c", "-", "3")];
    for wrong in [
        &[(1, "a", "d")][..],
        &[(1, "d", "b")],
        &[(1, "b", "a")],
        &[(1, "a", "a")],
        &[(1, "a", "b"), (1, "a", "c")],
    ] {
        let entry = entry_of(1, 1, &renames(wrong, &moves));
        let error = Entry::decode("log/x", &entry.encode().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{wrong:?}");
        assert!(format!("{error:?}").contains("it cannot rename"), "{error:?}");
    }
    let mut tag = entry_of(1, 1, &renames(&[(1, "a", "b")], &moves));
    let name = |name: &str| -> RefName { format!("refs/tags/o/p/{name}").parse().unwrap() };
    tag.refs[0].name = name("a");
    tag.refs[1].name = name("b");
    tag.renamed[0] = Renamed { uuid: Uuid::nil(), from: name("a"), to: name("b") };
    assert!(Entry::decode("log/x", &tag.encode().unwrap()).is_err());
    let right = entry_of(1, 1, &renames(&[(1, "a", "b")], &moves));
    assert_eq!(Entry::decode("log/x", &right.encode().unwrap()).unwrap(), right);
}
