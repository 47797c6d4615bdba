//! Downloads the content for a pull, and writes its files.

use std::path::PathBuf;

use super::PullOptions;
use crate::catalog::revision::resolve;
use crate::catalog::version::refuse_disabled;
use crate::error::{ErrorKind, Result};
use crate::history::Revision;
use crate::name::RefName;
use crate::ops::download::{DownloadOptions, download};
use crate::progress::Progress;
use crate::repo::Repository;
use crate::sync::{Brought, Connection, content_of_history, content_of_tree};

/// Downloads the content of the named refs, or with `full` the content of the whole history of all
/// refs.
pub(super) fn bring(
    connection: &mut Connection<'_>,
    names: &[RefName],
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Brought> {
    let repo = connection.repo;
    if options.refs.is_empty() && !options.full {
        return Ok(Brought::default());
    }
    if !options.refs.is_empty() && !options.allow_disabled {
        check_stages(repo, names)?;
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
    connection
        .look_again(progress, &mut |connection| connection.content()?.bring(&wanted, progress))
}

fn check_stages(repo: &Repository, names: &[RefName]) -> Result<()> {
    for name in names {
        if let Some(commit) = repo.history().try_find_ref(name)? {
            refuse_disabled(repo, Some(name), commit)?;
        }
    }
    Ok(())
}

/// Writes the files of the ref to a directory; returns their number. The caller has checked the
/// stage.
pub(super) fn write_out(
    repo: &Repository,
    name: &RefName,
    to: PathBuf,
    progress: &dyn Progress,
) -> Result<u64> {
    let source = resolve(repo, &Revision::parse(name.to_string().as_bytes())?)?;
    let options = DownloadOptions::new(source, to).allow_disabled(true);
    let written = download(repo, &options, progress).map(|outcome| outcome.written);
    written.map_err(|error| match error.kind() {
        ErrorKind::Refused => {
            let word = name.name();
            error.with_hint(format!(
                "write elsewhere with --path DIR, or overwrite: art download {word} --to DIR --force"
            ))
        }
        _ => error,
    })
}
