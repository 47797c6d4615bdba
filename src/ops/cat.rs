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
