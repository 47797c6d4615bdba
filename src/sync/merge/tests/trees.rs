//! Properties of merging trees.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::super::conflict::{Choice, FieldConflict, Judge};
use super::super::tree::{Node, merge_nodes};
use crate::history::edit::{self, Edit};
use crate::history::tests::temporary_history;
use crate::history::{EntryMode, History, ObjectWriter, TreeEntry};
use crate::id::Id;
use crate::tree_path::TreePath;

/// Paths with their contents. The prefix `=` makes a file executable, and `/` is an empty
/// directory.
type Files = BTreeMap<String, String>;

fn files(list: &[(&str, &str)]) -> Files {
    list.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn write(writer: &mut ObjectWriter<'_>, files: &Files) -> Node {
    let empty = writer.tree(Vec::new()).unwrap();
    let edits: Vec<_> = files
        .iter()
        .map(|(path, text)| {
            let (mode, id) = match (text.as_str(), text.strip_prefix('=')) {
                ("/", _) => (EntryMode::Directory, empty),
                (_, Some(text)) => (EntryMode::Executable, Id::of_blob(text.as_bytes())),
                (text, None) => (EntryMode::File, Id::of_blob(text.as_bytes())),
            };
            (TreePath::parse(path).unwrap(), Edit::Put { mode, id })
        })
        .collect();
    let id = edit::apply(writer, None, &edits).unwrap();
    Node { mode: EntryMode::Directory, id }
}

fn merge(
    history: &History,
    [base, ours, theirs]: [&Files; 3],
    choice: &Choice,
) -> Result<Node, Vec<FieldConflict>> {
    let mut writer = history.trial_writer().unwrap();
    let nodes = [base, ours, theirs].map(|files| Some(write(&mut writer, files)));
    let mut judge = Judge::new(choice);
    let root = TreePath::parse("artifacts").unwrap();
    let what = (&root, "artifacts");
    let node = merge_nodes(&mut writer, &mut judge, what, nodes, true).unwrap();
    if judge.conflicts.is_empty() { Ok(node.unwrap()) } else { Err(judge.conflicts) }
}

fn node_of(history: &History, files: &Files) -> Node {
    write(&mut history.trial_writer().unwrap(), files)
}

fn whats(conflicts: &[FieldConflict]) -> Vec<&str> {
    conflicts.iter().map(|conflict| conflict.what.as_str()).collect()
}

#[test]
fn each_path_comes_from_the_side_that_changed_it() {
    let (_directory, history) = temporary_history();
    let base = files(&[("a", "1"), ("d/x", "1"), ("d/y", "1"), ("gone", "1"), ("m", "1")]);
    let ours = files(&[("a", "2"), ("d/x", "1"), ("d/new", "o"), ("gone", "1"), ("m", "=1")]);
    let theirs = files(&[("a", "1"), ("d/x", "t"), ("d/y", "1"), ("e/f", "t"), ("m", "3")]);
    let both = files(&[("a", "2"), ("d/x", "t"), ("d/new", "o"), ("e/f", "t"), ("m", "=3")]);
    let merged = merge(&history, [&base, &ours, &theirs], &Choice::None).unwrap();
    assert_eq!(merged, node_of(&history, &both));
}

#[test]
fn a_conflict_is_named_by_its_path() {
    let (_directory, history) = temporary_history();
    let base = files(&[("a", "1"), ("d/x", "1"), ("d/y", "1"), ("keep", "1")]);
    let ours = files(&[("a/b", "o"), ("d/x", "2"), ("both", "o"), ("keep", "1")]);
    let theirs = files(&[("a", "2"), ("d/y", "1"), ("both", "=o"), ("keep", "t")]);
    let conflicts = merge(&history, [&base, &ours, &theirs], &Choice::None).unwrap_err();
    assert_eq!(whats(&conflicts), ["artifacts/a", "artifacts/both", "artifacts/d/x"]);
    assert!(conflicts[0].ours.as_ref().unwrap().starts_with("directory "), "{conflicts:?}");
    assert_eq!(conflicts[2].theirs, None);
    let ours_chosen = merge(&history, [&base, &ours, &theirs], &Choice::Ours).unwrap();
    let mut wanted = ours.clone();
    wanted.insert("keep".into(), "t".into());
    assert_eq!(ours_chosen, node_of(&history, &wanted));
    let theirs_chosen = merge(&history, [&base, &ours, &theirs], &Choice::Theirs).unwrap();
    let mut wanted = theirs.clone();
    wanted.remove("d/y");
    assert_eq!(theirs_chosen, node_of(&history, &wanted));
}

#[test]
fn a_deleted_directory_keeps_only_new_files() {
    let (_directory, history) = temporary_history();
    let base = files(&[("d/x", "1"), ("d/y", "1")]);
    let ours = files(&[("a", "1")]);
    let theirs = files(&[("d/x", "1"), ("d/y", "1"), ("d/z", "t")]);
    let merged = merge(&history, [&base, &ours, &theirs], &Choice::None).unwrap();
    assert_eq!(merged, node_of(&history, &files(&[("a", "1"), ("d/z", "t")])));
    let theirs = files(&[("d/x", "1"), ("d/y", "2")]);
    let conflicts = merge(&history, [&base, &ours, &theirs], &Choice::None).unwrap_err();
    assert_eq!(whats(&conflicts), ["artifacts/d/y"]);
}

#[test]
fn a_directory_without_files_is_removed_unless_one_side_keeps_it_empty() {
    let (_directory, history) = temporary_history();
    let base = files(&[("d/x", "1"), ("d/y", "1")]);
    let (ours, theirs) = (files(&[("d/x", "1")]), files(&[("d/y", "1")]));
    let merged = merge(&history, [&base, &ours, &theirs], &Choice::None).unwrap();
    assert_eq!(merged, node_of(&history, &Files::new()));
    let empty = files(&[("d", "/")]);
    for [ours, theirs] in [[&ours, &empty], [&empty, &ours]] {
        let merged = merge(&history, [&base, ours, theirs], &Choice::None).unwrap();
        assert_eq!(merged, node_of(&history, &empty));
    }
}

#[test]
fn a_directory_deeper_than_any_stack_is_merged() {
    let (_directory, history) = temporary_history();
    let deep = |name: &str| "d/".repeat(5_000) + name;
    let base = files(&[(&deep("x"), "1")]);
    let ours = files(&[(&deep("x"), "1"), (&deep("o"), "1")]);
    let theirs = files(&[(&deep("x"), "2")]);
    let merged = merge(&history, [&base, &ours, &theirs], &Choice::None).unwrap();
    let both = files(&[(&deep("x"), "2"), (&deep("o"), "1")]);
    assert_eq!(merged, node_of(&history, &both));
}

#[test]
fn a_directory_that_only_one_side_changed_is_not_read() {
    let (_directory, history) = temporary_history();
    let mut writer = history.trial_writer().unwrap();
    let mut root = |changed: [&str; 2]| {
        let directory = |it: usize| TreeEntry {
            name: format!("d{it}").into(),
            mode: EntryMode::Directory,
            // None of these trees exists: reading one would fail.
            id: Id::of_blob(changed.get(it).unwrap_or(&"before").as_bytes()),
        };
        let id = writer.tree((0..1000).map(directory).collect()).unwrap();
        Some(Node { mode: EntryMode::Directory, id })
    };
    let before = "before";
    let nodes = [root([before, before]), root(["ours", before]), root([before, "theirs"])];
    let both = root(["ours", "theirs"]);
    let mut judge = Judge::new(&Choice::None);
    let what = (&TreePath::root(), "artifacts");
    assert_eq!(merge_nodes(&mut writer, &mut judge, what, nodes, true).unwrap(), both);
}

/// A few paths that conflict with each other.
fn any_files() -> impl Strategy<Value = Files> {
    let path = prop::sample::select(vec!["a", "a-b", "a/x", "a/y", "b", "b/c/d", "b/c/e", "c"]);
    let text = prop::sample::select(vec!["1", "2", "=1", "/"]);
    prop::collection::btree_map(path, text, 0..6).prop_map(|map| {
        let mut files = Files::new();
        for (path, text) in map {
            // A path cannot be both a file and a directory.
            let below = format!("{path}/");
            let is_free = !files.keys().any(|known: &String| {
                known.starts_with(&below) || path.starts_with(&format!("{known}/"))
            });
            if is_free {
                files.insert(path.to_owned(), text.to_owned());
            }
        }
        files
    })
}

#[test]
fn swapped_sides_give_the_same_result() {
    let (_directory, history) = temporary_history();
    let states = (any_files(), any_files(), any_files());
    let check = |(base, ours, theirs): (Files, Files, Files)| {
        let one = merge(&history, [&base, &ours, &theirs], &Choice::None);
        let other = merge(&history, [&base, &theirs, &ours], &Choice::None);
        match (&one, &other) {
            (Ok(one), Ok(other)) => prop_assert_eq!(one, other),
            (Err(one), Err(other)) => prop_assert_eq!(whats(one), whats(other)),
            _ => prop_assert!(false, "{one:?} and {other:?}"),
        }
        let ours_chosen = merge(&history, [&base, &ours, &theirs], &Choice::Ours).unwrap();
        let mirrored = merge(&history, [&base, &theirs, &ours], &Choice::Theirs).unwrap();
        prop_assert_eq!(ours_chosen, mirrored);
        let alone = merge(&history, [&base, &ours, &base], &Choice::None).unwrap();
        prop_assert_eq!(alone, node_of(&history, &ours));
        let same = merge(&history, [&base, &ours, &ours], &Choice::None).unwrap();
        prop_assert_eq!(same, node_of(&history, &ours));
        Ok(())
    };
    TestRunner::default().run(&states, check).unwrap();
}
