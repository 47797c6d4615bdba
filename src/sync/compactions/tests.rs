//! Tests of the choice between a compacted file and its inputs, and of the record of compactions.

use std::sync::Arc;

use super::super::remote_memory::RemoteMemory;
use super::*;
use crate::fs::{atomic, read};
use crate::remote::Protocol;
use crate::remote::log::Retired;

fn id(name: &str) -> Id {
    Id::of_blob(name.as_bytes())
}

/// A compacted file and its inputs, each with its size.
type Made<'a> = (&'a str, &'a [(&'a str, u64)]);

fn compactions(made: &[Made<'_>]) -> Compactions {
    let part = |(name, size): &(&str, u64)| Stored { id: id(name), size: *size };
    let compacted = |(name, parts): &Made<'_>| (id(name), parts.iter().map(part).collect());
    Compactions(made.iter().map(compacted).collect())
}

fn cheapest(compactions: &Compactions, wanted: &[(&str, u64)], had: &[&str]) -> Vec<(Id, u64)> {
    let wanted: Vec<(Id, u64)> = wanted.iter().map(|(name, size)| (id(name), *size)).collect();
    compactions.cheapest(&wanted, &|one| had.iter().any(|name| id(name) == *one))
}

fn files(files: &[(&str, u64)]) -> Vec<(Id, u64)> {
    files.iter().map(|(name, size)| (id(name), *size)).collect()
}

#[test]
fn a_client_that_lacks_few_inputs_of_a_large_compacted_file_fetches_those() {
    let compactions = compactions(&[("u", &[("a", 9 << 20), ("b", 1000), ("c", 1000)])]);
    let wanted = [("u", 9 << 20)];
    assert_eq!(cheapest(&compactions, &wanted, &["a", "c"]), files(&[("b", 1000)]));
    assert_eq!(cheapest(&compactions, &wanted, &["a"]), files(&[("b", 1000), ("c", 1000)]));
    assert_eq!(cheapest(&compactions, &wanted, &["b", "c"]), files(&wanted));
    assert_eq!(cheapest(&compactions, &wanted, &[]), files(&wanted));
    assert_eq!(cheapest(&compactions, &[("x", 5)], &["a"]), files(&[("x", 5)]));
}

#[test]
fn many_small_inputs_are_not_fetched_one_by_one() {
    let compactions = compactions(&[("u", &[("a", 1000), ("b", 1000), ("c", 1000)])]);
    assert_eq!(cheapest(&compactions, &[("u", 3000)], &["a"]), files(&[("u", 3000)]));
}

#[test]
fn compacted_files_of_compacted_files_are_examined() {
    let large = 9 << 20;
    let compactions =
        compactions(&[("u", &[("a", large), ("b", 1000)]), ("v", &[("u", large), ("c", 1000)])]);
    assert_eq!(cheapest(&compactions, &[("v", large)], &["a"]), files(&[("b", 1000), ("c", 1000)]));
    let had = |names: &'static [&str]| move |one: &Id| names.iter().any(|name| id(name) == *one);
    assert_eq!(
        compactions.whole(&had(&["a", "b", "c"])),
        [(id("u"), vec![id("a"), id("b")]), (id("v"), vec![id("u"), id("c")])]
    );
    assert_eq!(compactions.whole(&had(&["u", "b", "c"])).len(), 1);
    assert!(compactions.whole(&had(&["a", "c"])).is_empty());
}

#[test]
fn cycles_of_compacted_files_end() {
    let compactions = compactions(&[("u", &[("v", 10)]), ("v", &[("u", 10)])]);
    // A file that is not covered by its inputs is fetched itself.
    assert!(cheapest(&compactions, &[("u", 10)], &[]).is_empty());
    assert!(compactions.whole(&|_| false).is_empty());
    let mut remote_state = RemoteState::empty(Protocol::Linear);
    remote_state.meta.insert(id("u"), 10);
    assert_eq!(compactions.clone().of(&remote_state), compactions);
}

/// An entry that compacted the Git packs `parts` to `compacted`.
fn entry(compacted: &str, parts: &[&str], joined: bool) -> Arc<Entry> {
    let text = format!(
        "format = 1\nnumber = 9\nwrite = \"{}\"\nwho = \"a\"\nwhen = \"2027-01-15T08:00:00Z\"\n\
         meta = [\"{} 9\"]\nretired = [{}]\njoined = {joined}\n",
        uuid::Uuid::nil(),
        id(compacted),
        parts.iter().map(|part| format!("\"{}\"", id(part))).collect::<Vec<_>>().join(", ")
    );
    Arc::new(toml::from_str(&text).unwrap())
}

#[test]
fn records_of_compactions_are_kept_while_the_remote_has_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let mut remote_state = RemoteState::empty(Protocol::Linear);
    let retired = |name: &str| Retired {
        kind: StoredKind::Meta,
        id: id(name),
        size: 5,
        number: 1,
        write: uuid::Uuid::nil(),
    };
    remote_state.retired.extend(["a", "b"].map(|name| (id(name), retired(name))));
    remote_state.meta.insert(id("u"), 9);
    let note = |entries: &[Arc<Entry>], remote_state: &RemoteState| {
        RemoteMemory::at(at).note_compactions(entries, remote_state).unwrap();
    };
    note(&[entry("u", &["a", "b"], false)], &remote_state);
    assert_eq!(
        RemoteMemory::at(at).compactions(&remote_state),
        Compactions::default(),
        "it only replaces them"
    );
    note(&[entry("u", &["a", "b", "gone"], true)], &remote_state);
    assert_eq!(
        RemoteMemory::at(at).compactions(&remote_state),
        Compactions::default(),
        "a part is not known"
    );
    note(&[entry("u", &["a", "b"], true)], &remote_state);
    let both = compactions(&[("u", &[("a", 5), ("b", 5)])]);
    assert_eq!(RemoteMemory::at(at).compactions(&remote_state), both);
    remote_state.meta.clear();
    assert_eq!(RemoteMemory::at(at).compactions(&remote_state), Compactions::default());
    atomic::remove_tree(at).unwrap();
    note(&[entry("u", &["a", "b"], true)], &remote_state);
    assert!(!read::exists(at).unwrap());
}
