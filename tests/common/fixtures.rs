//! Repositories from `fixtures/`: sound ones, and sound ones with an overlay that has one defect.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The directory of every path in an archive, so that the source tree contains no `.artifacts`.
pub(crate) const PREFIX: &str = "repository";

/// The file in an overlay that lists the removed paths, one on each line.
pub(crate) const REMOVED: &str = "REMOVED";

/// The directory of fixtures.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The names of the damaged repositories.
pub(crate) fn damaged() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("damaged")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".tar.gz")?.to_owned())).collect();
    names.sort();
    names
}

/// The files in an archive by their paths.
pub(crate) fn files(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = std::fs::File::open(archive)
        .unwrap_or_else(|error| panic!("{}: {error}", archive.display()));
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(file)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if entry.header().entry_type().is_dir() {
            files.insert(path.trim_end_matches('/').to_owned() + "/", bytes);
        } else {
            files.insert(path, bytes);
        }
    }
    files
}

/// Unpacks the repository of format 1 to `.artifacts` in `top`.
pub(crate) fn small(top: &Path) -> PathBuf {
    let directory = top.join(".artifacts");
    lay(&root().join("repos/v1/small.tar.gz"), PREFIX, &directory);
    directory
}

/// Unpacks the damaged repository `name` to `.artifacts` in `top`.
pub(crate) fn small_with(name: &str, top: &Path) -> PathBuf {
    let directory = small(top);
    lay(&root().join(format!("damaged/{name}.tar.gz")), PREFIX, &directory);
    directory
}

/// Unpacks an archive over a directory. Paths in the archive begin with `prefix`.
pub(crate) fn lay(archive: &Path, prefix: &str, directory: &Path) {
    let mut files = files(archive);
    let removed = files.remove(REMOVED).unwrap_or_default();
    for path in String::from_utf8(removed).unwrap().lines() {
        std::fs::remove_file(directory.join(path)).unwrap();
    }
    for (path, bytes) in files {
        let path = directory.join(path.strip_prefix(prefix).unwrap().trim_start_matches('/'));
        if path.to_str().unwrap().ends_with('/') {
            std::fs::create_dir_all(&path).unwrap();
            continue;
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // An existing file may be read-only, like Git's objects.
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, bytes).unwrap();
    }
}
