//! `art cat`: prints one file, exactly as stored.

use std::io::Write;

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::revision::resolve;
use crate::error::{Error, Result};
use crate::history::{EntryMode, Revision};
use crate::id::Id;
use crate::progress::{Progress, Unit};
use crate::repo::Repository;
use crate::sync::{fetch_missing, supply_of};
use crate::tree_path::{self, TreePath};

/// The file to print.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct CatOptions {
    /// The revision and the path of the file in it.
    pub revision: Revision,
    /// Allows a file of a disabled version.
    pub allow_disabled: bool,
    /// Allows content that expired and is still stored.
    pub allow_expired: bool,
}

impl CatOptions {
    /// Creates options that read the file that `revision` names.
    pub fn new(revision: Revision) -> Self {
        CatOptions { revision, allow_disabled: false, allow_expired: false }
    }
}

/// The file or link that was found.
#[derive(Debug, Clone, Serialize)]
pub struct CatFile {
    /// The path among the artifacts.
    pub path: TreePath,
    /// The bytes of the path in hexadecimal, if they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// The kind of entry.
    pub kind: EntryMode,
    /// The mode as git writes it, such as `100644`.
    pub mode: &'static str,
    /// The id of the blob.
    pub id: Id,
    /// The size in bytes. For a link, the size of its target.
    pub size: u64,
}

/// Finds the file, and fetches its content from a remote if the content is missing locally.
///
/// Fails with [`NotFound`](crate::ErrorKind::NotFound) if the path does not exist, with
/// [`Invalid`](crate::ErrorKind::Invalid) if it is a directory, and with
/// [`Policy`](crate::ErrorKind::Policy) for a disabled version, unless `options` allow it.
pub fn find(repo: &Repository, options: &CatOptions, progress: &dyn Progress) -> Result<CatFile> {
    let resolved = resolve(repo, &options.revision)?;
    resolved.check_content(repo, options.allow_disabled)?;
    resolved.check_not_expired(repo, options.allow_expired)?;
    let entry = resolved.entry(repo)?.filter(|entry| !entry.mode.is_directory());
    let Some(entry) = entry else { return Err(directory_error(&options.revision)) };
    fetch_missing(repo, &[entry.id], progress)?;
    Ok(CatFile {
        path_bytes: tree_path::hex_unless_text(resolved.path.as_bytes()),
        path: resolved.path,
        kind: entry.mode,
        mode: entry.mode.octal(),
        size: repo.content().reader().with_supply(Some(supply_of(repo))).size(&entry.id)?,
        id: entry.id,
    })
}

fn directory_error(revision: &Revision) -> Error {
    let path = revision.path();
    let message = if path.is_root() {
        format!("'{revision}' does not name a file")
    } else {
        format!("'{path}' is a directory")
    };
    Error::invalid(message).with_hint(format!("list the directory: art ls {revision}"))
}

/// Writes the bytes of `file` to `out`. For a link, writes its target.
///
/// Every part is checked against its id before it is written. If the complete content does not
/// match the id of the file, this fails with [`Corrupt`](crate::ErrorKind::Corrupt) at the end.
pub fn cat(
    repo: &Repository,
    file: &CatFile,
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<()> {
    progress.begin("reading", Some(file.size), Unit::Bytes);
    let mut reader = repo.content().reader().with_supply(Some(supply_of(repo)));
    reader.copy(&file.id, out, progress)?;
    progress.end();
    Ok(())
}

/// Writes `length` bytes of `file` to `out`, from the byte at `start`, or fewer at the end of the file.
/// Returns the number of bytes.
///
/// Only the parts that contain the bytes are read. Each is checked against its id.
pub fn cat_range(
    repo: &Repository,
    file: &CatFile,
    (start, length): (u64, u64),
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<u64> {
    let mut reader = repo.content().reader().with_supply(Some(supply_of(repo)));
    reader.copy_range(&file.id, (start, length), out, progress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::NoProgress;
    use crate::repo::Settings;
    use crate::{UploadOptions, upload};

    #[test]
    fn ranges_of_small_and_chunked_files_are_the_bytes_of_the_file() {
        let work = tempfile::tempdir().unwrap();
        let work = work.path().canonicalize().unwrap();
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        let large: Vec<u8> = (0..9_000_000).map(|_| random()).collect();
        for (name, bytes) in [("large", &large[..]), ("small", b"0123456789"), ("empty", b"")] {
            crate::fs::atomic::write(&work.join(name), &work, bytes).unwrap();
        }
        let repo = Repository::create(&work, Settings::default()).unwrap();
        let options = UploadOptions::new(&work, ["large", "small", "empty"]);
        upload(&repo, &options, &mut std::io::empty(), &NoProgress).unwrap();
        let read = |name: &str, start: u64, length: u64| {
            let revision = format!("HEAD:{name}").parse().unwrap();
            let file = find(&repo, &CatOptions::new(revision), &NoProgress).unwrap();
            let mut out = Vec::new();
            let range = (start, length);
            let count = cat_range(&repo, &file, range, &mut out, &NoProgress).unwrap();
            assert_eq!(count, out.len() as u64);
            out
        };
        for (start, length) in [(0, 10), (4_194_303, 3), (8_999_990, 99), (1, 8_999_998)] {
            let expected = &large[start..large.len().min(start + length)];
            assert!(read("large", start as u64, length as u64) == expected, "{start} {length}");
        }
        assert_eq!(read("large", 9_000_001, 5), b"");
        assert_eq!(read("small", 3, 4), b"3456");
        assert_eq!(read("small", 8, u64::MAX), b"89");
        assert_eq!(read("empty", 0, 5), b"");
    }
}
