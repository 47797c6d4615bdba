//! Refs, reflogs and `HEAD` compared with git: each reads the other's writes, and parallel writers of
//! both kinds lose nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use artifacts::clock::Timestamp;
use artifacts::history::{Commit, Expected, History, Signature};
use artifacts::name::RefName;
use artifacts::{ErrorKind, Id};

pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// A history in a directory of its own, with commits on one line.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) history: History,
    pub(crate) commits: Vec<Id>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        History::init(directory.path()).unwrap();
        let history = History::open(directory.path()).unwrap();
        let mut commits = Vec::new();
        let mut writer = history.writer().unwrap();
        let tree = writer.tree(Vec::new()).unwrap();
        for n in 0..10 {
            let commit = Commit {
                tree,
                parents: commits.last().copied().into_iter().collect(),
                author: ada(n),
                committer: ada(n),
                message: format!("commit {n}"),
            };
            commits.push(writer.commit(&commit).unwrap());
        }
        writer.flush().unwrap();
        let lines: Vec<String> = commits.iter().map(Id::to_hex).collect();
        std::fs::write(directory.path().join("commits"), lines.join("\n")).unwrap();
        Place { directory, history, commits }
    }

    /// The place that `directory` holds a copy of.
    pub(crate) fn open(directory: tempfile::TempDir) -> Self {
        let history = History::open(directory.path()).unwrap();
        let commits = commits_of(directory.path());
        Place { directory, history, commits }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Points refs at commits in one transaction, whatever they were.
    pub(crate) fn set(&self, refs: &[(&str, Option<usize>)]) {
        let mut transaction = self.history.transaction(&ada(0), "set");
        for (name, commit) in refs {
            let new = commit.map(|n| self.commits[n]);
            transaction.update(run(name), Expected::Any, new, &format!("set {name}"));
        }
        transaction.commit(TIMEOUT).unwrap();
    }

    /// The full names and ids that the library reads.
    pub(crate) fn refs(&self) -> Vec<(String, Id)> {
        let refs = self.history.refs("").unwrap();
        refs.into_iter().map(|(name, id)| (name.to_string(), id)).collect()
    }

    /// The same from git.
    pub(crate) fn git_refs(&self) -> Vec<(String, Id)> {
        let listed = git(self.path(), &["for-each-ref", "--format=%(refname) %(objectname)"]);
        let pair = |line: &str| {
            let (name, id) = line.split_once(' ').unwrap();
            (name.to_owned(), id.parse().unwrap())
        };
        listed.lines().map(pair).collect()
    }
}

/// The commits in the place at `path`.
pub(crate) fn commits_of(path: &Path) -> Vec<Id> {
    let lines = std::fs::read_to_string(path.join("commits")).unwrap();
    lines.lines().map(|line| line.parse().unwrap()).collect()
}

pub(crate) fn ada(second: i64) -> Signature {
    Signature {
        name: "Ada Lovelace".into(),
        email: "ada@example.org".into(),
        time: Timestamp::from_seconds(1_700_000_000 + second),
    }
}

pub(crate) fn run(name: &str) -> RefName {
    format!("refs/runs/o/p/{name}").parse().unwrap()
}

