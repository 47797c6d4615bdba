//! Git reads the written objects and computes the same ids.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use artifacts::clock::Timestamp;
use artifacts::history::diff::{Change, find_renames};
use artifacts::history::edit::{Edit, apply};
use artifacts::history::{Commit, EntryMode, History, Signature};
use artifacts::{Id, NoProgress, TreePath};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::git;

fn history() -> (tempfile::TempDir, History) {
    let directory = tempfile::tempdir().unwrap();
    History::init(directory.path()).unwrap();
    let history = History::open(directory.path()).unwrap();
    (directory, history)
}

fn path(bytes: impl AsRef<[u8]>) -> TreePath {
    TreePath::parse(bytes).unwrap()
}

fn signature(seconds: i64) -> Signature {
    Signature {
        name: "Ada <Lovelace>".into(),
        email: "ada@example.org".into(),
        time: Timestamp::from_seconds(seconds),
    }
}

fn commit(tree: Id, parents: Vec<Id>, message: &str) -> Commit {
    let author = signature(1_700_000_000 + i64::try_from(parents.len()).unwrap());
    Commit { tree, parents, author: author.clone(), committer: author, message: message.into() }
}

/// The files of one tree: path, mode, content.
type Files = Vec<(Vec<u8>, EntryMode, Vec<u8>)>;

fn write_files(history: &History, root: Option<Id>, files: &Files) -> Id {
    let mut writer = history.writer().unwrap();
    let mut edits = Vec::new();
    for (at, mode, content) in files {
        let id = writer.blob(content).unwrap();
        edits.push((path(at), Edit::Put { mode: *mode, id }));
    }
    let id = apply(&mut writer, root, &edits).unwrap();
    writer.flush().unwrap();
    id
}

/// The id that `git write-tree` prints for the same files in a SHA-256 work tree.
fn tree_by_git(files: &Files) -> String {
    let work = tempfile::tempdir().unwrap();
    git::run(work.path(), &["init", "-q", "--object-format=sha256"]);
    for (at, mode, content) in files {
        let target = work.path().join(OsStr::from_bytes(at));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        if *mode == EntryMode::Symlink {
            symlink(OsStr::from_bytes(content), &target).unwrap();
            continue;
        }
        std::fs::write(&target, content).unwrap();
        let bits = if *mode == EntryMode::Executable { 0o755 } else { 0o644 };
        std::fs::set_permissions(&target, PermissionsExt::from_mode(bits)).unwrap();
    }
    git::run(work.path(), &["add", "-A", "-f", "."]);
    git::run(work.path(), &["write-tree"])
}

fn assert_whole(directory: &Path) {
    let output = git::output(directory, &["fsck", "--full", "--strict"], b"");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let complaints: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("dangling") && !line.starts_with("notice"))
        .collect();
    assert!(output.status.success() && complaints.is_empty(), "{text}");
}

fn odd_files() -> Files {
    use EntryMode::{Executable, File, Symlink};
    vec![
        (b"a/x".to_vec(), File, b"1".to_vec()),
        (b"a.b".to_vec(), File, b"2".to_vec()),
        (b"a-b/y".to_vec(), Executable, b"3".to_vec()),
        (b"a0".to_vec(), Symlink, b"../elsewhere\xff".to_vec()),
        (b"not utf-8 \xff\xfe".to_vec(), File, b"".to_vec()),
        (b"line\nfeed/tab\t".to_vec(), File, b"4".to_vec()),
        (b"\x01\x7f".to_vec(), File, b"5".to_vec()),
        ([b"long/".to_vec(), vec![b'n'; 255]].concat(), File, b"6".to_vec()),
        (b"back\\slash".to_vec(), File, b"7".to_vec()),
        (b"..."[..].to_vec(), File, b"8".to_vec()),
        ("\u{e9}\u{202e}".as_bytes().to_vec(), File, b"9".to_vec()),
    ]
}

