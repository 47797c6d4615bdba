//! The remotes that a release has written can be read by every later release.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use artifacts::ops::clone::{CloneOptions, clone};
use artifacts::ops::fsck::remote::{Depth, RemoteFsckOptions, fsck_remote};
use artifacts::ops::fsck::{FsckOptions, fsck};
use artifacts::ops::remote::{RemoteDetails, show};
use artifacts::remote::log::Entry;
use artifacts::remote::{Log, Protocol, RemoteUri, Store, StoreOptions};
use artifacts::{NoProgress, Repository};

use crate::damaged::base::{open, settings};
use crate::damaged::listing;
use crate::fixtures::{files, lay, root};

const REMOTES: [&str; 2] = ["linear", "siblings"];

/// The clone of a frozen remote.
struct Cloned {
    top: tempfile::TempDir,
    remote: PathBuf,
    repo: Repository,
}

fn archive(name: &str) -> PathBuf {
    root().join(format!("remotes/v1/{name}.tar.gz"))
}

/// The files of a directory with their bytes.
fn all(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

fn cloned(name: &str) -> Cloned {
    let top = tempfile::tempdir().unwrap();
    let remote = top.path().join("remote");
    lay(&archive(name), "remote", &remote);
    let options = CloneOptions::new(
        RemoteUri::parse("remote", top.path()).unwrap(),
        top.path().join("clone"),
    )
    .name("origin".parse::<artifacts::Name>().unwrap())
    .project("ada/digits".parse::<artifacts::ProjectName>().unwrap())
    .full(true);
    clone(&options, settings(), &NoProgress).unwrap();
    let repo = open(&top.path().join("clone/.artifacts"));
    Cloned { top, remote, repo }
}

/// Checks everything that both remotes have in common. Returns what the remote has.
fn check(name: &str) -> RemoteDetails {
    let cloned = cloned(name);
    let expected =
        std::fs::read_to_string(archive(name).with_file_name(format!("{name}.expected")));
    assert_eq!(listing(&cloned.repo), expected.unwrap(), "{name}");
    let local = FsckOptions::default().full(true);
    let outcome = fsck(&cloned.repo, &local, &NoProgress).unwrap();
    assert!(outcome.sound, "{name}: {:?}", outcome.defects);
    let options = RemoteFsckOptions::new("origin".parse().unwrap()).depth(Depth::Full);
    let outcome = fsck_remote(&cloned.repo, &options, &NoProgress).unwrap();
    assert!(outcome.sound, "{name}: {:?}", outcome.defects);
    assert_eq!(outcome.checked.packs_read, outcome.checked.packs, "{name}");
    let shown = show(&cloned.repo, None, &NoProgress).unwrap();
    let uri = RemoteUri::parse("remote", cloned.top.path()).unwrap();
    let log = Log::open(Store::open(&uri, StoreOptions::default()).unwrap()).unwrap();
    let state = log.load().unwrap();
    let former = state.remote_state().former_names.iter();
    let former: Vec<_> = former.map(|it| (it.name.to_string(), it.now.to_string())).collect();
    let [old, new] = ["draft", "release"].map(|it| format!("refs/versions/ada/digits/{it}"));
    assert_eq!(former, [(old, new)], "{name}: from a checkpoint");
    let keys = files(&archive(name));
    let frozen: BTreeMap<PathBuf, Vec<u8>> = keys
        .into_iter()
        .filter(|(path, _)| !path.ends_with('/'))
        .map(|(path, bytes)| (cloned.top.path().join(path), bytes))
        .collect();
    assert!(all(&cloned.remote) == frozen, "{name}: reading a remote changes nothing on it");
    shown
}

#[test]
fn a_linear_remote_of_format_1_is_read_to_the_last_byte() {
    let shown = check("linear");
    assert_eq!((shown.log, shown.conflicts.len()), (Some(Protocol::Linear), 0));
    assert!(shown.entries > 16 && shown.retired.count > 8, "{shown:?}");
    let counts = &shown.projects[0];
    assert_eq!((counts.runs, counts.versions, counts.tags), (2, 2, 1));
}

#[test]
fn a_remote_with_sibling_entries_of_format_1_is_read_with_its_conflict() {
    let shown = check("siblings");
    assert_eq!(shown.log, Some(Protocol::Siblings));
    assert!(shown.entries > 16 && shown.retired.count > 8, "{shown:?}");
    let [conflict] = &shown.conflicts[..] else { panic!("{:?}", shown.conflicts) };
    assert_eq!(conflict.name.to_string(), "refs/versions/ada/digits/v1");
    assert!(conflict.commit.is_some() && conflict.sides.len() == 1, "{conflict:?}");
}

/// The remotes have each kind of file, which [`check`] reads: a checkpoint, a compacted pack.
#[test]
fn the_frozen_remotes_have_every_kind_of_file() {
    for name in REMOTES {
        let files = files(&archive(name));
        for kind in ["art.toml", "log/", "checkpoint/", "meta/", "packs/", "index/"] {
            let prefix = format!("remote/{kind}");
            assert!(
                files.keys().any(|path| path.starts_with(&prefix) && !path.ends_with('/')),
                "{name} has no {kind}"
            );
        }
        let entries = files.iter().filter(|(path, _)| path.starts_with("remote/log/"));
        let entries = entries.map(|(_, bytes)| String::from_utf8_lossy(bytes));
        let has = |keys: &[&str]| {
            let has_all = |text: &str| keys.iter().all(|key| text.contains(&format!("\n{key} = ")));
            entries.clone().any(|text| has_all(&text))
        };
        assert!(has(&["retired", "packs"]), "{name} has no compacted content pack");
        assert!(has(&["renamed"]), "{name} has no rename");
        let size: u64 = archive(name).metadata().unwrap().len();
        assert!(size < 150 << 10, "{name} has {size} bytes");
    }
}

#[test]
fn each_entry_of_the_frozen_remotes_is_rewritten_byte_for_byte() {
    for name in REMOTES {
        let files = files(&archive(name));
        let entries: Vec<_> =
            files.iter().filter(|(path, _)| path.starts_with("remote/log/0")).collect();
        assert!(entries.len() > 16, "{name} has {} entries", entries.len());
        for (path, bytes) in entries {
            let key = path.strip_prefix("remote/").unwrap();
            let written = Entry::decode(key, bytes).unwrap().encode().unwrap();
            let texts = [&written, bytes].map(|bytes| std::str::from_utf8(bytes).unwrap());
            assert_eq!(texts[0], texts[1], "{name}: {path}");
        }
    }
}

#[test]
#[ignore = "writes the lists in fixtures/remotes/v1, which are frozen; only those that are missing"]
fn the_lists_of_the_frozen_remotes() {
    for name in REMOTES {
        let list = archive(name).with_file_name(format!("{name}.expected"));
        if !list.exists() {
            std::fs::write(list, listing(&cloned(name).repo)).unwrap();
        }
    }
}
