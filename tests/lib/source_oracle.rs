//! The recorded source of a run matches git, and nothing in the source is executed.

use std::path::Path;

use artifacts::history::source::{GitSource, discover};

use crate::git;

fn repository(format: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let format = format!("--object-format={format}");
    git::run(root.path(), &["init", "-q", "-b", "main", &format]);
    std::fs::create_dir(root.path().join("src")).unwrap();
    std::fs::write(root.path().join("src/a.txt"), "one\n").unwrap();
    git::run(root.path(), &["add", "."]);
    git::run(root.path(), &["commit", "-q", "-m", "first"]);
    root
}

fn found(directory: &Path) -> GitSource {
    let source = discover(directory).expect("there is a repository");
    assert_eq!(source.problem, None);
    source
}

#[test]
fn commit_branch_and_remote_equal_those_of_git_in_both_object_formats() {
    for format in ["sha1", "sha256"] {
        let root = repository(format);
        let url = "https://user:secret@example.org/team/code.git";
        git::run(root.path(), &["remote", "add", "origin", url]);
        let source = found(&root.path().join("src"));
        assert_eq!(source.commit, Some(git::run(root.path(), &["rev-parse", "HEAD"])));
        assert_eq!(source.branch.as_deref(), Some("main"));
        assert_eq!(source.remote.as_deref(), Some("https://example.org/team/code.git"));
        assert_eq!(source.dirty, Some(false));
    }
}

#[test]
fn the_branch_says_which_remote_counts() {
    let root = repository("sha1");
    for name in ["origin", "upstream"] {
        git::run(root.path(), &["remote", "add", name, &format!("git@example.org:{name}.git")]);
    }
    git::run(root.path(), &["config", "branch.main.remote", "upstream"]);
    git::run(root.path(), &["config", "branch.main.merge", "refs/heads/main"]);
    assert_eq!(found(root.path()).remote.as_deref(), Some("git@example.org:upstream.git"));
}

#[test]
fn tracked_changes_are_dirty_and_untracked_files_are_not() {
    let root = repository("sha1");
    std::fs::write(root.path().join("new.txt"), "new").unwrap();
    assert_eq!(found(root.path()).dirty, Some(false), "an untracked file");
    git::run(root.path(), &["add", "new.txt"]);
    assert_eq!(found(root.path()).dirty, Some(true), "a staged file");
    git::run(root.path(), &["commit", "-q", "-m", "second"]);
    assert_eq!(found(root.path()).dirty, Some(false));
    std::fs::write(root.path().join("src/a.txt"), "two\n").unwrap();
    assert_eq!(found(root.path()).dirty, Some(true), "a changed file");
    std::fs::remove_file(root.path().join("src/a.txt")).unwrap();
    assert_eq!(found(root.path()).dirty, Some(true), "a deleted file");
}

#[test]
fn a_detached_head_and_an_unborn_branch_are_distinguished() {
    let root = repository("sha1");
    let head = git::run(root.path(), &["rev-parse", "HEAD"]);
    git::run(root.path(), &["checkout", "-q", "--detach"]);
    let detached = found(root.path());
    assert_eq!((detached.branch, detached.commit), (None, Some(head)));
    git::run(root.path(), &["checkout", "-q", "--orphan", "fresh"]);
    let unborn = found(root.path());
    assert_eq!((unborn.branch.as_deref(), unborn.commit), (Some("fresh"), None));
}

#[test]
fn a_linked_work_tree_has_its_own_head() {
    let root = repository("sha1");
    let linked = tempfile::tempdir().unwrap();
    let linked = linked.path().join("linked");
    git::run(root.path(), &["worktree", "add", "-q", "-b", "side", linked.to_str().unwrap()]);
    let source = found(&linked);
    assert_eq!(source.branch.as_deref(), Some("side"));
    assert_eq!(source.dirty, Some(false));
}

#[test]
fn filters_of_the_repository_are_not_run() {
    let root = repository("sha1");
    let mark = root.path().join("ran");
    std::fs::write(root.path().join(".gitattributes"), "*.txt filter=mark\n").unwrap();
    git::run(root.path(), &["add", ".gitattributes"]);
    git::run(root.path(), &["commit", "-q", "-m", "attributes"]);
    let command = format!("touch '{}'; cat", mark.display());
    git::run(root.path(), &["config", "filter.mark.clean", &command]);
    git::run(root.path(), &["config", "filter.mark.required", "true"]);
    // The same content with another time has to be read to be compared.
    std::fs::write(root.path().join("src/a.txt"), "one\n").unwrap();
    let source = found(root.path());
    assert!(!mark.exists(), "the filter was run");
    assert_eq!(source.dirty, Some(false));
    git::run(root.path(), &["status", "--short"]);
    assert!(mark.exists(), "git runs it, so the test would have noticed");
}

#[test]
fn a_broken_repository_is_a_problem_and_no_failure() {
    let root = repository("sha1");
    std::fs::write(root.path().join(".git/index"), "no index").unwrap();
    let source = discover(root.path()).unwrap();
    assert_eq!(source.branch.as_deref(), Some("main"));
    assert_eq!(source.dirty, None);
    assert!(source.problem.is_some());
    std::fs::write(root.path().join(".git/config"), "[core\n").unwrap();
    let source = discover(root.path()).unwrap();
    assert!(source.problem.is_some());
}
