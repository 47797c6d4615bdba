//! `art remote list`: lists the remotes of the repository. Sends no request.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::name::Name;
use crate::remote::Guarantee;
use crate::remote::log::LogState;
use crate::repo::{RemoteConfig, Repository};
use crate::sync::RemoteMemory;

/// The remotes of a repository.
#[derive(Debug)]
pub struct RemoteList {
    /// The remotes, sorted by name.
    pub remotes: Vec<RemoteRow>,
    /// Remotes with invalid settings. They have no row.
    pub unreadable: Vec<UnreadableRemote>,
}

/// A remote with invalid settings.
#[derive(Debug)]
pub struct UnreadableRemote {
    /// The name of the remote.
    pub name: Name,
    /// The problem.
    pub error: Error,
}

/// One remote. The fields from its log are as of the last access, and absent if it was never
/// accessed.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteRow {
    /// True for the default remote.
    pub default: bool,
    /// The name of the remote.
    pub name: Name,
    /// The URI of the remote.
    pub uri: String,
    /// The write guarantee that the probe of the store found.
    pub guarantee: Option<Guarantee>,
    /// The kind of store.
    pub service: String,
    /// The number of entries in its log.
    pub entries: Option<u64>,
    /// The number of its refs.
    pub refs: Option<u64>,
    /// The number of refs with unresolved conflicts.
    pub conflicts: Option<u64>,
}

/// Lists the remotes of a repository.
pub fn list(repo: &Repository) -> Result<RemoteList> {
    let default = repo.default_remote().ok().map(|remote| remote.name);
    let mut list = RemoteList { remotes: Vec::new(), unreadable: Vec::new() };
    for name in repo.remote_names()? {
        match repo.find_remote(&name).and_then(|remote| row(repo, remote)) {
            Ok(mut row) => {
                row.default = Some(&row.name) == default.as_ref();
                list.remotes.push(row);
            }
            Err(error) => list.unreadable.push(UnreadableRemote { name, error }),
        }
    }
    Ok(list)
}

fn row(repo: &Repository, remote: RemoteConfig) -> Result<RemoteRow> {
    // A URI that contains a secret is not shown.
    let uri = remote.parse_uri(repo)?;
    let state = RemoteMemory::state_of(repo, &remote.name)?;
    let remote_state = state.as_ref().map(LogState::remote_state);
    Ok(RemoteRow {
        default: false,
        name: remote.name,
        uri: uri.to_string(),
        guarantee: remote.guarantee,
        service: uri.service().to_owned(),
        entries: remote_state.map(|remote_state| remote_state.entries),
        refs: remote_state.map(|remote_state| remote_state.refs.len() as u64),
        conflicts: remote_state.map(|remote_state| remote_state.conflicts.len() as u64),
    })
}
