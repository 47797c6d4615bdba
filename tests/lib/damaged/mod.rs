//! A check finds and names every damage in `fixtures/damaged`, undamaged content can be read, and
//! a repair fixes all damage that can be repaired.

mod any;
pub(crate) mod base;
mod cases;
pub(crate) mod craft;
mod make;
mod outline;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use artifacts::history::{EntryMode, Visit};
use artifacts::ops::fsck::{FsckOptions, FsckOutcome, fsck};
use artifacts::repo::Repository;
use artifacts::{ErrorKind, Id, NoProgress, Result};

use crate::fixtures::{damaged, root, small_with};
use base::{UPLOADS, open, upload_state};
use cases::{After, CASES, Case};

/// The size limit of the files in the small repository, in bytes.
const LARGEST: u64 = 1 << 20;

/// Lists everything in the repository except tracking refs: refs, commits, and each file with mode,
/// id, size and path.
pub(crate) fn listing(repo: &Repository) -> String {
    let history = repo.history();
    let mut text = String::new();
    let is_own = |name: &str| !name.starts_with("refs/remotes/");
    for (name, tip) in
        history.refs("").unwrap().into_iter().filter(|(name, _)| is_own(&name.to_string()))
    {
        writeln!(text, "ref {name} {tip}").unwrap();
        let mut next = Some(tip);
        while let Some(id) = next {
            let commit = history.read_commit(&id).unwrap();
            writeln!(text, "commit {id} {}", commit.subject()).unwrap();
            history
                .visit_tree(&commit.tree, &mut |path, entry| {
                    let size = match (entry.mode, path.as_bytes()) {
                        (EntryMode::Directory, _) => "-".to_owned(),
                        (_, path) if path.starts_with(b"artifacts/") => {
                            repo.content().reader().read(&entry.id, LARGEST)?.len().to_string()
                        }
                        _ => history.read_blob(&entry.id)?.len().to_string(),
                    };
                    writeln!(text, "{} {} {size} {path}", entry.mode.octal(), entry.id).unwrap();
                    Ok(Visit::Enter)
                })
                .unwrap();
            next = commit.parents.first().copied();
        }
    }
    text
}

/// The files of the sound repository by commit and path.
fn expected() -> BTreeMap<(Id, String), (EntryMode, Id)> {
    let text = std::fs::read_to_string(root().join("repos/v1/small.expected")).unwrap();
    let mut commit = Id::NULL;
    let mut files = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let mode = match words[0] {
            "commit" => {
                commit = words[1].parse().unwrap();
                continue;
            }
            "100644" => EntryMode::File,
            "100755" => EntryMode::Executable,
            "120000" => EntryMode::Symlink,
            _ => continue,
        };
        if let Some(path) = words[3].strip_prefix("artifacts/") {
            files.insert((commit, path.to_owned()), (mode, words[1].parse().unwrap()));
        }
    }
    files
}

/// The number of expected files that can be read. Other files fail with a clear error, and no read
/// returns wrong bytes.
pub(crate) fn read_all(repo: &Repository, name: &str) -> usize {
    let files = expected();
    let read = |commit: &Id, path: &str| -> Result<(Id, Vec<u8>)> {
        let tree = repo.history().read_commit(commit)?.tree;
        // A path that is not UTF-8 is escaped in the listing.
        let path = path.replace("\\xe9", "\u{fffd}");
        let mut found = None;
        repo.history().visit_tree(&tree, &mut |at, entry| {
            let shown = String::from_utf8_lossy(at.as_bytes()).into_owned();
            if shown.strip_prefix("artifacts/") == Some(&path) {
                found = Some(entry.id);
            }
            Ok(if found.is_some() { Visit::Stop } else { Visit::Enter })
        })?;
        let id = found.ok_or_else(|| artifacts::Error::not_found("the file is not there"))?;
        Ok((id, repo.content().reader().read(&id, LARGEST)?))
    };
    let mut count = 0;
    for ((commit, path), (_, expected)) in &files {
        match read(commit, path) {
            Ok((id, bytes)) => {
                assert_eq!((id, Id::of_blob(&bytes)), (*expected, *expected), "{name}: {path}");
                count += 1;
            }
            Err(error) => {
                let kinds = [ErrorKind::Corrupt, ErrorKind::NotFound];
                let is_clear = kinds.contains(&error.kind());
                assert!(is_clear && !error.message().is_empty(), "{name}: {path}: {error:?}");
            }
        }
    }
    count
}

/// Downloads every run. Written files have the right bytes, even if the download fails.
fn download_all(repo: &Repository, name: &str) -> usize {
    use artifacts::catalog::revision::resolve;
    use artifacts::ops::download::{DownloadOptions, download};
    let ids: std::collections::HashSet<Id> = expected().into_values().map(|(_, id)| id).collect();
    let mut whole = 0;
    for run in ["alpha", "beta", "gamma"] {
        let to = tempfile::tempdir().unwrap();
        let revision = format!("run/{run}").parse().unwrap();
        let done = resolve(repo, &revision).and_then(|source| {
            let options = DownloadOptions::new(source, to.path().to_owned());
            download(repo, &options, &NoProgress)
        });
        match done {
            Ok(_) => whole += 1,
            Err(error) => {
                let kinds = [ErrorKind::Corrupt, ErrorKind::NotFound, ErrorKind::Unsupported];
                assert!(kinds.contains(&error.kind()), "{name}: {run}: {error:?}");
            }
        }
        for bytes in contents(to.path()) {
            assert!(ids.contains(&Id::of_blob(&bytes)), "{name}: {run}: other bytes were written");
        }
    }
    whole
}

