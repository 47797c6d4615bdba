//! The pack of a push: git reads it, it has everything that the other side lacks, and few other
//! objects.

use std::collections::BTreeSet;
use std::path::Path;

use artifacts::history::edit::{Edit, apply};
use artifacts::history::{EntryMode, History, Outgoing, TreeEntry};
use artifacts::id::Digest;
use artifacts::{ErrorKind, Id, NoProgress, TreePath};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::dag::{Dag, commit, plans};
use super::git;
use super::refs_crash::child;

fn pack_of(dag: &Dag, tips: &[Id], have: &[Id]) -> (Outgoing, Vec<u8>) {
    let outgoing =
        dag.history.write_pack_of(tips, have, &dag.path().join("tmp"), &NoProgress).unwrap();
    let bytes = outgoing.pack.as_ref().map(|pack| std::fs::read(pack.file.path()).unwrap());
    let bytes = bytes.unwrap_or_default();
    if let Some(pack) = &outgoing.pack {
        assert_eq!((pack.id, pack.size), (Digest::of(&bytes), bytes.len() as u64));
    }
    let surveyed = dag.history.survey_pack_of(tips, have, &NoProgress).unwrap();
    assert_eq!(surveyed.content, outgoing.content);
    assert_eq!(
        (surveyed.objects, surveyed.commits, surveyed.bytes),
        (outgoing.objects, outgoing.commits, outgoing.bytes)
    );
    assert!(surveyed.pack.is_none());
    (outgoing, bytes)
}

/// Lets git take the pack into another repository, and gives the objects in it, in their order.
fn objects_in(pack: &[u8]) -> Vec<Id> {
    let other = tempfile::tempdir().unwrap();
    History::init(other.path()).unwrap();
    let path = other.path().join("x.pack");
    std::fs::write(&path, pack).unwrap();
    git::run(other.path(), &["index-pack", "--object-format=sha256", "x.pack"]);
    let shown = git::run(other.path(), &["verify-pack", "--object-format=sha256", "-v", "x.pack"]);
    let lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut objects: Vec<(u64, Id)> = lines
        .filter(|words| words.len() >= 5 && words[0].len() == 64)
        .map(|words| (words[4].parse().unwrap(), words[0].parse().unwrap()))
        .collect();
    objects.sort();
    objects.into_iter().map(|(_, id)| id).collect()
}