#[test]
fn a_tree_of_odd_names_has_the_id_that_git_gives_it() {
    let (directory, history) = history();
    let id = write_files(&history, None, &odd_files());
    assert_eq!(id.to_hex(), tree_by_git(&odd_files()));
    let listed = git::run_with(directory.path(), &["ls-tree", "-r", "-z", &id.to_hex()], b"");
    assert_eq!(listed.split(|byte| *byte == 0).count() - 1, odd_files().len());
    assert_whole(directory.path());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn generated_trees_have_the_ids_that_git_gives_them(
        files in btree_map(
            vec(select(vec!["a", "a.", "a-", "a0", "b", "ab", "A", "\u{e9}"]), 1..5),
            (select(vec![EntryMode::File, EntryMode::Executable, EntryMode::Symlink]), "[a-z]{1,3}"),
            1..40,
        )
    ) {
        // Where one path is both a file and a directory, the file goes.
        let is_directory = |at: &[&str]| files.keys().any(|o| o.len() > at.len() && o.starts_with(at));
        let files: Files = files
            .iter()
            .filter(|(at, _)| !is_directory(at))
            .map(|(at, (mode, text))| (at.join("/").into_bytes(), *mode, text.clone().into_bytes()))
            .collect();
        let (_directory, history) = history();
        let id = write_files(&history, None, &files);
        prop_assert_eq!(id.to_hex(), tree_by_git(&files));
        // The same in two steps, over something else.
        let (first, second) = files.split_at(files.len() / 2);
        let half = write_files(&history, None, &first.to_vec());
        prop_assert_eq!(write_files(&history, Some(half), &second.to_vec()), id);
    }
}

#[test]
fn git_reads_commits_and_logs_them() {
    let (directory, history) = history();
    let tree = write_files(&history, None, &odd_files());
    let mut writer = history.writer().unwrap();
    let first = writer.commit(&commit(tree, vec![], "upload: first\n\nwith a body")).unwrap();
    let second = writer.commit(&commit(tree, vec![first], "upload: \u{e9}")).unwrap();
    let merge = writer.commit(&commit(tree, vec![second, first], "merge")).unwrap();
    assert_eq!(writer.flush().unwrap().count, 3);
    let log = git::run(
        directory.path(),
        &["log", "--topo-order", "--format=%H|%P|%an|%ae|%at|%B", &merge.to_hex()],
    );
    let expected = format!(
        "{merge}|{second} {first}|Ada Lovelace|ada@example.org|1700000002|merge\n\n\
         {second}|{first}|Ada Lovelace|ada@example.org|1700000001|upload: \u{e9}\n\n\
         {first}||Ada Lovelace|ada@example.org|1700000000|upload: first\n\nwith a body"
    );
    assert_eq!(log, expected);
    assert_whole(directory.path());
}

#[test]
fn a_topological_log_has_git_s_order_with_any_clocks() {
    let (directory, history) = history();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |bound: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let tree = write_files(&history, None, &odd_files());
    let mut before_its_time = 0;
    for round in 0..12 {
        let mut writer = history.writer().unwrap();
        let mut ids: Vec<Id> = Vec::new();
        for n in 0..40 {
            let count = random(3).min(ids.len()) + usize::from(n > 0 && random(9) > 0);
            let mut parents: Vec<Id> = (0..count.min(ids.len()))
                .map(|_| ids[ids.len() - 1 - random(ids.len().min(6))])
                .collect();
            let mut seen = std::collections::HashSet::new();
            parents.retain(|id| seen.insert(*id));
            let mut commit = commit(tree, parents, &format!("{round} {n}"));
            // Clocks that go backwards, and stand still.
            let time = Timestamp::from_seconds(1_700_000_000 + random(20) as i64);
            commit.author.time = time;
            commit.committer.time = time;
            ids.push(writer.commit(&commit).unwrap());
        }
        writer.flush().unwrap();
        let starts: Vec<Id> = [39, 35, 30, 20].iter().map(|n| ids[*n]).collect();
        let hex: Vec<String> = starts.iter().map(Id::to_hex).collect();
        let mut line = vec!["log", "--graph", "--topo-order", "--format=%H"];
        line.extend(hex.iter().map(String::as_str));
        let git = git::run(directory.path(), &line);
        let by_git: Vec<&str> = git
            .split(|c: char| !c.is_ascii_hexdigit())
            .filter(|word| word.len() == Id::HEX_LEN)
            .collect();
        let log = history.topological_log(&starts, &NoProgress).unwrap();
        let ours: Vec<String> = log.map(|found| found.unwrap().0.to_hex()).collect();
        assert_eq!(ours, by_git, "round {round}");
        let by_time: Vec<String> =
            history.log(&starts).map(|found| found.unwrap().0.to_hex()).collect();
        before_its_time += usize::from(by_time != ours);
    }
    assert!(before_its_time > 6, "the clocks made no difference");
}