/// The bytes of all regular files below a directory.
fn contents(directory: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                left.push(entry.path());
            } else if kind.is_file() {
                found.push(std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

fn check(repo: &Repository, full: bool, repair: bool) -> FsckOutcome {
    fsck(repo, &FsckOptions::default().full(full).repair(repair), &NoProgress).unwrap()
}

/// The defects as text, one on each line.
fn shown(outcome: &FsckOutcome) -> String {
    let line = |defect: &artifacts::ops::fsck::Defect| {
        let name = defect.name.as_deref().unwrap_or_default();
        format!("{} {name}: {}\n", defect.part.as_str(), defect.problem)
    };
    outcome.defects.iter().map(line).collect()
}

fn assert_names(outcome: &FsckOutcome, words: &[&str], case: &Case) {
    assert_eq!(outcome.sound, words.is_empty(), "{}: {}", case.name, shown(outcome));
    assert_eq!(outcome.sound, outcome.defects.is_empty(), "{}", case.name);
    for word in words {
        assert!(shown(outcome).contains(word), "{}: '{word}' in {}", case.name, shown(outcome));
    }
    if !outcome.sound {
        assert!(!outcome.advice.is_empty(), "{} has no advice", case.name);
    }
}

fn case_is_found_and_repaired(case: &Case) {
    let name = case.name;
    let top = tempfile::tempdir().unwrap();
    let directory = small_with(name, top.path());
    let repo = open(&directory);
    assert_names(&check(&repo, false, false), case.quick, case);
    let found = check(&repo, true, false);
    assert_names(&found, case.full, case);
    let (all, before) = (expected().len(), read_all(&repo, name));
    if case.after != After::Damaged {
        // An exchanged ref is affected, although its commits can read all content.
        assert!(before == all || !found.affected.is_empty(), "{name}: {before} of {all}");
    }
    download_all(&repo, name);

    let repaired = check(&repo, true, true);
    let is_whole = matches!(case.after, After::Whole | After::Sound);
    assert_eq!(repaired.sound, is_whole, "{name}: {}", shown(&repaired));
    let is_left = matches!(case.after, After::Sound | After::Damaged);
    assert_eq!(repaired.repairs.is_empty(), is_left, "{name}: {:?}", repaired.repairs);
    let repo = open(&directory);
    let after = read_all(&repo, name);
    assert!(after >= before, "{name}: {after} of {before}");
    if is_whole {
        assert_eq!(after, all, "{name}");
        assert_eq!(download_all(&repo, name), 3, "{name}");
        assert!(check(&repo, true, true).repairs.is_empty(), "{name}");
    }
    if case.after == After::StoredAgain {
        assert!(after < all && !repaired.affected.is_empty(), "{name}");
        store_again(&repo);
        let outcome = check(&open(&directory), true, false);
        assert!(outcome.sound, "{name}: {}", shown(&outcome));
        assert_eq!(read_all(&open(&directory), name), all, "{name}");
    }
}

/// Uploads the same files again, to other runs.
fn store_again(repo: &Repository) {
    let work = tempfile::tempdir().unwrap();
    for (run, state, _) in UPLOADS {
        upload_state(repo, work.path(), &format!("{run}-{state}-again"), state, None);
    }
}

#[test]
fn every_damaged_repository_has_a_case() {
    let mut names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    names.sort_unstable();
    assert_eq!(damaged(), names);
}

/// The prefixes of the names of the cases. Each has a test, so that they run in parallel.
const PREFIXES: [&str; 12] = [
    "pack-",
    "manifest-",
    "segment-",
    "object-",
    "tree-",
    "record-",
    "commit-",
    "ref-",
    "packed-refs-",
    "head-",
    "reflog-",
    "operations-log-",
];

fn cases_are_found_and_repaired(prefix: &str) {
    assert!(PREFIXES.contains(&prefix));
    let cases = CASES.iter().filter(|case| case.name.starts_with(prefix));
    assert!(cases.map(case_is_found_and_repaired).count() > 0);
}

#[test]
fn no_case_is_passed_over() {
    for case in CASES {
        let is_tested = PREFIXES.iter().any(|prefix| case.name.starts_with(prefix));
        assert!(is_tested, "{} has no test", case.name);
    }
}

#[test]
fn damaged_packs_are_named_and_repaired() {
    cases_are_found_and_repaired("pack-");
}

#[test]
fn wrong_manifests_are_named_and_repaired() {
    cases_are_found_and_repaired("manifest-");
}

#[test]
fn damaged_segments_are_named_and_repaired() {
    cases_are_found_and_repaired("segment-");
}

#[test]
fn damaged_objects_are_named_and_repaired() {
    cases_are_found_and_repaired("object-");
}

#[test]
fn hostile_trees_are_named_and_never_written() {
    cases_are_found_and_repaired("tree-");
}

#[test]
fn damaged_records_are_named() {
    cases_are_found_and_repaired("record-");
}

#[test]
fn commits_that_are_no_records_are_named() {
    cases_are_found_and_repaired("commit-");
}

#[test]
fn damaged_refs_are_named_and_repaired() {
    cases_are_found_and_repaired("ref-");
}

#[test]
fn damaged_packed_refs_are_named_and_repaired() {
    cases_are_found_and_repaired("packed-refs-");
}

#[test]
fn a_damaged_head_is_named_and_repaired() {
    cases_are_found_and_repaired("head-");
}

#[test]
fn damaged_reflogs_are_named_and_repaired() {
    cases_are_found_and_repaired("reflog-");
}

#[test]
fn damaged_logs_of_operations_are_named_and_repaired() {
    cases_are_found_and_repaired("operations-log-");
}
