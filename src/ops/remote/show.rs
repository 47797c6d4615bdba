//! `art remote show`: reads a remote and shows its contents.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::log::{Amount, RemoteEntry, newest};
use crate::error::Result;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::progress::{Progress, Unit};
use crate::remote::log::RemoteState;
use crate::remote::{Guarantee, Protocol, TrafficCount};
use crate::repo::Repository;
use crate::sync::Connection;

/// The number of recent pushes to show.
const PUSHES: usize = 5;

/// The details of a remote.
#[derive(Debug, Serialize)]
pub struct RemoteDetails {
    /// The name of the remote.
    pub name: Name,
    /// The URI of the remote.
    pub uri: String,
    /// True for the default remote.
    pub default: bool,
    /// The write guarantee of its store; `None` if the store was not probed.
    pub guarantee: Option<Guarantee>,
    /// A description of the guarantee's effect on pushes.
    pub meaning: Option<String>,
    /// How concurrent writers are ordered; `None` if nothing was pushed yet.
    pub log: Option<Protocol>,
    /// The number of entries in its log.
    pub entries: u64,
    /// The numbers of its refs, by project.
    pub projects: Vec<ProjectCounts>,
    /// Its content packs.
    pub packs: Amount,
    /// Its Git packs.
    pub meta: Amount,
    /// Its index segments.
    pub segments: Amount,
    /// The retired files that still exist.
    pub retired: Amount,
    /// The refs with unresolved conflicts.
    pub conflicts: Vec<ConflictRow>,
    /// The latest pushes, the newest first.
    pub pushes: Vec<RemoteEntry>,
    /// The requests and bytes of this operation.
    pub traffic: TrafficCount,
}

/// The refs of a project on a remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProjectCounts {
    /// `OWNER/PROJECT`.
    pub project: ProjectName,
    /// The number of runs.
    pub runs: u64,
    /// The number of versions.
    pub versions: u64,
    /// The number of tags.
    pub tags: u64,
}

/// A ref with conflicting pushes.
#[derive(Debug, Clone, Serialize)]
pub struct ConflictRow {
    /// The full name of the ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The current commit; `None` if the ref was deleted.
    pub commit: Option<Id>,
    /// The commits of the other pushes.
    pub sides: Vec<ConflictSide>,
}

/// One of the other pushes of a conflict.
#[derive(Debug, Clone, Serialize)]
pub struct ConflictSide {
    /// The commit; `None` for a deletion.
    pub commit: Option<Id>,
    /// The number of the push's log entry.
    pub number: u64,
    /// The write id of the push's log entry.
    pub write: Uuid,
}

/// Reads the remote called `name`, or the default remote, and returns its details.
pub fn show(
    repo: &Repository,
    name: Option<&Name>,
    progress: &dyn Progress,
) -> Result<RemoteDetails> {
    let remote = repo.choose_remote(name)?;
    let default = repo.default_remote().is_ok_and(|default| default.name == remote.name);
    let mut details = RemoteDetails {
        name: remote.name.clone(),
        uri: remote.parse_uri(repo)?.to_string(),
        default,
        guarantee: None,
        meaning: None,
        log: None,
        entries: 0,
        projects: Vec::new(),
        packs: Amount::default(),
        meta: Amount::default(),
        segments: Amount::default(),
        retired: Amount::default(),
        conflicts: Vec::new(),
        pushes: Vec::new(),
        traffic: TrafficCount::default(),
    };
    let mut guarantee = remote.guarantee;
    progress.begin("reading the log of the remote", None, Unit::Items);
    let (connection, traffic) = Connection::open_if_made(repo, &remote)?;
    details.traffic = traffic;
    if let Some(mut connection) = connection {
        connection.refresh(progress)?;
        // A user who can only read the repository still gets the details. The next call is no
        // faster.
        let _ = connection.save();
        guarantee = connection.remote.guarantee;
        details.take(connection.state.remote_state());
        let names = newest(&connection, Some(PUSHES))?;
        for (_, entry) in connection.log.entries(&connection.state, &names)? {
            details.pushes.push(RemoteEntry::new(&entry, connection.state.remote_state()));
        }
        details.traffic = connection.traffic();
    }
    progress.end();
    details.guarantee = guarantee;
    details.meaning = guarantee.map(|guarantee| guarantee.meaning().to_owned());
    Ok(details)
}

impl RemoteDetails {
    fn take(&mut self, remote_state: &RemoteState) {
        self.log = Some(remote_state.protocol);
        self.entries = remote_state.entries;
        self.projects = count(remote_state.refs.keys());
        self.packs = Amount::of(remote_state.packs.values());
        self.meta = Amount::of(remote_state.meta.values());
        self.segments = Amount::of(remote_state.segments.values());
        self.retired = Amount::of(remote_state.retired.values().map(|retired| &retired.size));
        let row = |(name, sides): (&RefName, &Vec<crate::remote::log::Conflict>)| ConflictRow {
            name: name.clone(),
            commit: remote_state.refs.get(name).copied(),
            sides: sides
                .iter()
                .map(|side| ConflictSide {
                    commit: side.commit,
                    number: side.number,
                    write: side.write,
                })
                .collect(),
        };
        self.conflicts = remote_state.conflicts.iter().map(row).collect();
    }
}

fn count<'a>(names: impl Iterator<Item = &'a RefName>) -> Vec<ProjectCounts> {
    let mut counts: BTreeMap<&ProjectName, [u64; 3]> = BTreeMap::new();
    for name in names {
        let [runs, versions, tags] = counts.entry(name.project()).or_default();
        match name.kind() {
            RefKind::Project => {}
            RefKind::Run => *runs += 1,
            RefKind::Version => *versions += 1,
            RefKind::Tag => *tags += 1,
        }
    }
    let row = |(project, [runs, versions, tags]): (&ProjectName, [u64; 3])| ProjectCounts {
        project: project.clone(),
        runs,
        versions,
        tags,
    };
    counts.into_iter().map(row).collect()
}
