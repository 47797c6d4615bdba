//! `art remote show`: what a remote has, as it says itself now.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::log::{Amount, RemoteEntry, newest};
use crate::error::Result;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::ops::sync::Connection;
use crate::progress::{Progress, Unit};
use crate::remote::log::Fold;
use crate::remote::{Guarantee, Protocol, TrafficCount};
use crate::repo::Repository;

/// How many of the last pushes are shown.
const PUSHES: usize = 5;

/// All that is known of a remote.
#[derive(Debug, Serialize)]
pub struct RemoteDetails {
    /// What it is called.
    pub name: Name,
    /// Its URI.
    pub uri: String,
    /// Whether it is the one that is meant where none is named.
    pub default: bool,
    /// What its store was found to guarantee; `None` if that was not tried out.
    pub guarantee: Option<Guarantee>,
    /// What that means for who pushes.
    pub meaning: Option<String>,
    /// How writers take turns; `None` if nothing was pushed yet.
    pub log: Option<Protocol>,
    /// How many entries its log has.
    pub entries: u64,
    /// What its refs name, by project.
    pub projects: Vec<ProjectCounts>,
    /// Its content packs.
    pub packs: Amount,
    /// Its Git packs.
    pub meta: Amount,
    /// Its index segments.
    pub segments: Amount,
    /// The files that nobody may rely on any more, still there.
    pub retired: Amount,
    /// The refs that were moved apart and not settled.
    pub conflicts: Vec<ConflictRow>,
    /// The last pushes, the newest first.
    pub pushes: Vec<RemoteEntry>,
    /// What was asked of it.
    pub traffic: TrafficCount,
}

/// What a project has on a remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProjectCounts {
    /// `OWNER/PROJECT`.
    pub project: ProjectName,
    /// How many runs.
    pub runs: u64,
    /// How many versions.
    pub versions: u64,
    /// How many tags.
    pub tags: u64,
}

/// A ref that several pushes moved apart.
#[derive(Debug, Clone, Serialize)]
pub struct ConflictRow {
    /// Its full name.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// Where it is; `None` if it was deleted.
    pub commit: Option<Id>,
    /// Where else it was moved to.
    pub sides: Vec<Side>,
}

/// A move that lost.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    /// Where it led; `None` for a deletion.
    pub commit: Option<Id>,
    /// The number of its entry.
    pub number: u64,
    /// The write id of its entry.
    pub write: Uuid,
}

/// Asks the remote called `name`, or the one that is meant without a name, what it has.
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
        // Who can only read the repository is still told; the next time it takes as long.
        let _ = connection.save();
        guarantee = connection.remote.guarantee;
        details.take(connection.state.fold());
        let names = newest(&connection, Some(PUSHES))?;
        for (_, entry) in connection.log.entries(&connection.state, &names)? {
            details.pushes.push(RemoteEntry::new(&entry, connection.state.fold()));
        }
        details.traffic = connection.traffic();
    }
    progress.end();
    details.guarantee = guarantee;
    details.meaning = guarantee.map(|guarantee| guarantee.meaning().to_owned());
    Ok(details)
}

impl RemoteDetails {
    fn take(&mut self, fold: &Fold) {
        self.log = Some(fold.protocol);
        self.entries = fold.entries;
        self.projects = count(fold.refs.keys());
        self.packs = Amount::of(fold.packs.values());
        self.meta = Amount::of(fold.meta.values());
        self.segments = Amount::of(fold.segments.values());
        self.retired = Amount::of(fold.retired.values().map(|retired| &retired.size));
        let row = |(name, sides): (&RefName, &Vec<crate::remote::log::Conflict>)| ConflictRow {
            name: name.clone(),
            commit: fold.refs.get(name).copied(),
            sides: sides
                .iter()
                .map(|side| Side { commit: side.commit, number: side.number, write: side.write })
                .collect(),
        };
        self.conflicts = fold.conflicts.iter().map(row).collect();
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
