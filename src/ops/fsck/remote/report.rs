//! The outcome: verdict, defects, what suffers, what is left over, what to do next.

use std::collections::BTreeMap;

use serde::Serialize;

use super::content::Lost;
use super::defect::RemoteDefect;
use super::history::Scratch;
use super::index::RemoteIndex;
use super::{Depth, Found};
use crate::id::Id;
use crate::name::{Name, RefName};
use crate::remote::TrafficCount;
use crate::remote::log::Audit;

/// How much of a remote was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RemoteChecked {
    /// Entries of the log.
    pub entries: u64,
    /// Refs.
    pub refs: u64,
    /// Git packs, all read whole.
    pub meta: u64,
    /// Git objects in them.
    pub objects: u64,
    /// Index segments, all read whole.
    pub segments: u64,
    /// Places of contents that they name.
    pub index_entries: u64,
    /// Contents that the history names, all looked for in the index.
    pub contents: u64,
    /// Content packs.
    pub packs: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Those of which every byte was read.
    pub packs_read: u64,
    /// The bytes of these.
    pub pack_bytes_read: u64,
    /// Packs about which the index says what is not so, and of how many contents.
    #[serde(skip)]
    pub(super) contradicted: BTreeMap<Id, u64>,
    /// Chunks that are nowhere.
    #[serde(skip)]
    pub(super) missing_chunks: u64,
}

impl RemoteChecked {
    pub(super) fn count(
        &mut self,
        audit: &Audit,
        index: &RemoteIndex,
        scratch: &Scratch,
        lost: &Lost,
    ) {
        let fold = &audit.fold;
        self.entries = audit.entries;
        self.refs = fold.refs.len() as u64;
        self.meta = fold.meta.len() as u64;
        self.objects = scratch.objects;
        self.segments = fold.segments.len() as u64;
        self.index_entries = index.entries;
        self.contents = lost.needed;
        self.packs = fold.packs.len() as u64;
        self.pack_bytes = fold.packs.values().sum();
    }
}

/// What no entry of the log needs. It does no harm: an interrupted push leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RemoteLeftovers {
    /// Files that no entry names.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their keys, the first ones.
    pub keys: Vec<String>,
    /// Files that were retired and are still there.
    pub retired: u64,
    /// Their bytes.
    pub retired_bytes: u64,
}

/// What a check of a remote has found.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteFsckOutcome {
    /// The remote.
    pub remote: Name,
    /// Whether everything that was looked at is there and as it was.
    pub sound: bool,
    /// Whether every byte of every pack was read.
    pub full: bool,
    /// How many of a hundred packs were to be read.
    pub sample: Option<f64>,
    /// How much was looked at.
    pub checked: RemoteChecked,
    /// What is damaged, the first of it.
    pub defects: Vec<RemoteDefect>,
    /// How much is damaged in all.
    pub defect_count: u64,
    /// The refs that lead to what is missing or damaged, the first ones.
    pub affected: Vec<RefName>,
    /// How many these are in all.
    pub affected_count: u64,
    /// The numbers of entries of the log that the store let others replace: what these pushed is not
    /// there, unless it was pushed again.
    pub doubled: Vec<u64>,
    /// What nothing needs.
    pub leftovers: RemoteLeftovers,
    /// What to do next, in order.
    pub advice: Vec<String>,
    /// What it took.
    pub traffic: TrafficCount,
}

/// So many names are given.
const NAMED: usize = 200;

pub(super) fn outcome(found: &Found) -> RemoteFsckOutcome {
    let mut affected: Vec<RefName> = found.scratch.broken_refs.clone();
    affected.extend(found.lost.refs.iter().cloned());
    affected.sort_unstable();
    affected.dedup();
    let affected_count = affected.len() as u64;
    affected.truncate(NAMED);
    let mut doubled: Vec<u64> = found.audit.fold.doubled.iter().copied().collect();
    doubled.extend(found.audit.replaced.filter(|number| !doubled.contains(number)));
    let left = || found.files.leftovers.iter().chain(&found.audit.leftovers);
    RemoteFsckOutcome {
        remote: found.remote.name.clone(),
        sound: found.is_sound(),
        full: found.depth == Depth::Full,
        sample: match found.depth {
            Depth::Sample(percent) => Some(percent),
            _ => None,
        },
        checked: found.checked.clone(),
        defects: found.defects.kept.clone(),
        defect_count: found.defects.count,
        affected,
        affected_count,
        doubled,
        leftovers: RemoteLeftovers {
            files: left().count() as u64,
            bytes: left().map(|(_, size)| size).sum(),
            keys: left().take(NAMED).map(|(key, _)| key.clone()).collect(),
            retired: found.files.retired.0,
            retired_bytes: found.files.retired.1,
        },
        advice: advice(found),
        traffic: found.store.traffic(),
    }
}

fn advice(found: &Found) -> Vec<String> {
    if found.is_sound() {
        return Vec::new();
    }
    let name = &found.remote.name;
    let full = if found.depth == Depth::Structure { "" } else { " --full" };
    let mut advice =
        vec![format!("where a good copy is here, this mends it: art push --repair{full} {name}")];
    if found.depth != Depth::Full && !found.files.wrong(super::files::FileKind::Pack).is_empty() {
        advice.push(format!(
            "read every byte, to know all that is damaged: art fsck --remote {name} --full"
        ));
    }
    advice
}