/// Runs git, which must succeed and complain of nothing.
pub(crate) fn git(git_dir: &Path, arguments: &[&str]) -> String {
    let output = super::git::output(git_dir, arguments, b"");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {complaint}");
    let is_fine = !complaint.contains("warning") && !complaint.contains("error");
    assert!(is_fine, "git {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn git_sees_the_refs_that_a_transaction_moved() {
    let place = Place::new();
    place.set(&[("a", Some(0))]);
    assert_eq!(place.git_refs(), place.refs());
    place.set(&[("a", Some(1)), ("b", Some(2)), ("c", Some(3))]);
    assert_eq!(place.git_refs(), place.refs());
    place.set(&[("b", Some(4))]);
    assert_eq!(place.git_refs(), place.refs());
    // A packed value under a loose one must not come back.
    place.set(&[("b", None)]);
    assert_eq!(place.git_refs(), place.refs());
    place.set(&[("a", None), ("c", Some(5)), ("d", Some(6))]);
    assert_eq!(place.git_refs(), place.refs());
    let expected = [("c", 5), ("d", 6)];
    let expected: Vec<_> =
        expected.iter().map(|(name, n)| (run(name).to_string(), place.commits[*n])).collect();
    assert_eq!(place.refs(), expected);
    git(place.path(), &["fsck", "--strict"]);
}

#[test]
fn changes_that_git_makes_to_refs_are_seen() {
    let place = Place::new();
    let id = |n: usize| place.commits[n].to_hex();
    for name in ["a", "b", "c"] {
        git(place.path(), &["update-ref", "-m", "made", &run(name).to_string(), &id(1)]);
    }
    assert_eq!(place.refs(), place.git_refs());
    git(place.path(), &["pack-refs", "--all"]);
    assert_eq!(place.refs(), place.git_refs());
    assert_eq!(place.history.find_ref(&run("b")).unwrap(), place.commits[1]);
    git(place.path(), &["update-ref", &run("b").to_string(), &id(2)]);
    assert_eq!(place.history.find_ref(&run("b")).unwrap(), place.commits[2]);
    git(place.path(), &["update-ref", "-d", &run("b").to_string()]);
    assert_eq!(place.history.try_find_ref(&run("b")).unwrap(), None);
    git(place.path(), &["symbolic-ref", &run("s").to_string(), &run("a").to_string()]);
    assert_eq!(place.history.find_ref(&run("s")).unwrap(), place.commits[1]);
    assert_eq!(place.refs(), place.git_refs());
    git(place.path(), &["symbolic-ref", "HEAD", &run("c").to_string()]);
    assert_eq!(place.history.head().unwrap(), Some(run("c")));
    git(place.path(), &["symbolic-ref", "HEAD", "refs/heads/main"]);
    assert_eq!(place.history.head().unwrap(), None);
}

#[test]
fn packed_annotated_tags_of_git_keep_their_targets() {
    let place = Place::new();
    git(place.path(), &["tag", "-a", "-m", "t", "o/p/t1", &place.commits[3].to_hex()]);
    git(place.path(), &["tag", "-a", "-m", "t", "o/p/t2", &place.commits[4].to_hex()]);
    let shown = git(place.path(), &["show-ref", "--dereference"]);
    // The second makes packed-refs, the first is then in a transaction of its own.
    git(place.path(), &["pack-refs", "--all"]);
    let tag: RefName = "refs/tags/o/p/t1".parse().unwrap();
    let id = place.history.find_ref(&tag).unwrap();
    let mut transaction = place.history.transaction(&ada(0), "x");
    transaction.update(tag.clone(), Expected::Id(id), None, "away").update(
        run("r"),
        Expected::Absent,
        Some(place.commits[0]),
        "made",
    );
    transaction.commit(TIMEOUT).unwrap();
    place.history.undo(&ada(1), TIMEOUT).unwrap();
    assert_eq!(git(place.path(), &["show-ref", "--dereference"]), shown);
    let packed = std::fs::read_to_string(place.path().join("packed-refs")).unwrap();
    assert!(packed.contains(&format!("^{}", place.commits[3])), "{packed}");
}

#[test]
fn git_reads_and_continues_our_reflogs() {
    let place = Place::new();
    let name = run("r").to_string();
    for n in [0, 1, 2] {
        place.set(&[("r", Some(n))]);
    }
    git(place.path(), &["update-ref", "-m", "by git", &name, &place.commits[3].to_hex()]);
    place.set(&[("r", Some(4)), ("other", Some(4))]);
    for n in 0..5 {
        let there = git(place.path(), &["rev-parse", &format!("{name}@{{{n}}}")]);
        assert_eq!(there.trim(), place.commits[4 - n].to_hex());
    }
    let shown = git(place.path(), &["reflog", "show", "--format=%H %gn <%ge> %gs", &name]);
    let entries = place.history.reflog(&run("r")).unwrap();
    let ours: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} {} {}", entry.new.unwrap(), entry.who, entry.message))
        .collect();
    assert_eq!(ours, shown.lines().collect::<Vec<_>>());
    assert_eq!(entries[4].old, None);
    assert_eq!(entries[0].time, ada(0).time);
}

#[test]
fn the_reflog_of_head_has_the_moves_of_the_current_run_and_the_switches() {
    let place = Place::new();
    place.set(&[("a", Some(0)), ("b", Some(1))]);
    let history = &place.history;
    history.transaction(&ada(1), "switch").set_head(Some(run("a"))).commit(TIMEOUT).unwrap();
    place.set(&[("a", Some(2))]);
    place.set(&[("b", Some(3))]);
    history.transaction(&ada(1), "switch b").set_head(Some(run("b"))).commit(TIMEOUT).unwrap();
    git(
        place.path(),
        &["update-ref", "-m", "git", &run("b").to_string(), &place.commits[4].to_hex()],
    );
    let shown = git(place.path(), &["reflog", "show", "--format=%H %gs", "HEAD"]);
    let ours: Vec<String> = history
        .head_reflog()
        .unwrap()
        .iter()
        .map(|entry| format!("{} {}", entry.new.unwrap(), entry.message))
        .collect();
    assert_eq!(ours, shown.lines().collect::<Vec<_>>());
    let commits: Vec<usize> = [4, 3, 2, 0].into();
    let expected: Vec<String> = commits.iter().map(|n| place.commits[*n].to_hex()).collect();
    let ids: Vec<&str> = shown.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(ids, expected);
}

#[test]
fn a_deleted_ref_keeps_its_log_and_git_does_not_mind() {
    let place = Place::new();
    place.set(&[("r", Some(0))]);
    place.set(&[("r", Some(1))]);
    place.set(&[("r", None)]);
    let entries = place.history.reflog(&run("r")).unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!((entries[0].old, entries[0].new), (Some(place.commits[1]), None));
    git(place.path(), &["fsck", "--strict"]);
    git(place.path(), &["log", "--all", "--reflog", "--oneline"]);
    place.set(&[("r", Some(2))]);
    assert_eq!(place.history.reflog(&run("r")).unwrap().len(), 4);
    let name = run("r").to_string();
    let shown = git(place.path(), &["reflog", "show", "--format=%H", &name]);
    let expected = [2, 1, 0].map(|n: usize| place.commits[n].to_hex() + "\n").concat();
    assert_eq!(shown, expected);
}

