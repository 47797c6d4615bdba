//! `art fetch`: downloads history and refs from a remote. Local refs do not change.

use derive_setters::Setters;
use serde::Serialize;

use crate::error::Result;
use crate::name::Name;
use crate::progress::{Progress, Unit};
use crate::remote::TrafficCount;
use crate::repo::Repository;
use crate::sync::{Connection, Imported};

/// The options of a fetch.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct FetchOptions {
    /// The remote; `None` for the default one.
    #[setters(into)]
    pub remote: Option<Name>,
}

/// The result of a fetch.
#[derive(Debug, Clone, Serialize)]
pub struct FetchOutcome {
    /// The remote.
    pub remote: Name,
    /// The number of new entries in the remote's log.
    pub entries: u64,
    /// The changes of the remote's refs.
    #[serde(flatten)]
    pub imported: Imported,
    /// The requests and bytes of this operation.
    pub traffic: TrafficCount,
}

/// Downloads history and refs from a remote.
///
/// Open conflicts are not an error: they are part of the result.
pub fn fetch(
    repo: &Repository,
    options: &FetchOptions,
    progress: &dyn Progress,
) -> Result<FetchOutcome> {
    progress.begin("contacting the remote", None, Unit::Items);
    repo.require_writable()?;
    let mut connection = Connection::open(repo, options.remote.as_ref())?;
    let _lock = repo.lock_shared()?;
    let news = connection.refresh(progress)?;
    let imported = connection.import(progress)?;
    progress.end();
    Ok(FetchOutcome {
        remote: connection.remote.name.clone(),
        entries: news.entries.len() as u64,
        imported,
        traffic: connection.traffic(),
    })
}