fn check(dag: &Dag, tips: &[Id], have: &[Id], is_exact: bool) {
    let (outgoing, bytes) = pack_of(dag, tips, have);
    let objects = if bytes.is_empty() { Vec::new() } else { objects_in(&bytes) };
    assert_eq!(objects.len() as u64, outgoing.objects);
    let set: BTreeSet<Id> = objects.iter().copied().collect();
    assert_eq!(set.len(), objects.len(), "each once");
    let (wanted, there) = (
        dag.objects_of(tips),
        if have.is_empty() { BTreeSet::new() } else { dag.objects_of(have) },
    );
    assert!(set.is_subset(&wanted));
    assert!(wanted.difference(&there).all(|id| set.contains(id)), "nothing is left out");
    let new = dag.commits_of(tips, have);
    let commits: Vec<Id> = objects.iter().copied().filter(|id| dag.commits.contains(id)).collect();
    assert_eq!(commits.len() as u64, outgoing.commits);
    assert_eq!(&objects[..commits.len()], commits, "commits come first");
    if is_exact {
        assert_eq!(commits.iter().copied().collect::<BTreeSet<_>>(), new);
    }
    for (at, id) in commits.iter().enumerate() {
        for parent in dag.history.read_commit(id).unwrap().parents {
            let place = commits.iter().position(|commit| *commit == parent);
            assert!(place.is_none_or(|place| place < at), "parents come first");
        }
    }
    let content: BTreeSet<Id> = outgoing.content.iter().copied().collect();
    assert_eq!(outgoing.content, content.iter().copied().collect::<Vec<_>>());
    let all_new = dag.contents_of(&commits.iter().copied().collect());
    assert!(content.is_subset(&all_new));
    let known =
        if have.is_empty() { BTreeSet::new() } else { dag.contents_of(&dag.commits_of(have, &[])) };
    assert!(dag.contents_of(&new).difference(&known).all(|id| content.contains(id)));
    // The same again, whatever the order of what is asked for.
    let turned: Vec<Id> = tips.iter().rev().copied().collect();
    assert_eq!(pack_of(dag, &turned, have).1, bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_pack_has_all_objects_that_are_new_to_git(
        plans in plans(16, false),
        tips in vec(any::<Index>(), 1..4),
        have in vec(any::<Index>(), 0..3),
    ) {
        let dag = Dag::new(&plans);
        check(&dag, &dag.choose(&tips), &dag.choose(&have), true);
    }

    #[test]
    fn clocks_that_are_wrong_leave_nothing_out(
        plans in plans(16, true),
        tips in vec(any::<Index>(), 1..4),
        have in vec(any::<Index>(), 0..3),
    ) {
        let dag = Dag::new(&plans);
        check(&dag, &dag.choose(&tips), &dag.choose(&have), false);
    }
}

fn file(path: &str, content: &str) -> (TreePath, Edit) {
    let id = Id::of_blob(content.as_bytes());
    (TreePath::parse(path).unwrap(), Edit::Put { mode: EntryMode::File, id })
}

/// Commits one after the other, each with some files put.
fn line(dag: &mut Dag, steps: &[&[(&str, &str)]]) {
    for (at, files) in steps.iter().enumerate() {
        let parent = dag.commits.last().copied();
        let tree = parent.map(|id| dag.history.read_commit(&id).unwrap().tree);
        let mut writer = dag.history.writer().unwrap();
        let record = writer.blob(format!("n = {at}").as_bytes()).unwrap();
        let mut edits: Vec<_> = files.iter().map(|(path, content)| file(path, content)).collect();
        let put = Edit::Put { mode: EntryMode::File, id: record };
        edits.push((TreePath::parse("run.toml").unwrap(), put));
        let tree = apply(&mut writer, tree, &edits).unwrap();
        let made = commit(tree, parent.into_iter().collect(), at as i64, "x");
        dag.commits.push(writer.commit(&made).unwrap());
        writer.flush().unwrap();
    }
}

#[test]
fn a_change_in_a_tree_sends_the_directories_above_it_and_names_one_content() {
    let mut dag = Dag::empty();
    line(
        &mut dag,
        &[
            &[("artifacts/a/b/x", "1"), ("artifacts/a/c/y", "2"), ("artifacts/d/z", "3")],
            &[("artifacts/a/b/x", "4")],
        ],
    );
    let (outgoing, _) = pack_of(&dag, &dag.commits[1..], &dag.commits[..1]);
    // The commit, its record, and the trees `/`, `artifacts`, `artifacts/a`, `artifacts/a/b`.
    assert_eq!((outgoing.objects, outgoing.commits), (6, 1));
    assert_eq!(outgoing.content, [Id::of_blob(b"4")]);
}

#[test]
fn content_of_intermediate_commits_is_named_and_known_content_is_not() {
    let mut dag = Dag::empty();
    line(
        &mut dag,
        &[
            &[("artifacts/a", "old"), ("artifacts/b", "kept")],
            &[("artifacts/a", "between")],
            &[("artifacts/a", "new"), ("artifacts/c", "kept"), ("artifacts/d", "old")],
        ],
    );
    let (outgoing, _) = pack_of(&dag, &dag.commits[2..], &dag.commits[..1]);
    let mut expected = [Id::of_blob(b"between"), Id::of_blob(b"new")].to_vec();
    // The file `kept` stands at another path; what the old tree has at its own was not looked at.
    expected.push(Id::of_blob(b"kept"));
    expected.sort();
    assert_eq!(outgoing.content, expected);
}

#[test]
fn nothing_new_is_no_pack_and_unknown_commits_are_passed_over() {
    let mut dag = Dag::empty();
    line(&mut dag, &[&[("artifacts/a", "1")], &[("artifacts/a", "2")]]);
    let tips = dag.commits.clone();
    for have in [vec![tips[1]], tips.clone()] {
        let (outgoing, _) = pack_of(&dag, &tips, &have);
        assert_eq!((outgoing.objects, outgoing.content), (0, Vec::new()));
        assert!(outgoing.pack.is_none());
    }
    let (all, _) = pack_of(&dag, &tips, &[]);
    let (same, _) = pack_of(&dag, &tips, &[Id::of_blob(b"elsewhere")]);
    assert_eq!(all.pack.unwrap().id, same.pack.unwrap().id);
    assert_eq!(std::fs::read_dir(dag.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn annotated_tags_are_sent_with_their_targets() {
    let mut dag = Dag::empty();
    line(&mut dag, &[&[("artifacts/a", "1")], &[("artifacts/a", "2")]]);
    let tag = |name: &str, target: &str| -> Id {
        git::run(dag.path(), &["tag", "-a", "-m", "x", name, target]);
        git::run(dag.path(), &["rev-parse", name]).parse().unwrap()
    };
    let first = tag("first", &dag.commits[0].to_hex());
    let second = tag("second", &first.to_hex());
    let (_, bytes) = pack_of(&dag, &[second], &[]);
    let objects = objects_in(&bytes);
    assert_eq!(objects[..3], [dag.commits[0], second, first]);
    // A tag that is there stands for its commit.
    let (outgoing, bytes) = pack_of(&dag, &[dag.commits[1], second], &[first]);
    assert_eq!(outgoing.commits, 1);
    assert!(objects_in(&bytes).contains(&second));
    assert!(!objects_in(&bytes).contains(&first));
}

#[test]
fn an_object_that_is_missing_is_named() {
    let mut dag = Dag::empty();
    line(&mut dag, &[&[("artifacts/a/b", "1")], &[("artifacts/a/b", "2")]]);
    let tip = dag.commits[1];
    let objects = dag.objects_of(&[tip]);
    for id in objects {
        let hex = id.to_hex();
        let loose = dag.path().join("objects").join(&hex[..2]).join(&hex[2..]);
        let aside = dag.path().join("aside");
        std::fs::rename(&loose, &aside).unwrap();
        let history = History::open(dag.path()).unwrap();
        let error = history.write_pack_of(&[tip], &[], Path::new("/tmp"), &NoProgress).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        assert!(error.message().contains(&hex), "{error:?}");
        assert!(error.hint().unwrap().contains("art fsck"));
        std::fs::rename(&aside, &loose).unwrap();
    }
    let error = dag.history.survey_pack_of(&[Id::of_blob(b"?")], &[], &NoProgress).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let tree = dag.history.read_commit(&tip).unwrap().tree;
    let error = dag.history.survey_pack_of(&[tree], &[], &NoProgress).unwrap_err();
    assert!(error.message().contains("is a tree, not a commit"), "{error:?}");
}

#[test]
fn distant_known_commits_are_not_read() {
    let mut dag = Dag::empty();
    line(&mut dag, &[&[("artifacts/a", "1")], &[("artifacts/a", "2")], &[("artifacts/b", "3")]]);
    let mut writer = dag.history.writer().unwrap();
    let tree = writer.tree(Vec::new()).unwrap();
    let mut have: Vec<Id> =
        (0..1500).map(|n| writer.commit(&commit(tree, Vec::new(), n, "other")).unwrap()).collect();
    let fresh = writer.commit(&commit(tree, Vec::new(), 7, "fresh")).unwrap();
    let older = dag.history.read_commit(&dag.commits[1]).unwrap().tree;
    let version = writer.commit(&commit(older, vec![dag.commits[1]], 9, "version")).unwrap();
    writer.flush().unwrap();
    dag.commits.extend([fresh, version]);
    let tips = dag.commits[1..3].to_vec();
    have.push(dag.commits[0]);
    check(&dag, &tips, &have, true);
    check(&dag, &[fresh], &have, true);
    // Its source commit is behind the known tip of its run, and is sent with it.
    have.push(dag.commits[2]);
    check(&dag, &[version], &have, false);
    assert_eq!(pack_of(&dag, &[version], &have).0.commits, 2);
    check(&dag, &[version, fresh], &have, true);
}

/// The most memory that this process has had, in MiB.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? >> 10)
}

#[test]
fn a_tree_of_a_million_files_takes_little_memory() {
    let mut dag = Dag::empty();
    let mut writer = dag.history.writer().unwrap();
    let file = |n: u32| Id::of_blob(&n.to_be_bytes());
    let entry = |name: String, mode, id| TreeEntry { name: name.into(), mode, id };
    let directory =
        |n: u32| (0..1000).map(move |m| entry(format!("{m}"), EntryMode::File, file(n * 1000 + m)));
    let mut tree = |entries: Vec<TreeEntry>| writer.tree(entries).unwrap();
    let directories = (0..1000).map(|n| {
        let id = tree(directory(n).collect());
        entry(format!("{n}"), EntryMode::Directory, id)
    });
    let directories = directories.collect();
    let artifacts = tree(directories);
    let root = tree(vec![entry("artifacts".into(), EntryMode::Directory, artifacts)]);
    let made = writer.commit(&commit(root, Vec::new(), 0, "x")).unwrap();
    writer.flush().unwrap();
    dag.commits.push(made);
    std::fs::write(dag.path().join("tip"), made.to_hex()).unwrap();
    let sent = child("outgoing::sends_a_million_files", dag.path()).status().unwrap();
    assert!(sent.success(), "run: cargo test --test lib outgoing::sends -- --ignored");
}

#[test]
#[ignore = "measures its process; run by another test as a process of its own"]
fn sends_a_million_files() {
    let Ok(tip) = std::fs::read_to_string("tip") else { return };
    let history = History::open(Path::new(".")).unwrap();
    let before = peak_memory();
    let tip: Id = tip.parse().unwrap();
    let outgoing = history.write_pack_of(&[tip], &[], Path::new("tmp"), &NoProgress).unwrap();
    assert_eq!((outgoing.objects, outgoing.content.len()), (1003, 1_000_000));
    assert_eq!(history.check_closure(&[tip], &[], &NoProgress).unwrap(), []);
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        std::fs::write("peak", format!("{before} {after}")).unwrap();
        assert!(after - before < 200, "{before} MiB before, {after} MiB after");
    }
}