#[test]
fn we_read_commits_that_git_wrote() {
    let (directory, history) = history();
    let empty = git::run(directory.path(), &["mktree"]);
    let made = git::run(directory.path(), &["commit-tree", &empty, "-m", "subject", "-m", "body"]);
    let commit = history.read_commit(&made.parse().unwrap()).unwrap();
    assert_eq!(commit.tree.to_hex(), empty);
    assert_eq!(commit.author.name, "Tester");
    assert_eq!(commit.message, "subject\n\nbody");
}

#[test]
fn an_empty_tree_may_be_an_entry_and_a_blob_may_be_missing() {
    let (directory, history) = history();
    let mut writer = history.writer().unwrap();
    let empty = writer.tree(vec![]).unwrap();
    let missing = Id::of_blob(b"content kept elsewhere");
    let edits = [
        (path("empty"), Edit::Put { mode: EntryMode::Directory, id: empty }),
        (path("artifacts/x"), Edit::Put { mode: EntryMode::File, id: missing }),
    ];
    let tree = apply(&mut writer, None, &edits).unwrap();
    let id = writer.commit(&commit(tree, vec![], "upload: x")).unwrap();
    writer.flush().unwrap();
    std::fs::write(directory.path().join("refs/heads/main"), format!("{id}\n")).unwrap();
    let output = git::output(directory.path(), &["fsck", "--connectivity-only"], b"");
    let complaint = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let only_that = |line: &str| line.contains(&missing.to_hex()) || line.contains("from    tree");
    assert!(complaint.lines().all(only_that), "{complaint}");
    assert!(complaint.contains(&format!("missing blob {missing}")), "{complaint}");
    let raw = git::run(directory.path(), &["diff-tree", "-r", "--root", "--raw", &id.to_hex()]);
    assert!(raw.contains("artifacts/x"), "{raw}");
}

