//! The report of a check: verdict, defects, affected refs and files, leftovers and advice.

use serde::Serialize;

use super::super::defect::Defects;
use super::super::losses::LostFile;
use super::defect::RemoteDefect;
use super::overtaken::OvertakenHistory;
use super::{Depth, RemoteCheck};
use crate::error::Result;
use crate::name::{Name, RefName};
use crate::progress::Progress;
use crate::remote::{FileKind, TrafficCount};

/// The numbers of checked objects of a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RemoteChecked {
    /// Log entries.
    pub entries: u64,
    /// Refs.
    pub refs: u64,
    /// Git packs, all read completely.
    pub meta: u64,
    /// Git objects in the Git packs.
    pub objects: u64,
    /// Index segments, all read completely.
    pub segments: u64,
    /// Locations of contents in the segments.
    pub index_entries: u64,
    /// Contents that the history names, all looked up in the index.
    pub contents: u64,
    /// Content packs.
    pub packs: u64,
    /// The bytes of the content packs.
    pub pack_bytes: u64,
    /// Content packs that were read completely.
    pub packs_read: u64,
    /// The bytes of the packs that were read completely.
    pub pack_bytes_read: u64,
}

impl RemoteChecked {
    fn of(found: &RemoteCheck) -> Self {
        let remote_state = &found.audit.remote_state;
        RemoteChecked {
            entries: found.audit.entries,
            refs: remote_state.refs.len() as u64,
            meta: remote_state.meta.len() as u64,
            objects: found.scratch.objects,
            segments: remote_state.segments.len() as u64,
            index_entries: found.index.entries,
            contents: found.lost.needed,
            packs: remote_state.packs.len() as u64,
            pack_bytes: remote_state.packs.values().sum(),
            packs_read: found.read.packs,
            pack_bytes_read: found.read.bytes,
        }
    }
}

/// Data that no log entry needs. It does no harm: interrupted pushes leave it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RemoteLeftovers {
    /// Files that no entry names.
    pub files: u64,
    /// The bytes of these files.
    pub bytes: u64,
    /// The first keys of these files.
    pub keys: Vec<String>,
    /// Retired files that still exist.
    pub retired: u64,
    /// The bytes of the retired files.
    pub retired_bytes: u64,
}

/// The result of a check of a remote.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteFsckOutcome {
    /// The remote.
    pub remote: Name,
    /// True if all checked data exists and is undamaged.
    pub sound: bool,
    /// True if every byte of every pack was read.
    pub full: bool,
    /// The percentage of packs to read.
    pub sample: Option<f64>,
    /// The numbers of checked objects.
    pub checked: RemoteChecked,
    /// The first defects.
    pub defects: Vec<RemoteDefect>,
    /// The number of all defects.
    pub defect_count: u64,
    /// The first refs that reach missing or damaged objects.
    pub affected: Vec<RefName>,
    /// The number of all such refs.
    pub affected_count: u64,
    /// The first files that cannot be restored.
    pub files: Vec<LostFile<RefName>>,
    /// The number of lost files. Each path with a content counts once per ref. At most a million paths are
    /// visited to count them.
    pub file_count: u64,
    /// The state of the replaced history. Its losses are not defects.
    pub overtaken: OvertakenHistory,
    /// The numbers of log entries that the store let others replace. Their pushes are lost, unless
    /// they were pushed again.
    pub doubled: Vec<u64>,
    /// The number of entries in the last cached log, if the log is a different one: the remote was
    /// emptied and filled again.
    pub made_anew: Option<u64>,
    /// True if the store could list its files. Otherwise leftovers are unknown.
    pub listed: bool,
    /// Data that nothing needs.
    pub leftovers: RemoteLeftovers,
    /// The recommended next steps, in order.
    pub advice: Vec<String>,
    /// The requests and bytes of this operation.
    pub traffic: TrafficCount,
}

/// The most names that are listed.
const NAMED: usize = 200;

pub(super) fn outcome(found: &RemoteCheck, progress: &dyn Progress) -> Result<RemoteFsckOutcome> {
    let affected = found.affected(progress)?;
    let defects = Defects::<RemoteDefect>::of(found);
    let mut doubled: Vec<u64> = found.audit.remote_state.doubled.iter().copied().collect();
    doubled.extend(found.audit.replaced.filter(|number| !doubled.contains(number)));
    Ok(RemoteFsckOutcome {
        remote: found.remote.name.clone(),
        sound: defects.count == 0,
        full: found.depth == Depth::Full,
        sample: match found.depth {
            Depth::Sample(percent) => Some(percent),
            _ => None,
        },
        checked: RemoteChecked::of(found),
        defects: defects.kept,
        defect_count: defects.count,
        affected_count: affected.refs.len() as u64,
        affected: affected.refs.into_iter().take(NAMED).collect(),
        file_count: affected.file_count,
        files: affected.files,
        overtaken: found.overtaken.outcome(&found.scratch)?,
        doubled,
        made_anew: found.audit.recreated,
        listed: found.audit.is_listed,
        leftovers: leftovers(found),
        advice: advice(found),
        traffic: found.store.traffic(),
    })
}

fn leftovers(found: &RemoteCheck) -> RemoteLeftovers {
    let left = || found.files.leftovers.iter().chain(&found.audit.leftovers);
    RemoteLeftovers {
        files: left().count() as u64,
        bytes: left().map(|(_, size)| size).sum(),
        keys: left().take(NAMED).map(|(key, _)| key.clone()).collect(),
        retired: found.files.retired.0,
        retired_bytes: found.files.retired.1,
    }
}

fn advice(found: &RemoteCheck) -> Vec<String> {
    let name = &found.remote.name;
    if found.is_sound() {
        let lost = found.overtaken.has_losses();
        return lost
            .then(|| {
                format!(
                    "repair the remote from a repository with the data: art push --repair {name}"
                )
            })
            .into_iter()
            .collect();
    }
    let full = if found.depth == Depth::Structure { "" } else { " --full" };
    let mut advice = vec![format!(
        "if this repository has a good copy, repair the remote: art push --repair{full} {name}"
    )];
    if found.depth != Depth::Full && !found.files.wrong(FileKind::Pack).is_empty() {
        advice.push(format!("read every byte to find all damage: art fsck --remote {name} --full"));
    }
    advice
}
