//! `art remote list`: the remotes of the repository. Nothing is asked of them.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::name::Name;
use crate::ops::sync::saved;
use crate::remote::Guarantee;
use crate::remote::log::State;
use crate::repo::{RemoteConfig, Repository};

/// The remotes of a repository.
#[derive(Debug)]
pub struct RemoteList {
    /// By name.
    pub remotes: Vec<RemoteRow>,
    /// Remotes whose settings can't be used; they have no row.
    pub unreadable: Vec<UnreadableRemote>,
}

/// A remote whose settings can't be used.
#[derive(Debug)]
pub struct UnreadableRemote {
    /// Its name.
    pub name: Name,
    /// Why.
    pub error: Error,
}

/// One remote. What only its log says is that of the last time it was asked, absent if it never was.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteRow {
    /// Whether it is the one that is meant where none is named.
    pub default: bool,
    /// What it is called.
    pub name: Name,
    /// Its URI.
    pub uri: String,
    /// What its store was found to guarantee.
    pub guarantee: Option<Guarantee>,
    /// The kind of store.
    pub service: String,
    /// How many pushes its log has.
    pub entries: Option<u64>,
    /// How many refs it has.
    pub refs: Option<u64>,
    /// How many refs were moved apart and not settled.
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
    // One with a secret in it is not shown.
    let uri = remote.parse_uri(repo)?;
    let state = saved(repo, &remote.name)?;
    let fold = state.as_ref().map(State::fold);
    Ok(RemoteRow {
        default: false,
        name: remote.name,
        uri: uri.to_string(),
        guarantee: remote.guarantee,
        service: uri.service().to_owned(),
        entries: fold.map(|fold| fold.entries),
        refs: fold.map(|fold| fold.refs.len() as u64),
        conflicts: fold.map(|fold| fold.conflicts.len() as u64),
    })
}