#[test]
fn a_ref_that_is_not_as_expected_moves_nothing() {
    let place = Place::new();
    place.set(&[("a", Some(0)), ("b", Some(0))]);
    let before = (place.refs(), place.history.operations().unwrap().count());
    let expectations =
        [Expected::Absent, Expected::Id(place.commits[5]), Expected::Id(place.commits[1])];
    for expected in expectations {
        let mut transaction = place.history.transaction(&ada(1), "x");
        transaction
            .update(run("a"), Expected::Id(place.commits[0]), Some(place.commits[2]), "a")
            .update(run("b"), expected, Some(place.commits[2]), "b");
        let error = transaction.commit(TIMEOUT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Moved);
        assert!(error.message().contains("refs/runs/o/p/b"), "{error:?}");
    }
    assert_eq!((place.refs(), place.history.operations().unwrap().count()), before);
    assert_eq!(place.history.reflog(&run("a")).unwrap().len(), 1);
}

#[test]
fn a_ref_to_nothing_is_refused() {
    let place = Place::new();
    let mut transaction = place.history.transaction(&ada(1), "x");
    transaction.update(run("a"), Expected::Any, Some(Id::of_blob(b"nowhere")), "a");
    assert_eq!(transaction.commit(TIMEOUT).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(place.refs(), []);
}

#[test]
fn the_lock_of_a_git_is_waited_for_and_named() {
    let place = Place::new();
    place.set(&[("a", Some(0)), ("b", Some(0))]);
    for (lock, names) in [("refs/runs/o/p/a.lock", &["a"][..]), ("packed-refs.lock", &["a", "b"])] {
        let path = place.path().join(lock);
        std::fs::write(&path, "").unwrap();
        let mut transaction = place.history.transaction(&ada(1), "x");
        for name in names {
            transaction.update(run(name), Expected::Any, Some(place.commits[1]), "x");
        }
        let error = transaction.commit(Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.message().contains(lock), "{error:?}");
        assert_eq!(place.history.find_ref(&run("a")).unwrap(), place.commits[0]);
        std::fs::remove_file(&path).unwrap();
    }
    assert_eq!(place.history.reflog(&run("a")).unwrap().len(), 1);
    place.set(&[("a", Some(2))]);
}

#[test]
fn a_damaged_ref_is_named_and_its_neighbours_are_not_touched() {
    let place = Place::new();
    place.set(&[("a", Some(0))]);
    place.set(&[("b", Some(0))]);
    let path = place.path().join("refs/runs/o/p/a");
    for garbage in [&b""[..], b"\n", b"garbage", b"ref: ../../config\n", &[0xff; 64], &[b'0'; 64]] {
        std::fs::write(&path, garbage).unwrap();
        for error in [
            place.history.find_ref(&run("a")).unwrap_err(),
            place.history.refs("refs/runs/").unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
            assert!(error.message().contains("refs/runs/o/p/a'"), "{error:?}");
            assert!(error.hint().unwrap().contains("art fsck"));
        }
        assert_eq!(place.history.reflog(&run("a")).unwrap().len(), 1);
        place.set(&[("b", Some(1))]);
        place.set(&[("b", Some(0))]);
    }
}

#[test]
fn many_loose_refs_are_packed() {
    let place = Place::new();
    for n in 0..510 {
        let mut transaction = place.history.transaction(&ada(n), "many");
        let name = run(&format!("r{n}"));
        transaction.update(name, Expected::Absent, Some(place.commits[n as usize % 10]), "x");
        transaction.commit(TIMEOUT).unwrap();
    }
    let loose = std::fs::read_dir(place.path().join("refs/runs/o/p")).unwrap().count();
    assert!(loose < 20, "{loose} loose refs");
    assert_eq!(place.refs().len(), 510);
    assert_eq!(place.refs(), place.git_refs());
}

#[test]
fn a_listing_keeps_to_its_prefix() {
    let place = Place::new();
    place.set(&[("ab", Some(0)), ("b", Some(0))]);
    place.set(&[("aa", Some(0))]);
    let list = |prefix: &str| -> BTreeSet<String> {
        let refs = place.history.refs(prefix).unwrap();
        refs.iter().map(|(name, _)| name.name().to_string()).collect()
    };
    let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    for all in ["", "r", "refs", "refs/", "refs/ru", "refs/runs/o/", "refs/runs/o/p/"] {
        assert_eq!(list(all), set(&["aa", "ab", "b"]), "{all}");
    }
    assert_eq!(list("refs/runs/o/p/a"), set(&["aa", "ab"]));
    for none in
        ["refs/tags/", "refs/runs/../runs/o/p/", "x", "/", "refs//runs/", "refs/runs/o/p/aa/"]
    {
        assert_eq!(list(none), set(&[]), "{none}");
    }
}
