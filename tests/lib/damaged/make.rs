//! Makes the fixtures. A released fixture is never changed: add one with another name instead.

use std::collections::BTreeMap;
use std::path::Path;

use artifacts::repo::Repository;

use super::base::{UPLOADS, settings, upload_state};
use super::cases::CASES;
use super::listing;
use crate::fixtures::{PREFIX, REMOVED, root, small};

/// Returns true for leftovers of the writing process and for caches.
fn is_left_out(path: &str) -> bool {
    ["lock", "gate", "refs.lock", "tmp/guard"].contains(&path) || path.starts_with("cache/")
}

/// All files below a directory, and the directories, which end with `/`.
fn all(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![String::new()];
    while let Some(prefix) = left.pop() {
        for entry in std::fs::read_dir(directory.join(&prefix)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if is_left_out(&path) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                found.insert(format!("{path}/"), Vec::new());
                left.push(format!("{path}/"));
            } else {
                found.insert(path, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

/// Writes an archive. The paths of the repository are below [`PREFIX`].
fn archive(target: &Path, files: &BTreeMap<String, Vec<u8>>, removed: &[String]) {
    let encoder = flate2::GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::best());
    let mut builder = tar::Builder::new(encoder);
    let mut append = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(if path.ends_with('/') { 0o755 } else { 0o644 });
        let kind =
            if path.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular };
        header.set_entry_type(kind);
        header.set_mtime(0);
        builder.append_data(&mut header, path, bytes).unwrap();
    };
    if !removed.is_empty() {
        append(REMOVED, (removed.join("\n") + "\n").as_bytes());
    }
    for (path, bytes) in files {
        append(&format!("{PREFIX}/{path}"), bytes);
    }
    let bytes = builder.into_inner().unwrap().finish().unwrap();
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    std::fs::write(target, bytes).unwrap();
}

#[test]
#[ignore = "writes fixtures/repos/v1, which is frozen; only if it is not there"]
fn the_small_repository() {
    let target = root().join("repos/v1/small.tar.gz");
    if target.exists() {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    let work = tempfile::tempdir().unwrap();
    let repo = Repository::create(top.path(), settings()).unwrap();
    for (run, state, tag) in UPLOADS {
        upload_state(&repo, work.path(), run, state, tag);
    }
    archive(&target, &all(repo.directory()), &[]);
    std::fs::write(target.with_file_name("small.expected"), listing(&repo)).unwrap();
}

#[test]
#[ignore = "writes fixtures/damaged; leaves existing fixtures unchanged"]
fn the_damaged_repositories() {
    for case in CASES {
        let target = root().join(format!("damaged/{}.tar.gz", case.name));
        if target.exists() {
            continue;
        }
        let top = tempfile::tempdir().unwrap();
        let directory = small(top.path());
        let before = all(&directory);
        (case.damage)(&directory);
        let mut after = all(&directory);
        let removed: Vec<String> =
            before.keys().filter(|path| !after.contains_key(*path)).cloned().collect();
        after.retain(|path, bytes| before.get(path) != Some(bytes));
        assert!(!removed.is_empty() || !after.is_empty(), "{} changes nothing", case.name);
        archive(&target, &after, &removed);
    }
}