#[test]
fn a_pack_we_write_is_verified_and_indexed_alike_by_git() {
    let (directory, history) = history();
    let files: Files = (0..1_000)
        .map(|n| {
            (
                format!("d{}/f{n}", n % 300).into_bytes(),
                EntryMode::File,
                format!("{n}").into_bytes(),
            )
        })
        .collect();
    let mut writer = history.writer().unwrap();
    let mut edits = Vec::new();
    for (at, mode, content) in &files {
        edits.push((path(at), Edit::Put { mode: *mode, id: writer.blob(content).unwrap() }));
    }
    // Larger than what a pack entry's header says in one byte, or in two.
    writer.blob(&vec![b'x'; 1_000]).unwrap();
    writer.blob(&vec![b'y'; 100_000]).unwrap();
    let tree = apply(&mut writer, None, &edits).unwrap();
    let written = writer.flush().unwrap();
    assert!(written.packed);
    assert_eq!(written.count, 1_000 + 300 + 1 + 2);

    let pack_dir = directory.path().join("objects/pack");
    let mut names: Vec<_> =
        std::fs::read_dir(&pack_dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let [index, pack] = &names[..] else { panic!("{names:?}") };
    let verified = git::run(&pack_dir, &["verify-pack", "-v", index.to_str().unwrap()]);
    assert!(verified.contains("non delta: 1303 objects"), "{verified}");
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy.pack");
    std::fs::copy(pack, &copy).unwrap();
    let arguments = ["index-pack", "--strict", "--object-format=sha256", copy.to_str().unwrap()];
    git::run(elsewhere.path(), &arguments);
    assert_eq!(
        std::fs::read(index).unwrap(),
        std::fs::read(elsewhere.path().join("copy.idx")).unwrap(),
        "git makes the very same index"
    );
    assert_eq!(tree.to_hex(), tree_by_git(&files));
    assert_whole(directory.path());
    assert_eq!(history.visit_count(&tree), 1_300);
}

trait VisitCount {
    fn visit_count(&self, tree: &Id) -> usize;
}

impl VisitCount for History {
    fn visit_count(&self, tree: &Id) -> usize {
        let mut count = 0;
        self.visit_tree(tree, &mut |_, _| {
            count += 1;
            Ok(artifacts::history::Visit::Enter)
        })
        .unwrap();
        count
    }
}

#[test]
fn packs_that_git_wrote_with_deltas_are_read_while_the_history_is_open() {
    let (directory, history) = history();
    let mut root = None;
    for n in 0..60 {
        let files = (0..40).map(|f| {
            (format!("dir/{f}").into_bytes(), EntryMode::File, format!("{n}").into_bytes())
        });
        let mut files: Files = files.collect();
        files.truncate(n + 1);
        root = Some(write_files(&history, root, &files));
    }
    let root = root.unwrap();
    let mut writer = history.writer().unwrap();
    let id = writer.commit(&commit(root, vec![], "x")).unwrap();
    writer.flush().unwrap();
    std::fs::write(directory.path().join("refs/heads/main"), format!("{id}\n")).unwrap();
    assert_eq!(history.visit_count(&root), 41);
    git::run(directory.path(), &["repack", "-adq", "--depth=50"]);
    git::run(directory.path(), &["prune-packed"]);
    git::run(directory.path(), &["prune", "--expire=now"]);
    assert_eq!(history.visit_count(&root), 41);
    assert_eq!(history.read_commit(&id).unwrap().message, "x");
}

#[test]
fn differences_are_those_of_git_diff_raw() {
    let (directory, history) = history();
    let a = write_files(&history, None, &odd_files());
    let mut changed = odd_files();
    changed.remove(1);
    changed[0].2 = b"changed".to_vec();
    changed[1].1 = EntryMode::File;
    changed.push((b"a.b/now/a/directory".to_vec(), EntryMode::File, b"2".to_vec()));
    changed.push((b"zz".to_vec(), EntryMode::File, b"10".to_vec()));
    let b = write_files(&history, None, &changed);
    let ours: Vec<String> = history.diff(Some(a), Some(b)).unwrap().iter().map(raw).collect();
    let git = git::run_with(
        directory.path(),
        &["diff-tree", "-r", "-z", "--raw", "--no-abbrev", &a.to_hex(), &b.to_hex()],
        b"",
    );
    let mut git = git.split(|byte| *byte == 0).map(path_text);
    let mut theirs = Vec::new();
    while let (Some(head), Some(at)) = (git.next(), git.next()) {
        theirs.push(format!("{head} {at}"));
    }
    assert_eq!(ours, theirs);
    let renames = find_renames(history.diff(Some(a), Some(b)).unwrap(), None).unwrap();
    assert_eq!(renames.iter().filter(|change| matches!(change, Change::Renamed { .. })).count(), 1);
}

fn path_text(bytes: &[u8]) -> String {
    artifacts::tree_path::escaped(bytes)
}

/// A change as `git diff-tree --raw` prints it.
fn raw(change: &Change) -> String {
    let none = ("000000", Id::NULL);
    let side = |side: Option<artifacts::history::diff::DiffSide>| {
        side.map_or(none, |side| (side.mode.octal(), side.id))
    };
    let ((old_mode, old), (new_mode, new)) = (side(change.before()), side(change.after()));
    let letter = match change {
        Change::Added { .. } => "A",
        Change::Deleted { .. } => "D",
        Change::Modified { .. } => "M",
        Change::Renamed { .. } => "R",
    };
    format!(":{old_mode} {new_mode} {old} {new} {letter} {}", change.path())
}
