//! The content that a pull brings, and the files it writes.

use std::path::PathBuf;

use super::PullOptions;
use crate::error::Result;
use crate::history::Revision;
use crate::name::RefName;
use crate::ops::download::{DownloadOptions, download};
use crate::ops::revision::resolve;
use crate::ops::sync::{Brought, Connection, RemoteContent, content_of_history, content_of_tree};
use crate::progress::Progress;
use crate::repo::Repository;

/// Brings the content of the refs that were named; with `full` that of the whole history of all.
pub(super) fn bring(
    repo: &Repository,
    connection: &Connection<'_>,
    names: &[RefName],
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Brought> {
    if options.refs.is_empty() && !options.full {
        return Ok(Brought::default());
    }
    let mut tips = Vec::new();
    for name in names {
        tips.extend(repo.history().try_find_ref(name)?);
    }
    let wanted = if options.full {
        content_of_history(repo, &tips, progress)?
    } else {
        content_of_tree(repo, &tips)?
    };
    let _lock = repo.lock_shared()?;
    let fold = connection.state.fold();
    let there = RemoteContent::new(repo, connection.log.store(), fold, &connection.directory())?;
    there.bring(&wanted, progress)
}

/// Writes the files of the ref to a directory; returns how many.
pub(super) fn write_out(
    repo: &Repository,
    name: &RefName,
    to: PathBuf,
    progress: &dyn Progress,
) -> Result<u64> {
    let source = resolve(repo, &Revision::parse(name.to_string().as_bytes())?)?;
    let options = DownloadOptions {
        source,
        only: Vec::new(),
        to,
        force: false,
        unsafe_links: false,
        allow_disabled: false,
        dry_run: false,
    };
    download(repo, &options, progress).map(|outcome| outcome.written)
}
