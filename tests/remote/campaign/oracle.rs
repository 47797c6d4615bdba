//! Verifies a remote in a directory with git, tar and zstd and without the library: everything that
//! its refs reach must be present.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use artifacts::remote::{RemoteUri, Store, StoreOptions};

use crate::replay::{Entry, Replayed, entries, replay};

/// The log entries of the remote in `directory`. Empty if the directory does not exist.
pub(crate) fn entries_of(directory: &Path) -> Vec<Entry> {
    let uri = RemoteUri::parse(directory.to_str().unwrap(), Path::new("/")).unwrap();
    entries(&Store::open(&uri, StoreOptions::default()).unwrap())
}

/// The remote state after all entries.
pub(crate) fn replayed(directory: &Path) -> Replayed {
    replay(&entries_of(directory))
}

/// Checks that everything that the refs of the remote in `directory` reach is present.
pub(crate) fn check(directory: &Path, scratch: &Path, context: &str) -> Replayed {
    let replayed = replayed(directory);
    let sides = replayed.conflicts.values().flatten().filter(|side| *side != "-");
    let tips: BTreeSet<&String> = replayed.refs.values().chain(sides).collect();
    if tips.is_empty() {
        return replayed;
    }
    let contents = content(directory);
    for id in not_in_git(directory, scratch, &tips, context) {
        assert!(contents.contains(&id), "{context}: {id} is needed and not on the remote");
    }
    replayed
}

/// The objects that the commits reach and the Git packs lack.
fn not_in_git(
    directory: &Path,
    scratch: &Path,
    tips: &BTreeSet<&String>,
    context: &str,
) -> Vec<String> {
    let bare = scratch.join("oracle.git");
    let _ = std::fs::remove_dir_all(&bare);
    std::fs::create_dir_all(bare.join("objects/pack")).unwrap();
    std::fs::create_dir_all(bare.join("refs")).unwrap();
    std::fs::write(bare.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let config = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n\
                  [extensions]\n\tobjectformat = sha256\n";
    std::fs::write(bare.join("config"), config).unwrap();
    let git = || {
        let mut git = Command::new("git");
        git.arg("--git-dir").arg(&bare).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", scratch);
        git
    };
    for (number, pack) in below(&directory.join("meta")).iter().enumerate() {
        let copy = bare.join(format!("objects/pack/pack-{number:064x}.pack"));
        std::fs::copy(pack, &copy).unwrap();
        let output = git().arg("index-pack").arg(&copy).output().unwrap();
        assert!(output.status.success(), "{context}: {}: {output:?}", pack.display());
    }
    let words = ["rev-list", "--objects", "--no-object-names", "--missing=print"];
    let output = git().args(words).args(tips).output().unwrap();
    assert!(output.status.success(), "{context}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.strip_prefix('?')).map(str::to_owned).collect()
}

/// The complete contents in the content packs.
fn content(directory: &Path) -> BTreeSet<String> {
    let mut whole = BTreeSet::new();
    let mut manifests = Vec::new();
    for pack in below(&directory.join("packs")) {
        let bytes = zstd::decode_all(std::fs::File::open(&pack).unwrap()).unwrap();
        for member in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut member = member.unwrap();
            let path = member.path().unwrap().to_str().unwrap().to_owned();
            let (kind, id) = path.split_once('/').unwrap();
            if kind == "manifests" {
                let mut text = String::new();
                member.read_to_string(&mut text).unwrap();
                manifests.push((id.to_owned(), text));
            } else {
                whole.insert(id.to_owned());
            }
        }
    }
    let chunks = whole.clone();
    for (id, text) in manifests {
        if text.lines().all(|line| chunks.contains(line.split(' ').next().unwrap())) {
            whole.insert(id);
        }
    }
    whole
}

/// The files two levels below a directory, which may be absent.
fn below(directory: &Path) -> Vec<PathBuf> {
    let list = |directory: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    list(directory).iter().flat_map(|fan| list(fan)).collect()
}
