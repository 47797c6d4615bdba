//! `art fetch`: what a remote says is taken in; nothing of what is here changes.

use serde::Serialize;

use super::sync::{Connection, TakenIn, take_in};
use crate::error::Result;
use crate::name::Name;
use crate::progress::{Progress, Unit};
use crate::remote::TrafficCount;
use crate::repo::Repository;

/// Where to fetch from.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// The remote; the default one if there is none.
    pub remote: Option<Name>,
}

/// What was new.
#[derive(Debug, Clone, Serialize)]
pub struct FetchOutcome {
    /// The remote.
    pub remote: Name,
    /// How many pushes others made since the last time.
    pub entries: u64,
    /// What came of them.
    #[serde(flatten)]
    pub taken: TakenIn,
    /// What it took.
    pub traffic: TrafficCount,
}

/// Fetches.
///
/// Conflicts that wait for someone are no failure of this call: they are in the outcome.
pub fn fetch(
    repo: &Repository,
    options: &FetchOptions,
    progress: &dyn Progress,
) -> Result<FetchOutcome> {
    progress.begin("asking the remote", None, Unit::Items);
    repo.require_writable()?;
    let mut connection = Connection::open(repo, options.remote.as_ref())?;
    let _lock = repo.lock_shared()?;
    let news = connection.refresh(progress)?;
    let taken = take_in(repo, &mut connection, progress)?;
    progress.end();
    Ok(FetchOutcome {
        remote: connection.remote.name.clone(),
        entries: news.entries.len() as u64,
        taken,
        traffic: connection.traffic(),
    })
}
